"""The white list: a need on it is recommended, and its case opened."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api.desk.identity import Actor, Scope
from api.desk.listing import list_need
from api.keyed import keyed
from api.messages import EXAMPLE_LISTING, EXAMPLE_LISTING_BY_ID, ListingAnswer, ListingRequest
from api.openapi import body, problems, repeated
from api.requests import answer, body_reader
from api.service import ServiceGiven

router = APIRouter(prefix="/v1/needs", tags=["desk"])
EXAMPLES = {"a need that the service knows": EXAMPLE_LISTING_BY_ID, "a need by value": EXAMPLE_LISTING}


@router.post(
    "",
    status_code=201,
    response_model=ListingAnswer,
    responses=repeated(ListingAnswer) | problems(401, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=body(ListingRequest, EXAMPLES),
)
def post_need(
    actor: Annotated[Actor, Depends(keyed(Scope.RECOMMEND))],
    request: Annotated[ListingRequest, Depends(body_reader(ListingRequest))],
    service: ServiceGiven,
) -> Response:
    """White-list a need: it is recommended, and the best product's institution gets the case.

    The same `need_id` again changes nothing and answers what there is, with status 200.
    """
    listed = list_need(service, actor, request)
    made = ListingAnswer(**vars(listed))
    return answer(made, 201 if listed.new else 200)

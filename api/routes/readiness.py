"""Readiness: where an enterprise stands on the ladder of tiers and boards."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api.desk.identity import Scope
from api.enquiring import assess
from api.keyed import openly
from api.messages import EXAMPLE_READINESS, ReadinessRequest
from api.openapi import body, problems
from api.requests import answer, body_reader
from api.service import ServiceGiven
from matching.readiness import Standing

router = APIRouter(prefix="/v1/readiness", tags=["enterprises"], dependencies=[Depends(openly(Scope.RECOMMEND))])
EXAMPLES = {"an enterprise by value": EXAMPLE_READINESS, "an enterprise by id": {"enterprise_id": "E00001"}}


@router.post(
    "",
    response_model=Standing,
    responses=problems(401, 403, 404, 413, 415, 422, 503),
    openapi_extra=body(ReadinessRequest, EXAMPLES),
)
def post_readiness(
    request: Annotated[ReadinessRequest, Depends(body_reader(ReadinessRequest))], service: ServiceGiven
) -> Response:
    """What each tier and board asks by the rules of a day, what is met and lacking, and the next step."""
    return answer(assess(service, request))

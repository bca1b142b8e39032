"""Outcomes as platforms report them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response

from api.desk.identity import Actor, Scope
from api.desk.outcomes import report
from api.keyed import keyed
from api.messages import EXAMPLE_OUTCOME, OutcomeAnswer, OutcomeRequest
from api.openapi import body, problems, repeated
from api.requests import answer, body_reader
from api.service import ServiceGiven

router = APIRouter(prefix="/v1/outcomes", tags=["desk"])
Key = Annotated[
    str | None, Header(min_length=1, max_length=120, description="As `key` in the body", examples=["grant-2026-000123"])
]


@router.post(
    "",
    status_code=201,
    response_model=OutcomeAnswer,
    responses=repeated(OutcomeAnswer) | problems(401, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=body(OutcomeRequest, {"a grant": EXAMPLE_OUTCOME}),
)
def post_outcome(
    actor: Annotated[Actor, Depends(keyed(Scope.OUTCOMES))],
    request: Annotated[OutcomeRequest, Depends(body_reader(OutcomeRequest))],
    service: ServiceGiven,
    idempotency_key: Key = None,
) -> Response:
    """Report what came of a match; the same key again changes nothing and answers the same, with status 200.

    Where the match has a case at an institution's desk, the stage is a step there: an illegal one is refused, and one
    that the case has come to before is kept beside it.

    A stage has one amount, and a later report of it replaces the earlier one: of a grant drawn in parts, report each
    time all that is drawn by then. Nothing adds reports up.
    """
    made = report(service, actor, request, idempotency_key)
    return answer(made, 200 if made.repeated else 201)

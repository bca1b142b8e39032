"""Recommendations: ask for one, read one again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.desk.identity import Actor, Scope
from api.keyed import LaterAsker, openly, openly_later
from api.messages import EXAMPLE, EXAMPLE_BY_ID, Recommendation, RecommendationRequest, Record
from api.openapi import body, problems
from api.recommending import recall, recommend_in_turn
from api.replaying import replay as replayed
from api.requests import answer, body_reader, json_answer
from api.service import ServiceGiven
from matching.domain import Id
from matching.errors import InputError, NotFoundError

router = APIRouter(prefix="/v1/recommendations", tags=["recommendations"])
EXAMPLES = {"an enterprise by value": EXAMPLE, "an enterprise by id": EXAMPLE_BY_ID}
Asker = Annotated[LaterAsker, Depends(openly_later(Scope.RECOMMEND))]
_read = body_reader(RecommendationRequest)


async def asked(request: Request, asker: Asker) -> RecommendationRequest:
    """The body. Who may not ask is told that, and not what is wrong with what was sent."""
    try:
        return await _read(request)
    except (InputError, HTTPException):
        await run_in_threadpool(asker)
        raise


@router.post(
    "",
    status_code=201,
    response_model=Recommendation,
    responses=problems(401, 403, 404, 413, 415, 422, 503),
    openapi_extra=body(RecommendationRequest, EXAMPLES),
)
async def post_recommendation(
    request: Annotated[RecommendationRequest, Depends(asked)],
    service: ServiceGiven,
    asker: Asker,
) -> Response:
    """Rank the catalogue for a need. The answer is recorded before it leaves; `Location` names the record."""
    made = await recommend_in_turn(service, request, asker)
    return json_answer(made.content, 201, {"Location": f"{router.prefix}/{made.answer.id}"})


@router.get("/{recommendation_id}", response_model=Record, responses=problems(401, 403, 404, 422, 503))
def get_recommendation(
    recommendation_id: Annotated[Id, Path(description="The `id` of an answer of `POST /v1/recommendations`")],
    service: ServiceGiven,
    actor: Annotated[Actor, Depends(openly(Scope.READ))],
    features: Annotated[bool, Query(description="What the ranker saw of every candidate too")] = False,
    replay: Annotated[bool, Query(description="The answer computed again too: equal, or where not")] = False,
) -> Response:
    """The record of an answer; with `features=true` what the ranker saw, with `replay=true` the same computed again."""
    if actor.institution_id is not None:  # it ranks other institutions' products
        raise NotFoundError("recommendation", recommendation_id)
    record = recall(service, recommendation_id, features)
    found = replayed(service, recommendation_id) if replay else None
    return answer(record.model_copy(update={"replay": found}))

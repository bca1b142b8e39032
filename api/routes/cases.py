"""Cases: the queue, one of them, and a step in it, for who is bound to an institution and for who sees all."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Response

from api.desk.cases import decide, key_sent
from api.desk.identity import Actor, Scope
from api.desk.queue import Filters, Show, Sort, page
from api.desk.reading import case
from api.desk.stages import CaseStage, Step
from api.desk.views import CaseView, Decided, QueuePage
from api.keyed import keyed
from api.messages import EXAMPLE_STEP, STEPS, StepRequest
from api.openapi import body, problems, repeated
from api.requests import answer_of, body_reader
from api.service import ServiceGiven
from matching.domain import Id
from matching.errors import Fault, InputError

router = APIRouter(prefix="/v1/cases", tags=["desk"])
CaseId = Annotated[Id, Path(description="As the queue, `GET /v1/cases`, lists it")]
Reader = Annotated[Actor, Depends(keyed(Scope.READ))]
Key = Annotated[
    str | None, Header(min_length=1, max_length=120, description="As `key` in the body", examples=["step-2026-000123"])
]


@router.get("", response_model=QueuePage, responses=problems(401, 403, 422, 503))
def get_cases(
    service: ServiceGiven,
    actor: Reader,
    show: Annotated[Show, Query(description="Which part of the queue")] = Show.OPEN,
    sort: Annotated[Sort, Query(description="In what order; ended cases are always by `changed`")] = Sort.DUE,
    stage: Annotated[CaseStage | None, Query(description="Only cases of this stage", examples=["accepted"])] = None,
    search: Annotated[
        str,
        Query(
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="Found anywhere in the enterprise's id or name or the need's id",
            examples=["E00001"],
        ),
    ] = "",
    size: Annotated[int, Query(ge=1, le=200, description="How many on a page")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=400, description="A page's `after` or `before`; the first page when missing")
    ] = None,
) -> Response:
    """A page of the queue: due ones first, so that the overdue lead."""
    wanted = Filters(show=show, stage=stage, search=search)
    with service.store.reading() as session:
        return answer_of(QueuePage, page(session, actor, service.now(), wanted, sort, size, cursor))


@router.get("/{case_id}", response_model=CaseView, responses=problems(401, 403, 404, 422, 503))
def get_case(case_id: CaseId, service: ServiceGiven, actor: Reader) -> Response:
    """A case with its enterprise, need, match and history."""
    return answer_of(CaseView, case(service, actor, case_id))


@router.post(
    "/{case_id}/steps",
    status_code=201,
    response_model=Decided,
    responses=repeated(Decided) | problems(401, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=body(StepRequest, {"decline": EXAMPLE_STEP}),
)
def post_step(
    case_id: CaseId,
    actor: Annotated[Actor, Depends(keyed(Scope.OUTCOMES))],
    request: Annotated[StepRequest, Depends(body_reader(StepRequest))],
    service: ServiceGiven,
    idempotency_key: Key = None,
) -> Response:
    """Take a step; an illegal one is refused with those that are legal, a repeated key changes nothing (status 200)."""
    given = request.model_dump(exclude={"step", "version", "key"})
    key = key_sent(idempotency_key, request.key)
    done = decide(service, actor, case_id, _step(request.step), request.version, **given, key=key)
    return answer_of(Decided, done, 200 if done.repeated else 201)


def _step(text: str) -> Step:
    if text not in STEPS:
        raise InputError("request", [Fault("step", f"is one of {', '.join(STEPS)}, not {text!r}")])
    return Step(text)

"""Coordination: listed needs that nobody is left for, and a step with one of them, for the commission's platform."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Response

from api.desk.cases import key_sent
from api.desk.coordinating import coordinate
from api.desk.coordination import LONGEST_OFFICE
from api.desk.cursors import LONGEST
from api.desk.identity import Actor, Scope
from api.desk.unplaced import Unplaced, Wanted, need, page
from api.desk.unplaced_views import Coordinated, UnplacedPage, UnplacedView
from api.dispatching import EXAMPLE_DISPATCH, CoordinationRequest
from api.keyed import keyed
from api.openapi import body, problems, repeated
from api.requests import answer_of, body_reader
from api.service import ServiceGiven
from matching.domain import Id

router = APIRouter(prefix="/v1/coordination", tags=["desk"])
NeedId = Annotated[Id, Path(description="As `GET /v1/coordination` lists it")]
WHOLE: Final = r"^[^\x00]*$"  # a text that a store can look for
Reader = Annotated[Actor, Depends(keyed(Scope.READ))]
Key = Annotated[
    str | None, Header(min_length=1, max_length=120, description="As `key` in the body", examples=["dispatch-2026-17"])
]


@router.get("", response_model=UnplacedPage, responses=problems(401, 403, 422, 503))
def get_needs(
    service: ServiceGiven,
    actor: Reader,
    show: Annotated[
        Unplaced, Query(description="Open ones or the overdue of these, oldest first, or settled ones, latest first")
    ] = Unplaced.OPEN,
    search: Annotated[
        str,
        Query(
            max_length=100,
            pattern=WHOLE,
            description="Found anywhere in the enterprise's id or name or the need's id",
            examples=["E00001"],
        ),
    ] = "",
    region: Annotated[
        str, Query(max_length=200, pattern=WHOLE, description="Of the enterprise: a path, whole or its beginning")
    ] = "",
    office: Annotated[
        str, Query(max_length=LONGEST_OFFICE, pattern=WHOLE, description="Whom they were last dispatched to, by name")
    ] = "",
    size: Annotated[int, Query(ge=1, le=200, description="How many on a page")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=LONGEST, description="A page's `after`; the first page when missing")
    ] = None,
) -> Response:
    """Listed needs that no institution is left for, or that no product suited: what is to be coordinated."""
    wanted = Wanted(show, search, region or None, office or None)
    with service.store.reading() as session:
        return answer_of(UnplacedPage, page(session, actor, service.today(), wanted, size, cursor))


@router.get("/{need_id}", response_model=UnplacedView, responses=problems(401, 403, 404, 422, 503))
def get_need(need_id: NeedId, service: ServiceGiven, actor: Reader) -> Response:
    """Such a need: who had it and why not, what would make products eligible, and what was done about it."""
    return answer_of(UnplacedView, need(service, actor, need_id))


@router.post(
    "/{need_id}/steps",
    status_code=201,
    response_model=Coordinated,
    responses=repeated(Coordinated) | problems(401, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=body(CoordinationRequest, {"dispatch": EXAMPLE_DISPATCH}),
)
def post_step(
    need_id: NeedId,
    actor: Annotated[Actor, Depends(keyed(Scope.OUTCOMES))],
    request: Annotated[CoordinationRequest, Depends(body_reader(CoordinationRequest))],
    service: ServiceGiven,
    idempotency_key: Key = None,
) -> Response:
    """Dispatch the need to a department or district, or settle it; a repeated key changes nothing (status 200)."""
    given = request.model_dump(exclude={"step", "version", "key"})
    key = key_sent(idempotency_key, request.key)
    done = coordinate(service, actor, need_id, request.step, request.version, **given, key=key)
    return answer_of(Coordinated, done, 200 if done.repeated else 201)

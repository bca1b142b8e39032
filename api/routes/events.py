"""Events: what happened to all cases, for a platform that follows them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from api.desk.feed import feed
from api.desk.identity import Actor, Scope
from api.desk.views import EventPage
from api.keyed import keyed
from api.openapi import problems
from api.requests import answer_of
from api.service import ServiceGiven

router = APIRouter(prefix="/v1/events", tags=["desk"])


@router.get("", response_model=EventPage, responses=problems(401, 403, 422, 503))
def get_events(
    service: ServiceGiven,
    actor: Annotated[Actor, Depends(keyed(Scope.READ))],
    size: Annotated[int, Query(ge=1, le=200, description="How many on a page")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=400, description="An answer's `after`; from the first step on when missing")
    ] = None,
) -> Response:
    """The steps of all cases, oldest first: keep `after`, and ask with it again for what has happened since.

    Each is told once, whichever officer, platform or clock took it, and none is missed, however many are taken at once.
    """
    with service.store.reading() as session:
        return answer_of(EventPage, feed(session, actor, size, cursor))

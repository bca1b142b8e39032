"""From case to case: a case's address says which queue it was opened from, and where in it the case stood."""

from typing import Any

from api.desk import queue
from api.desk.views import CaseItem
from api.pages.queueing import address, filters_of, kept_of, sort_of
from api.pages.visits import Visit


def around(visit: Visit, item: CaseItem) -> dict[str, Any]:
    """The way back to the queue, the case that comes next in it, and where this one's forms are sent.

    The place is that before any step: a step moves the case elsewhere, and the next one is still the next.
    """
    asked = visit.request.query_params
    filters, sort, kept = filters_of(asked), sort_of(asked), kept_of(asked)
    cursor = asked.get("cursor") or queue.cursor_at(item, filters, sort)
    with visit.service.store.reading() as session:
        found = queue.following(session, visit.actor, visit.service.now(), filters, sort, item.case_id, cursor)
    page = asked.get("page", "")
    return {
        "back": address("/desk", kept, cursor=page),
        "next": found,
        "next_href": found and address(f"/desk/cases/{found.case_id}", kept, page=page),
        "action": address(f"/desk/cases/{item.case_id}", kept, page=page, cursor=cursor or ""),
    }


def here(visit: Visit, case_id: str, **more: str) -> str:
    """This case's address in the same queue."""
    asked = visit.request.query_params
    places = {name: asked.get(name, "") for name in ("page", "cursor")}
    return address(f"/desk/cases/{case_id}", kept_of(asked), **places, **more)

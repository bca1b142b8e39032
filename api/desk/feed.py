"""The feed: the steps of all cases that an actor may see, in the order of their numbers, for who follows them.

Numbers become visible in their order: who has read up to one has missed none below it. SQLite has one writer at a
time; on PostgreSQL a trigger lets one transaction after the other add events (migration 0006).
"""

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from api.desk.cursors import EVENTS, Place, pack, unpack
from api.desk.identity import Actor
from api.desk.reading import event_shown
from api.desk.sight import visible
from api.desk.views import CaseEvent, EventPage
from api.store.desk_models import CaseRow, EventRow


def feed(session: Session, actor: Actor, size: int, cursor: str | None = None) -> EventPage:
    """The steps after a cursor's, or from the first on. Raises `InputError` for a cursor that is none."""
    beyond = [EventRow.event_id > unpack(cursor, EVENTS).value] if cursor else []
    query = select(EventRow, CaseRow.need_id, CaseRow.enterprise_id).join(CaseRow, CaseRow.case_id == EventRow.case_id)
    query = query.where(*visible(actor, EventRow.institution_id), *beyond)
    rows = session.execute(query.order_by(EventRow.event_id).limit(size + 1)).all()
    more, rows = len(rows) > size, rows[:size]
    return EventPage(tuple(map(_event, rows)), _cursor(rows[-1].EventRow) if rows else cursor, more)


def _cursor(row: EventRow) -> str:
    return pack(Place(False, row.event_id, row.case_id), EVENTS)


def _event(row: Row[EventRow, str, str]) -> CaseEvent:
    event: EventRow = row.EventRow
    return CaseEvent(
        **vars(event_shown(event)),
        case_id=event.case_id,
        need_id=row.need_id,
        enterprise_id=row.enterprise_id,
        institution_id=event.institution_id,
    )

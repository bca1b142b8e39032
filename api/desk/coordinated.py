"""A month of coordination in figures: needs that nobody was left for, dispatches, and how needs were settled."""

from datetime import date, datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from api.desk.coordination import CoordinationStep, Settlement
from api.desk.month import span
from api.desk.views import CoordinationMonth
from api.store.desk_models import CoordinationRow, ListingRow


def coordinated(session: Session, first: date, now: datetime) -> CoordinationMonth:
    """The month from `first` on; what is open and overdue is so now."""
    start, end = span(first)
    settled = [ListingRow.settled_at >= start, ListingRow.settled_at < end]
    results = select(ListingRow.result, func.count()).where(*settled).group_by(ListingRow.result)
    counts = {row[0]: row[1] for row in session.execute(results)}
    dispatched = select(func.count()).select_from(CoordinationRow)
    dispatched = dispatched.where(CoordinationRow.step == CoordinationStep.DISPATCH.value)
    waiting = [ListingRow.exhausted_at.isnot(None), ListingRow.settled_at.is_(None)]
    return CoordinationMonth(
        came=_count(session, ListingRow.exhausted_at >= start, ListingRow.exhausted_at < end),
        dispatched=session.scalar(dispatched.where(CoordinationRow.at >= start, CoordinationRow.at < end)) or 0,
        settled={one: counts[one.value] for one in Settlement if one.value in counts},
        open=_count(session, *waiting),
        overdue=_count(session, *waiting, ListingRow.until < now.astimezone().date()),
    )


def _count(session: Session, *wanted: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(ListingRow).where(*wanted)) or 0

"""How much of the industry the white list reaches: of the active enterprises, those with a listed need and a grant."""

from datetime import date
from typing import Final

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.desk.month import span
from api.desk.stages import Step
from api.desk.views import Coverage
from api.store.desk_models import CaseRow, EventRow, ListingRow
from api.store.models import EnterpriseRow

YEAR: Final = 12  # months in which a need was listed, or a grant made
ACTIVE: Final = 24  # months after which an enterprise without newer figures counts as active no more


def coverage(session: Session, first: date) -> Coverage:
    """As it stood when the month from `first` on was over, or stands now, of all institutions.

    An enterprise is active where the store has figures of it from the `ACTIVE` months until then.
    """
    since, until = span(_back(first, YEAR))[0], span(first)[1]
    active = EnterpriseRow.as_of >= _back(first, ACTIVE), EnterpriseRow.as_of < _back(first, 0)
    listed = select(_enterprises(ListingRow.enterprise_id)).where(
        ListingRow.listed_at >= since, ListingRow.listed_at < until, _of(ListingRow.enterprise_id, *active)
    )
    granted = select(_enterprises(CaseRow.enterprise_id)).join(EventRow, EventRow.case_id == CaseRow.case_id)
    granted = granted.where(EventRow.at >= since, EventRow.at < until, EventRow.step == Step.GRANT.value)
    return Coverage(
        enterprises=session.scalar(select(_enterprises(EnterpriseRow.enterprise_id)).where(*active)) or 0,
        listed=session.scalar(listed) or 0,
        granted=session.scalar(granted.where(_of(CaseRow.enterprise_id, *active))) or 0,
    )


def _enterprises(column: InstrumentedAttribute[str]) -> ColumnElement[int]:
    """How many there are, each once."""
    return func.count(column.distinct())


def _of(column: InstrumentedAttribute[str], *active: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether an enterprise is one of the active."""
    return exists().where(EnterpriseRow.enterprise_id == column, *active)


def _back(first: date, months: int) -> date:
    """The first day of the month so many months before the one that follows `first`."""
    count = first.year * 12 + first.month - months
    return date(count // 12, count % 12 + 1, 1)

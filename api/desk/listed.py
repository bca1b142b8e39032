"""A month of the white list in figures: needs that were listed, and how many of them had been screened."""

from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.desk.month import span
from api.desk.views import ListingMonth
from api.store.desk_models import ListingRow


def listings(session: Session, first: date) -> ListingMonth:
    """The month from `first` on, of all institutions: a need is listed before one has it."""
    start, end = span(first)
    rows = select(func.count()).select_from(ListingRow).where(ListingRow.listed_at >= start, ListingRow.listed_at < end)
    screened = rows.where(ListingRow.screen.is_not(None))
    return ListingMonth(session.scalar(rows) or 0, session.scalar(screened) or 0)

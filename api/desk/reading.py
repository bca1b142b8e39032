"""One case as a whole, and a month in figures; both narrowed by institution in the query."""

from datetime import date, datetime

from sqlalchemy.orm import Session

from api.desk.identity import Actor
from api.desk.views import CaseView, MonthView
from api.service import Service


def case(service: Service, actor: Actor, case_id: str) -> CaseView:
    """A case with all that its page shows. Raises `NotFoundError`, for another institution's case too."""
    raise NotImplementedError


def month(
    service: Service, session: Session, actor: Actor, first: date, now: datetime, institution_id: str | None = None
) -> MonthView:
    """The month that begins on `first`, of the actor's institution; who sees all may name one."""
    raise NotImplementedError


def institutions(session: Session, actor: Actor) -> dict[str, tuple[str, str]]:
    """The names (zh, en) by id of those institutions whose cases the actor may see."""
    raise NotImplementedError

"""All institutions side by side, for who may see them all: what waits at each, and what each did in a month."""

from collections import Counter
from datetime import date, datetime
from typing import Final

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from api.desk.coordinated import coordinated
from api.desk.coverage import coverage
from api.desk.identity import Actor, plain
from api.desk.listed import listings
from api.desk.month import by_stage, month, span
from api.desk.reading import institutions
from api.desk.sight import sees_all, visible
from api.desk.stages import CaseStage, Step
from api.desk.views import InstitutionMonth, MonthFigures
from api.settings import Settings
from api.store.desk_models import CaseRow, EventRow
from matching.errors import NotFoundError

_NO_ANSWER: Final = (Step.OPEN.value, Step.SUGGEST.value, Step.WITHDRAW.value)
Waiting = dict[str, tuple[int, int]]
Counts = dict[str, Counter[CaseStage]]


def overview(session: Session, actor: Actor, first: date, now: datetime) -> list[InstitutionMonth]:
    """Those institutions where something waits or happened in the month from `first` on, the most overdue first.

    Withdrawals and changes of the product are no answers to a clock.
    """
    waiting = _waiting(session, actor, plain(now))
    reached, answers, in_time = _month(session, actor, first)
    lines = [
        InstitutionMonth(one, *waiting.get(one, (0, 0)), by_stage(reached.get(one, {})), answers[one], in_time[one])
        for one in waiting.keys() | reached.keys()
    ]
    return sorted(lines, key=lambda line: (-line.overdue, -line.open, line.institution_id))


def figures(
    session: Session, actor: Actor, settings: Settings, first: date, now: datetime, institution_id: str | None = None
) -> MonthFigures:
    """As `month`, with each institution's line. Raises `NotFoundError` for one that the actor may not see."""
    if institution_id is not None and institution_id not in institutions(session, actor):
        raise NotFoundError("institution", institution_id)
    whole = month(session, actor, settings, first, now, institution_id)
    lines = overview(session, actor, first, now)
    wanted = [line for line in lines if institution_id in (None, line.institution_id)]
    of_all = institution_id is None and sees_all(actor)
    return MonthFigures(
        **vars(whole),
        institutions=tuple(wanted),
        listings=listings(session, first) if of_all else None,
        coordination=coordinated(session, first, now) if of_all else None,
        coverage=coverage(session, first) if of_all else None,
    )


def waiting_in_all(session: Session, now: datetime) -> tuple[int, int]:
    """How many cases wait anywhere, and how many of them are overdue; from an index alone."""
    waiting = select(func.count()).select_from(CaseRow).where(CaseRow.due_at.isnot(None))
    overdue = waiting.where(CaseRow.due_at < plain(now))
    return session.scalars(waiting).one(), session.scalars(overdue).one()


def _waiting(session: Session, actor: Actor, now: datetime) -> Waiting:
    overdue = func.sum(case((CaseRow.due_at < now, 1), else_=0))
    query = select(CaseRow.institution_id, func.count(), overdue).where(CaseRow.due_at.isnot(None))
    rows = session.execute(query.where(*visible(actor, CaseRow.institution_id)).group_by(CaseRow.institution_id))
    return {institution_id: (count, int(late)) for institution_id, count, late in rows}


def _month(session: Session, actor: Actor, first: date) -> tuple[Counts, Counter[str], Counter[str]]:
    """By institution: steps into each stage, answers, and answers in time."""
    start, end = span(first)
    columns = (EventRow.institution_id, EventRow.step, EventRow.to_stage, EventRow.late)
    wanted = (*visible(actor, EventRow.institution_id), EventRow.at >= start, EventRow.at < end)
    reached: Counts = {}
    answers: Counter[str] = Counter()
    in_time: Counter[str] = Counter()
    for one, step, stage, late, count in session.execute(
        select(*columns, func.count()).where(*wanted).group_by(*columns)
    ):
        if step != Step.SUGGEST.value:
            reached.setdefault(one, Counter())[CaseStage(stage)] += count
        if step not in _NO_ANSWER:
            answers[one] += count
            in_time[one] += 0 if late else count
    return reached, answers, in_time

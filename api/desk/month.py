"""A month in figures: how far cases came, how fast against the clocks, and why they were declined; narrowed in SQL."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from api.desk.grants import decided, granted_amount, grants, products
from api.desk.identity import Actor, plain
from api.desk.reasons import StepReason, label
from api.desk.sight import visible
from api.desk.stages import CLOCKS, CaseStage, Step
from api.desk.views import Clock, MonthView
from api.settings import Settings
from api.store.desk_models import CaseRow, EventRow

HOUR: Final = 3600
_ANSWERS: Final = (Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT, Step.DRAW, Step.DECLINE, Step.EXPIRE)


def month(
    session: Session, actor: Actor, settings: Settings, first: date, now: datetime, institution_id: str | None = None
) -> MonthView:
    """The month that begins on `first`, of the actor's institution; who sees all may name one.

    Withdrawals are no answer of the institution's and count in no clock.
    """
    start, end = span(first)
    named = [EventRow.institution_id == institution_id] if institution_id else []
    wanted = [*visible(actor, EventRow.institution_id), *named, EventRow.at >= start, EventRow.at < end]
    reached = _reached(session, wanted)
    steps = decided(session, wanted)
    open_cases, overdue = _waiting(session, actor, institution_id, plain(now))
    return MonthView(
        month=first.replace(day=1),
        institution_id=institution_id or actor.institution_id,
        reached=by_stage(reached),
        clocks=_clocks(session, wanted, settings),
        declines=_reasons(session, wanted, Step.DECLINE),
        overrides=_reasons(session, wanted, Step.SUGGEST),
        open=open_cases,
        overdue=overdue,
        granted_amount=granted_amount(steps),
        grants=grants(steps, products(session, steps)),
    )


def by_stage(counts: Mapping[CaseStage, int]) -> dict[CaseStage, int]:
    """The counts of all stages in their order, 0 where there are none."""
    return {stage: counts.get(stage, 0) for stage in CaseStage}


def span(first: date) -> tuple[datetime, datetime]:
    """When a month begins and ends where the service stands, as the store keeps times."""
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    start, end = (datetime.combine(day, time()).astimezone() for day in (first.replace(day=1), following))
    return plain(start), plain(end)


def _reached(session: Session, wanted: list[ColumnElement[bool]]) -> dict[CaseStage, int]:
    query = select(EventRow.to_stage, func.count()).where(*wanted, EventRow.step != Step.SUGGEST.value)
    return {CaseStage(stage): count for stage, count in session.execute(query.group_by(EventRow.to_stage))}


def _clocks(session: Session, wanted: list[ColumnElement[bool]], settings: Settings) -> tuple[Clock, ...]:
    answers = [*wanted, EventRow.step.in_([step.value for step in _ANSWERS])]
    query = select(EventRow.from_stage, EventRow.late, func.count()).where(*answers)
    found: dict[str | None, Counter[bool]] = {}
    for stage, late, count in session.execute(query.group_by(EventRow.from_stage, EventRow.late)):
        found.setdefault(stage, Counter())[late] += count
    medians = _medians(session, answers)
    return tuple(
        Clock(stage, getattr(settings, days), steps.total(), medians.get(stage), steps[False])
        for stage, days in CLOCKS.items()
        for steps in (found.get(stage.value, Counter()),)
    )


def _medians(session: Session, answers: list[ColumnElement[bool]]) -> dict[str, float]:
    """By stage, the median hours that cases stayed in it: of an even number the mean of the two in the middle."""
    stage = EventRow.from_stage
    place = func.row_number().over(partition_by=stage, order_by=EventRow.took)
    steps = func.count().over(partition_by=stage)
    rows = select(stage, EventRow.took, (2 * place - steps).label("past")).where(*answers).subquery()
    middle = select(rows.c.from_stage, func.avg(rows.c.took)).where(rows.c.past.between(0, 2))
    return {stage: float(took) / HOUR for stage, took in session.execute(middle.group_by(rows.c.from_stage))}


def _reasons(session: Session, wanted: list[ColumnElement[bool]], step: Step) -> dict[StepReason, int]:
    """Commonest first; a step with several reasons counts for each."""
    query = select(EventRow.reason_codes).where(*wanted, EventRow.step == step.value)
    counted = Counter(code for codes in session.scalars(query) for code in codes)
    return {label(code): count for code, count in sorted(counted.items(), key=lambda item: (-item[1], item[0]))}


def _waiting(session: Session, actor: Actor, institution_id: str | None, now: datetime) -> tuple[int, int]:
    named = [CaseRow.institution_id == institution_id] if institution_id else []
    waiting = [*visible(actor, CaseRow.institution_id), *named, CaseRow.due_at.isnot(None)]
    counts = (
        session.scalar(select(func.count()).select_from(CaseRow).where(*waiting, *more)) or 0
        for more in ([], [CaseRow.due_at < now])
    )
    total, overdue = counts
    return total, overdue

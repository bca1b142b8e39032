"""A month in figures: how far cases came, how fast against the clocks, and why they were declined; narrowed in SQL."""

from collections import Counter
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from api.desk.identity import Actor, plain
from api.desk.reasons import label
from api.desk.sight import visible
from api.desk.stages import CLOCKS, CaseStage, Step
from api.desk.views import Clock, MonthView
from api.settings import Settings
from api.store.desk_models import CaseRow, EventRow
from matching.codes import Coded

HOUR: Final = 3600
_ANSWERS: Final = (Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT, Step.DRAW, Step.DECLINE, Step.EXPIRE)


def month(
    session: Session, actor: Actor, settings: Settings, first: date, now: datetime, institution_id: str | None = None
) -> MonthView:
    """The month that begins on `first`, of the actor's institution; who sees all may name one.

    A month is counted in UTC. Withdrawals are no answer of the institution's and count in no clock.
    """
    start = datetime(first.year, first.month, 1)
    end = datetime(first.year + first.month // 12, first.month % 12 + 1, 1)
    named = [EventRow.institution_id == institution_id] if institution_id else []
    wanted = [*visible(actor, EventRow.institution_id), *named, EventRow.at >= start, EventRow.at < end]
    reached = _reached(session, wanted)
    open_cases, overdue = _waiting(session, actor, institution_id, plain(now))
    return MonthView(
        month=start.date(),
        institution_id=institution_id or actor.institution_id,
        reached={stage: reached.get(stage, 0) for stage in CaseStage},
        clocks=_clocks(session, wanted, settings),
        declines=_reasons(session, wanted, Step.DECLINE),
        overrides=_reasons(session, wanted, Step.SUGGEST),
        open=open_cases,
        overdue=overdue,
        granted_amount=_granted(session, wanted),
    )


def _reached(session: Session, wanted: list[ColumnElement[bool]]) -> dict[CaseStage, int]:
    query = select(EventRow.to_stage, func.count()).where(*wanted, EventRow.step != Step.SUGGEST.value)
    return {CaseStage(stage): count for stage, count in session.execute(query.group_by(EventRow.to_stage))}


def _clocks(session: Session, wanted: list[ColumnElement[bool]], settings: Settings) -> tuple[Clock, ...]:
    answered = EventRow.step.in_([step.value for step in _ANSWERS])
    query = select(EventRow.from_stage, EventRow.late, func.count(), func.sum(EventRow.took))
    found: dict[str, list[Any]] = {}
    for stage, late, count, took in session.execute(
        query.where(*wanted, answered).group_by(EventRow.from_stage, EventRow.late)
    ):
        found.setdefault(stage, []).append((late, count, float(took)))
    return tuple(_clock(stage, getattr(settings, days), found.get(stage.value, [])) for stage, days in CLOCKS.items())


def _clock(stage: CaseStage, days: float, parts: list[tuple[bool, int, float]]) -> Clock:
    steps = sum(count for _, count, _ in parts)
    hours = sum(took for *_, took in parts) / HOUR / steps if steps else None
    return Clock(stage, days, steps, hours, sum(count for late, count, _ in parts if not late))


def _reasons(session: Session, wanted: list[ColumnElement[bool]], step: Step) -> tuple[tuple[Coded, int], ...]:
    """Commonest first; a step with several reasons counts for each."""
    query = select(EventRow.reason_codes).where(*wanted, EventRow.step == step.value)
    counted = Counter(code for codes in session.scalars(query) for code in codes)
    return tuple((label(code), count) for code, count in sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _granted(session: Session, wanted: list[ColumnElement[bool]]) -> int:
    """What grants stated, or asked for where they stated nothing."""
    query = select(EventRow.detail, CaseRow.amount).join(CaseRow, CaseRow.case_id == EventRow.case_id)
    rows = session.execute(query.where(*wanted, EventRow.step == Step.GRANT.value))
    return sum(detail.get("amount", amount) for detail, amount in rows)


def _waiting(session: Session, actor: Actor, institution_id: str | None, now: datetime) -> tuple[int, int]:
    named = [CaseRow.institution_id == institution_id] if institution_id else []
    waiting = [*visible(actor, CaseRow.institution_id), *named, CaseRow.closed_at.is_(None)]
    counts = (
        session.scalar(select(func.count()).select_from(CaseRow).where(*waiting, *more)) or 0
        for more in ([], [CaseRow.due_at < now])
    )
    total, overdue = counts
    return total, overdue

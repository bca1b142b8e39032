"""What is reported of one match agrees: no more is drawn than was granted, and no stage is before the one it needs."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.desk.cases import stated
from api.desk.stages import Step
from api.store.desk_models import CaseRow, OutcomeRow
from matching.domain import Outcome, Stage
from matching.errors import Fault

# The first contact may come after an application, and who declines waits for none.
IN_ORDER: Final = (Stage.APPLIED, Stage.GRANTED, Stage.DRAWN)
Told = Mapping[Stage, Mapping[str, Any]]


def in_turn(session: Session, outcome: Outcome) -> None:
    """One report of a match after the other, until the transaction ends: at once neither would see the other.

    A match without a case has no row to hold. SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        match = f"{outcome.need_id}/{outcome.product_id}"  # no id holds a slash
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(match, 0))))


def disagreeing(session: Session, case: CaseRow | None, outcome: Outcome) -> list[Fault]:
    """What an outcome says otherwise than the latest reports of its match's other stages."""
    if outcome.stage not in IN_ORDER:
        return []
    told = _told(session, outcome)
    return [*_days(told, outcome), *_amounts(session, case, told, outcome)]


def _told(session: Session, outcome: Outcome) -> Told:
    """The latest report of each stage of the match: as the record takes it, a later one replaces an earlier one."""
    query = select(OutcomeRow.document).where(
        OutcomeRow.need_id == outcome.need_id, OutcomeRow.product_id == outcome.product_id
    )
    earliest_first = query.order_by(OutcomeRow.received_at, OutcomeRow.outcome_id.desc())
    return {Stage(document["stage"]): document for document in session.scalars(earliest_first)}


def _days(told: Told, outcome: Outcome) -> list[Fault]:
    """Only reports state a day; that of a desk's step is when it was recorded, which may be later."""
    place, day = IN_ORDER.index(outcome.stage), outcome.at.isoformat()
    days = {stage: str(told[stage]["at"]) for stage in IN_ORDER if stage in told}
    return [
        *(
            Fault("at", f"is not before it was {stage.value} ({days[stage]}), not {day}")
            for stage in IN_ORDER[:place]
            if day < days.get(stage, day)
        ),
        *(
            Fault("at", f"is not after it was {stage.value} ({days[stage]}), not {day}")
            for stage in IN_ORDER[place + 1 :]
            if day > days.get(stage, day)
        ),
    ]


def _amounts(session: Session, case: CaseRow | None, told: Told, outcome: Outcome) -> list[Fault]:
    amount, granted = outcome.amount, told.get(Stage.GRANTED, {}).get("amount")
    if amount is None:
        return []
    if outcome.stage is Stage.DRAWN and granted is not None and amount > granted:
        return [Fault("amount", f"is at most the {granted} granted, not {amount}")]
    drawn = told.get(Stage.DRAWN, {}).get("amount")
    if Stage.DRAWN not in told and case is not None:
        drawn = stated(session, case, Step.DRAW)
    if outcome.stage is Stage.GRANTED and drawn is not None and amount < drawn:
        return [Fault("amount", f"is at least the {drawn} drawn, not {amount}")]
    return []

"""Outcomes as a platform reports them: kept once by their key, and a step of the match's case where it has one."""

import hashlib
import secrets
from datetime import date
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.desk.agreeing import disagreeing, in_turn
from api.desk.cases import Taken, amount_faults, check_clock, check_drawn, key_sent, named, naming, take
from api.desk.identity import Actor, plain
from api.desk.reasons import meant
from api.desk.sight import visible
from api.desk.stages import TO, CaseStage, Step
from api.messages import OutcomeAnswer, OutcomeRequest
from api.refusals import ConflictError
from api.service import Service
from api.store import queries
from api.store.desk_models import CaseRow, EventRow, OutcomeRow
from matching.domain import Outcome, Product, Stage
from matching.errors import Fault, InputError, NotFoundError

PRICED: Final = (Stage.GRANTED, Stage.DRAWN)
STEPS: Final = {
    Stage.CONTACTED: Step.CONTACT,
    Stage.APPLIED: Step.APPLY,
    Stage.GRANTED: Step.GRANT,
    Stage.DRAWN: Step.DRAW,
    Stage.DECLINED: Step.DECLINE,
    Stage.EXPIRED: Step.EXPIRE,
}


def report(service: Service, actor: Actor, request: OutcomeRequest, key: str | None) -> OutcomeAnswer:
    """Keep an outcome; a stage of a match with a case is a step there, unless the case has come to it already.

    Raises `InputError`, `NotFoundError` (need or product unknown, or another institution's), `ForbiddenError` (an
    institution that tells of the clock), and `ConflictError` for a key that named another outcome and for a step that
    is not legal.
    """
    key = _key(request, key)
    outcome = Outcome.model_validate(request.model_dump(exclude={"key"}))
    try:
        return _report(service, actor, outcome, key)
    except IntegrityError:  # the same key at the same moment: what the other one did is what there is
        return _report(service, actor, outcome, key)


def _report(service: Service, actor: Actor, outcome: Outcome, key: str) -> OutcomeAnswer:
    fingerprint = hashlib.sha256(outcome.model_dump_json().encode()).hexdigest()
    kept = str(named(actor, key))
    with service.store.writing() as session:
        before = session.scalars(select(OutcomeRow).where(*naming(OutcomeRow, kept))).first()
        if before is not None:
            return _repeated(session, before, fingerprint, key)
        _check(service, session, actor, outcome)
        in_turn(session, outcome)
        case = _case(session, actor, outcome)
        if faults := disagreeing(session, case, outcome):
            raise InputError("request", faults)
        row = OutcomeRow(
            outcome_id=secrets.token_hex(12),
            key=kept,
            fingerprint=fingerprint,
            received_at=plain(service.now()),
            actor=actor.name,
            need_id=outcome.need_id,
            product_id=outcome.product_id,
            case_id=case and case.case_id,
            document=outcome.model_dump(mode="json", exclude_none=True),
        )
        session.add(row)
        session.flush()
        if case is not None:
            _step(service, session, actor, case, outcome)
        return _answer(row, key, case, False)


def _key(request: OutcomeRequest, header: str | None) -> str:
    key = key_sent(header, request.key)
    if not key:
        raise InputError("request", [Fault("key", "is present, or the header Idempotency-Key is")])
    return key


def _repeated(session: Session, row: OutcomeRow, fingerprint: str, key: str) -> OutcomeAnswer:
    if row.fingerprint != fingerprint:
        raise ConflictError("the key named another outcome before")
    return _answer(row, key, session.get(CaseRow, row.case_id) if row.case_id else None, True)


def _answer(row: OutcomeRow, key: str, case: CaseRow | None, repeated: bool) -> OutcomeAnswer:
    stage = case.stage if case else None
    return OutcomeAnswer(outcome_id=row.outcome_id, key=key, case_id=row.case_id, stage=stage, repeated=repeated)


def _check(service: Service, session: Session, actor: Actor, outcome: Outcome) -> None:
    """What the gate of the tables would refuse later is refused now, and who never had the need knows of none."""
    _check_had(session, actor, outcome.need_id)
    if outcome.stage in STEPS:
        check_clock(actor, STEPS[outcome.stage])
    posted, product = queries.posted_at(session, outcome.need_id), _product(session, actor, outcome.product_id)
    today, faults = service.today(), amount_faults(outcome.amount) if outcome.stage in PRICED else []
    if outcome.at > today:
        faults.append(Fault("at", f"is not after today ({today}), not {outcome.at}"))
    if outcome.at < posted:
        faults.append(Fault("at", f"is not before its need was posted ({posted}), not {outcome.at}"))
    if outcome.at < product:
        faults.append(Fault("at", f"is not before its product was offered ({product}), not {outcome.at}"))
    if faults:
        raise InputError("request", faults)


def _check_had(session: Session, actor: Actor, need_id: str) -> None:
    """Raises `NotFoundError` for an institution's key where the institution never had a case of the need."""
    had = select(CaseRow.case_id).where(CaseRow.need_id == need_id, CaseRow.institution_id == actor.institution_id)
    if actor.institution_id is not None and session.scalars(had).first() is None:
        raise NotFoundError("need", need_id)


def _product(session: Session, actor: Actor, product_id: str) -> date:
    """The product's first day; another institution's is not found by who is bound to one."""
    versions: list[Product] = queries.versions(session, product_id)
    own = [p for p in versions if actor.institution_id in (None, p.institution_id)]
    if not own:
        raise NotFoundError("product", product_id)
    return min(product.valid_from for product in own)


def _case(session: Session, actor: Actor, outcome: Outcome) -> CaseRow | None:
    if outcome.stage not in STEPS:
        return None
    query = select(CaseRow).where(
        CaseRow.need_id == outcome.need_id,
        CaseRow.product_id == outcome.product_id,
        *visible(actor, CaseRow.institution_id),
    )
    return session.scalars(query.with_for_update()).first()


def _step(service: Service, session: Session, actor: Actor, case: CaseRow, outcome: Outcome) -> None:
    step, told = STEPS[outcome.stage], [outcome.reason_code.value] if outcome.reason_code else []
    step, reasons = meant(step, told if step is Step.DECLINE else [])
    if step is Step.DRAW:
        check_drawn(session, case, outcome.amount)
    if _came_to(session, case, TO[step]):
        return  # the officer was there first
    if step is Step.DECLINE and not reasons:
        raise InputError("request", [Fault("reason_code", "is present: to decline a case needs a reason")])
    detail: dict[str, Any] = {"at": str(outcome.at)}
    detail |= {name: value for name in ("amount", "rate_bp") if (value := getattr(outcome, name)) is not None}
    taken = Taken(step, reasons, reported_by(actor.name), detail=detail)
    take(service, session, actor, case, None, taken)


def reported_by(name: str) -> str:
    """The text of a step that an outcome was; a page says it in its own language."""
    return f"reported by {name}"


def _came_to(session: Session, case: CaseRow, stage: CaseStage) -> bool:
    """Whether a case is in a stage or was, however far it is now."""
    reached = select(EventRow.event_id).where(EventRow.case_id == case.case_id, EventRow.to_stage == stage.value)
    return session.scalars(reached.limit(1)).first() is not None

"""What happens to a case: an officer, a platform or the clock takes a step; declined or overdue ones go on.

A step is one transaction: the event, the case's new stage and, where it goes on, the next institution's case. Whoever
comes second finds the case changed.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.desk import stages
from api.desk.belated import complete
from api.desk.choosing import replace_product
from api.desk.identity import SYSTEM, Actor, Role, Scope, plain
from api.desk.reasons import checked, meant
from api.desk.retention import forget
from api.desk.routing import hand_on
from api.desk.sight import visible
from api.desk.stages import HANDED_ON, CaseStage, Step
from api.desk.views import CaseItem, Decided, Swept
from api.refusals import ConflictError, ForbiddenError
from api.service import Service
from api.store.desk_models import CaseRow, EventRow, OutcomeRow
from api.store.outages import StoreError
from matching.domain import MAX_MONEY, Stage
from matching.errors import Fault, InputError, NotFoundError

_log = logging.getLogger("api")
MOST_SWEPT: Final = 1000
LONGEST_KEY: Final = 120
HIGHEST_RATE: Final = 10_000
_BETWEEN: Final = "\x1f"
_PRICED: Final = (Step.GRANT, Step.DRAW)
_ONWARD: Final = (Step.DECLINE, Step.EXPIRE)


@dataclass(frozen=True)
class Taken:
    """A step as it is asked for: its reasons, text and what else it says."""

    step: Step
    reasons: Sequence[str] = ()
    text: str = ""
    product_id: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    key: str | None = None


def decide(
    service: Service,
    actor: Actor,
    case_id: str,
    step: Step,
    version: int,
    *,
    reasons: Sequence[str] = (),
    text: str = "",
    product_id: str | None = None,
    amount: int | None = None,
    rate_bp: float | None = None,
    key: str | None = None,
) -> Decided:
    """Take a step. `version` is that of the case as it was seen; `key` names the step, so that it is taken once.

    `decline` and `suggest` need one to four `reasons` (`reasons.choices`), `suggest` a `text` and an own `product_id`
    too; `amount` and `rate_bp` are for `grant` and `draw`, and no more is drawn than was granted. A declined or expired
    case goes on to the next product's institution. Raises `NotFoundError` (also for another institution's case),
    `ForbiddenError` (who may only look), `InputError`, `ConflictError` (another change came first, or the step is not
    legal: it names those that are).
    """
    step, reasons = meant(step, reasons)
    taken = Taken(step, reasons, text, product_id, _said(step, product_id, amount, rate_bp), named(actor, key))
    try:
        with service.store.writing() as session:
            case = locked(session, actor, case_id)
            return known(session, case, taken) or take(service, session, actor, case, version, taken)
    except IntegrityError:  # the key was used for another case at the same moment
        raise _used() from None


def key_sent(header: str | None, key: str | None) -> str | None:
    """The key of a request, in its header or its body. Raises `InputError` where they are two."""
    header = header and _meant(header)
    if None not in (header, key) and header != key:
        raise InputError("request", [Fault("key", "is that of the header Idempotency-Key, or absent")])
    return header or key


def _meant(header: str) -> str:
    """A header's text: the web knows it as Latin-1, but clients that write 放款 there send UTF-8, as in a body."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def named(actor: Actor, key: str | None) -> str | None:
    """A key as it is kept: each actor has names of its own. Raises `InputError` for one that is too long.

    No label holds what stands between actor and key: joined by a blank, two actors' names could be one.
    """
    if key is not None and len(key) > LONGEST_KEY:
        raise InputError("request", [Fault("key", f"has at most {LONGEST_KEY} characters")])
    return key and f"{actor.name}{_BETWEEN}{key}"


def naming(row: type[EventRow] | type[OutcomeRow], kept: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """What a row holds that a kept key names; earlier ones were joined by a blank, so that the actor must agree."""
    actor, _, _ = kept.partition(_BETWEEN)
    return row.actor == actor, row.key.in_((kept, kept.replace(_BETWEEN, " ", 1)))


def sweep(service: Service, now: datetime) -> Swept:
    """Expire what has been overdue for the days of grace, hand it on, and forget what is kept no longer.

    What replicas of an older version listed meanwhile is made complete.
    """
    late = plain(now) - timedelta(days=service.settings.grace_days)
    query = select(CaseRow.case_id).where(CaseRow.closed_at.is_(None), CaseRow.due_at <= late)
    with service.store.reading() as session:
        ids = list(session.scalars(query.order_by(CaseRow.due_at).limit(MOST_SWEPT)))
    done = [(case_id, _tried(service, case_id, now)) for case_id in ids]
    expired = tuple(case_id for case_id, found in done if found is not None)
    swept = Swept(expired, tuple(found for _, found in done if found), forget(service, plain(now)))
    complete(service)
    return swept


def _tried(service: Service, case_id: str, now: datetime) -> str | None:
    """One case whose record cannot be read stops no other's clock."""
    try:
        return expire(service, case_id, now)
    except StoreError:
        raise
    except Exception:
        _log.exception("case %s is overdue and could not be handed on", case_id)
        return None


def expire(service: Service, case_id: str, at: datetime) -> str | None:
    """Expire a case that is overdue beyond its days of grace and hand it on.

    Answers the next institution's case, empty where there is none, None where nothing is to be done (any more).
    """
    now = plain(at)
    late = now - timedelta(days=service.settings.grace_days)
    query = select(CaseRow).where(CaseRow.case_id == case_id, CaseRow.closed_at.is_(None), CaseRow.due_at <= late)
    with service.store.writing() as session:
        case = session.scalars(query.with_for_update(skip_locked=True)).first()
        if case is None:
            return None
        stage = CaseStage(case.stage)
        session.add(_event(case, SYSTEM, Taken(Step.EXPIRE), CaseStage.EXPIRED, [], {}, now))
        _move(service, case, CaseStage.EXPIRED, now)
        session.flush()
        following = hand_on(session, service.settings, case.need_id, now) if stage in HANDED_ON else None
        return following.case_id if following else ""


def locked(session: Session, actor: Actor, case_id: str) -> CaseRow:
    """A case that the actor may see, held until the transaction ends. Raises `NotFoundError`."""
    query = select(CaseRow).where(CaseRow.case_id == case_id, *visible(actor, CaseRow.institution_id))
    case = session.scalars(query.with_for_update()).first()
    if case is None:
        raise NotFoundError("case", case_id)
    return case


def known(session: Session, case: CaseRow, taken: Taken) -> Decided | None:
    """What a step with this key did before, whatever came later.

    Raises `ConflictError` where the key was another step's, or said more.
    """
    if taken.key is None:
        return None
    event = session.scalars(select(EventRow).where(*naming(EventRow, taken.key))).first()
    if event is None:
        return None
    if event.case_id != case.case_id or not _same(event, taken):
        raise _used()
    following = select(CaseRow.case_id).where(CaseRow.need_id == case.need_id, CaseRow.opened_at == event.at)
    following = following.where(CaseRow.case_id != case.case_id)
    handed_on = taken.step in _ONWARD and session.scalars(following.limit(1)).first() is not None
    until = select(func.count()).where(EventRow.case_id == case.case_id, EventRow.event_id <= event.event_id)
    version = session.scalars(until).one()  # each event of a case, its first too, is a version
    return Decided(case.case_id, CaseStage(event.to_stage), version, event.event_id, True, handed_on)


def _same(event: EventRow, taken: Taken) -> bool:
    """Whether an event is what is asked for: with another amount or reason it is another step."""
    asked = (taken.step.value, list(dict.fromkeys(taken.reasons)), kept(taken.text))
    if (event.step, event.reason_codes, event.text) != asked:
        return False
    return bool(event.detail["to"] == taken.product_id if taken.step is Step.SUGGEST else event.detail == taken.detail)


def take(service: Service, session: Session, actor: Actor, case: CaseRow, version: int | None, taken: Taken) -> Decided:
    """Take a step of a case that is held; without a `version` whatever the case is like now."""
    stage, step, now = CaseStage(case.stage), taken.step, plain(service.now())
    _check_right(actor, step)
    if version is not None and version != case.version:
        what = f"the case was changed meanwhile: it is {stage.value} now, version {case.version}"
        raise ConflictError(what, stages.legal(stage))
    to = stages.after(stage, step)
    reasons = checked(step, taken.reasons, taken.text)
    detail = taken.detail
    if step is Step.SUGGEST:
        detail = replace_product(service, session, case, taken.product_id)
    if step is Step.DRAW:
        check_drawn(session, case, detail.get("amount"))
    event = _event(case, actor, taken, to, reasons, detail, now)
    _move(service, case, to, now)
    session.add(event)
    session.flush()
    onward = step in _ONWARD and stage in HANDED_ON
    handed_on = onward and hand_on(session, service.settings, case.need_id, now) is not None
    return Decided(case.case_id, to, case.version, event.event_id, handed_on=handed_on)


def _check_right(actor: Actor, step: Step) -> None:
    platform = actor.role is Role.PLATFORM
    if not platform and actor.role is not Role.OFFICER:
        raise ForbiddenError(f"a step is for the institution's officer, not for {actor.role.value}")
    if platform:
        actor.need_scope(Scope.OUTCOMES)
    check_clock(actor, step)


def check_clock(actor: Actor, step: Step) -> None:
    """Raises `ForbiddenError` where an institution takes the clock's step: the need would go on without a reason."""
    if step in stages.CLOCKS_OWN and actor.institution_id is not None:
        raise ForbiddenError(f"{step.value!r} is the clock's step, not an institution's")


def _event(
    case: CaseRow, actor: Actor, taken: Taken, to: CaseStage, reasons: list[str], detail: dict[str, Any], now: datetime
) -> EventRow:
    return EventRow(
        case_id=case.case_id,
        institution_id=case.institution_id,
        at=now,
        actor=actor.name,
        step=taken.step.value,
        from_stage=case.stage,
        to_stage=to.value,
        reason_codes=reasons,
        text=kept(taken.text),
        detail=detail,
        took=max(0, int((now - case.changed_at).total_seconds())),
        late=taken.step is Step.EXPIRE or (case.due_at is not None and case.due_at < now),
        key=taken.key,
    )


def kept(text: str) -> str:
    """A text as the store holds it: PostgreSQL has no character 0."""
    return text.replace("\0", "")


def _move(service: Service, case: CaseRow, to: CaseStage, now: datetime) -> None:
    """The clock of a stage starts when it is reached; another product does not stop it."""
    case.version += 1
    if to.value == case.stage:
        return
    wait = stages.clock(service.settings, to)
    case.stage, case.changed_at = to.value, now
    case.due_at = None if wait is None else now + wait
    case.closed_at = now if to in stages.ENDED else None


def _said(step: Step, product_id: str | None, amount: int | None, rate_bp: float | None) -> dict[str, Any]:
    """What a step says beside its reasons. Raises `InputError` for what it cannot say."""
    given = {name: value for name, value in (("amount", amount), ("rate_bp", rate_bp)) if value is not None}
    faults = [Fault(name, f"is left out: it is for {' and '.join(_PRICED)}") for name in given if step not in _PRICED]
    if product_id is not None and step is not Step.SUGGEST:
        faults.append(Fault("product_id", f"is left out: it is for {Step.SUGGEST.value}"))
    faults += amount_faults(amount)
    if rate_bp is not None and not 0 <= rate_bp <= HIGHEST_RATE:
        faults.append(Fault("rate_bp", f"is at least 0 and at most {HIGHEST_RATE}"))
    if faults:
        raise InputError("request", faults)
    return given


def amount_faults(amount: int | None) -> list[Fault]:
    """What is wrong with the amount of a grant or a drawdown, if one is given."""
    good = amount is None or 0 < amount <= MAX_MONEY
    return [] if good else [Fault("amount", f"is above 0 and at most {MAX_MONEY}")]


def check_drawn(session: Session, case: CaseRow, amount: int | None) -> None:
    """Raises `InputError` where more is drawn than was granted; a grant without an amount sets no bound."""
    most = granted(session, case).get("amount")
    if amount is not None and most is not None and amount > most:
        raise InputError("request", [Fault("amount", f"is at most the {most} granted, not {amount}")])


def granted(session: Session, case: CaseRow | CaseItem) -> dict[str, Any]:
    """What a case's grant states, `amount` and `rate_bp`; nothing where there is none.

    Where it was reported since, otherwise than the step says, what was reported last counts.
    """
    step = session.scalars(
        select(EventRow).where(EventRow.case_id == case.case_id, EventRow.step == Step.GRANT.value)
    ).first()
    if step is None:
        return {}
    reports = select(OutcomeRow.document).where(
        OutcomeRow.need_id == case.need_id,
        OutcomeRow.product_id == case.product_id,
        OutcomeRow.received_at >= step.at,
    )
    since = session.scalars(reports.order_by(OutcomeRow.received_at, OutcomeRow.outcome_id.desc()))
    said = [step.detail, *(document for document in since if document["stage"] == Stage.GRANTED.value)]
    return {name: one[name] for one in said for name in ("amount", "rate_bp") if name in one}


def stated(session: Session, case: CaseRow, step: Step) -> int | None:
    """The amount that a case's grant or drawdown states, None where there is none."""
    details = session.scalars(
        select(EventRow.detail).where(EventRow.case_id == case.case_id, EventRow.step == step.value)
    )
    return next((detail["amount"] for detail in details if "amount" in detail), None)


def _used() -> ConflictError:
    return ConflictError("the key was used for another step")

"""What the commission does with a listed need that nobody is left for: each step is one transaction, its event kept."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.desk.cases import kept, named
from api.desk.coordination import LEGAL, TO, CoordinationStage, CoordinationStep, after, check
from api.desk.identity import Actor, Role, Scope, plain
from api.desk.sight import sees_all
from api.desk.unplaced_views import Coordinated
from api.refusals import ConflictError
from api.service import Service
from api.store.desk_models import CoordinationRow, ListingRow
from matching.errors import NotFoundError

UNPLACED: Final = "need that nobody is left for"


@dataclass(frozen=True)
class Said:
    """A step as it is asked for."""

    step: CoordinationStep
    office: str | None
    until: date | None
    result: str | None
    text: str
    key: str | None


def coordinate(
    service: Service,
    actor: Actor,
    need_id: str,
    step: CoordinationStep,
    version: int,
    *,
    office: str | None = None,
    until: date | None = None,
    result: str | None = None,
    text: str = "",
    key: str | None = None,
) -> Coordinated:
    """Take a step. `version` is that of the need as it was seen; `key` names the step, so that it is taken once.

    A dispatch names an `office` (a department or district; what blanks a keyboard has are kept as one) and may say
    `until` when; to settle needs a `result` (`Settlement`). Raises `NotFoundError` (for who is bound to an institution
    too, and for a need that an institution has), `ForbiddenError`, `InputError`, and `ConflictError` (another step came
    first, or the need is settled).
    """
    said = Said(step, office and " ".join(office.split()), until, result, kept(text), named(actor, key))
    try:
        with service.store.writing() as session:
            listing = _locked(session, actor, need_id)
            _check_right(actor)
            return _known(session, listing, said) or _take(service, session, actor, listing, version, said)
    except IntegrityError:  # the key was used for another need at the same moment
        raise _used() from None


def stage_of(listing: ListingRow) -> CoordinationStage:
    """How far the coordination of a need is that nobody is left for."""
    if listing.settled_at is not None:
        return CoordinationStage.SETTLED
    return CoordinationStage.WAITING if listing.office is None else CoordinationStage.DISPATCHED


def _locked(session: Session, actor: Actor, need_id: str) -> ListingRow:
    query = select(ListingRow).where(ListingRow.need_id == need_id, ListingRow.exhausted_at.isnot(None))
    listing = session.scalars(query.with_for_update()).first() if sees_all(actor) else None
    if listing is None:
        raise NotFoundError(UNPLACED, need_id)
    return listing


def _check_right(actor: Actor) -> None:
    """Who sees such needs is the commission or a platform."""
    if actor.role is Role.PLATFORM:
        actor.need_scope(Scope.OUTCOMES)


def _known(session: Session, listing: ListingRow, said: Said) -> Coordinated | None:
    """What a step with this key did before. Raises `ConflictError` where the key was another step's, or said more."""
    if said.key is None:
        return None
    event = session.scalars(select(CoordinationRow).where(CoordinationRow.key == said.key)).first()
    if event is None:
        return None
    before = (event.need_id, event.step, event.office, event.until, event.result, event.text)
    if before != (listing.need_id, said.step.value, said.office, said.until, said.result, said.text):
        raise _used()
    return Coordinated(listing.need_id, TO[said.step], event.version, event.event_id, True)


def _take(
    service: Service, session: Session, actor: Actor, listing: ListingRow, version: int, said: Said
) -> Coordinated:
    stage, now = stage_of(listing), plain(service.now())
    if version != listing.version:
        what = f"the need was changed meanwhile: it is {stage.value} now, version {listing.version}"
        raise ConflictError(what, LEGAL[stage])
    to = after(stage, said.step)
    check(said.step, said.office, said.until, said.result, said.text, service.today())
    listing.version += 1
    if said.step is CoordinationStep.DISPATCH:
        listing.office, listing.until = said.office, said.until
    else:
        listing.result, listing.settled_at = said.result, now
    event = CoordinationRow(
        need_id=listing.need_id,
        at=now,
        actor=actor.name,
        version=listing.version,
        **(vars(said) | {"step": said.step.value}),
    )
    session.add(event)
    session.flush()
    return Coordinated(listing.need_id, to, listing.version, event.event_id)


def _used() -> ConflictError:
    return ConflictError("the key was used for another step")

"""Needs that nobody is left for, as the commission reads them: who had each, why it was declined, what would help."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.desk.coordinating import UNPLACED, stage_of
from api.desk.coordination import LEGAL, CoordinationStep, Settlement
from api.desk.cursors import Place, pack, unpack
from api.desk.identity import Actor, Role, Scope, aware
from api.desk.queue import EXPORTED_AT_ONCE, shown
from api.desk.reading import event_shown, screen_of
from api.desk.reasons import StepReason, label
from api.desk.sight import sees_all
from api.desk.stages import Step
from api.desk.unplaced_views import CoordinationEvent, TriedCase, UnplacedNeed, UnplacedPage, UnplacedView
from api.messages import Asked
from api.recommending import helpful_fixes
from api.refusals import ForbiddenError
from api.service import Service
from api.store import queries
from api.store.desk_models import CaseRow, CoordinationRow, EventRow, ListingRow
from api.store.models import RecommendationRow
from api.store.reading import UnreadableError, stored
from api.store.texts import holding, within
from matching.codes import Coded
from matching.domain import Need
from matching.errors import NotFoundError
from matching.facts import derived

COMMONEST: Final = 3


class Unplaced(Coded):
    """Which of the needs that nobody is left for."""

    OPEN = "open", "待办", "Open"
    OVERDUE = "overdue", "已超时", "Overdue"
    SETTLED = "settled", "已办结", "Settled"


@dataclass(frozen=True)
class Wanted:
    """Which of those needs a list has; empty means all. `region` is a path, whole or its beginning.

    `search` is found anywhere in the enterprise's id or name or the need's id; `office` is whom it was last
    dispatched to, by its whole name.
    """

    show: Unplaced = Unplaced.OPEN
    search: str = ""
    region: str | None = None
    office: str | None = None


@dataclass
class _Past:
    """What institutions did with a need: how many had it, and the reasons that they gave."""

    institutions: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Record:
    """Of a listed need's recommendation, whose need it is and what was asked."""

    recommendation_id: str
    enterprise_id: str
    request: Any


def page(
    session: Session, actor: Actor, today: date, wanted: Wanted, size: int, cursor: str | None = None
) -> UnplacedPage:
    """Open ones, or those of them that are overdue, from the oldest on; settled ones from the latest back.

    Raises `ForbiddenError` for who does not see all institutions' cases, `InputError` for a cursor that is none.
    """
    _check_sees(actor)
    rows = _rows(session, today, wanted, size + 1, unpack(cursor, wanted.show) if cursor else None)
    more, rows = len(rows) > size, rows[:size]
    following = pack(_place(rows[-1], wanted.show), wanted.show) if more else None
    return UnplacedPage(tuple(_items(session, rows, today)), count(session, today, wanted), following)


def export(session: Session, actor: Actor, today: date, wanted: Wanted) -> Iterator[UnplacedNeed]:
    """All of a list, in its order, read piece by piece. Raises `ForbiddenError` as `page` does."""
    _check_sees(actor)
    place = None
    while rows := _rows(session, today, wanted, EXPORTED_AT_ONCE, place):
        yield from _items(session, rows, today)
        place = _place(rows[-1], wanted.show)


def count(session: Session, today: date, wanted: Wanted) -> int:
    """How many such needs there are."""
    return session.scalar(select(func.count()).select_from(ListingRow).where(*_narrowed(wanted, today))) or 0


def left_over(session: Session, actor: Actor, need_id: str) -> bool:
    """Whether nobody is left for a need, settled or not, and the actor may see what becomes of it."""
    query = select(ListingRow.need_id).where(ListingRow.need_id == need_id, ListingRow.exhausted_at.isnot(None))
    return sees_all(actor) and session.scalars(query).first() is not None


def offices(session: Session, today: date, show: Unplaced) -> list[str]:
    """Whom the needs of a list were last dispatched to, each once."""
    query = select(ListingRow.office).where(*_narrowed(Wanted(show), today), ListingRow.office.isnot(None)).distinct()
    return sorted(office for office in session.scalars(query) if office)


def need(service: Service, actor: Actor, need_id: str) -> UnplacedView:
    """Such a need with all that its page shows. Raises `NotFoundError`, for who does not see all cases too.

    Where the recommendation is of another version's form, it has what is known without it. What to fix is worked out
    once the session is closed: who holds one connection and waits for another may wait for ever.
    """
    query = select(ListingRow).where(ListingRow.need_id == need_id, ListingRow.exhausted_at.isnot(None))
    with service.store.reading() as session:
        listing = session.scalars(query).first() if sees_all(actor) else None
        if listing is None:
            raise NotFoundError(UNPLACED, need_id)
        asked = _read(_records(session, [listing])[listing.recommendation_id])
        firm, wanted = (asked.enterprise, asked.need) if asked else (None, _posted(session, need_id))
        item = _items(session, [listing], service.today())[0]
        tried = _tried(session, service.now(), need_id)
        events = tuple(_event(row) for row in _events(session, need_id))
        screen = screen_of(listing)
    fixes = helpful_fixes(service, asked) if asked else None
    return UnplacedView(item, firm, wanted, screen, tried, fixes, events, _may(actor, listing))


def _check_sees(actor: Actor) -> None:
    if not sees_all(actor):
        raise ForbiddenError("this is for the commission, and for a key that is bound to no institution")


def _rows(session: Session, today: date, wanted: Wanted, size: int, place: Place | None) -> list[ListingRow]:
    """So many of a list after a place, or from its beginning."""
    down = wanted.show is Unplaced.SETTLED
    by = (_ordered_by(wanted.show), ListingRow.need_id)
    query = select(ListingRow).where(*_narrowed(wanted, today))
    if place is not None:
        row, mark = tuple_(*by), (place.value, place.case_id)
        query = query.where(row < mark if down else row > mark)
    ordered = [one.desc() for one in by] if down else by
    return list(session.scalars(query.order_by(*ordered).limit(size)))


def _place(row: ListingRow, show: Unplaced) -> Place:
    return Place(False, getattr(row, _ordered_by(show).key), row.need_id)


def _ordered_by(show: Unplaced) -> InstrumentedAttribute[datetime | None]:
    return ListingRow.settled_at if show is Unplaced.SETTLED else ListingRow.exhausted_at


def _narrowed(wanted: Wanted, today: date) -> list[ColumnElement[bool]]:
    office = [ListingRow.office == wanted.office] if wanted.office else []
    also = [*office, *within(ListingRow.region, wanted.region), *holding(ListingRow.search, wanted.search)]
    if wanted.show is Unplaced.SETTLED:
        return [ListingRow.settled_at.isnot(None), *also]
    late = [ListingRow.until < today] if wanted.show is Unplaced.OVERDUE else []
    return [ListingRow.exhausted_at.isnot(None), ListingRow.settled_at.is_(None), *late, *also]


def _items(session: Session, rows: Sequence[ListingRow], today: date) -> list[UnplacedNeed]:
    records, pasts = _records(session, rows), _pasts(session, [row.need_id for row in rows])
    return [_item(row, records[row.recommendation_id], pasts[row.need_id], today) for row in rows]


def _item(row: ListingRow, record: _Record, past: _Past, today: date) -> UnplacedNeed:
    return UnplacedNeed(
        need_id=row.need_id,
        enterprise_id=record.enterprise_id,
        **_facts(record, row.region),
        stage=stage_of(row),
        version=row.version,
        since=aware(_known(row.exhausted_at)),
        institutions=past.institutions,
        reasons=tuple(_commonest(past.reasons)),
        office=row.office,
        until=row.until,
        overdue=row.settled_at is None and row.until is not None and row.until < today,
        result=Settlement(row.result) if row.result else None,
        settled_at=row.settled_at and aware(row.settled_at),
    )


def _facts(record: _Record, region: str | None) -> dict[str, Any]:
    """What a list says of a need; of one whose record cannot be read the region, so that it hides no other need."""
    asked = _read(record)
    if asked is None:
        return {"region": region} | dict.fromkeys(("enterprise_name", "size", "amount", "term_months", "purpose"))
    firm, wanted = asked.enterprise, asked.need
    return {
        "enterprise_name": firm.name,
        "region": firm.region,
        "size": derived("size", firm, wanted, asked.as_of),
        "amount": wanted.amount,
        "term_months": wanted.term_months,
        "purpose": wanted.purpose,
    }


def _known(moment: datetime | None) -> datetime:
    assert moment is not None  # of the needs that are asked for
    return moment


def _records(session: Session, rows: Sequence[ListingRow]) -> dict[str, _Record]:
    ids = [row.recommendation_id for row in rows]
    columns = (RecommendationRow.recommendation_id, RecommendationRow.enterprise_id, RecommendationRow.request)
    found = session.execute(select(*columns).where(RecommendationRow.recommendation_id.in_(ids)))
    return {row.recommendation_id: _Record(*row) for row in found}


def _read(record: _Record) -> Asked | None:
    """What was asked, None where another version kept it in a form of its own."""
    try:
        return stored(Asked, record.request, "recommendation", record.recommendation_id)
    except UnreadableError:
        return None


def _posted(session: Session, need_id: str) -> Need | None:
    """A need as its table has it, which is as it was listed; None where that cannot be read either."""
    try:
        return queries.need(session, need_id)
    except (NotFoundError, UnreadableError):
        return None


def _pasts(session: Session, need_ids: Sequence[str]) -> dict[str, _Past]:
    pasts = {need_id: _Past() for need_id in need_ids}
    counted = select(CaseRow.need_id, func.count()).where(CaseRow.need_id.in_(need_ids)).group_by(CaseRow.need_id)
    for need_id, count in session.execute(counted):
        pasts[need_id].institutions = count
    declined = select(CaseRow.need_id, EventRow.reason_codes).join(EventRow, EventRow.case_id == CaseRow.case_id)
    declined = declined.where(CaseRow.need_id.in_(need_ids), EventRow.step == Step.DECLINE.value)
    for need_id, codes in session.execute(declined):
        pasts[need_id].reasons.update(codes)
    return pasts


def _commonest(reasons: Counter[str]) -> list[StepReason]:
    ordered = sorted(reasons, key=lambda code: (-reasons[code], code))
    return [label(code) for code in ordered[:COMMONEST]]


def _tried(session: Session, now: datetime, need_id: str) -> tuple[TriedCase, ...]:
    rows = list(session.scalars(select(CaseRow).where(CaseRow.need_id == need_id).order_by(CaseRow.opened_at)))
    steps = (Step.DECLINE.value, Step.EXPIRE.value)
    ends = select(EventRow).where(EventRow.case_id.in_([row.case_id for row in rows]), EventRow.step.in_(steps))
    ended = {row.case_id: event_shown(row) for row in session.scalars(ends)}
    return tuple(TriedCase(item, ended.get(item.case_id)) for item in shown(session, rows, now))


def _events(session: Session, need_id: str) -> Sequence[CoordinationRow]:
    query = select(CoordinationRow).where(CoordinationRow.need_id == need_id).order_by(CoordinationRow.event_id)
    return session.scalars(query).all()


def _event(row: CoordinationRow) -> CoordinationEvent:
    return CoordinationEvent(
        event_id=row.event_id,
        at=aware(row.at),
        actor=row.actor,
        step=CoordinationStep(row.step),
        office=row.office,
        until=row.until,
        result=Settlement(row.result) if row.result else None,
        text=row.text,
    )


def _may(actor: Actor, listing: ListingRow) -> tuple[CoordinationStep, ...]:
    acts = actor.role is Role.COMMISSION or Scope.OUTCOMES in actor.scopes
    return LEGAL[stage_of(listing)] if acts else ()

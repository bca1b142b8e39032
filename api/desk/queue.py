"""The queue: an actor's cases, filtered, sorted and paged by the store's indices; each query narrows by institution.

A page begins after (or ends before) a row, not at a count: the hundredth page costs what the first does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, UnaryExpression, func, literal, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.desk.cursors import Place, pack, unpack
from api.desk.identity import Actor, aware, plain
from api.desk.sight import visible
from api.desk.stages import CaseStage
from api.desk.views import CaseItem, QueuePage
from api.store.desk_models import CaseRow
from api.store.models import InstitutionRow
from api.store.texts import holding, within
from matching.codes import Coded, Kind, Purpose, Size

SIZES: Final = (20, 50, 100, 200)
EXPORTED_AT_ONCE: Final = 1000
UNSTATED: Final = -1.0


class Show(Coded):
    """Which part of the queue."""

    OPEN = "open", "待办", "Open"
    OVERDUE = "overdue", "已超时", "Overdue"
    ENDED = "ended", "已办结", "Ended"


class Sort(Coded):
    """By what the queue is ordered; `due` has the overdue ones first. Ended cases are always by `changed`."""

    DUE = "due", "时限从近到远", "Due first"
    AMOUNT = "amount", "金额从高到低", "Largest amount first"
    CHANCE = "chance", "获批概率从高到低", "Best chance first"
    OPENED = "opened", "最新推送", "Newest first"
    CHANGED = "changed", "最近更新", "Changed last"


@dataclass(frozen=True)
class Filters:
    """What the queue is narrowed to; empty means all. `region` is a path, whole or its beginning.

    `search` is found anywhere in the enterprise's id or name or the need's id; `institution_id` narrows further what
    the actor may see, and for an officer of another institution leaves nothing.
    """

    show: Show = Show.OPEN
    stage: CaseStage | None = None
    kind: Kind | None = None
    size: Size | None = None
    region: str | None = None
    least: int | None = None
    most: int | None = None
    search: str = ""
    institution_id: str | None = None

    @property
    def narrow(self) -> bool:
        """Whether rows may be passed over: their institution and their part of the queue are found by the index."""
        rest = (self.stage, self.kind, self.size, self.region, self.search or None, self.least, self.most)
        return any(value is not None for value in rest)


@dataclass(frozen=True)
class _Order:
    """A column and its direction; ties go by case id."""

    column: InstrumentedAttribute[Any]
    down: bool = True

    def by(self, back: bool) -> list[UnaryExpression[Any]]:
        down = self.down is not back
        return [column.desc() if down else column.asc() for column in (self.column, CaseRow.case_id)]

    def beyond(self, place: Place) -> ColumnElement[bool]:
        """The rows after a place, or before it where it leads back."""
        row, mark = tuple_(self.column, CaseRow.case_id), tuple_(literal(place.value, self.column.type), place.case_id)
        return row < mark if self.down is not place.back else row > mark


_ORDERS: Final = {
    Sort.DUE: _Order(CaseRow.due_at, down=False),
    Sort.AMOUNT: _Order(CaseRow.amount),
    Sort.CHANCE: _Order(CaseRow.chance),
    Sort.OPENED: _Order(CaseRow.opened_at),
    Sort.CHANGED: _Order(CaseRow.changed_at),
}


def page(
    session: Session, actor: Actor, now: datetime, filters: Filters, sort: Sort, size: int, cursor: str | None = None
) -> QueuePage:
    """A page of an actor's queue. Raises `InputError` for a cursor that is none; administrators see no cases."""
    sort = _sort(filters, sort)
    wanted = _wanted(actor, filters, plain(now))
    place = unpack(cursor, sort) if cursor else None
    rows = _rows(session, wanted, sort, size + 1, place, filters.narrow)
    back = place is not None and place.back
    more, rows = len(rows) > size, rows[:size]
    rows = rows[::-1] if back else rows
    first, last = (_cursor(rows[0], sort, True), _cursor(rows[-1], sort, False)) if rows else (None, None)
    return QueuePage(
        items=tuple(shown(session, rows, now)),
        total=_count(session, wanted),
        after=last if back or more else None,
        before=first if (more if back else place is not None) else None,
    )


def overdue(session: Session, actor: Actor, now: datetime, filters: Filters) -> int:
    """How many of the cases that the filters leave are overdue, whichever part of the queue they show."""
    return _count(session, _wanted(actor, replace(filters, show=Show.OVERDUE), plain(now)))


def cursor_at(item: CaseItem, filters: Filters, sort: Sort) -> str | None:
    """The cursor of what comes after a case; None where the order has no place for it, as an ended case's due time."""
    sort = _sort(filters, sort)
    value: datetime | float | None = getattr(item, _ORDERS[sort].column.key)
    if value is None and sort is not Sort.CHANCE:
        return None
    stored = plain(value) if isinstance(value, datetime) else value
    return pack(Place(False, UNSTATED if stored is None else stored, item.case_id), sort)


def following(
    session: Session, actor: Actor, now: datetime, filters: Filters, sort: Sort, case_id: str, cursor: str | None
) -> CaseItem | None:
    """The case after a cursor's place, or the queue's first where nothing comes after it; never `case_id` itself.

    Raises `InputError` for a cursor that is none.
    """
    sort = _sort(filters, sort)
    wanted = [*_wanted(actor, filters, plain(now)), CaseRow.case_id != case_id]
    place = unpack(cursor, sort) if cursor else None
    rows = _rows(session, wanted, sort, 1, place, filters.narrow)
    if place is not None and not rows:
        rows = _rows(session, wanted, sort, 1, None, filters.narrow)
    return next(iter(shown(session, rows, now)), None)


def export(session: Session, actor: Actor, now: datetime, filters: Filters, sort: Sort) -> Iterator[CaseItem]:
    """All lines of a queue, in its order, read piece by piece."""
    sort, place = _sort(filters, sort), None
    wanted = _wanted(actor, filters, plain(now))
    while rows := _rows(session, wanted, sort, EXPORTED_AT_ONCE, place, filters.narrow):
        yield from shown(session, rows, now)
        place = Place(False, getattr(rows[-1], _ORDERS[sort].column.key), rows[-1].case_id)


def shown(session: Session, rows: Sequence[CaseRow], now: datetime) -> list[CaseItem]:
    """Rows as lines, with their institutions' names."""
    ids = {row.institution_id for row in rows}
    query = select(InstitutionRow.institution_id, InstitutionRow.document).where(InstitutionRow.institution_id.in_(ids))
    owners = {row.institution_id: row.document for row in session.execute(query)}
    return [_item(row, owners[row.institution_id], plain(now)) for row in rows]


def query_of(actor: Actor, now: datetime, filters: Filters, sort: Sort, size: int, place: Place | None = None) -> Any:
    """The statement behind a page; a benchmark and a test ask the database how it would answer it."""
    return _select(_wanted(actor, filters, plain(now)), _sort(filters, sort), size, place, filters.narrow)


def _count(session: Session, wanted: list[ColumnElement[bool]]) -> int:
    return session.scalar(select(func.count()).select_from(CaseRow).where(*wanted)) or 0


def _sort(filters: Filters, sort: Sort) -> Sort:
    return Sort.CHANGED if filters.show is Show.ENDED else sort


def _rows(
    session: Session, wanted: list[ColumnElement[bool]], sort: Sort, size: int, place: Place | None, narrow: bool
) -> list[CaseRow]:
    return list(session.scalars(_select(wanted, sort, size, place, narrow)))


def _select(wanted: list[ColumnElement[bool]], sort: Sort, size: int, place: Place | None, narrow: bool) -> Select[Any]:
    order = _ORDERS[sort]
    beyond = [] if place is None else [order.beyond(place)]
    by = order.by(place is not None and place.back)
    if not narrow:
        return select(CaseRow).where(*wanted, *beyond).order_by(*by).limit(size)
    # Both databases filter in the index alone where no other column is asked for.
    found = select(CaseRow.case_id).where(*wanted, *beyond).order_by(*by).limit(size)
    return select(CaseRow).where(CaseRow.case_id.in_(found)).order_by(*by)


def _wanted(actor: Actor, filters: Filters, now: datetime) -> list[ColumnElement[bool]]:
    wanted = visible(actor, CaseRow.institution_id)
    wanted.append(CaseRow.closed_at.isnot(None) if filters.show is Show.ENDED else CaseRow.due_at.isnot(None))
    if filters.show is Show.OVERDUE:
        wanted.append(CaseRow.due_at < now)
    equal = {
        CaseRow.stage: filters.stage and filters.stage.value,
        CaseRow.kind: filters.kind and filters.kind.value,
        CaseRow.size: filters.size and filters.size.value,
        CaseRow.institution_id: filters.institution_id,
    }
    wanted += [column == value for column, value in equal.items() if value]
    wanted += [] if filters.least is None else [CaseRow.amount >= filters.least]
    wanted += [] if filters.most is None else [CaseRow.amount <= filters.most]
    return wanted + within(CaseRow.region, filters.region) + holding(CaseRow.search, filters.search)


def _cursor(row: CaseRow, sort: Sort, back: bool) -> str:
    return pack(Place(back, getattr(row, _ORDERS[sort].column.key), row.case_id), sort)


def _item(row: CaseRow, owner: dict[str, Any], now: datetime) -> CaseItem:
    return CaseItem(
        case_id=row.case_id,
        need_id=row.need_id,
        enterprise_id=row.enterprise_id,
        enterprise_name=row.enterprise_name,
        region=row.region,
        size=Size(row.size) if row.size else None,
        institution_id=row.institution_id,
        institution_zh=owner["name_zh"],
        institution_en=owner["name_en"],
        product_id=row.product_id,
        product_zh=row.product_zh,
        product_en=row.product_en,
        kind=Kind(row.kind),
        rank=row.rank or None,
        chance=None if row.chance == UNSTATED else row.chance,
        score=row.score,
        amount=row.amount,
        term_months=row.term_months,
        purpose=Purpose(row.purpose) if row.purpose else None,
        stage=CaseStage(row.stage),
        version=row.version,
        opened_at=aware(row.opened_at),
        changed_at=aware(row.changed_at),
        due_at=row.due_at and aware(row.due_at),
        closed_at=row.closed_at and aware(row.closed_at),
        overdue=row.due_at is not None and row.due_at < now,
    )

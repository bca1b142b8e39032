"""The queue: an actor's cases, filtered, sorted and paged by the store's indices; each query narrows by institution."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from api.desk.identity import Actor
from api.desk.stages import CaseStage
from api.desk.views import CaseItem, QueuePage
from matching.codes import Coded, Kind, Size

SIZES: Final = (20, 50, 100, 200)


class Show(Coded):
    """Which part of the queue."""

    OPEN = "open", "待办", "Open"
    OVERDUE = "overdue", "已逾期", "Overdue"
    ENDED = "ended", "已办结", "Ended"


class Sort(Coded):
    """By what the queue is ordered; `due` has the overdue ones first. Ended cases are always by `changed`."""

    DUE = "due", "期限", "Due first"
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


def page(
    session: Session, actor: Actor, now: datetime, filters: Filters, sort: Sort, size: int, cursor: str | None = None
) -> QueuePage:
    """A page of an actor's queue. Raises `InputError` for a cursor that is none; administrators see no cases."""
    raise NotImplementedError


def export(session: Session, actor: Actor, now: datetime, filters: Filters, sort: Sort) -> Iterator[CaseItem]:
    """All lines of a queue, in its order, read piece by piece."""
    raise NotImplementedError

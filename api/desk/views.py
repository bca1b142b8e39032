"""What the desk shows of cases: plain values, times in UTC with their zone, money in whole units of the currency."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from api.desk.coordination import Settlement
from api.desk.reasons import StepReason
from api.desk.screening import Screen
from api.desk.stages import CaseStage, Step
from api.messages import ProductFix, RankedProduct, Record
from matching.codes import Kind, Purpose, Size
from matching.domain import Enterprise, Need, Product, Verdict


@dataclass(frozen=True)
class CaseItem:
    """A line of the queue. `overdue` is whether the clock of its stage had run out when it was asked for.

    `rank` and `score` are None where an officer suggested a product that the ranking did not have.
    """

    case_id: str
    need_id: str
    enterprise_id: str
    enterprise_name: str | None
    region: str | None
    size: Size | None
    institution_id: str
    institution_zh: str
    institution_en: str
    product_id: str
    product_zh: str
    product_en: str
    kind: Kind
    rank: int | None
    chance: float | None
    score: float | None
    amount: int
    term_months: int | None
    purpose: Purpose | None
    stage: CaseStage
    version: int
    opened_at: datetime
    changed_at: datetime
    due_at: datetime | None
    closed_at: datetime | None
    overdue: bool


@dataclass(frozen=True)
class QueuePage:
    """Some lines of the queue; `total` counts all that match, `after` and `before` lead to the neighbouring pages.

    Each is the cursor of the next or the previous page, None where there is none.
    """

    items: tuple[CaseItem, ...]
    total: int
    after: str | None
    before: str | None


@dataclass(frozen=True)
class EventShown:
    """A step as it was taken, oldest first in a case; `reasons` with their words, `took` seconds in `from_stage`."""

    event_id: int
    at: datetime
    actor: str
    step: Step
    from_stage: CaseStage | None
    to_stage: CaseStage
    reasons: tuple[StepReason, ...]
    text: str
    detail: dict[str, Any]
    took: int
    late: bool


@dataclass(frozen=True)
class CaseEvent(EventShown):
    """A step and whose it is, for who follows all cases; the need of a case never changes, nor its institution."""

    case_id: str
    need_id: str
    enterprise_id: str
    institution_id: str


@dataclass(frozen=True)
class EventPage:
    """Some steps of all cases, oldest first. `after` is where to go on, now or later: it stays good for ever.

    It is None where nothing has ever happened; `more` is whether there are further steps already.
    """

    items: tuple[CaseEvent, ...]
    after: str | None
    more: bool


@dataclass(frozen=True)
class OwnProduct:
    """A product of the case's institution, offered on the day: its rank among all candidates, None where it is none.

    `failing` are the rules that keep it from being one, by the catalogue in service.
    """

    product: Product
    rank: int | None
    score: float | None
    current: bool
    failing: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class CaseView:
    """All of a case: the line of the queue, whose need it is, the recommendation it came from, and its history.

    `record` is cut to the institution's own matches; `match` is the case's product among them (verdicts, reasons,
    stack), None where an officer suggested a product that was not among the answer's matches. `verdicts` are those on
    the case's product, where there is no match by the catalogue in service. `products` are the institution's own by
    rank, `fixes` what would make the failing ones of them eligible, `legal` what the asking actor may do now (nothing
    for who may only look). `screen` is what the need's screen for the white list found, None where it was listed
    without one.
    """

    item: CaseItem
    enterprise: Enterprise
    need: Need
    record: Record
    match: RankedProduct | None
    products: tuple[OwnProduct, ...]
    fixes: tuple[ProductFix, ...]
    events: tuple[EventShown, ...]
    legal: tuple[Step, ...]
    screen: Screen | None
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Clock:
    """How fast a stage was left in a month: steps, median hours, how many were in time, against `days` allowed."""

    stage: CaseStage
    days: float
    steps: int
    median_hours: float | None
    in_time: int


@dataclass(frozen=True)
class Share:
    """Of how many grants something is known (`of`), of how many of these it is so (`count`), and of how many not."""

    count: int
    of: int
    unknown: int


@dataclass(frozen=True)
class Group:
    """A month's applications and grants of one group of enterprises; it is null for those of which it is not known.

    `granted` by `applied` is the acquisition rate. They are steps of the month, not all of the same cases.
    """

    group: str | bool | None
    applied: int
    granted: int


@dataclass(frozen=True)
class Grants:
    """What a month's grants were like, by the facts in the recommendations that they rest on.

    `mean_ticket` is `granted_amount` by grant, of every kind; `mean_loan` that of grants of credit by enterprise. Of
    all grants `first_loan` went to an enterprise without a loan on record; of grants of credit `unsecured` are of the
    product type `unsecured`, and `long_term` are for needs of more than 12 months. `spread_bp` is the mean distance, in
    basis points, of the `spread_of` rates that grants of credit state from their product's LPR on the day of the grant.
    Means are null where there is nothing to take them of. Groups are by size class, by zone of Chongqing (`elsewhere`:
    outside the city), by first loan, and by manufacturing cluster (only those with a grant or an application).
    """

    count: int
    mean_ticket: int | None
    mean_loan: int | None
    first_loan: Share
    unsecured: Share
    long_term: Share
    spread_bp: float | None
    spread_of: int
    by_size: tuple[Group, ...]
    by_zone: tuple[Group, ...]
    by_first_loan: tuple[Group, ...]
    by_cluster: tuple[Group, ...]


@dataclass(frozen=True)
class MonthView:
    """A month of an institution, or of all: cases by the stage that they came to, clocks, reasons with their counts.

    `reached` counts the steps into each stage in that month; `open` and `overdue` count cases now. The commonest reason
    of `declines`, and of `overrides` for another product than the ranking's, comes first.
    """

    month: date
    institution_id: str | None
    reached: dict[CaseStage, int]
    clocks: tuple[Clock, ...]
    declines: dict[StepReason, int]
    overrides: dict[StepReason, int]
    open: int
    overdue: int
    granted_amount: int
    grants: Grants


@dataclass(frozen=True)
class InstitutionMonth:
    """An institution's line: cases open and overdue now, the month's steps into each stage, its answers in time."""

    institution_id: str
    open: int
    overdue: int
    reached: dict[CaseStage, int]
    answers: int
    in_time: int


@dataclass(frozen=True)
class CoordinationMonth:
    """Needs that nobody was left for: those that came in a month, the dispatches in it, those settled by their results.

    `open` and `overdue` count needs now.
    """

    came: int
    dispatched: int
    settled: dict[Settlement, int]
    open: int
    overdue: int


@dataclass(frozen=True)
class ListingMonth:
    """Needs that were put on the white list in a month, and how many of them came with their screen."""

    listed: int
    screened: int


@dataclass(frozen=True)
class Coverage:
    """Active enterprises, and of these those with a need listed and those with a grant in the year to a month's end.

    Active is of which the store has figures of the two years until then.
    """

    enterprises: int
    listed: int
    granted: int


@dataclass(frozen=True)
class MonthFigures(MonthView):
    """A month, and a line for each institution that had a part in it or has a case open, the most overdue first.

    `listings`, `coordination` and `coverage` are of the needs of all, and null where one institution is asked for or
    asks.
    """

    institutions: tuple[InstitutionMonth, ...]
    listings: ListingMonth | None
    coordination: CoordinationMonth | None
    coverage: Coverage | None


@dataclass(frozen=True)
class Decided:
    """What a step did: `repeated` where its key had been seen before, `handed_on` where the next institution got it."""

    case_id: str
    stage: CaseStage
    version: int
    event_id: int
    repeated: bool = False
    handed_on: bool = False


@dataclass(frozen=True)
class Listed:
    """A need on the white list: its recommendation, and its open case if there is one; `new` when just listed."""

    need_id: str
    recommendation_id: str
    case_id: str | None
    new: bool


@dataclass(frozen=True)
class Swept:
    """What a look at the clocks did: cases expired, cases opened for the next institution, records forgotten."""

    expired: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()
    forgotten: int = 0

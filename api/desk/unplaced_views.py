"""What the desk shows of listed needs that nobody is left for: plain values, times in UTC with their zone."""

from dataclasses import dataclass
from datetime import date, datetime

from api.desk.coordination import CoordinationStage, CoordinationStep, Settlement
from api.desk.reasons import StepReason
from api.desk.screening import Screen
from api.desk.views import CaseItem, EventShown
from api.messages import ProductFix
from matching.codes import Purpose, Size
from matching.domain import Enterprise, Need


@dataclass(frozen=True)
class UnplacedNeed:
    """A listed need that nobody is left for, since `since`: `institutions` had it, none where no product suited.

    `reasons` are the commonest with which they declined, at most three. `office` is whom it was last dispatched to,
    `until` when that one is to be done; `overdue` whether that day has passed and nothing is settled. Where `amount` is
    None, the need was recommended for by another version of the service, and this one cannot read its facts; the region
    is known all the same.
    """

    need_id: str
    enterprise_id: str
    enterprise_name: str | None
    region: str | None
    size: Size | None
    amount: int | None
    term_months: int | None
    purpose: Purpose | None
    stage: CoordinationStage
    version: int
    since: datetime
    institutions: int
    reasons: tuple[StepReason, ...]
    office: str | None
    until: date | None
    overdue: bool
    result: Settlement | None
    settled_at: datetime | None


@dataclass(frozen=True)
class UnplacedPage:
    """Some of those needs; `total` counts them all, `after` is the cursor of the next page, None on the last."""

    items: tuple[UnplacedNeed, ...]
    total: int
    after: str | None


@dataclass(frozen=True)
class TriedCase:
    """A case of such a need, and the step that ended it: declined, with the reasons and words, or expired."""

    item: CaseItem
    ended: EventShown | None


@dataclass(frozen=True)
class CoordinationEvent:
    """A step of a need's coordination as it was taken."""

    event_id: int
    at: datetime
    actor: str
    step: CoordinationStep
    office: str | None
    until: date | None
    result: Settlement | None
    text: str


@dataclass(frozen=True)
class UnplacedView:
    """All of such a need: whose it is, which institutions had it, what would make products eligible, and its history.

    `screen` is what its screen for the white list found, None where it was listed without one.
    `fixes` go by today's catalogue, of all institutions, and are None while no model is in service; `legal` is what the
    asking actor may do now. `enterprise` is None, and so are `fixes`, where another version of the service recommended
    for the need and this one cannot read what it kept; `need` only where its own table's row cannot be read either.
    """

    item: UnplacedNeed
    enterprise: Enterprise | None
    need: Need | None
    screen: Screen | None
    tried: tuple[TriedCase, ...]
    fixes: tuple[ProductFix, ...] | None
    events: tuple[CoordinationEvent, ...]
    legal: tuple[CoordinationStep, ...]


@dataclass(frozen=True)
class Coordinated:
    """What a step did to a need's coordination: `repeated` where its key had been seen before."""

    need_id: str
    stage: CoordinationStage
    version: int
    event_id: int
    repeated: bool = False

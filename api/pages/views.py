"""What the templates show beside the desk's own views: bars, parts and plots in shares of 1, and a case's clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from matching.codes import Coded
from matching.domain import Reason, Trust
from matching.financing import Stack


@dataclass(frozen=True)
class Due:
    """How long until a step is due, or since; in whole days where there is one, in hours below."""

    due_at: datetime
    left: timedelta

    @property
    def overdue(self) -> bool:
        """Whether the time has run out."""
        return self.left < timedelta(0)

    @property
    def days(self) -> int:
        """Whole days left, or overdue."""
        return abs(self.left).days

    @property
    def hours(self) -> int:
        """Hours begun, left or overdue, at least one."""
        return max(1, -(-int(abs(self.left).total_seconds()) // 3600))


@dataclass(frozen=True)
class Bar:
    """A row of a bar chart: its share of the longest, below 0 to the other side, and what stands beside it."""

    label: str
    share: float
    text: str
    note: str = ""


@dataclass(frozen=True)
class Part:
    """A piece of a whole, laid from `start`."""

    label: str
    start: float
    share: float
    text: str


@dataclass(frozen=True)
class Plot:
    """A small plot of some of an enterprise's figures: bars that share a scale, or the parts of a whole."""

    title: str
    bars: Sequence[Bar] = ()
    parts: Sequence[Part] = ()
    note: str = ""


@dataclass(frozen=True)
class ReasonBar:
    """A reason with its weight as a share of the weightiest, below 0 where it lowers."""

    reason: Reason
    share: float


@dataclass(frozen=True)
class StackView:
    """A stack with the names of its parts, the parts of its cost as bars, and who bears a loss.

    `waiting` is what is to be reviewed of its parts; `trust` how well their worst source was read, None for the best.
    """

    stack: Stack
    names: Sequence[str]
    costs: Sequence[Bar]
    losses: Sequence[Part]
    waiting: Sequence[str]
    trust: Trust | None


@dataclass(frozen=True)
class StepMark:
    """A stage of the funnel as a case's head shows it: `state` is done, now, out or todo."""

    stage: Coded
    state: str


@dataclass(frozen=True)
class Said:
    """A refused form, shown again as it was sent beside what is wrong with it."""

    step: str = ""
    reasons: Sequence[str] = ()
    text: str = ""
    product_id: str = ""
    amount: str = ""
    rate: str = ""
    faults: Sequence[str] = ()

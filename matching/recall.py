"""Recall: what the memory holds for one need, product by product: masses under its kernels, and its own past.

What many events share is weighed once a need that is asked (`weighing`), not once an event; what a region or a trade
holds is counted once a month and kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matching.events import Events, Sample, Shared, standing
from matching.history import CODES, Codes, Context, History, Moment, Numbers
from matching.memory import WINDOW_DAYS, YEARS, Kernel, similarity
from matching.weighing import Asked, Slopes, weights_of

FADES: Final = ("fast", "mid", "slow")  # a quarter's momentum, last year, the long run
OWN: Final = ("mid", "all", "seen")
NEVER: Final = -(10**6)
WHOLE: Final = 50_000  # events taken up to which a need is held against all of them
DRAWN: Final = 20_000  # how many of more events a need is held against: what its time goes with
KEPT_BYTES: Final = 2**26  # what is kept of each kind of context may take so much, however many products there are

_FADES: Final = np.exp(-YEARS[:, None] / np.array([0.3, 1.2, 4.0]))


@dataclass(frozen=True)
class Recall:
    """What the memory holds for one need and for no other, by product and, in a last column, for what has no past.

    `own` [OWN, products + 1] is of the enterprise: what it took, fading and not, and how often it saw a product;
    `own_last` [products + 1] the day on which it took one last; `masses` [kernels, products + 1] are of events taken.
    """

    own: Numbers
    own_last: Numbers
    masses: Numbers


class Memory:
    """A history and its kernels, made ready once; `recall` may be called from several threads.

    Counts and the enterprise's own past are of all events. Of more than `whole` events taken some `drawn` stand for all
    under the kernels, so that a need's time is bounded however long the history.
    """

    def __init__(self, history: History, kernels: Sequence[Kernel], whole: int = WHOLE, drawn: int = DRAWN) -> None:
        self.history, self.kernels, self._limits = history, tuple(kernels), (whole, drawn)
        distinct = {kernel.weights.tobytes(): Slopes.of(kernel.weights) for kernel in kernels}
        self._slopes, names = list(distinct.values()), list(distinct)
        self._head = [names.index(kernel.weights.tobytes()) for kernel in kernels]
        self._taken, self._seen = (Events.of(history, np.flatnonzero(part)) for part in (history.taken, ~history.taken))
        few = len(self._taken.at) <= whole
        self._all = standing(history, self._taken, (0, len(history)), *self._limits) if few else None
        size = 8 * len(FADES) * (len(history.products) + 1)
        self._counted = lru_cache(max(KEPT_BYTES // size, 1))(self._count)
        self._overall = lru_cache(2)(self._overview)
        self._between = lru_cache(2)(self._standing)

    def __reduce__(self) -> tuple[type["Memory"], tuple[History, tuple[Kernel, ...], int, int]]:
        """Another process makes it ready anew."""
        return Memory, (self.history, self.kernels, *self._limits)

    def recall(self, context: Context) -> Recall:
        """What is held for a need: of the events that `context` may know, at most `WINDOW_YEARS` old."""
        span = self._span(context.moment)
        taken, seen = (_own(part, span, context) for part in (self._taken, self._seen))
        groups, sample = self._between(*span)
        masses = self._masses(sample, self._taken.at[taken], Asked.of(context, groups))
        return Recall(*self._trail(taken, seen, context.day), masses)

    def counts(self, moment: Moment, held: Mapping[str, int]) -> Numbers:
        """What was taken by needs that have the codes `held`, by product, as it fades [FADES, products + 1].

        Nothing where a code is unknown; by everyone where there is none.
        """
        codes = tuple(held.values())
        if min(codes, default=0) < 0:
            return np.zeros((len(FADES), len(self.history.products) + 1))
        return self._counted(moment, tuple(map(CODES.index, held)), codes)

    def amounts(self, moment: Moment) -> tuple[Numbers, Numbers]:
        """Of what was taken: moments of the log amount [3, products + 1], the last and the first day [2, products + 1].

        The moments are how many, their sum and the sum of their squares, fading slowly.
        """
        return self._overall(moment)

    def _span(self, moment: Moment) -> tuple[int, int]:
        return self.history.until(moment.day - WINDOW_DAYS), moment.until

    def _trail(self, taken: NDArray[np.intp], seen: NDArray[np.intp], today: int) -> tuple[Numbers, Numbers]:
        """The enterprise's own past: thousands of events where it deals daily, or was shown much."""
        size = len(self.history.products) + 1
        product, day = self._taken.product[taken], self._taken.day[taken]
        own, last = np.zeros((len(OWN), size)), np.full(size, float(NEVER))
        np.add.at(own[0], product, _FADES[today - day, FADES.index("mid")])
        own[1] = np.bincount(product, minlength=size)
        own[2] = np.bincount(self._seen.product[seen], minlength=size)
        np.maximum.at(last, product, day)
        return own, last

    def _masses(self, events: Sample, own: Codes, asked: Asked) -> Numbers:
        """The mass that each kernel gives each product [kernels, products]; a kernel twice is weighed once."""
        mine = np.flatnonzero((events.lots.enterprise == asked.context.codes[0]) & (asked.context.codes[0] >= 0))
        found = [self._mass(events, mine, own, asked, slopes) for slopes in self._slopes]
        return np.array([found[i] for i in self._head]).reshape(len(self.kernels), len(self.history.products) + 1)

    def _mass(
        self, events: Sample, mine: NDArray[np.intp], own: Codes, asked: Asked, slopes: Slopes
    ) -> Numbers:  # fmt: skip
        """The mass of each product; beside a sample the enterprise's own events `own` are all weighed."""
        size, past, weights = len(self.history.products) + 1, self.history, weights_of(events.lots, mine, asked, slopes)
        if events.whole:
            whole: Numbers = _mass(events.product, events.lot, weights, size)
            return whole
        weights[mine] = 0
        found: Numbers = _mass_of_sample(events.product, events.lot, weights, events.weight, size)
        need = asked.context.codes, asked.context.numbers, asked.context.day
        _add_own(found, own, slopes.theta, *need, past.codes, past.numbers, past.day, past.product)
        return found

    def _standing(self, start: int, until: int) -> tuple[list[Shared], Sample]:
        """What stands for the events taken from place `start` to before `until`, and what they share.

        A sample is drawn from these alone: what came later has no say in it.
        """
        if self._all is None:
            return standing(self.history, self._taken, (start, until), *self._limits)
        groups, sample = self._all
        return groups, sample.between(start, until)

    def _count(self, moment: Moment, columns: tuple[int, ...], codes: tuple[int, ...]) -> Numbers:
        """The events that hold `codes` in `columns` by product, as they fade fast, in between and slowly."""
        taken, size = self._taken, len(self.history.products) + 1
        held = taken.holding(taken.span(*self._span(moment)), columns, codes)
        found: Numbers = _tally(taken.product, taken.day, held, moment.day, size)
        return found

    def _overview(self, moment: Moment) -> tuple[Numbers, Numbers]:
        """By product: moments of the log amount [3, products], the last and the first day [2, products]."""
        taken, span = self._taken, slice(*self._taken.span(*self._span(moment)))
        found: tuple[Numbers, Numbers] = _moments(
            taken.product[span], taken.day[span], taken.amount[span], moment.day, len(self.history.products) + 1
        )
        return found


def _own(events: Events, span: tuple[int, int], context: Context) -> NDArray[np.intp]:
    """The enterprise's own events in a span of the history's places, if it is known."""
    code = int(context.codes[0])
    return events.holding(events.span(*span), (0,), (code,)) if code >= 0 else np.empty(0, dtype=np.intp)


@njit(cache=True, nogil=True)
def _mass(product: Any, lot: Any, weights: Any, size: int) -> Any:
    found = np.zeros(size)
    for j in range(len(product)):
        found[product[j]] += weights[lot[j]]
    return found


@njit(cache=True, nogil=True)
def _mass_of_sample(product: Any, lot: Any, weights: Any, weight: Any, size: int) -> Any:
    found = np.zeros(size)
    for j in range(len(product)):
        found[product[j]] += weight[j] * weights[lot[j]]
    return found


@njit(cache=True, nogil=True)
def _add_own(
    found: Any, own: Any, theta: Any, mine: Any, numbers: Any, today: int, codes: Any, amounts: Any, days: Any,
    products: Any,
) -> None:  # fmt: skip
    phi = np.zeros(len(theta))
    for j in own:
        found[products[j]] += np.exp(similarity(theta, mine, numbers, today, codes[j], amounts[j], days[j], phi))


@njit(cache=True, nogil=True)
def _tally(product: Any, day: Any, events: Any, today: int, size: int) -> Any:
    found = np.zeros((3, size))
    for j in events:
        for f in range(3):
            found[f, product[j]] += _FADES[today - day[j], f]
    return found


@njit(cache=True, nogil=True)
def _moments(product: Any, day: Any, amount: Any, today: int, size: int) -> Any:
    moments, days = np.zeros((3, size)), np.full((2, size), float(NEVER))
    for j in range(len(product)):
        p, weight = product[j], _FADES[today - day[j], 2]
        moments[0, p] += weight
        moments[1, p] += weight * amount[j]
        moments[2, p] += weight * amount[j] ** 2
        days[0, p] = day[j]
        if days[1, p] == NEVER:
            days[1, p] = day[j]
    return moments, days

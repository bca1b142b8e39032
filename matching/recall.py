"""Recall: what the memory holds for one need, product by product: masses under its kernels, and counts by context.

What many events share is weighed once a need that is asked (`weighing`), not once an event; what a region or a trade
holds is counted once a month and kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matching.events import Events, Sample, Shared, standing
from matching.history import CODES, Codes, Context, History, Numbers
from matching.memory import WINDOW_DAYS, YEARS, Kernel, similarity
from matching.weighing import Asked, Slopes, weights_of

COUNTS: Final = (
    "all_fast",
    "all_mid",
    "all_slow",
    "region_1",
    "region_2",
    "region_3",
    "region_4",
    "industry_2",
    "industry_3",
    "industry_4",
    "size",
    "region_industry",
    "region_fast",
    "region_mid",
    "own_mid",
    "own",
    "amount_0",
    "amount_1",
    "amount_2",
    "own_seen",
)
DAYS: Final = ("own_last", "last", "first")
NEVER: Final = -(10**6)
WHOLE: Final = 50_000  # events taken up to which a need is held against all of them
DRAWN: Final = 20_000  # how many of more events a need is held against: what its time goes with
KEPT: Final = 2048  # counts by context that are kept; one is some 30 bytes a product

_C: Final = {name: i for i, name in enumerate(COUNTS)}
_TALLIES: Final = (  # a context's columns, and where its fast, mid and slow counts go
    ((), "all_fast", "all_mid", "all_slow"),
    (("region_1",), "region_fast", "region_mid", "region_1"),
    (("region_2",), None, None, "region_2"),
    (("region_3",), None, None, "region_3"),
    (("region_4",), None, None, "region_4"),
    (("industry_2",), None, None, "industry_2"),
    (("industry_3",), None, None, "industry_3"),
    (("industry_4",), None, None, "industry_4"),
    (("size",), None, None, "size"),
    (("region_1", "industry_2"), None, None, "region_industry"),
)
_CONTEXTS: Final = tuple(
    (tuple(CODES.index(name) for name in names), tuple((i, _C[to]) for i, to in enumerate(places) if to))
    for names, *places in _TALLIES
)
_FADES: Final = np.exp(-YEARS[:, None] / np.array([0.3, 1.2, 4.0]))  # a quarter's momentum, last year, the long run


@dataclass(frozen=True)
class Recall:
    """What the memory holds for one need, by product and, in a last column, for what has no past: nothing.

    `counts` is [COUNTS, products + 1], `days` [DAYS, products + 1], `masses` [kernels, products + 1]. All are of events
    taken, but for how often the enterprise itself only saw a product.
    """

    counts: Numbers
    days: Numbers
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
        self._counted = lru_cache(KEPT)(self._count)
        self._overall = lru_cache(2)(self._overview)
        self._between = lru_cache(2)(self._standing)

    def __reduce__(self) -> tuple[type["Memory"], tuple[History, tuple[Kernel, ...], int, int]]:
        """Another process makes it ready anew."""
        return Memory, (self.history, self.kernels, *self._limits)

    def recall(self, context: Context) -> Recall:
        """What is held for a need: of the events that `context` may know, at most `WINDOW_YEARS` old."""
        span = (self.history.until(context.day - WINDOW_DAYS), context.until)
        size = len(self.history.products) + 1
        counts, days = np.zeros((len(COUNTS), size)), np.full((len(DAYS), size), float(NEVER))
        known = context.codes.tolist()
        for columns, targets in _CONTEXTS:
            codes = tuple(known[column] for column in columns)
            if min(codes, default=0) >= 0:
                found = self._counted(*span, context.day, columns, codes)
                for source, target in targets:
                    counts[target] = found[source]
        amounts, days[1:] = self._overall(*span, context.day)
        counts[_C["amount_0"] : _C["amount_2"] + 1] = amounts
        own = [_own(part, span, context) for part in (self._taken, self._seen)]
        _trail(counts, days, self._taken, own[0], self._seen, own[1], context.day)
        groups, sample = self._between(*span)
        return Recall(counts, days, self._masses(sample, self._taken.at[own[0]], Asked.of(context, groups)))

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

    def _count(self, start: int, until: int, today: int, columns: tuple[int, ...], codes: tuple[int, ...]) -> Numbers:
        """The events that hold `codes` in `columns` by product, as they fade fast, in between and slowly."""
        taken, size = self._taken, len(self.history.products) + 1
        held = taken.holding(taken.span(start, until), columns, codes)
        found: Numbers = _tally(taken.product, taken.day, held, today, size)
        return found

    def _overview(self, start: int, until: int, today: int) -> tuple[Numbers, Numbers]:
        """By product: moments of the log amount [3, products], the last and the first day [2, products]."""
        taken, span = self._taken, slice(*self._taken.span(start, until))
        found: tuple[Numbers, Numbers] = _moments(
            taken.product[span], taken.day[span], taken.amount[span], today, len(self.history.products) + 1
        )
        return found


def _own(events: Events, span: tuple[int, int], context: Context) -> NDArray[np.intp]:
    """The enterprise's own events in a span of the history's places, if it is known."""
    code = int(context.codes[0])
    return events.holding(events.span(*span), (0,), (code,)) if code >= 0 else np.empty(0, dtype=np.intp)


def _trail(
    counts: Numbers, days: Numbers, taken: Events, own_taken: NDArray[np.intp], seen: Events,
    own_seen: NDArray[np.intp], today: int,
) -> None:  # fmt: skip
    """The enterprise's own past, which is short."""
    for at in own_taken:
        product, day = taken.product[at], taken.day[at]
        counts[_C["own_mid"], product] += _FADES[today - day, 1]
        counts[_C["own"], product] += 1
        days[0, product] = day
    for at in own_seen:
        counts[_C["own_seen"], seen.product[at]] += 1


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

"""Systems that a model has to beat: random, popularity in three forms, and back-off shares with tuned weights.

All read the taken outcomes of a `History` before a query's cutoff and nothing else, and learn from the queries given
to `fit` only: the caller gives those before the split. Equal scores share their rank (`metrics`).
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple, Protocol, Self
from zlib import crc32

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matching.history import CODES, MISSING, NUMBERS, Codes, Context, History
from training.metrics import Floats

YEAR: Final = 365
BANDS: Final = ("amount by 2", "amount by 6")
COLUMNS: Final = (*CODES, *BANDS)
ENTERPRISE: Final = COLUMNS.index("enterprise")
REGION: Final = COLUMNS.index("region_1")
LADDER: Final[tuple[tuple[str, ...], ...]] = (  # at most two columns each
    ("enterprise",),
    ("region_4",),
    ("region_3",),
    ("region_2",),
    ("region_1",),
    ("industry_4",),
    ("industry_3",),
    ("industry_2",),
    ("industry_1",),
    ("region_1", "industry_3"),
    ("region_1", "industry_2"),
    ("region_2", "industry_2"),
    ("size",),
    ("region_1", "size"),
    ("industry_2", "size"),
    ("purpose",),
    ("region_1", "purpose"),
    ("amount by 2",),
    ("amount by 6",),
    ("region_1", "amount by 2"),
    ("region_1", "amount by 6"),
    (),
)
HALF_LIVES: Final = (120, 365, 1095, 3650)  # days
STRENGTHS: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
STEPS: Final = (0.0, 1 / 3, 2 / 3, 3 / 2, 3.0)
BACK: Final = 0.3  # the weight at which a rung once dropped is tried again
SWEEPS: Final = 6
MOST: Final = 1000  # queries to tune on
UNIFORM: Final = 1e-3  # chance left to what the history gives none


class Query(Protocol):
    """A need to rank for: `candidates` are product codes of the history [c] (-1 without a past), `gains` [c]."""

    @property
    def need_id(self) -> str: ...
    @property
    def context(self) -> Context: ...
    @property
    def candidates(self) -> Codes: ...
    @property
    def gains(self) -> Floats: ...


class Baseline(ABC):
    """A system by its `name`: `fit` to a history and to queries before the split, then `scores` query by query."""

    name: ClassVar[str]

    def fit(self, history: History, queries: Sequence[Query]) -> Self:
        """Learns from `queries` on `history`, both from before the split; ready for any query on that history."""
        return self.on(history)

    def on(self, history: History) -> Self:
        """Ready for any query on `history`, which may go on after the split; what was learned stays."""
        self._day = history.day[history.taken]
        self._product = history.product[history.taken]
        self._columns = _columns(history.codes[history.taken], history.numbers[history.taken])
        self._products = len(history.products)
        return self

    @abstractmethod
    def scores(self, query: Query) -> Floats:
        """A score for each of the query's candidates."""

    def _shares(self, query: Query, events: slice, where: NDArray[np.bool_] | None = None) -> Floats:
        """Each candidate's share of the taken `events` (those `where`); 0 where there are none."""
        products = self._product[events] if where is None else self._product[events][where]
        counts = np.bincount(products, minlength=self._products + 1)  # the last, at -1, stays 0
        return counts[query.candidates] / max(products.size, 1)

    def _before(self, query: Query, days: int | None = None) -> slice:
        """The taken events before the query's cutoff, at most `days` before it."""
        first = 0 if days is None else int(np.searchsorted(self._day, query.context.day - days))
        return slice(first, int(np.searchsorted(self._day, query.context.day)))


class Random(Baseline):
    """Chance: the same for a seed and a need."""

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def scores(self, query: Query) -> Floats:
        return np.random.default_rng([self._seed, crc32(query.need_id.encode())]).random(query.candidates.size)


class Popularity(Baseline):
    """The product's share of all outcomes so far."""

    name = "popularity"

    def scores(self, query: Query) -> Floats:
        return self._shares(query, self._before(query))


class RecentInRegion(Baseline):
    """The product's share of the last year's outcomes in the state or province; ties by its share anywhere."""

    name = "recent popularity in the region"

    def scores(self, query: Query) -> Floats:
        year = self._before(query, YEAR)
        region = query.context.codes[REGION]
        inside = (self._columns[year, REGION] == region) & (region != MISSING)
        return self._shares(query, year, inside) + 1e-3 * self._shares(query, year)


class OwnThenRegion(RecentInRegion):
    """The enterprise's own products, the most recent first, then as `RecentInRegion`."""

    name = "own last, then region"

    def scores(self, query: Query) -> Floats:
        past = self._before(query)
        own = np.flatnonzero(self._columns[past, ENTERPRISE] == query.context.codes[ENTERPRISE])
        last = np.zeros(self._products + 1)
        recency = np.unique(self._day[own], return_inverse=True)[1]
        np.maximum.at(last, self._product[own], 1.0 + recency)
        return 2 * last[query.candidates] + super().scores(query)  # a region's score is below 2


class Rung(NamedTuple):
    """What a context counts for, how its past fades (index of `HALF_LIVES`), how many outcomes make it half sure."""

    weight: float = 1.0
    fading: int = 2
    strength: float = 3.0


class BackOff(Baseline):
    """A weighted sum, over a ladder of contexts, of the product's share of the decayed outcomes in each.

    A share is the product's count / (the context's count + strength), so that thin contexts speak softly. Weight,
    half-life and strength of every rung maximise the likelihood of what was taken in the last year of the queries
    given, each enterprise counting once; without any, every rung keeps its default.
    """

    name = "back-off shares"

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self.rungs = [Rung() for _ in LADDER]

    def fit(self, history: History, queries: Sequence[Query]) -> Self:
        super().fit(history, queries)
        recent = _recent(queries, self._seed)
        self.rungs = _tuned(self._evidence(recent), self._seed) if recent else [Rung() for _ in LADDER]
        return self

    def scores(self, query: Query) -> Floats:
        counts, totals = self._counts(query)
        score = np.zeros(query.candidates.size)
        for k, rung in enumerate(self.rungs):
            score += rung.weight * counts[k, rung.fading] / (totals[k, rung.fading] + rung.strength)
        return score

    def _counts(self, query: Query) -> tuple[Floats, Floats]:
        """Decayed outcomes by rung and half-life: of each candidate [rungs, half-lives, c], and of all products."""
        slot = np.full(self._products + 1, MISSING, np.int32)
        slot[query.candidates] = np.arange(query.candidates.size, dtype=np.int32)
        counts = np.zeros((len(LADDER), len(HALF_LIVES), query.candidates.size))
        totals = np.zeros(counts.shape[:2])
        past, context = self._before(query), query.context
        columns = _columns(context.codes[None], context.numbers[None])[0]
        slots, ages = slot[self._product[past]], context.day - self._day[past]
        _count(self._columns[past], slots, ages, columns, _PLACES, _FADES, counts, totals)
        return counts, totals

    def _evidence(self, queries: Sequence[Query]) -> "_Evidence":
        rows = []
        per_enterprise = Counter(int(query.context.codes[ENTERPRISE]) for query in queries)
        for query in queries:
            counts, totals = self._counts(query)
            share = 1 / per_enterprise[int(query.context.codes[ENTERPRISE])] / query.gains.sum()
            for place in np.flatnonzero(query.gains > 0):
                numbers = (query.gains[place] * share, UNIFORM / query.candidates.size)
                rows.append((counts[..., place], counts.sum(axis=-1), totals, *numbers))
        return _Evidence(*(np.stack(column, axis=-1) for column in zip(*rows, strict=True)))


class _Evidence(NamedTuple):
    """Of each taken candidate [.., t]: its decayed counts, all candidates', all products'; its weight and floor."""

    taken: Floats
    candidates: Floats
    everything: Floats
    weight: Floats
    floor: Floats

    def shares(self, k: int, rung: Rung) -> Floats:
        """The rung's part [2, t] in the score of what was taken and in the sum of all candidates' scores."""
        both = np.stack([self.taken[k, rung.fading], self.candidates[k, rung.fading]])
        part: Floats = rung.weight * both / (self.everything[k, rung.fading] + rung.strength)
        return part

    def likelihood(self, sums: Floats) -> float:
        """The weighted log-likelihood of what was taken, a candidate's chance being its share of all scores."""
        chance = sums[0] / np.maximum(sums[1], 1e-300)
        return float(self.weight @ np.log((1 - UNIFORM) * chance + self.floor))


def _tuned(evidence: _Evidence, seed: int) -> list[Rung]:
    """Coordinate search: rung by rung in random order, the best of a few changes of one number at a time."""
    rungs = [Rung() for _ in LADDER]
    order = np.random.default_rng(seed)
    for _ in range(SWEEPS):
        before = list(rungs)
        for k in order.permutation(len(rungs)):
            others = sum(evidence.shares(i, rung) for i, rung in enumerate(rungs) if i != k)
            rungs[k] = max(_changes(rungs[k]), key=lambda rung: evidence.likelihood(others + evidence.shares(k, rung)))
        if rungs == before:
            break
    return rungs


def _changes(rung: Rung) -> list[Rung]:
    """The rung itself first, so that it stays where nothing is better."""
    weights = [rung.weight * step for step in STEPS] if rung.weight else [BACK]
    return [
        rung,
        *(rung._replace(weight=weight) for weight in weights),
        *(rung._replace(fading=fading) for fading in range(len(HALF_LIVES))),
        *(rung._replace(strength=strength) for strength in STRENGTHS),
    ]


def _recent(queries: Sequence[Query], seed: int) -> list[Query]:
    """The queries of the last year that took a candidate, a random `MOST` of them where there are more."""
    last = max((query.context.day for query in queries), default=0)
    recent = [query for query in queries if query.context.day > last - YEAR and query.gains.sum() > 0]
    if len(recent) <= MOST:
        return recent
    drawn = np.random.default_rng(seed).choice(len(recent), MOST, replace=False)
    return [recent[i] for i in np.sort(drawn)]


def _columns(codes: Codes, numbers: Floats) -> Codes:
    """The history's codes and the bands of the amount, doubling and sixfold, [n, COLUMNS]."""
    amount = numbers[:, NUMBERS.index("amount")]
    bands = np.stack([np.floor(np.nan_to_num(amount / np.log(ratio), nan=MISSING)) for ratio in (2, 6)], axis=1)
    return np.hstack([codes, bands.astype(np.int32)])


_ALWAYS: Final = len(COLUMNS)
_PLACES: Final = np.array([([COLUMNS.index(name) for name in rung] + [_ALWAYS] * 2)[:2] for rung in LADDER])
_FADES: Final = np.stack([0.5 ** (np.arange(50 * YEAR) / days) for days in HALF_LIVES], axis=1)


@njit(nogil=True, cache=True)
def _count(
    events: Codes, slots: Codes, ages: Codes, context: Codes, places: Codes, fading: Floats, counts: Floats,
    totals: Floats,
) -> None:  # fmt: skip
    """Adds each event, faded by its age, to the rungs whose columns it has in common with the context."""
    same = np.ones(context.size + 1, np.bool_)
    for event in range(ages.size):
        fades = fading[min(ages[event], len(fading) - 1)]
        for column in range(context.size):
            same[column] = context[column] != MISSING and events[event, column] == context[column]
        for rung in range(len(places)):
            if same[places[rung, 0]] and same[places[rung, 1]]:
                _add(fades, rung, slots[event], counts, totals)


@njit(nogil=True, cache=True)
def _add(fades: Floats, rung: int, slot: int, counts: Floats, totals: Floats) -> None:
    for h in range(fades.size):
        totals[rung, h] += fades[h]
        if slot != MISSING:
            counts[rung, h, slot] += fades[h]

"""Contexts: what everyone, a region, a trade and a size tell of each product, institution and type, as features.

They are the same for all needs of a month that share the context: worked out once and kept. `_lift` is a log ratio of a
share in a context (shrunk towards the wider context) to the share in the wider one; shares are in logs.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from matching.history import CODES, MISSING, Codes, Context, Moment, Numbers
from matching.memory import YEAR
from matching.recall import FADES, KEPT_BYTES, NEVER, Memory
from matching.sides import Side

# Older than five years is old: a life known only from where the record begins would tell one product from another by
# a number that grows, and a model that outlives its training by years would mistake it.
OLD_YEARS: Final = 5.0
CONTEXT_FEATURES: Final = (
    ("popularity", Side.PRODUCT, "popularity"),
    ("year_momentum", Side.PRODUCT, "popularity"),
    ("quarter_momentum", Side.PRODUCT, "popularity"),
    ("idle_years", Side.PRODUCT, "popularity"),
    ("life_years", Side.PRODUCT, "popularity"),
    ("region_1_lift", Side.PAIR, "region"),
    ("region_2_lift", Side.PAIR, "region"),
    ("region_3_lift", Side.PAIR, "region"),
    ("region_4_lift", Side.PAIR, "region"),
    ("region_share", Side.PAIR, "region"),
    ("region_year_share", Side.PAIR, "region"),
    ("region_momentum", Side.PAIR, "region"),
    ("industry_2_lift", Side.PAIR, "industry"),
    ("industry_3_lift", Side.PAIR, "industry"),
    ("industry_4_lift", Side.PAIR, "industry"),
    ("region_industry_lift", Side.PAIR, "industry"),
    ("size_lift", Side.PAIR, "size"),
)
REGIONS: Final = ("region_1", "region_2", "region_3", "region_4")
TRADES: Final = ("industry_2", "industry_3", "industry_4")
_PULL: Final = 4.0  # how many outcomes a context must hold to count as much as the wider context
_REGIONS_AT: Final = slice(CODES.index(REGIONS[0]), CODES.index(REGIONS[-1]) + 1)
_TRADES_AT: Final = slice(CODES.index(TRADES[0]), CODES.index(TRADES[-1]) + 1)
_SIZE_AT: Final = CODES.index("size")
_FAST, _MID, _SLOW = (FADES.index(name) for name in ("fast", "mid", "slow"))


class Everyone(NamedTuple):
    """All needs: `features` [5, codes + 1], the year's share `mid` and the `usual` amounts, by code of a level.

    `usual` [3, codes + 1] are centre, width and log width of log amounts, `overall` [2] their mean and variance.
    """

    features: Numbers
    mid: Numbers
    usual: Numbers
    overall: Numbers


class Told(NamedTuple):
    """A chain of contexts, from wide to narrow: its `features` [k, codes + 1].

    `totals` are how many outcomes each context holds, fading slowly; of a region, `year` is the year's share, of a
    trade nothing.
    """

    features: Numbers
    totals: Numbers
    year: Numbers


class Surroundings(NamedTuple):
    """What surrounds a need, at each level; features in the order of `CONTEXT_FEATURES`.

    `alone` are the lifts [1, codes + 1] of the trade within the region, and of the size.
    """

    everyone: Sequence[Everyone]
    region: Sequence[Told]
    trade: Sequence[Told]
    alone: Sequence[tuple[Numbers, Numbers]]


class Contexts:
    """What contexts tell of a memory's products and of the `groups` of these: for each, every product's and how many.

    The first level is the products' own. May be asked from several threads.
    """

    def __init__(self, memory: Memory, groups: Sequence[tuple[Codes, int]]) -> None:
        self._memory, self._groups = memory, tuple(groups)
        codes = len(memory.history.products) + 1 + sum(size + 1 for _, size in groups)
        regions, trades, lines = (max(KEPT_BYTES // (8 * rows * codes), 1) for rows in (8, 3, 1))
        self._everyone = lru_cache(2)(self._of_everyone)
        self._region, self._trade = lru_cache(regions)(self._of_region), lru_cache(trades)(self._of_trade)
        self._both, self._size = lru_cache(lines)(self._of_both), lru_cache(lines)(self._of_size)

    def around(self, context: Context) -> Surroundings:
        """What surrounds a need, as of the context's month."""
        moment, codes = context.moment, context.codes.tolist()
        region, trade = tuple(codes[_REGIONS_AT]), tuple(codes[_TRADES_AT])
        return Surroundings(
            self._everyone(moment),
            self._region(moment, region),
            self._trade(moment, trade),
            list(zip(self._both(moment, region[0], trade[0]), self._size(moment, codes[_SIZE_AT]), strict=True)),
        )

    def _of_everyone(self, moment: Moment) -> list[Everyone]:
        counts, (amounts, days) = self._memory.counts(moment, {}), self._memory.amounts(moment)
        levels = zip(self.rolled(counts), self.rolled(amounts), self._span(days), strict=True)
        return [Everyone(*_everyone(*level, moment.day)) for level in levels]

    def _of_region(self, moment: Moment, codes: tuple[int, ...]) -> list[Told]:
        held = [self._memory.counts(moment, {name: code}) for name, code in zip(REGIONS, codes, strict=True)]
        chain, lately = np.array([counts[_SLOW] for counts in held]), held[0][[_FAST, _MID]]
        levels = zip(self.rolled(chain), self.rolled(lately), self._everyone(moment), strict=True)
        return [Told(*_region(rows, late, everyone.mid)) for rows, late, everyone in levels]

    def _of_trade(self, moment: Moment, codes: tuple[int, ...]) -> list[Told]:
        chain = [self._memory.counts(moment, {name: code})[_SLOW] for name, code in zip(TRADES, codes, strict=True)]
        levels = zip(self.rolled(np.array(chain)), self._everyone(moment), strict=True)
        return [Told(*_trade(rows, everyone.mid)) for rows, everyone in levels]

    def _of_both(self, moment: Moment, region: int, trade: int) -> list[Numbers]:
        counts = self._memory.counts(moment, {"region_1": region, "industry_2": trade})[[_SLOW]]
        alone = (region, *[MISSING] * (len(REGIONS) - 1))
        levels = zip(self.rolled(counts), self._region(moment, alone), strict=True)
        return [_lift(rows, told.year) for rows, told in levels]

    def _of_size(self, moment: Moment, code: int) -> list[Numbers]:
        counts = self._memory.counts(moment, {"size": code})[[_SLOW]]
        levels = zip(self.rolled(counts), self._everyone(moment), strict=True)
        return [_lift(rows, everyone.mid) for rows, everyone in levels]

    def rolled(self, rows: Numbers) -> list[Numbers]:
        """Rows [k, products + 1] as they are, then summed by each of the groups [k, size + 1]."""
        return [rows, *(_sums(rows, group, size) for group, size in self._groups)]

    def _span(self, days: Numbers) -> list[Numbers]:
        """The last and the first days [2, products + 1] of products, then of each of the groups."""
        return [days, *(_extremes(days, group, size) for group, size in self._groups)]


@njit(cache=True, nogil=True)
def _sums(rows: Any, group: Any, size: int) -> Any:
    """Each row's sums by group [rows, size + 1], the last for what has no past."""
    found = np.zeros((len(rows), size + 1))
    for row in range(len(rows)):
        for i in range(len(group)):
            found[row, group[i]] += rows[row, i]
    return found


@njit(cache=True, nogil=True)
def _extremes(days: Any, group: Any, size: int) -> Any:
    """The latest of the last days, the earliest of the first ones [2, size + 1]."""
    found = np.full((2, size + 1), float(NEVER))
    for i in range(len(group)):
        g = group[i]
        found[0, g] = max(found[0, g], days[0, i])
        if days[1, i] != NEVER and (found[1, g] == NEVER or days[1, i] < found[1, g]):
            found[1, g] = days[1, i]
    return found


@njit(cache=True, nogil=True)
def totals(rows: Any) -> Any:
    """Each row's sum, entry by entry: of a pairwise sum, products yet to come, all 0, would change the last bit."""
    found = np.zeros(len(rows))
    for row in range(len(rows)):
        for i in range(rows.shape[1]):
            found[row] += rows[row, i]
    return found


@njit(cache=True, nogil=True)
def _everyone(counts: Any, amounts: Any, days: Any, today: int) -> Any:
    """How popular each code is, lately and in the long run, and which amounts are usual: what `Everyone` has."""
    size, total, had = counts.shape[1], totals(counts), np.count_nonzero(counts[_SLOW])
    features, mid = np.empty((5, size)), np.empty(size)
    for c in range(size):
        slow = (counts[_SLOW, c] + 0.5) / (total[_SLOW] + 0.5 * (1 + had))  # not those met only later
        mid[c] = _shrunk(counts[_MID, c], total[_MID], slow, 2.0)
        fast = _shrunk(counts[_FAST, c], total[_FAST], mid[c], 2.0)
        features[0, c], features[1, c], features[2, c] = np.log(slow), np.log(mid[c] / slow), np.log(fast / mid[c])
        features[3, c] = years(days[0, c], today)
        features[4, c] = min(years(days[1, c], today), OLD_YEARS)
    return features, mid, *_usual(amounts)


@njit(cache=True, nogil=True)
def _usual(amounts: Any) -> Any:
    """Centre, width and log width of each code's amounts, shrunk to the overall mean and variance; and these two."""
    total, size = totals(amounts), amounts.shape[1]
    held = max(total[0], 1e-9)
    mean = total[1] / held
    spread = max(total[2] / held - mean**2, 0.01)
    found = np.empty((3, size))
    for c in range(size):
        centre = (amounts[1, c] + 3 * mean) / (amounts[0, c] + 3)
        square = (amounts[2, c] + 3 * (spread + mean**2)) / (amounts[0, c] + 3)
        width = np.sqrt(max(square - centre**2, 0.05))
        found[0, c], found[1, c], found[2, c] = centre, width, np.log(width)
    return found, np.array([mean, spread])


@njit(cache=True, nogil=True)
def _region(chain: Any, lately: Any, mid: Any) -> Any:
    """What `Told` has of a region's chain [4, codes + 1]; `lately` are its fast and mid counts."""
    steps, total = len(chain), totals(lately)
    features, year = np.empty((steps + 3, len(mid))), np.empty(len(mid))
    share, held = _ladder(features, chain, mid)
    for c in range(len(mid)):
        year[c] = _shrunk(lately[1, c], total[1], mid[c], 3.0)
        late = _shrunk(lately[0, c], total[0], year[c], 3.0)
        features[steps, c], features[steps + 1, c] = np.log(share[c]), np.log(year[c])
        features[steps + 2, c] = np.log(late / year[c])
    return features, held, year


@njit(cache=True, nogil=True)
def _trade(chain: Any, mid: Any) -> Any:
    """What `Told` has of a trade's chain [3, codes + 1]."""
    features = np.empty((len(chain), len(mid)))
    return features, _ladder(features, chain, mid)[1], mid[:0]


@njit(cache=True, nogil=True)
def _ladder(features: Any, chain: Any, mid: Any) -> Any:
    """Writes the lift of each step into its row of features; the share at the end, and what each context holds."""
    wide, held = mid.copy(), totals(chain)
    for step in range(len(chain)):
        for c in range(len(wide)):
            narrow = _shrunk(chain[step, c], held[step], wide[c], _PULL)
            features[step, c] = np.log(narrow / wide[c])
            wide[c] = narrow
    return wide, held


@njit(cache=True, nogil=True)
def _lift(counts: Any, wide: Any) -> Any:
    """Of one context's counts [1, codes + 1], how much more is taken in it than in a wider one [1, codes + 1]."""
    total, found = totals(counts)[0], np.empty((1, len(wide)))
    for c in range(len(wide)):
        found[0, c] = np.log(_shrunk(counts[0, c], total, wide[c], _PULL) / wide[c])
    return found


@njit(cache=True, nogil=True)
def years(day: float, today: int) -> float:
    """Since a day; NaN where it never came."""
    return np.nan if day == NEVER else (today - day) / YEAR


@njit(cache=True, nogil=True)
def _shrunk(count: float, total: float, wide: float, pull: float) -> float:
    """The share in a context, shrunk to the share in a wider one by `pull` outcomes."""
    return (count + pull * wide) / (total + pull)

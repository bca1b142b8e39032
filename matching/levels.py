"""The features that stand at three levels: the product, its institution, its type; made from what is recalled.

`_lift` is a log ratio of a share in a context (shrunk towards the wider context) to the share in the wider one; `_gap`
is a value less the best candidate's; shares are in logs. Compiled: a request's time goes with it.
"""

from collections import namedtuple
from typing import Any, Final

import numpy as np
from numba import njit

from matching.history import DISTANCES, Codes, Context, History, Numbers
from matching.memory import YEAR
from matching.recall import COUNTS, DAYS, NEVER, Recall
from matching.sides import Side

LEVELS: Final = ("product", "institution", "type")
HEADS: Final = LEVELS  # one kernel fitted to predict each level's next choice
# Older than five years is old: a life known only from where the record begins would tell one product from another by
# a number that grows, and a model that outlives its training by years would mistake it.
OLD_YEARS: Final = 5.0
UNSEEN: Final = 1e-6  # the share granted to what the memory has never met
LEVEL_FEATURES: Final = (
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
    ("own_share", Side.PAIR, "own"),
    ("own_count", Side.PAIR, "own"),
    ("own_years", Side.PAIR, "own"),
    ("own_last", Side.PAIR, "own"),
    ("amount_distance", Side.PAIR, "amount"),
    ("amount_likelihood", Side.PAIR, "amount"),
    ("back_off", Side.PAIR, "back_off"),
    ("back_off_gap", Side.PAIR, "back_off"),
    *((f"memory_{head}", Side.PAIR, "memory") for head in HEADS),
    *((f"memory_{head}_gap", Side.PAIR, "memory") for head in HEADS),
    ("own_seen", Side.PAIR, "own"),
)
_PULL: Final = 4.0  # how many outcomes a context must hold to count as much as the wider context
_AMOUNT: Final = DISTANCES.index("amount")
_C: Final[Any] = namedtuple("_C", COUNTS)(*range(len(COUNTS)))
_D: Final[Any] = namedtuple("_D", DAYS)(*range(len(DAYS)))
_F: Final[Any] = namedtuple("_F", [name for name, _, _ in LEVEL_FEATURES])(*range(len(LEVEL_FEATURES)))


def fill(columns: Numbers, level: str, history: History, recalled: Recall, context: Context, codes: Codes) -> None:
    """Write `LEVEL_FEATURES` of one of `LEVELS` into columns [LEVEL_FEATURES, n], for candidates of `codes` there."""
    held = _rolled(level, history, recalled)
    _fill(columns, codes, held.counts, held.days, held.masses, context.day, context.numbers[_AMOUNT])


def _rolled(level: str, history: History, recalled: Recall) -> Recall:
    """The recall summed from products to `level`."""
    if level == "product":
        return recalled
    group = {"institution": history.institution_of, "type": history.type_of}[level]
    size = {"institution": history.institutions, "type": history.types}[level].size
    counts, masses = (_sums(part, group, size) for part in (recalled.counts, recalled.masses))
    return Recall(counts, _latest(recalled.days, group, size), masses)


@njit(cache=True, nogil=True)
def _sums(rows: Any, group: Any, size: int) -> Any:
    """Each row's sums by group [rows, size + 1], the last for what has no past."""
    found = np.zeros((len(rows), size + 1))
    for row in range(len(rows)):
        for i in range(len(group)):
            found[row, group[i]] += rows[row, i]
    return found


@njit(cache=True, nogil=True)
def _latest(days: Any, group: Any, size: int) -> Any:
    """The latest of `own_last` and `last`, the earliest of `first` [DAYS, size + 1]."""
    found = np.full((len(days), size + 1), float(NEVER))
    for i in range(len(group)):
        g = group[i]
        found[_D.own_last, g] = max(found[_D.own_last, g], days[_D.own_last, i])
        found[_D.last, g] = max(found[_D.last, g], days[_D.last, i])
        if days[_D.first, i] != NEVER and (found[_D.first, g] == NEVER or days[_D.first, i] < found[_D.first, g]):
            found[_D.first, g] = days[_D.first, i]
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
def _fill(columns: Any, codes: Any, counts: Any, days: Any, masses: Any, today: int, amount: float) -> None:
    """What has the same code has the same features: each code is worked out once, all codes feature by feature."""
    total, whole = totals(counts), totals(masses)
    had = np.count_nonzero(counts[_C.all_slow])
    latest = days[_D.own_last].max()
    used, place = _used(codes, counts.shape[1])
    table = np.empty((len(columns), len(used)))
    count = _of(counts, used)
    _shares(table, count, total, had)
    _own(table, count, total, _of(days, used), latest, today)
    _amounts(table, count, total, amount)
    for h in range(len(masses)):
        for c in range(len(used)):
            table[_F.memory_product + h, c] = np.log(masses[h, used[c]] / max(whole[h], 1e-300) + UNSEEN)
        _gap(table[_F.memory_product + h], table[_F.memory_product_gap + h])
    _gap(table[_F.back_off], table[_F.back_off_gap])
    for f in range(len(columns)):
        column, values = columns[f], table[f]
        for i in range(len(codes)):
            column[i] = values[place[i]]


@njit(cache=True, nogil=True)
def _used(codes: Any, size: int) -> Any:
    """The codes that occur, and for each of `codes` its place among them; the code one past the last has no past."""
    known, place, used, many = np.full(size, -1), np.empty(len(codes), np.int64), np.empty(len(codes), np.int64), 0
    for i in range(len(codes)):
        if known[codes[i]] < 0:
            known[codes[i]], used[many] = many, codes[i]
            many += 1
        place[i] = known[codes[i]]
    return used[:many], place


@njit(cache=True, nogil=True)
def _of(rows: Any, used: Any) -> Any:
    """The columns of the codes used."""
    found = np.empty((len(rows), len(used)))
    for row in range(len(rows)):
        for c in range(len(used)):
            found[row, c] = rows[row, used[c]]
    return found


@njit(cache=True, nogil=True)
def _shrunk(count: float, total: float, wide: float, pull: float) -> float:
    """The share in a context, shrunk to the share in a wider one by `pull` outcomes."""
    return (count + pull * wide) / (total + pull)


@njit(cache=True, nogil=True)
def _shares(table: Any, count: Any, total: Any, had: Any) -> None:
    """How popular each code is, and how much more so in each context than in the wider one."""
    for c in range(table.shape[1]):
        slow = (count[_C.all_slow, c] + 0.5) / (total[_C.all_slow] + 0.5 * (1 + had))  # not those met only later
        mid = _shrunk(count[_C.all_mid, c], total[_C.all_mid], slow, 2.0)
        fast = _shrunk(count[_C.all_fast, c], total[_C.all_fast], mid, 2.0)
        table[_F.popularity, c] = np.log(slow)
        table[_F.year_momentum, c] = np.log(mid / slow)
        table[_F.quarter_momentum, c] = np.log(fast / mid)
        region = _ladder(table, _F.region_1_lift, c, count, total, _C.region_1, 4, mid)
        industry = _ladder(table, _F.industry_2_lift, c, count, total, _C.industry_2, 3, mid)
        table[_F.region_share, c] = np.log(region)
        year = _shrunk(count[_C.region_mid, c], total[_C.region_mid], mid, 3.0)
        table[_F.region_year_share, c] = np.log(year)
        lately = _shrunk(count[_C.region_fast, c], total[_C.region_fast], year, 3.0)
        table[_F.region_momentum, c] = np.log(lately / year)
        table[_F.size_lift, c] = np.log(_shrunk(count[_C.size, c], total[_C.size], mid, _PULL) / mid)
        both = _shrunk(count[_C.region_industry, c], total[_C.region_industry], year, _PULL)
        table[_F.region_industry_lift, c] = np.log(both / year)
        table[_F.back_off, c] = np.log(region * industry / mid) + table[_F.size_lift, c]


@njit(cache=True, nogil=True)
def _ladder(
    table: Any, lift: int, c: int, count: Any, total: Any, context: int, steps: int, wide: float
) -> float:  # fmt: skip
    """From a wide context to a narrow one: each step's lift; the share at the end."""
    for step in range(steps):
        narrow = _shrunk(count[context + step, c], total[context + step], wide, _PULL)
        table[lift + step, c] = np.log(narrow / wide)
        wide = narrow
    return wide


@njit(cache=True, nogil=True)
def _own(table: Any, count: Any, total: Any, days: Any, latest: float, today: int) -> None:
    for c in range(table.shape[1]):
        table[_F.own_share, c] = count[_C.own_mid, c] / (total[_C.own_mid] + 0.1)
        table[_F.own_count, c] = count[_C.own, c]
        table[_F.own_seen, c] = count[_C.own_seen, c]
        table[_F.own_years, c] = _years(days[_D.own_last, c], today)
        table[_F.idle_years, c] = _years(days[_D.last, c], today)
        table[_F.life_years, c] = min(_years(days[_D.first, c], today), OLD_YEARS)
        table[_F.own_last, c] = 1.0 if days[_D.own_last, c] != NEVER and days[_D.own_last, c] == latest else 0.0


@njit(cache=True, nogil=True)
def _years(day: float, today: int) -> float:
    return np.nan if day == NEVER else (today - day) / YEAR


@njit(cache=True, nogil=True)
def _amounts(table: Any, count: Any, total: Any, amount: float) -> None:
    """How far the amount lies from what was usual here, and how much likelier it is here than anywhere."""
    held = max(total[_C.amount_0], 1e-9)
    mean = total[_C.amount_1] / held
    spread = max(total[_C.amount_2] / held - mean**2, 0.01)
    everywhere = 0.5 * (amount - mean) ** 2 / spread + 0.5 * np.log(spread)
    for c in range(table.shape[1]):
        centre = (count[_C.amount_1, c] + 3 * mean) / (count[_C.amount_0, c] + 3)
        square = (count[_C.amount_2, c] + 3 * (spread + mean**2)) / (count[_C.amount_0, c] + 3)
        width = np.sqrt(max(square - centre**2, 0.05))
        distance = (amount - centre) / width
        table[_F.amount_distance, c] = distance
        table[_F.amount_likelihood, c] = everywhere - 0.5 * distance**2 - np.log(width)


@njit(cache=True, nogil=True)
def _gap(values: Any, gaps: Any) -> None:
    best = -np.inf
    for c in range(len(values)):
        best = max(best, values[c])
    for c in range(len(values)):
        gaps[c] = values[c] - best

"""The features that stand at three levels: the product, its institution, its type; made from what is recalled.

`_lift` is a log ratio of a share in a context (shrunk towards the wider context) to the share in the wider one; `_gap`
is a value less the best candidate's; shares are in logs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from matching.history import DISTANCES, Codes, Context, History, Numbers
from matching.memory import YEAR
from matching.recall import COUNTS, DAYS, NEVER, Recall
from matching.sides import Side

LEVELS: Final = ("product", "institution", "type")
HEADS: Final = LEVELS  # one kernel fitted to predict each level's next choice
UNSEEN: Final = 1e-6  # the share granted to what the memory has never met
_PULL: Final = 4.0  # how many outcomes a context must hold to count as much as the wider context
_AMOUNT: Final = DISTANCES.index("amount")
_RATES: Final = {  # in which counts of events taken and of events only seen each rate lies
    "taken_rate": ("all_slow", "seen"),
    "region_rate": ("region_1", "seen_region"),
    "industry_rate": ("industry_2", "seen_industry"),
    "size_rate": ("size", "seen_size"),
}
_C: Final = {name: i for i, name in enumerate(COUNTS)}
_D: Final = {name: i for i, name in enumerate(DAYS)}
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
    ("taken_rate", Side.PRODUCT, "rate"),
    ("region_rate", Side.PAIR, "rate"),
    ("industry_rate", Side.PAIR, "rate"),
    ("size_rate", Side.PAIR, "rate"),
    ("memory_rate", Side.PAIR, "rate"),
    ("own_seen", Side.PAIR, "own"),
)


@dataclass(frozen=True)
class _Held:
    """A level's candidates: `counts` [COUNTS, n], `days` [DAYS, n] and masses as recalled, and sums of all there is.

    `counted`, `taken_total` and `seen_total` are sums over the level, `had` is how many of it were taken at all,
    `met` how many were taken or seen, and `own_last` the enterprise's last day there.
    """

    counts: Numbers
    days: Numbers
    taken: Numbers
    seen: Numbers
    counted: Numbers
    taken_total: Numbers
    seen_total: Numbers
    had: int
    met: Mapping[str, int]
    own_last: float


def level_features(level: str, history: History, recalled: Recall, context: Context, codes: Codes) -> Numbers:
    """`LEVEL_FEATURES` [features, n] of one of `LEVELS` for the candidates' `codes` at that level."""
    held = _held(_rolled(level, history, recalled), codes)
    value: dict[str, Numbers] = {}
    mid = _popularity(value, held)
    region = _ladder(value, held, [f"region_{i}" for i in range(1, 5)], mid)
    industry = _ladder(value, held, [f"industry_{i}" for i in range(2, 5)], mid)
    _crosses(value, held, mid)
    value["region_share"] = region
    value["back_off"] = region + industry - mid + value["size_lift"]
    _own(value, held, context)
    _amounts(value, held, context)
    _rates(value, held)
    for h, head in enumerate(HEADS):
        value[f"memory_{head}"] = np.log(held.taken[h] / max(held.taken_total[h], 1e-300) + UNSEEN)
    for name in ("back_off", *(f"memory_{head}" for head in HEADS)):
        value[f"{name}_gap"] = _gap(value[name])
    return np.stack([value[name] for name, _, _ in LEVEL_FEATURES])


def _rolled(level: str, history: History, recalled: Recall) -> Recall:
    """The recall summed from products to `level`."""
    group = {"institution": history.institution_of, "type": history.type_of}.get(level)
    if group is None:
        return recalled
    size = {"institution": history.institutions, "type": history.types}[level].size
    sums = [
        np.array([np.bincount(group, row, size) for row in part]).reshape(len(part), size)
        for part in (recalled.counts, recalled.taken, recalled.seen)
    ]
    return Recall(sums[0], _latest(recalled.days, group, size), *sums[1:])


def _held(found: Recall, codes: Codes) -> _Held:
    """The candidates' part of a level, and its sums; the code one past the last has no past."""
    return _Held(
        _picked(found.counts, codes, 0.0),
        _picked(found.days, codes, NEVER),
        _picked(found.taken, codes, 0.0),
        _picked(found.seen, codes, 0.0),
        totals(found.counts),
        totals(found.taken),
        totals(found.seen),
        int(np.count_nonzero(found.counts[_C["all_slow"]])),
        {name: int(np.count_nonzero(found.counts[_C[a]] + found.counts[_C[b]])) for name, (a, b) in _RATES.items()}
        | {"memory_rate": int(np.count_nonzero(found.taken[0] + found.seen[0])) if len(found.taken) else 0},
        float(found.days[_D["own_last"]].max(initial=NEVER)),
    )


def _picked(rows: Numbers, codes: Codes, nothing: float) -> Numbers:
    """The columns of `codes`."""
    return np.concatenate([rows, np.full((len(rows), 1), nothing)], axis=1)[:, codes]


def totals(rows: Numbers) -> Numbers:
    """Each row's sum, entry by entry: of a pairwise sum, products yet to come, all 0, would change the last bit."""
    return np.cumsum(rows, axis=1)[:, -1] if rows.size else np.zeros(len(rows))


def _latest(days: Numbers, group: Codes, size: int) -> Numbers:
    """The latest of `own_last` and `last`, the earliest of `first`."""
    merged = np.full((len(DAYS), size), float(NEVER))
    for name in ("own_last", "last"):
        np.maximum.at(merged[_D[name]], group, days[_D[name]])
    first = np.where(days[_D["first"]] == NEVER, np.inf, days[_D["first"]])
    earliest = np.full(size, np.inf)
    np.minimum.at(earliest, group, first)
    merged[_D["first"]] = np.where(np.isinf(earliest), NEVER, earliest)
    return merged


def _shrunk(held: _Held, name: str, towards: Numbers, pull: float) -> Numbers:
    """The log share in context `name`, shrunk to the log share `towards` by `pull` outcomes."""
    column = _C[name]
    share: Numbers = np.log((held.counts[column] + pull * np.exp(towards)) / (held.counted[column] + pull))
    return share


def _popularity(value: dict[str, Numbers], held: _Held) -> Numbers:
    slow_column = _C["all_slow"]
    slow = np.log((held.counts[slow_column] + 0.5) / (held.counted[slow_column] + 0.5 * (1 + held.had)))
    mid = _shrunk(held, "all_mid", slow, 2.0)
    fast = _shrunk(held, "all_fast", mid, 2.0)
    value["popularity"], value["year_momentum"], value["quarter_momentum"] = slow, mid - slow, fast - mid
    return mid


def _ladder(value: dict[str, Numbers], held: _Held, names: list[str], wide: Numbers) -> Numbers:
    """From a wide context to a narrow one: each step's lift, and the share at the end."""
    for name in names:
        narrow = _shrunk(held, name, wide, _PULL)
        value[f"{name}_lift"], wide = narrow - wide, narrow
    return wide


def _crosses(value: dict[str, Numbers], held: _Held, mid: Numbers) -> None:
    year = _shrunk(held, "region_mid", mid, 3.0)
    value["region_year_share"] = year
    value["region_momentum"] = _shrunk(held, "region_fast", year, 3.0) - year
    value["size_lift"] = _shrunk(held, "size", mid, _PULL) - mid
    value["region_industry_lift"] = _shrunk(held, "region_industry", year, _PULL) - year


def _own(value: dict[str, Numbers], held: _Held, context: Context) -> None:
    value["own_share"] = held.counts[_C["own_mid"]] / (held.counted[_C["own_mid"]] + 0.1)
    value["own_count"] = held.counts[_C["own"]]
    value["own_seen"] = held.counts[_C["seen_own"]]
    for name, day in (("own_years", "own_last"), ("idle_years", "last"), ("life_years", "first")):
        moment = held.days[_D[day]]
        value[name] = np.where(moment == NEVER, np.nan, (context.day - moment) / YEAR)
    last = held.days[_D["own_last"]]
    value["own_last"] = ((last != NEVER) & (last == held.own_last)).astype(np.float64)


def _amounts(value: dict[str, Numbers], held: _Held, context: Context) -> None:
    """How far the amount lies from what was usual here, and how much likelier it is here than anywhere."""
    weight, first, second = (held.counts[_C[f"amount_{i}"]] for i in range(3))
    all_weight, all_first, all_second = (held.counted[_C[f"amount_{i}"]] for i in range(3))
    mean = all_first / max(all_weight, 1e-9)
    spread = max(all_second / max(all_weight, 1e-9) - mean**2, 0.01)
    centre = (first + 3 * mean) / (weight + 3)
    width = np.sqrt(np.maximum((second + 3 * (spread + mean**2)) / (weight + 3) - centre**2, 0.05))
    amount = context.numbers[_AMOUNT]
    distance = (amount - centre) / width
    everywhere = 0.5 * (amount - mean) ** 2 / spread + 0.5 * np.log(spread)
    value["amount_distance"] = distance
    value["amount_likelihood"] = everywhere - 0.5 * distance**2 - np.log(width)


def _rates(value: dict[str, Numbers], held: _Held) -> None:
    """How often what was seen was taken, in each context; NaN where nothing was only seen (a release of deals)."""
    for name, columns in _RATES.items():
        taken, seen = (_C[column] for column in columns)
        total = held.counted[taken], held.counted[seen]
        value[name] = _rate(held.counts[taken], held.counts[seen], *total, held.met[name])
    masses = (held.taken[0], held.seen[0], held.taken_total[0], held.seen_total[0])
    value["memory_rate"] = _rate(*masses, held.met["memory_rate"])


def _rate(taken: Numbers, seen: Numbers, all_taken: float, all_seen: float, met: int) -> Numbers:
    """Taken as a share of taken and seen, shrunk to the mean rate."""
    everything = all_taken + all_seen
    if not all_seen:
        return np.full(len(taken), np.nan)
    pull = 5.0 * everything / max(met, 1) / 100
    rate: Numbers = (taken + pull * all_taken / everything) / (taken + seen + pull)
    return rate


def _gap(column: Numbers) -> Numbers:
    return column - column.max() if len(column) else column

"""The features, in order, and the one place that builds them: online for a request, offline for a group.

Each is a number for one (need, candidate) pair, NaN where it is not known. Most compare what the memory recalls at
three levels: the product, its institution, its type. `_lift` is a log ratio of a share in a context (shrunk towards
the wider context) to the share in the wider one; `_gap` is a value less the best candidate's; shares are in logs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, Protocol

import numpy as np

from matching.catalogue import Catalogue, Rows
from matching.domain import Enterprise, Need
from matching.history import DISTANCES, Codes, Context, History, Numbers
from matching.memory import COUNTS, DAYS, NEVER, YEAR, Kernel, Recall, recall
from matching.roster import Roster

LEVELS: Final = ("product", "institution", "type")
HEADS: Final = LEVELS  # one kernel fitted to predict each level's next choice
UNSEEN: Final = 1e-6  # the share granted to what the memory has never met
_PULL: Final = 4.0  # how many outcomes a context must hold to count as much as the wider context
_AMOUNT: Final = DISTANCES.index("amount")
_C: Final = {name: i for i, name in enumerate(COUNTS)}
_D: Final = {name: i for i, name in enumerate(DAYS)}


class Side(StrEnum):
    """What a feature depends on: the request alone, the product (and the history) alone, or both."""

    ENTERPRISE = "enterprise"
    PRODUCT = "product"
    PAIR = "pair"


@dataclass(frozen=True)
class Feature:
    """A feature's name, side and family (the unit of ablation)."""

    name: str
    side: Side
    family: str


_LEVEL_FEATURES: Final = (
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
_TERMS: Final = (
    ("amount_above_minimum", Side.PAIR),
    ("amount_below_maximum", Side.PAIR),
    ("term_below_maximum", Side.PAIR),
    ("rate_bp", Side.PRODUCT),
    ("rate_gap", Side.PAIR),
    ("home_levels", Side.PAIR),
    ("home_km", Side.PAIR),
)
_NEED: Final = (*DISTANCES, "own_outcomes", "region_outcomes", "district_outcomes", "industry_outcomes", "candidates")

APPETITES: Final = ("applied", "granted")  # stages whose log chance an appetite gives; 0 where none was learned

SPECIFICATION: Final = (
    *(Feature(f"{level}_{name}", side, family) for level in LEVELS for name, side, family in _LEVEL_FEATURES),
    *(Feature(name, side, "terms") for name, side in _TERMS),
    *(Feature(f"need_{name}", Side.ENTERPRISE, "need") for name in _NEED),
    *(Feature(f"appetite_{stage}", Side.PAIR, "appetite") for stage in APPETITES),
)
FEATURES: Final = tuple(feature.name for feature in SPECIFICATION)
APPETITE_COLUMNS: Final = tuple(FEATURES.index(f"appetite_{stage}") for stage in APPETITES)


class Leaning(Protocol):
    """What gives a stage's log chance from the other features: an appetite in the history's codes."""

    def log_chance(self, context: Context, features: Numbers, levels: Sequence[Codes]) -> Numbers: ...


@dataclass(frozen=True)
class Builder:
    """Features from a history, its kernels and a catalogue; made once for the three, used for every need.

    `appetites` are those of `APPETITES`, in that order, or none: then their columns are 0.
    """

    history: History
    kernels: tuple[Kernel, ...]
    catalogue: Catalogue
    roster: Roster
    appetites: Sequence[Leaning] = ()

    @classmethod
    def of(
        cls, history: History, kernels: tuple[Kernel, ...], catalogue: Catalogue, appetites: Sequence[Leaning] = ()
    ) -> "Builder":
        """A builder with its roster."""
        return cls(history, kernels, catalogue, Roster.of(catalogue, history), appetites)

    def build(self, enterprise: Enterprise, need: Need, as_of: date, rows: Rows) -> Numbers:
        """float64 [len(rows), len(FEATURES)] for the catalogue's `rows`, columns as in `FEATURES`.

        Reads only the history before the first day of `as_of`'s month.
        """
        context = self.history.context(enterprise, need, as_of)
        recalled = recall(self.history, context, self.kernels)
        codes = [getattr(self.roster, level)[rows] for level in LEVELS]
        blocks = [
            _level(level, self.history, recalled, context, code) for level, code in zip(LEVELS, codes, strict=True)
        ]
        blocks.append(_terms(self.catalogue, enterprise, need, as_of, rows))
        blocks.append(_need(recalled, context, len(rows)))
        blocks.append(np.zeros((len(rows), len(APPETITES))))
        return self.leaned(np.ascontiguousarray(np.concatenate(blocks, axis=1)), context, rows)

    def leaned(self, features: Numbers, context: Context, rows: Rows) -> Numbers:
        """The features [len(rows), FEATURES] of `rows`, these appetites' log chances written into their columns.

        They may have been built without appetites: no appetite reads its own column.
        """
        codes = [getattr(self.roster, level)[rows] for level in LEVELS]
        chances = [appetite.log_chance(context, features, codes) for appetite in self.appetites]
        for column, chance in zip(APPETITE_COLUMNS, chances, strict=False):
            features[:, column] = chance
        return features


def _level(level: str, history: History, recalled: Recall, context: Context, codes: Codes) -> Numbers:
    """The features of one level for the candidates' `codes` at that level."""
    held = _rolled(level, history, recalled)
    counts, days = held.counts, held.days
    total = counts.sum(axis=0)
    value: dict[str, Numbers] = {}
    mid = _popularity(value, counts, total)
    region = _ladder(value, counts, total, [f"region_{i}" for i in range(1, 5)], mid)
    industry = _ladder(value, counts, total, [f"industry_{i}" for i in range(2, 5)], mid)
    _crosses(value, counts, total, mid)
    value["region_share"] = region
    value["back_off"] = region + industry - mid + value["size_lift"]
    _own(value, counts, total, days, context)
    _amounts(value, counts, total, context)
    _rates(value, held, total)
    picked = {name: column[codes] for name, column in value.items()}
    for h, head in enumerate(HEADS):
        mass = held.taken[:, h]
        picked[f"memory_{head}"] = np.log(mass[codes] / max(_total(mass), 1e-300) + UNSEEN)
    for name in ("back_off", *(f"memory_{head}" for head in HEADS)):
        picked[f"{name}_gap"] = _gap(picked[name])
    return np.stack([picked[name] for name, _, _ in _LEVEL_FEATURES], axis=1)


def _rolled(level: str, history: History, recalled: Recall) -> Recall:
    """The recall summed from products to `level`, with a last row for what has no past."""
    size = {"product": history.products, "institution": history.institutions, "type": history.types}[level].size
    group = {"institution": history.institution_of, "type": history.type_of}.get(level)
    counts, days, taken, seen = recalled.counts, recalled.days, recalled.taken, recalled.seen
    if group is not None:
        counts, taken, seen = (_sum(part, group, size) for part in (counts, taken, seen))
        days = _latest(days, group, size)
    return Recall(_extended(counts, 0.0), _extended(days, NEVER), _extended(taken, 0.0), _extended(seen, 0.0))


def _extended(columns: Numbers, fill: float) -> Numbers:
    return np.concatenate([columns, np.full((1, columns.shape[1]), fill)])


def _sum(columns: Numbers, group: Codes, size: int) -> Numbers:
    return np.stack([np.bincount(group, column, size) for column in columns.T], axis=1)


def _latest(days: Numbers, group: Codes, size: int) -> Numbers:
    """The latest of `own_last` and `last`, the earliest of `first`."""
    merged = np.full((size, len(DAYS)), float(NEVER))
    for name in ("own_last", "last"):
        np.maximum.at(merged[:, _D[name]], group, days[:, _D[name]])
    first = np.where(days[:, _D["first"]] == NEVER, np.inf, days[:, _D["first"]])
    earliest = np.full(size, np.inf)
    np.minimum.at(earliest, group, first)
    merged[:, _D["first"]] = np.where(np.isinf(earliest), NEVER, earliest)
    return merged


def _shrunk(counts: Numbers, total: Numbers, name: str, towards: Numbers, pull: float) -> Numbers:
    """The log share in context `name`, shrunk to the log share `towards` by `pull` outcomes."""
    column = _C[name]
    share: Numbers = np.log((counts[:, column] + pull * np.exp(towards)) / (total[column] + pull))
    return share


def _popularity(value: dict[str, Numbers], counts: Numbers, total: Numbers) -> Numbers:
    size = 1 + np.count_nonzero(counts[:, _C["all_slow"]])  # not those that the history only meets later
    slow = np.log((counts[:, _C["all_slow"]] + 0.5) / (total[_C["all_slow"]] + 0.5 * size))
    mid = _shrunk(counts, total, "all_mid", slow, 2.0)
    fast = _shrunk(counts, total, "all_fast", mid, 2.0)
    value["popularity"], value["year_momentum"], value["quarter_momentum"] = slow, mid - slow, fast - mid
    return mid


def _ladder(value: dict[str, Numbers], counts: Numbers, total: Numbers, names: list[str], wide: Numbers) -> Numbers:
    """From a wide context to a narrow one: each step's lift, and the share at the end."""
    for name in names:
        narrow = _shrunk(counts, total, name, wide, _PULL)
        value[f"{name}_lift"], wide = narrow - wide, narrow
    return wide


def _crosses(value: dict[str, Numbers], counts: Numbers, total: Numbers, mid: Numbers) -> None:
    year = _shrunk(counts, total, "region_mid", mid, 3.0)
    value["region_year_share"] = year
    value["region_momentum"] = _shrunk(counts, total, "region_fast", year, 3.0) - year
    value["size_lift"] = _shrunk(counts, total, "size", mid, _PULL) - mid
    value["region_industry_lift"] = _shrunk(counts, total, "region_industry", year, _PULL) - year


def _own(value: dict[str, Numbers], counts: Numbers, total: Numbers, days: Numbers, context: Context) -> None:
    value["own_share"] = counts[:, _C["own_mid"]] / (total[_C["own_mid"]] + 0.1)
    value["own_count"] = counts[:, _C["own"]]
    value["own_seen"] = counts[:, _C["seen_own"]]
    for name, day in (("own_years", "own_last"), ("idle_years", "last"), ("life_years", "first")):
        moment = days[:, _D[day]]
        value[name] = np.where(moment == NEVER, np.nan, (context.day - moment) / YEAR)
    last = days[:, _D["own_last"]]
    value["own_last"] = ((last != NEVER) & (last == last.max())).astype(np.float64)


def _amounts(value: dict[str, Numbers], counts: Numbers, total: Numbers, context: Context) -> None:
    """How far the amount lies from what was usual here, and how much likelier it is here than anywhere."""
    weight, first, second = (counts[:, _C[f"amount_{i}"]] for i in range(3))
    all_weight, all_first, all_second = (total[_C[f"amount_{i}"]] for i in range(3))
    mean = all_first / max(all_weight, 1e-9)
    spread = max(all_second / max(all_weight, 1e-9) - mean**2, 0.01)
    centre = (first + 3 * mean) / (weight + 3)
    width = np.sqrt(np.maximum((second + 3 * (spread + mean**2)) / (weight + 3) - centre**2, 0.05))
    amount = context.numbers[_AMOUNT]
    distance = (amount - centre) / width
    everywhere = 0.5 * (amount - mean) ** 2 / spread + 0.5 * np.log(spread)
    value["amount_distance"] = distance
    value["amount_likelihood"] = everywhere - 0.5 * distance**2 - np.log(width)


def _rates(value: dict[str, Numbers], held: Recall, total: Numbers) -> None:
    """How often what was seen was taken, in each context; NaN where nothing was only seen (a release of deals)."""
    counts = held.counts
    pairs = {
        "taken_rate": ("all_slow", "seen"),
        "region_rate": ("region_1", "seen_region"),
        "industry_rate": ("industry_2", "seen_industry"),
        "size_rate": ("size", "seen_size"),
    }
    for name, (taken, seen) in pairs.items():
        value[name] = _rate(counts[:, _C[taken]], counts[:, _C[seen]])
    value["memory_rate"] = _rate(held.taken[:, 0], held.seen[:, 0])


def _rate(taken: Numbers, seen: Numbers) -> Numbers:
    """Taken as a share of taken and seen, shrunk to the mean rate."""
    everything = _total(taken) + _total(seen)
    if not seen.any():
        return np.full(len(taken), np.nan)
    mean = _total(taken) / everything
    pull = 5.0 * everything / max(int(np.count_nonzero(taken + seen)), 1) / 100
    rate: Numbers = (taken + pull * mean) / (taken + seen + pull)
    return rate


def _total(column: Numbers) -> float:
    """The sum row by row: rows of zeros, products yet to come, change no bit of it as they would of a pairwise sum."""
    return float(np.cumsum(column)[-1])


def _gap(column: Numbers) -> Numbers:
    return column - column.max() if len(column) else column


def _terms(catalogue: Catalogue, enterprise: Enterprise, need: Need, as_of: date, rows: Rows) -> Numbers:
    amount, term = float(need.amount), float(need.term_months or np.nan)
    rate = catalogue.rate_bp(as_of)[rows]
    cheapest = np.nan if np.isnan(rate).all() else np.nanmin(rate)
    return np.stack(
        [
            np.log1p(amount) - np.log1p(catalogue.min_amount[rows]),
            np.log1p(catalogue.max_amount[rows]) - np.log1p(amount),
            catalogue.max_term[rows] - term,
            rate,
            rate - cheapest,
            catalogue.home_levels(enterprise.region)[rows],
            _home_km(catalogue, enterprise)[rows],
        ],
        axis=1,
    )


def _home_km(catalogue: Catalogue, enterprise: Enterprise) -> Numbers:
    """log(1 + km) from the enterprise to each product's institution; NaN where either place is unknown."""
    if enterprise.latitude is None or enterprise.longitude is None:
        return np.full(len(catalogue), np.nan)
    places = catalogue.places
    east = (places[:, 1] - enterprise.longitude) * np.cos(np.radians((places[:, 0] + enterprise.latitude) / 2))
    km: Numbers = np.log1p(111.2 * np.hypot(places[:, 0] - enterprise.latitude, east))
    return km


def _need(recalled: Recall, context: Context, size: int) -> Numbers:
    total = recalled.counts.sum(axis=0)
    logs = np.log1p(total[[_C["region_1"], _C["region_3"], _C["industry_3"]]])
    row = np.concatenate([context.numbers[: len(DISTANCES)], [total[_C["own"]]], logs, [np.log1p(size)]])
    return np.tile(row, (size, 1))

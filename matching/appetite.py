"""Appetites: what products, institutions and types lean towards, learned from what was shown and what came of it.

Two stages, a logistic regression each: that an enterprise which looks at a product applies, and that an application is
granted. Beside the features, each product, institution and type has slopes of its own on the need's facts. A slope is
drawn to 0 by its family's spread, which is learned with it (empirical Bayes; Gelman and Hill, 2007), so that three
outcomes say little and three hundred much. What is shown far down is looked at less: P(applied | position k) =
k^-γ · P(applied | looked at), γ learned too (the position-based model; Craswell et al., 2008).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_array

from matching.features import APPETITES, FEATURES, LEVELS, SPECIFICATION
from matching.history import CODES, DISTANCES, Codes, Context, History, Numbers

CODED: Final = tuple(
    name for name in CODES if name not in ("enterprise", "region_1", "region_4", "industry_1", "industry_4")
)
NUMBERED: Final = DISTANCES
PLACED: Final = ("place", "place_squared")  # where in the log of the product's limits the amount lies
SOURCES: Final = ("level", *CODED, *NUMBERED, *PLACED)
STAGES: Final = APPETITES
UNDECIDED: Final = -1
ROUNDS: Final = 4  # of spreads; after that they move little
STEPS: Final = (50, 150)  # of the search in each round, and in the last
CLIP: Final = 4.0
START_SPREAD: Final = 0.05
LEAST_SPREAD: Final = 1e-4
GAMMA: Final = (0.0, 3.0)
COLUMNS: Final = np.flatnonzero([feature.family != "appetite" for feature in SPECIFICATION])
_ABOVE: Final = FEATURES.index("amount_above_minimum")
_BELOW: Final = FEATURES.index("amount_below_maximum")
_SLOTS: Final = 1 + len(CODED) + len(NUMBERED)
_CODED_AT: Final = [CODES.index(name) for name in CODED]


@dataclass(frozen=True)
class Shown:
    """What was shown: rows [n] of features, level codes [n, LEVELS], position (1 the first, 0 unknown) and outcome.

    `need` [n] counts into `contexts`; `applied` [n] is 0 or 1, `granted` [n] 1, 0 (refused) or -1 (`UNDECIDED`).
    """

    contexts: Sequence[Context]
    features: Numbers
    levels: Codes
    need: Codes
    position: Codes
    applied: Codes
    granted: Codes


@dataclass(frozen=True)
class Keys:
    """The facts of a need that slopes are on: 1, each text of each code, each number as deviations from its mean."""

    texts: Mapping[str, tuple[str, ...]]
    mean: Numbers
    scale: Numbers

    def __len__(self) -> int:
        return 1 + sum(map(len, self.texts.values())) + len(NUMBERED)

    def tables(self, history: History) -> list[Codes]:
        """For each of `CODED`, the key of each of the history's codes; the last, for an unknown one, is -1."""
        found, begin = [], 1
        for name, at in zip(CODED, _CODED_AT, strict=True):
            key = {text: begin + i for i, text in enumerate(self.texts[name])}
            found.append(np.array([*(key.get(str(t), -1) for t in history.vocabulary[at]), -1], dtype=np.int32))
            begin += len(key)
        return found

    def slots(self, context: Context, tables: Sequence[Codes]) -> tuple[Codes, Numbers]:
        """The keys that a need has [_SLOTS] and how much of each; 0 of what is unknown."""
        coded = np.array([table[context.codes[at]] for table, at in zip(tables, _CODED_AT, strict=True)])
        numbers = (context.numbers[: len(NUMBERED)] - self.mean) / self.scale
        first = len(self) - len(NUMBERED)
        keys = np.concatenate([[0], np.maximum(coded, 0), np.arange(first, len(self))]).astype(np.int32)
        values = np.concatenate([[1.0], coded >= 0, np.clip(np.nan_to_num(numbers), -CLIP, CLIP)])
        return keys, values


@dataclass(frozen=True)
class Appetite:
    """One stage: `weights` of the standardised feature `COLUMNS`, and `slopes[level]` by name, on keys and places."""

    stage: str
    intercept: float
    gamma: float
    weights: Numbers
    mean: Numbers
    scale: Numbers
    keys: Keys
    slopes: Mapping[str, Mapping[str, Numbers]]
    spreads: Mapping[str, float]

    def bound(self, history: History) -> "Bound":
        """This appetite in a history's codes."""
        names = {"product": history.products, "institution": history.institutions, "type": history.types}
        nothing = np.zeros(len(self.keys) + len(PLACED))
        tables = [np.array([*(self.slopes[lv].get(str(n), nothing) for n in names[lv]), nothing]) for lv in LEVELS]
        return Bound(self, self.keys.tables(history), tables)

    def to_dict(self) -> dict[str, Any]:
        """For a bundle's JSON."""
        rows = zip(self.weights.tolist(), self.mean.tolist(), self.scale.tolist(), strict=True)
        return {
            "stage": self.stage,
            "intercept": self.intercept,
            "gamma": self.gamma,
            "features": {FEATURES[i]: list(row) for i, row in zip(COLUMNS, rows, strict=True)},
            "keys": {name: list(texts) for name, texts in self.keys.texts.items()},
            "numbers": [self.keys.mean.tolist(), self.keys.scale.tolist()],
            "slopes": {level: {n: row.tolist() for n, row in rows.items()} for level, rows in self.slopes.items()},
            "spreads": dict(self.spreads),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        table = np.array([found["features"][FEATURES[i]] for i in COLUMNS], dtype=np.float64)
        weights, mean, scale = (np.ascontiguousarray(column) for column in table.T)
        texts = {name: tuple(found["keys"][name]) for name in CODED}
        keys = Keys(texts, *(np.array(row, dtype=np.float64) for row in found["numbers"]))
        slopes = {level: {n: np.array(row) for n, row in found["slopes"][level].items()} for level in LEVELS}
        plain = (str(found["stage"]), float(found["intercept"]), float(found["gamma"]))
        return cls(*plain, weights, mean, scale, keys, slopes, dict(found["spreads"]))


@dataclass(frozen=True)
class Bound:
    """An appetite in a history's codes: `tables` of keys by code, `slopes` [codes + 1, keys + places] by level."""

    appetite: Appetite
    tables: Sequence[Codes]
    slopes: Sequence[Numbers]

    def log_chance(self, context: Context, features: Numbers, levels: Sequence[Codes]) -> Numbers:
        """The log chance of the stage for candidates with `features` [n, FEATURES] and codes at each of `LEVELS`."""
        keys, values = self.appetite.keys.slots(context, self.tables)
        standard = _standard(features, self.appetite.mean, self.appetite.scale)
        # Row by row, not by BLAS: a row's score must not depend on how many others are scored with it.
        odds = (standard * self.appetite.weights).sum(axis=1) + self.appetite.intercept
        places = _places(features)
        for slopes, codes in zip(self.slopes, levels, strict=True):
            odds += (slopes[:, keys] * values).sum(axis=1)[codes]
            odds += (slopes[codes, len(self.appetite.keys) :] * places).sum(axis=1)
        return np.asarray(-np.logaddexp(0.0, -odds), dtype=np.float64)


def fit_appetites(shown: Shown, history: History) -> tuple[Appetite, ...]:
    """The appetite of each of `STAGES`, or none where a stage knows only one answer. Deterministic."""
    decided = shown.granted != UNDECIDED
    parts = ((np.ones(len(decided), dtype=bool), shown.applied), (decided, shown.granted))
    if any(len(np.unique(answer[rows])) < 2 for rows, answer in parts):
        return ()
    keys = _keys(shown, history)
    design, family = _design(shown, keys, history)
    position: Codes = np.maximum(shown.position, 1)
    found = []
    for stage, (rows, answer) in zip(STAGES, parts, strict=True):
        at = position[rows] if stage == STAGES[0] else np.ones(int(rows.sum()), dtype=np.int32)
        found.append(_fit(stage, shown.features[rows], design[rows], family, answer[rows], at, keys, history))
    return tuple(found)


def _standard(features: Numbers, mean: Numbers, scale: Numbers) -> Numbers:
    """Standardised columns; a missing value is an average one."""
    return np.clip(np.nan_to_num((features[:, COLUMNS] - mean) / scale), -CLIP, CLIP)


def _places(features: Numbers) -> Numbers:
    """Where the amount lies between the product's limits [n, PLACED], from the middle; 0 where it has none."""
    above, below = features[:, _ABOVE], features[:, _BELOW]
    place = np.clip(np.nan_to_num(above / (above + below), nan=0.5), -0.5, 1.5) - 0.5
    return np.stack([place, 4 * place**2], axis=1)


def _keys(shown: Shown, history: History) -> Keys:
    texts = {name: tuple(map(str, history.vocabulary[at])) for name, at in zip(CODED, _CODED_AT, strict=True)}
    numbers = np.array([context.numbers[: len(NUMBERED)] for context in shown.contexts])
    known = np.where(np.isfinite(numbers).any(axis=0), numbers, 0.0)
    scale = np.nanstd(known, axis=0)
    return Keys(texts, np.nanmean(known, axis=0), np.where(scale > 0, scale, 1.0))


def _design(shown: Shown, keys: Keys, history: History) -> tuple[csr_array, Codes]:
    """The slopes' columns, levels × codes × (keys + places), and the family of each column."""
    tables = keys.tables(history)
    slots = [keys.slots(context, tables) for context in shown.contexts]
    key = np.array([k for k, _ in slots])[shown.need]
    value = np.array([v for _, v in slots])[shown.need]
    places = _places(shown.features)
    width = len(keys) + len(PLACED)
    columns, values, begin = [], [], 0
    for level, size in enumerate(_sizes(history)):
        base = begin + shown.levels[:, level, None] * width
        columns += [base + key, base + np.arange(len(keys), width)]
        values += [value if level else value * (np.arange(_SLOTS) == 0), places]  # a product: its level only
        begin += (size + 1) * width
    column, held = np.concatenate(columns, axis=1), np.concatenate(values, axis=1)
    shape = (len(column), begin)
    first = np.arange(len(column) + 1) * column.shape[1]
    design = csr_array((held.ravel(), column.ravel(), first), shape=shape)
    design.sum_duplicates()
    design.eliminate_zeros()
    return design, _families(keys, history)


def _sizes(history: History) -> tuple[int, int, int]:
    return len(history.products), len(history.institutions), len(history.types)


def _families(keys: Keys, history: History) -> Codes:
    """Each column's family, a level and one of `SOURCES`."""
    spans = [1, *(len(keys.texts[name]) for name in CODED), *[1] * (len(NUMBERED) + len(PLACED))]
    source = np.repeat(np.arange(len(SOURCES)), spans)
    parts = [np.tile(source + i * len(SOURCES), size + 1) for i, size in enumerate(_sizes(history))]
    return np.concatenate(parts).astype(np.int32)


def _fit(
    stage: str, features: Numbers, design: csr_array, family: Codes, answer: Codes, at: Codes, keys: Keys,
    history: History,
) -> Appetite:  # fmt: skip
    mean, scale = _moments(features)
    used = np.flatnonzero(design.count_nonzero(axis=0))
    dense = _standard(features, mean, scale)
    found, spread = _search(dense, csr_array(design[:, used]), family[used], answer.astype(np.float64), np.log(at))
    slopes = np.zeros(design.shape[1])
    slopes[used] = found[1 + len(COLUMNS) : -1]
    named = [f"{level}:{source}" for level in LEVELS for source in SOURCES]
    return Appetite(
        stage,
        float(found[0]),
        float(found[-1]),
        found[1 : 1 + len(COLUMNS)].copy(),
        mean,
        scale,
        keys,
        _named(slopes, keys, history),
        {named[i]: float(spread[i]) for i in np.unique(family[used])},
    )


def _moments(features: Numbers) -> tuple[Numbers, Numbers]:
    columns = features[:, COLUMNS]
    known = np.where(np.isfinite(columns).any(axis=0), columns, 0.0)
    scale = np.nanstd(known, axis=0)
    return np.nanmean(known, axis=0), np.where(scale > 0, scale, 1.0)


def _named(slopes: Numbers, keys: Keys, history: History) -> dict[str, dict[str, Numbers]]:
    """The slopes by level and name, where any is not 0."""
    names = (history.products, history.institutions, history.types)
    width, begin, found = len(keys) + len(PLACED), 0, {}
    for level, texts in zip(LEVELS, names, strict=True):
        rows = slopes[begin : begin + len(texts) * width].reshape(-1, width)
        found[level] = {str(name): row.copy() for name, row in zip(texts, rows, strict=True) if row.any()}
        begin += (len(texts) + 1) * width
    return found


def _search(
    dense: Numbers, design: csr_array, family: Codes, answer: Numbers, log_position: Numbers
) -> tuple[Numbers, Numbers]:
    """Intercept, weights, slopes and γ, and each family's spread: maximum a posteriori and spreads in turn."""
    rows, square = np.column_stack([np.ones(len(dense)), dense]), design.multiply(design).T.tocsr()
    across, width = design.T.tocsr(), rows.shape[1]
    spread, common = np.full(len(LEVELS) * len(SOURCES), START_SPREAD), 0.01
    found = np.append(np.zeros(width + design.shape[1]), 1.0 if log_position.any() else 0.0)
    limits = [(None, None)] * (len(found) - 1) + [GAMMA]

    def chances(x: Numbers) -> tuple[Numbers, Numbers]:
        odds = rows @ x[:width] + design @ x[width:-1]
        return np.exp(-x[-1] * log_position), 1 / (1 + np.exp(-np.clip(odds, -30, 30)))

    for turn in range(ROUNDS):
        weight = np.concatenate([[1e-3], np.full(width - 1, 0.5 / common), 0.5 / spread[family], [0.0]])

        def loss(x: Numbers, weight: Numbers = weight) -> tuple[float, Numbers]:
            looked, chance = chances(x)
            both = np.clip(looked * chance, 1e-9, 1 - 1e-9)
            value = np.log(np.where(answer > 0, both, 1 - both)).sum()
            pull = np.where(answer > 0, 1 / both, -1 / (1 - both)) * both
            odds = pull * (1 - chance)
            slope = np.concatenate([rows.T @ odds, across @ odds, [-(pull @ log_position)]])
            return float(weight @ (x * x) - value), 2 * weight * x - slope

        steps = STEPS[turn == ROUNDS - 1]
        found = minimize(loss, found, jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": steps}).x
        looked, chance = chances(found)
        # Fisher information of the odds: of k^-γ · chance, seen as yes or no
        known = looked * chance * (1 - chance) ** 2 / np.maximum(1 - looked * chance, 1e-6)
        own = found[width:-1] ** 2 + 1 / (square @ known + 1 / spread[family])
        count = np.bincount(family, minlength=len(spread))
        spread = np.maximum(np.bincount(family, own, len(spread)) / np.maximum(count, 1), LEAST_SPREAD)
        shared = found[1:width] ** 2 + 1 / ((dense * dense).T @ known + 1 / common)
        common = max(float(shared.mean()), LEAST_SPREAD)
    return np.asarray(found, dtype=np.float64), spread

"""Appetites: what products, institutions and types lean towards, learned from what was shown and what came of it.

Two stages, a logistic regression each: that an enterprise which looks at a product applies, and that an application is
granted. Beside the features, each product, institution and type has slopes of its own on the need's facts. How they
are learned is in `matching.shown`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numba import njit

from matching.features import APPETITES, FEATURES, SPECIFICATION
from matching.history import CODES, DISTANCES, Codes, Context, History, Numbers
from matching.levels import LEVELS
from matching.scaling import clipped, moments, named, picked, unnamed, weighted, weighted_parts

CODED: Final = tuple(
    name for name in CODES if name not in ("enterprise", "region_1", "region_4", "industry_1", "industry_4")
)
NUMBERED: Final = DISTANCES
PLACED: Final = ("place", "place_squared")  # where in the log of the product's limits the amount lies
SOURCES: Final = ("level", *CODED, *NUMBERED, *PLACED)
SLOPES: Final = tuple(f"{level}_{source}" for level in LEVELS for source in SOURCES)
PARTS: Final = (*FEATURES, *(f"{stage}_{slope}" for stage in APPETITES for slope in SLOPES))
"""All that a score is made of: the features, and the slopes of each appetite."""
CLIP: Final = 4.0  # standard deviations: beyond, a value says no more
COLUMNS: Final = np.flatnonzero([feature.family != "appetite" for feature in SPECIFICATION])
# The years since something grow for all alike once an appetite is learned: a weight on them would move every chance.
STEADY: Final = np.flatnonzero([not FEATURES[i].endswith(("life_years", "idle_years", "own_years")) for i in COLUMNS])
_ABOVE: Final = FEATURES.index("amount_above_minimum")
_BELOW: Final = FEATURES.index("amount_below_maximum")
_NO_WIDTH: Final = 1e-9  # limits that are equal but for rounding
_NEAR: Final = 1e-4  # log-odds between which the slope in the middle is the mean one but for rounding
_CODED_AT: Final = np.array([CODES.index(name) for name in CODED])
_SLOTS: Final = 1 + len(CODED) + len(NUMBERED)


@dataclass(frozen=True)
class Keys:
    """The facts of a need that slopes are on: 1, each text of each code, each number as deviations from its mean.

    `texts` by name of `CODED`; `mean` and `scale` [NUMBERED].
    """

    texts: Mapping[str, tuple[str, ...]]
    mean: Numbers
    scale: Numbers

    @classmethod
    def of(cls, contexts: Sequence[Context], history: History) -> Self:
        """All that the history knows, numbers as the contexts have them."""
        texts = {name: tuple(map(str, history.vocabulary[at])) for name, at in zip(CODED, _CODED_AT, strict=True)}
        return cls(texts, *moments(np.array([context.numbers[: len(NUMBERED)] for context in contexts])))

    @cached_property
    def _size(self) -> int:
        return 1 + sum(map(len, self.texts.values())) + len(NUMBERED)

    def __len__(self) -> int:
        return self._size

    @property
    def names(self) -> tuple[str, ...]:
        """Each key's name, then `PLACED`'s: what each entry of a row of slopes is on."""
        coded = [f"{name}:{text}" for name in CODED for text in self.texts[name]]
        return ("level", *coded, *NUMBERED, *PLACED)

    def tables(self, history: History) -> Codes:
        """For each of `CODED`, the key of each of the history's codes [CODED, codes + 1]; -1 where there is none.

        An unknown code is -1 too, and finds the last entry, which is no code's.
        """
        found = np.full((len(CODED), 1 + max(len(history.vocabulary[at]) for at in _CODED_AT)), -1, dtype=np.int32)
        begin = 1
        for row, name, at in zip(found, CODED, _CODED_AT, strict=True):
            key = {text: begin + i for i, text in enumerate(self.texts[name])}
            row[: len(history.vocabulary[at])] = [key.get(str(text), -1) for text in history.vocabulary[at]]
            begin += len(key)
        return found

    def slots(self, context: Context, tables: Codes) -> tuple[Codes, Numbers]:
        """The keys that a need has [1 + CODED + NUMBERED] and how much of each; 0 of what is unknown."""
        keys, values = np.zeros(_SLOTS, dtype=np.int32), np.zeros(_SLOTS)
        codes, numbers = context.codes[_CODED_AT], context.numbers[: len(NUMBERED)]
        _slots(codes, tables, numbers, self.mean, self.scale, len(self), keys, values)
        return keys, values


@dataclass(frozen=True)
class Appetite:
    """One stage: `weights` of the standardised feature `COLUMNS`, and `slopes[level][name]` [keys + PLACED].

    Only the `STEADY` ones of the columns have a weight, the others 0.
    `gamma` tells how much less is looked at what is shown further down, and plays no part in the chance. `spreads` are
    variances of the slopes of a family, LEVEL:SOURCE.
    """

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
        rows = ([*(self.slopes[lv].get(str(n), nothing) for n in names[lv]), nothing] for lv in LEVELS)
        return Bound(self, self.keys.tables(history), [np.array(level).T.copy() for level in rows])

    def to_dict(self) -> dict[str, Any]:
        """For a bundle's JSON; slopes of 0 are left out."""
        names = self.keys.names
        slopes = {level: {n: _sparse(names, row) for n, row in rows.items()} for level, rows in self.slopes.items()}
        return {
            "stage": self.stage,
            "intercept": self.intercept,
            "gamma": self.gamma,
            "features": named(COLUMNS, self.weights, self.mean, self.scale),
            "keys": {name: list(texts) for name, texts in self.keys.texts.items()},
            "numbers": [self.keys.mean.tolist(), self.keys.scale.tolist()],
            "slopes": slopes,
            "spreads": dict(self.spreads),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        texts = {name: tuple(found["keys"][name]) for name in CODED}
        keys = Keys(texts, *(np.array(row, dtype=np.float64) for row in found["numbers"]))
        place = {name: i for i, name in enumerate(keys.names)}
        slopes = {level: {n: _dense(place, row) for n, row in found["slopes"][level].items()} for level in LEVELS}
        plain = (str(found["stage"]), float(found["intercept"]), float(found["gamma"]))
        weights, mean, scale = unnamed(COLUMNS, found["features"])
        return cls(*plain, weights, mean, scale, keys, slopes, dict(found["spreads"]))


@dataclass(frozen=True)
class Bound:
    """An appetite in a history's codes: `tables` of keys by code, `slopes` [keys + PLACED, codes + 1] by level."""

    appetite: Appetite
    tables: Codes
    slopes: Sequence[Numbers]

    def log_chance(self, context: Context, features: Numbers, levels: Sequence[Codes]) -> Numbers:
        """The log chance of the stage for candidates with `features` [n, FEATURES] and codes [n] at each of `LEVELS`.

        It is that of a candidate that is looked at, wherever it is shown. What has no slopes is an average one.
        """
        of = self.appetite
        keys, values = of.keys.slots(context, self.tables)
        # Column by column, not by BLAS: a row's score must not depend on how many others are scored with it.
        odds = weighted(picked(features, COLUMNS), of.mean, of.scale, CLIP, of.weights) + of.intercept
        where = places(features)
        for slopes, codes in zip(self.slopes, levels, strict=True):
            _lean(odds, slopes, codes, keys, values, where)
        # -log(1 + exp(-odds)) without overflow; numpy has vectors for these and none for logaddexp.
        return np.asarray(np.minimum(odds, 0.0) - np.log1p(np.exp(-np.abs(odds))), dtype=np.float64)

    def parts(self, context: Context, features: Numbers, levels: Sequence[Codes]) -> Numbers:
        """What the log-odds of `log_chance` sum up beside the intercept [n, FEATURES + SLOPES].

        A slope's part is exactly 0 where nothing was learned, or where the fact that it is on is missing.
        """
        of, found = self.appetite, np.zeros((len(features), len(FEATURES) + len(SLOPES)))
        weighted_parts(picked(features, COLUMNS), of.mean, of.scale, CLIP, of.weights, COLUMNS, found)
        keys, values = of.keys.slots(context, self.tables)
        where = places(features)
        for i, (slopes, codes) in enumerate(zip(self.slopes, levels, strict=True)):
            _lean_parts(slopes, codes, keys, values, where, found, len(FEATURES) + i * len(SOURCES))
        return found


@njit(cache=True, nogil=True)
def _slots(
    codes: Any, tables: Any, numbers: Any, mean: Any, scale: Any, size: int, keys: Any, values: Any
) -> None:  # fmt: skip
    """Writes what `Keys.slots` gives, of as many keys as `size`; the last of them are the numbers'."""
    values[0] = 1.0
    for i in range(len(codes)):
        if tables[i, codes[i]] >= 0:
            keys[1 + i], values[1 + i] = tables[i, codes[i]], 1.0
    for i in range(len(numbers)):
        place = 1 + len(codes) + i
        keys[place], values[place] = size - len(numbers) + i, clipped((numbers[i] - mean[i]) / scale[i], CLIP)


@njit(cache=True, nogil=True)
def moved(intercept: float, parts: Any, count: int) -> Any:
    """float64 [count, k]: what each of the `parts` [n, k] adds to the first rows' log chance over the others' mean.

    Aumann and Shapley's value (1974; Sundararajan et al., 2017): along the straight line from a reference to a row all
    parts move in step, so that each takes its share of the difference in log-odds. The values of a row sum to its log
    chance less the mean one, and a part that is the same in a row and all references gets exactly 0.
    """
    odds = np.zeros(len(parts))
    for c in range(parts.shape[1]):
        for row in range(len(parts)):  # side by side: the sum of one row alone waits for each of its additions
            odds[row] += parts[row, c]
    slopes, base = _mean_slopes(odds + intercept, count), parts[count]
    found, whole = np.zeros((count, parts.shape[1])), np.zeros(count)
    for other in range(len(slopes)):
        step = parts[count + other] - base
        for row in range(count):
            whole[row] += slopes[other, row]
            for c in range(len(step)):
                found[row, c] += slopes[other, row] * step[c]
    for row in range(count):
        for c in range(len(base)):
            found[row, c] = (whole[row] * (parts[row, c] - base[c]) - found[row, c]) / len(slopes)
    return found


@njit(cache=True, nogil=True)
def _mean_slopes(odds: Any, count: int) -> Any:
    """By how much the log chance rises for each step of the log-odds, on the way from each other to each first row."""
    losses = np.array([_softplus(-x) for x in odds])
    found = np.empty((len(odds) - count, count))
    for other in range(count, len(odds)):
        for row in range(count):
            step = odds[row] - odds[other]
            if abs(step) < _NEAR:
                found[other - count, row] = np.exp(-_softplus((odds[row] + odds[other]) / 2))
            else:
                found[other - count, row] = (losses[other] - losses[row]) / step
    return found


@njit(cache=True, nogil=True)
def _softplus(x: float) -> float:
    """log(1 + exp(x)) without overflow."""
    return float(max(x, 0.0) + np.log1p(np.exp(-abs(x))))


@njit(cache=True, nogil=True)
def places(features: Any) -> Any:
    """Where the amount lies between the product's limits [n, PLACED], from the middle; 0 where it lacks one.

    Features are [n, FEATURES].
    """
    found = np.empty((len(features), len(PLACED)))
    for i in range(len(features)):
        above = features[i, _ABOVE]
        width = above + features[i, _BELOW]
        share = above / width if width > _NO_WIDTH else 0.5
        place = min(max(share, -0.5), 1.5) - 0.5
        found[i, 0], found[i, 1] = place, 4 * place**2
    return found


@njit(cache=True, nogil=True)
def _lean(odds: Any, slopes: Any, codes: Any, keys: Any, values: Any, where: Any) -> None:
    """Adds to the odds [n] what the slopes of each candidate's code say of the need, and of its place in the limits."""
    said, first = np.zeros(slopes.shape[1]), len(slopes) - where.shape[1]
    for k in range(len(keys)):  # of all codes, which lie side by side: to pick those asked for would take longer
        for code in range(len(said)):
            said[code] += slopes[keys[k], code] * values[k]
    for i in range(len(odds)):
        placed = 0.0
        for k in range(where.shape[1]):
            placed += slopes[first + k, codes[i]] * where[i, k]
        odds[i] = odds[i] + said[codes[i]] + placed


@njit(cache=True, nogil=True)
def _lean_parts(slopes: Any, codes: Any, keys: Any, values: Any, where: Any, found: Any, begin: int) -> None:
    """Writes what `_lean` sums up into the columns [SOURCES] of found [n, …] that `begin` there."""
    first = len(slopes) - where.shape[1]
    for i in range(len(codes)):
        for k in range(len(keys)):
            found[i, begin + k] = slopes[keys[k], codes[i]] * values[k]
        for k in range(where.shape[1]):
            found[i, begin + len(keys) + k] = slopes[first + k, codes[i]] * where[i, k]


def _sparse(names: Sequence[str], row: Numbers) -> dict[str, float]:
    return {name: value for name, value in zip(names, row.tolist(), strict=True) if value}


def _dense(place: Mapping[str, int], row: Mapping[str, float]) -> Numbers:
    found = np.zeros(len(place))
    found[[place[name] for name in row]] = list(row.values())
    return found

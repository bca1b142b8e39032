"""The choice model: a conditional logit over the candidates of a need (McFadden, 1974).

The chance that candidate c is the one taken is softmax over the candidates of w · x(c), x being the standardised
features. Linear in logs of shares, it is steady where needs are few; the forest adds what it cannot bend to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from matching.features import FEATURES, SPECIFICATION
from matching.fitting import least
from matching.history import Codes, Numbers
from matching.scaling import moments, named, picked, standard, unnamed, weighted, weighted_parts
from matching.sides import Side

RIDGE: Final = 0.01
STEPS: Final = 150
CLIP: Final = 6.0  # standard deviations: beyond, a value says no more
# What is the same for all candidates cancels out; an appetite counts beside the choice, not in it.
COLUMNS: Final = np.flatnonzero([f.side != Side.ENTERPRISE and f.family != "appetite" for f in SPECIFICATION])
_COUNTED: Final = ("own_count", "own_seen", "own_years", "idle_years", "life_years")
_LOGGED: Final = np.flatnonzero([FEATURES[i].endswith(_COUNTED) for i in COLUMNS])
_EACH: Final = np.arange(len(COLUMNS))


@dataclass(frozen=True)
class Choice:
    """A fitted choice model: `weights`, `mean` and `scale` of the feature `COLUMNS`."""

    weights: Numbers
    mean: Numbers
    scale: Numbers

    def score(self, features: Numbers) -> Numbers:
        """w · x for each row of float64 [n, len(FEATURES)]: a log chance, up to what all candidates share."""
        # Column by column, not by BLAS: a row's score must not depend on how many others are scored with it.
        columns = picked(features, COLUMNS)
        return weighted(columns, self.mean, self.scale, CLIP, self.weights, _LOGGED, _logs(columns))

    def parts(self, features: Numbers) -> Numbers:
        """What each of the feature `COLUMNS` adds to each row's score [n, COLUMNS]."""
        found = _bent(features)
        weighted_parts(found, self.mean, self.scale, CLIP, self.weights, _EACH, found)
        return found

    def _standard(self, features: Numbers) -> Numbers:
        return standard(_bent(features), self.mean, self.scale, CLIP)

    def to_dict(self) -> dict[str, Any]:
        """By feature name, for a bundle's JSON."""
        return named(COLUMNS, self.weights, self.mean, self.scale)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        return cls(*unnamed(COLUMNS, found))


def fit_choice(features: Numbers, labels: Codes, groups: Codes, weights: Numbers, ridge: float = RIDGE) -> Choice:
    """The choice model of rows [n, FEATURES] in `groups`; `labels` are grades, a row's share of the choice 2^grade - 1.

    `weights` are a group's, repeated on its rows. Deterministic.
    """
    start = Choice(np.zeros(len(COLUMNS)), *moments(_bent(features)))
    rows = start._standard(features)
    first = np.concatenate([[0], np.cumsum(groups)[:-1]])
    owner = np.repeat(np.arange(len(groups)), groups)
    gain = np.exp2(labels) - 1.0
    chosen = gain / np.maximum(np.add.reduceat(gain, first), 1e-12)[owner]
    share = weights[first] / weights[first].sum()

    def loss(w: Numbers) -> tuple[float, Numbers]:
        score = rows @ w
        score = score - np.maximum.reduceat(score, first)[owner]
        odds = np.exp(score)
        total = np.add.reduceat(odds, first)
        value = share @ (np.add.reduceat(chosen * score, first) - np.log(total))
        slope = rows.T @ ((chosen - odds / total[owner]) * share[owner])
        return float(-value + ridge * w @ w), -slope + 2 * ridge * w

    return Choice(least(loss, start.weights, maxiter=STEPS), start.mean, start.scale)


def _bent(features: Numbers) -> Numbers:
    """The columns, counts and years as log(1 + x)."""
    columns = picked(features, COLUMNS).copy()
    columns[:, _LOGGED] = _logs(columns)
    return columns


def _logs(columns: Numbers) -> Numbers:
    return np.asarray(np.log1p(np.maximum(columns.T[_LOGGED], 0)).T, dtype=np.float64)

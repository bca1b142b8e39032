"""The chance that an application is granted: P(granted | applied), monotone in the ranking score.

It starts from the chance that the appetites give. A line for each kind turns its log-odds into frequencies (Platt,
1999), fitted on held-back rows. Within a kind of a need, isotonic regression along the ranking makes the chances rise
with the score: neighbours in the wrong order share their mean, each as heavy as it is likely to be applied for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numba import njit

from matching.catalogue import KINDS, Rows
from matching.features import APPETITE_COLUMNS
from matching.fitting import least
from matching.history import Codes, Numbers

FEWEST: Final = 50  # grants, and as many refusals: with fewer, a kind's level alone is off by more than 0.07
APART: Final = (
    0.3  # log-odds by which kinds' levels differ, as far as their rows do not tell: draws small kinds together
)
_RIDGE: Final = 1e-3  # of the slope and the common level
_LEAST: Final = 1e-9  # chances stay so far from 0 and 1


@dataclass(frozen=True)
class Calibration:
    """A fitted calibration: a line for each kind on the log-odds of a grant, of one `slope` and an intercept a kind.

    Kinds without an intercept had too few grants or refusals to learn from: no chance is stated for them.
    """

    slope: float
    intercepts: Mapping[str, float]

    def chance(self, features: Numbers, scores: Numbers, kinds: Rows) -> Numbers:
        """P(granted | applied) of one need's candidates, in 0-1, NaN where none is stated.

        Takes float64 [n, len(FEATURES)] with the appetites' log chances, the ranker's scores [n] and kinds [n] as
        positions in `KINDS`. Within a kind a higher score never has a lower chance, and equal scores have the same.
        """
        applied, granted = (features[:, column] for column in APPETITE_COLUMNS)
        found = _logistic(self.slope * _odds(granted) + self._levels[kinds])
        weight, upwards = np.maximum(np.exp(applied), _LEAST), np.argsort(scores)
        _in_order_of_rows(upwards, scores)  # four times as fast as a stable sort
        _rise_by_kind(found, upwards, scores, weight, kinds, self._stated)
        return found

    @cached_property
    def _levels(self) -> Numbers:
        """Each kind's intercept, NaN where it has none."""
        return np.array([self.intercepts.get(kind, np.nan) for kind in KINDS])

    @cached_property
    def _stated(self) -> Rows:
        """The kinds, as positions in `KINDS`, that have an intercept."""
        return np.array([i for i, kind in enumerate(KINDS) if kind in self.intercepts], dtype=np.intp)

    def to_dict(self) -> dict[str, Any]:
        """For a bundle's JSON."""
        return {"slope": self.slope, "intercepts": dict(self.intercepts)}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """What `to_dict` gave. Raises `KeyError` or `ValueError` for anything else."""
        if set(found) != {"slope", "intercepts"}:
            raise ValueError(f"is a slope and intercepts, not {', '.join(found)}")
        intercepts = {str(kind): float(value) for kind, value in found["intercepts"].items()}
        return cls(float(found["slope"]), intercepts)


SILENT: Final = Calibration(0.0, {})


def enough(granted: int, refused: int) -> bool:
    """Whether a chance can be learned from so many grants and refusals."""
    return min(granted, refused) >= FEWEST


def fit_calibration(log_chances: Numbers, kinds: Rows, granted: Codes) -> Calibration:
    """The calibration of the kinds with `enough` decided applications; `SILENT` where there is none. Deterministic.

    A row is a decided application: the appetite's log chance of a grant [n], by a fit that never saw the row; its kind
    [n] as a position in `KINDS`; 1 where it was granted, 0 where it was refused [n].
    """
    known = [code for code in np.unique(kinds).tolist() if _learnable(granted[kinds == code])]
    rows = np.isin(kinds, known)
    if not rows.any():
        return SILENT
    slope, level, *apart = _lines(_odds(log_chances[rows]), kinds[rows, None] == np.array(known), granted[rows])
    names = [str(KINDS[code]) for code in known]
    return Calibration(slope, {name: level + own for name, own in zip(names, apart, strict=True)})


def _learnable(granted: Codes) -> bool:
    return enough(int((granted == 1).sum()), int((granted == 0).sum()))


def _odds(log_chances: Numbers) -> Numbers:
    """Log-odds from logs of chances."""
    kept = np.clip(log_chances, np.log(_LEAST), -_LEAST)
    found: Numbers = kept - np.log(-np.expm1(kept))
    return found


@njit(cache=True, nogil=True)
def _in_order_of_rows(upwards: Any, scores: Any) -> None:
    """Turns an order `upwards` by scores into the one in which equal scores go by row, as a stable sort would."""
    begin = 0
    for i in range(1, len(upwards) + 1):
        if i == len(upwards) or scores[upwards[i]] != scores[upwards[begin]]:
            if i - begin > 1:
                upwards[begin:i].sort()
            begin = i


@njit(cache=True, nogil=True)
def _rise_by_kind(chances: Any, upwards: Any, scores: Any, weight: Any, kinds: Any, stated: Any) -> None:
    """`_rise` for each of the `stated` kinds alone."""
    rows = np.empty(len(upwards), np.int64)
    for kind in stated:
        many = 0
        for row in upwards:
            if kinds[row] == kind:
                rows[many] = row
                many += 1
        if many:
            _rise(chances, rows[:many], scores, weight)


@njit(cache=True, nogil=True)
def _rise(chances: Any, rows: Any, scores: Any, weight: Any) -> None:
    """Turns the chances of `rows`, which are in order of their scores, into the nearest numbers that rise with them.

    Equal scores share theirs. Neighbours in the wrong order become one block with their mean, which takes in what lies
    ahead of it and behind as long as that is in the wrong order too (Busing, 2022).
    """
    end, mean, heavy = _tied(chances, rows, scores, weight)
    low, high = chances[rows].min(), chances[rows].max()
    blocks, i = 0, 0
    while i < len(end):
        m, w, e = mean[i], heavy[i], end[i]
        if blocks and mean[blocks - 1] >= m:
            blocks -= 1
            total = heavy[blocks] * mean[blocks] + w * m
            w += heavy[blocks]
            m = total / w
            while i + 1 < len(end) and m >= mean[i + 1]:
                i += 1
                total, w, e = total + heavy[i] * mean[i], w + heavy[i], end[i]
                m = total / w
            while blocks and mean[blocks - 1] >= m:
                blocks -= 1
                total, w = total + heavy[blocks] * mean[blocks], w + heavy[blocks]
                m = total / w
        end[blocks], mean[blocks], heavy[blocks] = e, m, w
        blocks, i = blocks + 1, i + 1
    begin = 0
    for b in range(blocks):
        chances[rows[begin : end[b]]] = min(max(mean[b], low), high)
        begin = end[b]


@njit(cache=True, nogil=True)
def _tied(chances: Any, rows: Any, scores: Any, weight: Any) -> Any:
    """Where in `rows` each score ends, the mean chance of the rows that have it, and their whole weight."""
    end, mean, heavy = np.zeros(len(rows), np.int64), np.zeros(len(rows)), np.zeros(len(rows))
    last = -1
    for i in range(len(rows)):
        if i == 0 or scores[rows[i]] != scores[rows[i - 1]]:
            last += 1
        end[last] = i + 1
        mean[last] += chances[rows[i]] * weight[rows[i]]
        heavy[last] += weight[rows[i]]
    return end[: last + 1], mean[: last + 1] / heavy[: last + 1], heavy[: last + 1]


def _lines(odds: Numbers, level: np.ndarray, granted: Codes) -> list[float]:
    """The slope, at least 0, the common level, and by how much each kind's differs from it."""
    design = np.column_stack([odds, np.ones(len(odds)), level])
    penalty = np.array([_RIDGE, _RIDGE, *[APART**-2] * level.shape[1]])

    def loss(w: Numbers) -> tuple[float, Numbers]:
        line = design @ w
        value = np.logaddexp(0.0, line).sum() - line[granted == 1].sum() + 0.5 * (penalty * w * w).sum()
        return float(value) / len(granted), (design.T @ (_logistic(line) - granted) + penalty * w) / len(granted)

    bounds = [(0.0, np.inf), *[(-np.inf, np.inf)] * (design.shape[1] - 1)]
    found: list[float] = least(loss, np.zeros(design.shape[1]), bounds).tolist()
    return found


def _logistic(odds: Numbers) -> Numbers:
    """1 / (1 + exp(-odds)) without overflow."""
    found: Numbers = 0.5 * (1.0 + np.tanh(0.5 * odds))
    return found

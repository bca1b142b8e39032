"""The chance that an application is granted: P(granted | applied), monotone in the ranking score.

It starts from the chance that the appetites give. A line for each kind turns its log-odds into frequencies (Platt,
1999), fitted on held-back rows. Within a kind of a need, isotonic regression along the ranking makes the chances rise
with the score: neighbours in the wrong order share their mean, each as heavy as it is likely to be applied for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from scipy.optimize import isotonic_regression, minimize

from matching.catalogue import KINDS, Rows
from matching.features import APPETITE_COLUMNS
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
        found = np.full(len(features), np.nan)
        applied, granted = (features[:, column] for column in APPETITE_COLUMNS)
        odds, weight = _odds(granted), np.maximum(np.exp(applied), _LEAST)
        for kind, intercept in self.intercepts.items():
            rows = np.flatnonzero(kinds == KINDS.index(kind))
            if rows.size:
                found[rows] = _along(scores[rows], _logistic(self.slope * odds[rows] + intercept), weight[rows])
        return found

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


def _along(scores: Numbers, chances: Numbers, weight: Numbers) -> Numbers:
    """The nearest numbers to `chances` that rise with the scores; equal scores share theirs."""
    _, place = np.unique(scores, return_inverse=True)
    total = np.bincount(place, weight)
    means = np.bincount(place, chances * weight) / total
    found: Numbers = np.clip(isotonic_regression(means, weights=total).x[place], chances.min(), chances.max())
    return found


def _lines(odds: Numbers, level: np.ndarray, granted: Codes) -> list[float]:
    """The slope, at least 0, the common level, and by how much each kind's differs from it."""
    design = np.column_stack([odds, np.ones(len(odds)), level])
    penalty = np.array([_RIDGE, _RIDGE, *[APART**-2] * level.shape[1]])

    def loss(w: Numbers) -> tuple[float, Numbers]:
        line = design @ w
        value = np.logaddexp(0.0, line).sum() - line[granted == 1].sum() + 0.5 * (penalty * w * w).sum()
        return float(value) / len(granted), (design.T @ (_logistic(line) - granted) + penalty * w) / len(granted)

    bounds = [(0.0, np.inf), *[(-np.inf, np.inf)] * (design.shape[1] - 1)]
    found: list[float] = minimize(
        loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds
    ).x.tolist()
    return found


def _logistic(odds: Numbers) -> Numbers:
    """1 / (1 + exp(-odds)) without overflow."""
    found: Numbers = 0.5 * (1.0 + np.tanh(0.5 * odds))
    return found

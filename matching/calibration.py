"""The chance that an application is granted: P(granted | applied), monotone in the ranking score.

Three steps. A ridge logistic regression gives each candidate the log-odds of a grant. Within a kind of a need, isotonic
regression along the ranking makes them rise with the score: neighbours in the wrong order share their mean. A line on
held-back rows (Platt, 1999), its slope shared and its level a kind's own, turns them into frequencies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from scipy.optimize import isotonic_regression, minimize

from matching.catalogue import KINDS, Rows
from matching.features import FEATURES
from matching.history import Codes, Numbers
from matching.scaling import moments, named, standard, unnamed

FEWEST: Final = 50  # grants, and as many refusals: with fewer, a kind's level alone is off by more than 0.07
RIDGE: Final = 50.0
CLIP: Final = 4.0  # standard deviations: beyond, a value says no more
UNDECIDED: Final = -1
# What grows with the record tells the day rather than the pair, and the few types move as one from month to month.
_GROWING: Final = ("life_years", "_outcomes")
_LEFT: Final = ("type_", "appetite_")
COLUMNS: Final = np.array([i for i, n in enumerate(FEATURES) if not (n.endswith(_GROWING) or n.startswith(_LEFT))])


@dataclass(frozen=True)
class Candidates:
    """All candidates of needs with a decided application: what a calibration is fitted on.

    `features` [n, FEATURES]; `scores` [n] by a ranker that was not fitted on these needs; `kinds` [n] as positions in
    `KINDS`; `needs` [n] numbers the needs and `blocks` [n] spans of time; `granted` [n] is 1, 0 (refused) or -1
    (`UNDECIDED`, or never applied for).
    """

    features: Numbers
    scores: Numbers
    kinds: Rows
    needs: Codes
    granted: Codes
    blocks: Codes


@dataclass(frozen=True)
class Calibration:
    """A fitted calibration: `weights`, `mean` and `scale` of the feature `COLUMNS`, and a line for each kind.

    Kinds without an intercept had too few grants or refusals to learn from: no chance is stated for them.
    """

    weights: Numbers
    mean: Numbers
    scale: Numbers
    slope: float
    intercepts: Mapping[str, float]

    def chance(self, features: Numbers, scores: Numbers, kinds: Rows) -> Numbers:
        """P(granted | applied) of one need's candidates, in 0-1, NaN where none is stated.

        Takes float64 [n, len(FEATURES)], the ranker's scores [n] and kinds [n] as positions in `KINDS`. Within a kind a
        higher score never has a lower chance, and equal scores have the same.
        """
        found = np.full(len(features), np.nan)
        odds = self._odds(features)
        for kind, intercept in self.intercepts.items():
            rows = np.flatnonzero(kinds == KINDS.index(kind))
            if rows.size:
                found[rows] = _logistic(self.slope * _along(scores[rows], odds[rows]) + intercept)
        return found

    def _odds(self, features: Numbers) -> Numbers:
        """Log-odds of a grant for each row, up to its kind's level; row by row, as in `Choice.score`."""
        found: Numbers = (standard(features[:, COLUMNS], self.mean, self.scale, CLIP) * self.weights).sum(axis=1)
        return found

    def to_dict(self) -> dict[str, Any]:
        """By feature name, for a bundle's JSON."""
        features = named(COLUMNS, self.weights, self.mean, self.scale)
        return {"slope": self.slope, "intercepts": dict(self.intercepts), "features": features}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        intercepts = {str(kind): float(value) for kind, value in found["intercepts"].items()}
        weights, mean, scale = unnamed(COLUMNS, found["features"])
        return cls(weights, mean, scale, float(found["slope"]), intercepts)


SILENT: Final = Calibration(np.zeros(COLUMNS.size), np.zeros(COLUMNS.size), np.ones(COLUMNS.size), 0.0, {})


def enough(granted: int, refused: int) -> bool:
    """Whether a chance can be learned from so many grants and refusals."""
    return min(granted, refused) >= FEWEST


def fit_calibration(of: Candidates, ridge: float = RIDGE) -> Calibration:
    """The calibration of the kinds with `enough` decided applications; `SILENT` where there is none. Deterministic.

    Log-odds that the lines are fitted on come from the other blocks of time, so that no row judges itself: there are
    two blocks at least.
    """
    kinds = [code for code in np.unique(of.kinds).tolist() if _learnable(of, code)]
    decided = (of.granted != UNDECIDED) & np.isin(of.kinds, kinds)
    if len(np.unique(of.blocks[decided])) < 2:
        return SILENT
    mean, scale = moments(of.features[decided][:, COLUMNS])
    rows = standard(of.features[:, COLUMNS], mean, scale, CLIP)
    level = (of.kinds[:, None] == np.array(kinds)).astype(np.float64)
    odds = np.zeros(len(rows))
    for block in np.unique(of.blocks):
        held = of.blocks == block
        known = decided & ~held
        odds[held] = rows[held] @ _grants(rows[known], level[known], of.granted[known], ridge)
    slope, *intercepts = _lines(_ranked(of, odds)[decided], level[decided], of.granted[decided])
    weights = _grants(rows[decided], level[decided], of.granted[decided], ridge)
    names = [str(KINDS[code]) for code in kinds]
    return Calibration(weights, mean, scale, slope, dict(zip(names, intercepts, strict=True)))


def _learnable(of: Candidates, kind: int) -> bool:
    granted = of.granted[of.kinds == kind]
    return enough(int((granted == 1).sum()), int((granted == 0).sum()))


def _ranked(of: Candidates, odds: Numbers) -> Numbers:
    """The log-odds made to rise with the score within each need and kind."""
    order = np.lexsort((of.kinds, of.needs))
    changes = np.flatnonzero(np.diff(of.needs[order]) | np.diff(of.kinds[order])) + 1
    found = np.empty_like(odds)
    for rows in np.split(order, changes):
        found[rows] = _along(of.scores[rows], odds[rows])
    return found


def _along(scores: Numbers, odds: Numbers) -> Numbers:
    """The nearest numbers to `odds` that rise with the scores; equal scores share theirs."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    means = np.bincount(place, odds) / count
    found: Numbers = isotonic_regression(means, weights=count).x[place]
    return found


def _grants(rows: Numbers, level: Numbers, granted: Codes, ridge: float) -> Numbers:
    """Weights of the log-odds of a grant; each kind's own level is fitted beside them and left out."""
    penalty = np.concatenate([np.full(rows.shape[1], ridge), np.full(level.shape[1], 1.0)])
    return _fit(np.concatenate([rows, level], axis=1), granted, penalty)[: rows.shape[1]]


def _lines(odds: Numbers, level: Numbers, granted: Codes) -> list[float]:
    """The shared slope, at least 0, then each kind's intercept."""
    design = np.concatenate([odds[:, None], level], axis=1)
    lowest = [0.0, *(-np.inf for _ in level.T)]
    found: list[float] = _fit(design, granted, np.full(design.shape[1], 1e-3), lowest).tolist()
    return found


def _fit(design: Numbers, granted: Codes, penalty: Numbers, lowest: list[float] | None = None) -> Numbers:
    """Weights of a logistic regression with a ridge `penalty` each, none below its `lowest`."""

    def loss(w: Numbers) -> tuple[float, Numbers]:
        odds = design @ w
        value = np.logaddexp(0.0, odds).sum() - odds[granted == 1].sum() + 0.5 * (penalty * w * w).sum()
        return float(value) / len(granted), (design.T @ (_logistic(odds) - granted) + penalty * w) / len(granted)

    bounds = [(low, np.inf) for low in lowest or [-np.inf] * design.shape[1]]
    found = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x, dtype=np.float64)


def _logistic(odds: Numbers) -> Numbers:
    """1 / (1 + exp(-odds)) without overflow."""
    found: Numbers = 0.5 * (1.0 + np.tanh(0.5 * odds))
    return found

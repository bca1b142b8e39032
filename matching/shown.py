"""Fitting appetites on what was shown, at which position, and what came of it.

A slope is drawn to 0 by its family's spread, which is learned with it (empirical Bayes; Gelman and Hill, 2007), so that
three outcomes say little and three hundred much. What is shown far down is looked at less: P(applied | position k) =
k^-γ · P(applied | looked at), γ learned too (the position-based model; Craswell et al., 2008).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

import numpy as np
from scipy.sparse import csr_array

from matching.appetite import CLIP, COLUMNS, PLACED, SOURCES, STEADY, Appetite, Keys, places
from matching.catalogue import Rows
from matching.features import APPETITES
from matching.fitting import alone, least
from matching.history import Codes, Context, History, Numbers
from matching.levels import LEVELS
from matching.scaling import moments, standard

UNDECIDED: Final = -1
BLOCKS: Final = 4  # of time, each but the first held back once
STEPS: Final = (50, 50, 50, 150)  # of the search, between which spreads are learned anew; later they move little
START_SPREAD: Final = 0.05  # of slopes
START_COMMON: Final = 0.01  # of weights
LEAST_SPREAD: Final = 1e-4
GAMMA: Final = (0.0, 3.0)
_LEVEL_RIDGE: Final = 1e-3  # of the intercept
_LEAST: Final = 1e-9


@dataclass(frozen=True)
class Shown:
    """What was shown: rows [n] of features, level codes [n, LEVELS], position (1 the first, 0 unknown) and outcome.

    `kind` [n] is a position in `catalogue.KINDS`; `need` [n] counts into `contexts`; `applied` [n] is 1, 0 or, where
    the enterprise could not say (the institution declined first) or not yet, -1 (`UNDECIDED`); `granted` [n] is 1, 0
    (refused) or -1.
    """

    contexts: Sequence[Context]
    features: Numbers
    levels: Codes
    kind: Rows
    need: Codes
    position: Codes
    applied: Codes
    granted: Codes

    def part(self, rows: Rows) -> "Shown":
        """These rows alone, and only their needs' contexts."""
        needs, need = np.unique(self.need[rows], return_inverse=True)
        columns = ("features", "levels", "kind", "position", "applied", "granted")
        features, levels, kind, *rest = [getattr(self, name)[rows] for name in columns]
        return Shown([self.contexts[i] for i in needs], features, levels, kind, need.astype(np.int32), *rest)


@dataclass(frozen=True)
class Trials:
    """One stage's rows: 1 and standardised features `dense` [n, 1 + STEADY], and slopes' columns `design` [n, slopes].

    `family` [slopes] is each slope's, a level and one of `SOURCES`; `answer` [n] 0 or 1; `depth` [n] the log position.
    """

    dense: Numbers
    design: csr_array
    family: Codes
    answer: Numbers
    depth: Numbers

    @cached_property
    def _across(self) -> csr_array:
        return self.design.T.tocsr()

    @cached_property
    def _squares(self) -> csr_array:
        return self.design.multiply(self.design).T.tocsr()

    def loss(self, x: Numbers, weight: Numbers) -> tuple[float, Numbers]:
        """The penalised negative log-likelihood and its slope at `x`: intercept, weights, slopes and γ."""
        looked, chance = self._chances(x)
        both = np.clip(looked * chance, _LEAST, 1 - _LEAST)
        value = np.log(np.where(self.answer > 0, both, 1 - both)).sum()
        pull = np.where(self.answer > 0, 1 / both, -1 / (1 - both)) * both
        odds = pull * (1 - chance)
        slope = np.concatenate([self.dense.T @ odds, self._across @ odds, [-(pull @ self.depth)]])
        return float(weight @ (x * x) - value), 2 * weight * x - slope

    def spreads(self, x: Numbers, spread: Numbers, common: float) -> tuple[Numbers, float]:
        """The spread of each family of slopes and of the weights at `x`, found under the earlier ones."""
        width, known = self.dense.shape[1], self._known(x)
        own = x[width:-1] ** 2 + 1 / (self._squares @ known + 1 / spread[self.family])
        count = np.bincount(self.family, minlength=len(spread))
        found = np.bincount(self.family, own, len(spread)) / np.maximum(count, 1)
        features = self.dense[:, 1:]
        shared = x[1:width] ** 2 + 1 / ((features * features).T @ known + 1 / common)
        return np.maximum(found, LEAST_SPREAD), max(float(shared.mean()), LEAST_SPREAD)

    def _chances(self, x: Numbers) -> tuple[Numbers, Numbers]:
        """How likely each row is looked at, and taken up once it is."""
        width = self.dense.shape[1]
        odds = self.dense @ x[:width] + self.design @ x[width:-1]
        return np.exp(-x[-1] * self.depth), 1 / (1 + np.exp(-np.clip(odds, -30, 30)))

    def _known(self, x: Numbers) -> Numbers:
        """Fisher information of each row's odds, of which k^-γ times the chance is seen as yes or no."""
        looked, chance = self._chances(x)
        return looked * chance * (1 - chance) ** 2 / np.maximum(1 - looked * chance, 1e-6)


def fit_appetites(shown: Shown, history: History) -> tuple[Appetite, ...]:
    """The appetite of each of `APPETITES`, or none where a stage knows only one answer. Deterministic."""
    asked, decided = (np.flatnonzero(answer != UNDECIDED) for answer in (shown.applied, shown.granted))
    if any(len(np.unique(answer)) < 2 for answer in (shown.applied[asked], shown.granted[decided])):
        return ()
    keys = Keys.of(shown.contexts, history)
    design, family = _design(shown, keys, history), _families(keys, history)
    depth = np.log(np.maximum(shown.position, 1))
    parts = (
        (asked, shown.applied, depth),
        (decided, shown.granted, np.zeros(len(depth))),  # an institution looks at whatever it is asked for
    )
    return tuple(
        _fit(stage, shown.features[rows], design[rows], family, answer[rows], at[rows], keys, history)
        for stage, (rows, answer, at) in zip(APPETITES, parts, strict=True)
    )


def held_back(shown: Shown, history: History) -> Numbers:
    """Each row's log chance of a grant by an appetite fitted without the row's block of time [n].

    There are `BLOCKS` spans with as many decided applications each; NaN where nothing was decided, or where the other
    blocks know only one answer. In the first too: next to nothing was known of the past then, of which the other blocks
    hold no example, and what is ranked later is not like it.
    """
    decided = np.flatnonzero(shown.granted != UNDECIDED)
    found = np.full(len(shown.need), np.nan)
    days = np.array([context.day for context in shown.contexts])[shown.need[decided]]
    block = np.searchsorted(np.quantile(days, np.arange(1, BLOCKS) / BLOCKS), days)
    for span in np.unique(block)[1:]:
        others = shown.part(decided[block != span])
        if len(np.unique(others.granted)) == 2:
            held = decided[block == span]
            found[held] = _log_chances(_granted(others, history), shown.part(held), history)
    return found


def _granted(decided: Shown, history: History) -> Appetite:
    """The appetite of the last stage, of rows that are all decided."""
    keys = Keys.of(decided.contexts, history)
    parts = _design(decided, keys, history), _families(keys, history)
    return _fit(APPETITES[-1], decided.features, *parts, decided.granted, np.zeros(len(decided.need)), keys, history)


def _log_chances(appetite: Appetite, shown: Shown, history: History) -> Numbers:
    """Need by need."""
    bound, found = appetite.bound(history), np.empty(len(shown.need))
    for need, context in enumerate(shown.contexts):
        rows = np.flatnonzero(shown.need == need)
        found[rows] = bound.log_chance(context, shown.features[rows], list(shown.levels[rows].T))
    return found


def _design(shown: Shown, keys: Keys, history: History) -> csr_array:
    """The slopes' columns: levels, then codes and one past the last, then keys and `PLACED`."""
    tables = keys.tables(history)
    slots = [keys.slots(context, tables) for context in shown.contexts]
    key = np.array([k for k, _ in slots])[shown.need]
    value = np.array([v for _, v in slots])[shown.need]
    where, width = places(shown.features), len(keys) + len(PLACED)
    columns, values, begin = [], [], 0
    for level, size in enumerate(_sizes(history)):
        base = begin + shown.levels[:, level, None] * width
        columns += [base + key, base + np.arange(len(keys), width)]
        values += [value if level else value * (np.arange(value.shape[1]) == 0), where]  # a product: its level only
        begin += (size + 1) * width
    column, held = np.concatenate(columns, axis=1), np.concatenate(values, axis=1)
    first = np.arange(len(column) + 1) * column.shape[1]
    design = csr_array((held.ravel(), column.ravel(), first), shape=(len(column), begin))
    design.sum_duplicates()
    design.eliminate_zeros()
    return design


def _sizes(history: History) -> tuple[int, int, int]:
    return len(history.products), len(history.institutions), len(history.types)


def _families(keys: Keys, history: History) -> Codes:
    """Each of the slopes' columns' family: a level and one of `SOURCES`."""
    spans = [SOURCES.index(name.split(":")[0]) for name in keys.names]
    parts = [np.tile(np.array(spans) + i * len(SOURCES), size + 1) for i, size in enumerate(_sizes(history))]
    return np.concatenate(parts).astype(np.int32)


def _fit(
    stage: str, features: Numbers, design: csr_array, family: Codes, answer: Codes, depth: Numbers, keys: Keys,
    history: History,
) -> Appetite:  # fmt: skip
    columns = features[:, COLUMNS]
    mean, scale = moments(columns)
    steady = standard(columns, mean, scale, CLIP)[:, STEADY]
    dense = np.column_stack([np.ones(len(columns)), steady])
    used = np.flatnonzero(design.count_nonzero(axis=0))
    found, spread = _search(Trials(dense, csr_array(design[:, used]), family[used], answer.astype(np.float64), depth))
    intercept, learned, slopes, gamma = np.split(found, [1, dense.shape[1], -1])
    weights = np.zeros(len(COLUMNS))
    weights[STEADY] = learned
    every = np.zeros(design.shape[1])
    every[used] = slopes
    families = [f"{level}:{source}" for level in LEVELS for source in SOURCES]
    return Appetite(
        stage=stage,
        intercept=float(intercept[0]),
        gamma=float(gamma[0]),
        weights=weights,
        mean=mean,
        scale=scale,
        keys=keys,
        slopes=_by_name(every, keys, history),
        spreads={families[i]: float(spread[i]) for i in np.unique(family[used])},
    )


def _search(trials: Trials) -> tuple[Numbers, Numbers]:
    """Intercept, weights, slopes and γ, and each family's spread: maximum a posteriori and spreads in turn."""
    width = trials.dense.shape[1]
    spread, common = np.full(len(LEVELS) * len(SOURCES), START_SPREAD), START_COMMON
    found = np.append(np.zeros(width + len(trials.family)), 1.0 if trials.depth.any() else 0.0)
    limits = [(None, None)] * (len(found) - 1) + [GAMMA]
    with alone():
        for steps in STEPS:
            weight = np.concatenate(
                [[_LEVEL_RIDGE], np.full(width - 1, 0.5 / common), 0.5 / spread[trials.family], [0.0]],
            )
            found = least(partial(trials.loss, weight=weight), found, limits, maxiter=steps)
            spread, common = trials.spreads(found, spread, common)
    return found, spread


def _by_name(slopes: Numbers, keys: Keys, history: History) -> dict[str, dict[str, Numbers]]:
    """The slopes by level and name, where any is not 0."""
    names = (history.products, history.institutions, history.types)
    width, begin, found = len(keys) + len(PLACED), 0, {}
    for level, texts in zip(LEVELS, names, strict=True):
        rows = slopes[begin : begin + len(texts) * width].reshape(-1, width)
        found[level] = {str(name): row.copy() for name, row in zip(texts, rows, strict=True) if row.any()}
        begin += (len(texts) + 1) * width
    return found

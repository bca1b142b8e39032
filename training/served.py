"""Who is served worse than average, and how far apart chance alone would set slices of their size.

An enterprise counts once in each slice that it has a need in. Few enterprises differ by chance, and of many slices some
always lie far off. What enterprises got is therefore shuffled among the slices of each column, many times over:
`chance` is the distance from the average which, were all served alike, one slice or more of all columns would reach in
one shuffle of twenty. It is wide for a small slice and narrow for a large one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd

from matching.history import Numbers
from training.breakdown import FEWEST_ENTERPRISES, sliced
from training.metrics import CONFIDENCE

SHUFFLES: Final = 2000
_AT_ONCE: Final = 100  # shuffles
_COLUMNS: Final = ("label", "value", "gap", "chance", "served", "needs", "enterprises")


class Served(StrEnum):
    """What is said of a slice."""

    WORSE = "worse"
    BETTER = "better"
    CHANCE = "may be chance"
    TOO_FEW = "too few"


@dataclass(frozen=True)
class _Column:
    """A column's slices: what each enterprise got in each of its slices, and which slice that is."""

    name: str
    labels: list[str]
    needs: list[int]
    values: Numbers
    member: Numbers  # [values, slices], 1 or 0

    @property
    def sizes(self) -> Numbers:
        return self.member.sum(axis=0)

    @property
    def judged(self) -> np.ndarray:
        return self.sizes >= FEWEST_ENTERPRISES

    def gaps(self, values: Numbers) -> Numbers:
        """Each slice's mean less that of all, of `values` [..., n]."""
        return values @ self.member / self.sizes - self.values.mean()


def gaps(needs: pd.DataFrame, columns: Sequence[str], value: str = "model", seed: int = 0) -> pd.DataFrame:
    """label, value, gap, chance, served, needs, enterprises: a row a slice, the furthest below the average first.

    `needs` are `breakdown.per_need`'s, `columns` those of its columns that part them; where all needs are alike in one,
    it has no row. Furthest is what lies furthest beyond chance; slices that are too small to judge come last.
    """
    asked = [_column(needs, column, value) for column in columns if needs[column].nunique(dropna=False) > 1]
    rng = np.random.default_rng(seed)
    drawn = [_shuffled(column, rng) for column in asked]
    level = _level(asked, drawn)
    rows = [row for column, found in zip(asked, drawn, strict=True) for row in _rows(column, found, level)]
    frame = pd.DataFrame(rows, columns=list(_COLUMNS))
    order = (frame["gap"] / frame["chance"]).mask(frame["served"] == Served.TOO_FEW).sort_values(kind="stable")
    return frame.loc[order.index].reset_index(drop=True)


def _column(needs: pd.DataFrame, column: str, value: str) -> _Column:
    parts = sliced(needs, column)
    means = [part.groupby("enterprise_id", sort=True)[value].mean().to_numpy(dtype=np.float64) for _, part in parts]
    slice_of = np.repeat(np.arange(len(parts)), [len(one) for one in means])
    labels, counts = [label for label, _ in parts], [len(part) for _, part in parts]
    return _Column(column, labels, counts, np.concatenate(means), np.eye(len(parts))[slice_of])


def _shuffled(column: _Column, rng: np.random.Generator) -> Numbers:
    """The gaps [shuffles, slices] where it is chance who got what."""
    found = []
    for _ in range(0, SHUFFLES, _AT_ONCE):
        values = rng.permuted(np.tile(column.values, (_AT_ONCE, 1)), axis=1)
        found.append(column.gaps(values))
    return np.concatenate(found)


def _level(asked: Sequence[_Column], drawn: Sequence[Numbers]) -> float:
    """How many times its usual distance the furthest of all slices lies off in one shuffle of twenty."""
    far = [_strays(found)[:, column.judged] for column, found in zip(asked, drawn, strict=True)]
    if not far:
        return 0.0
    return float(np.quantile(np.concatenate(far, axis=1).max(axis=1, initial=0.0), CONFIDENCE))


def _strays(found: Numbers) -> Numbers:
    usual = found.std(axis=0)
    return np.abs(found) / np.where(usual > 0, usual, 1.0)  # where all got the same, nothing strays


def _rows(column: _Column, found: Numbers, level: float) -> list[tuple[str, float, float, float, str, int, int]]:
    gap, chance, sizes = column.gaps(column.values), level * found.std(axis=0), column.sizes.astype(int).tolist()
    value = gap + column.values.mean()
    said = [_served(*one) for one in zip(gap, chance, column.judged, strict=True)]
    labels = [f"{column.name}: {label}" for label in column.labels]
    columns = (labels, value.tolist(), gap.tolist(), chance.tolist(), said, column.needs, sizes)
    return list(zip(*columns, strict=True))


def _served(gap: float, chance: float, judged: bool) -> str:
    if not judged:
        return Served.TOO_FEW
    if abs(gap) <= chance:
        return Served.CHANCE
    return Served.WORSE if gap < 0 else Served.BETTER

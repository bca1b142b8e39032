"""Feature columns in standard deviations from their mean, and one row of numbers a feature for a bundle's JSON."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numba import njit

from matching.catalogue import Rows
from matching.features import FEATURES
from matching.history import Numbers

NOWHERE: Final = np.empty(0, dtype=np.intp)
NOTHING: Final = np.empty((0, 0))


def moments(columns: Numbers) -> tuple[Numbers, Numbers]:
    """Mean and standard deviation of columns [n, k], NaN left out; 0 where never known and 1 where nothing varies."""
    known = np.isfinite(columns)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, columns, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (columns - mean) ** 2, 0.0).sum(axis=0) / count)
    return mean, np.where(spread > 0, spread, 1.0)


def standard(columns: Numbers, mean: Numbers, scale: Numbers, clip: float) -> Numbers:
    """Columns [n, k] in `scale`s from their `mean`, at most `clip` of them; a missing value is an average one.

    Row after row in memory: else the sum along a row would depend, in its last bits, on how many rows there are.
    """
    found: Numbers = np.subtract(columns, mean, order="C")
    found /= scale
    np.clip(found, -clip, clip, out=found)
    np.copyto(found, 0.0, where=np.isnan(found))
    return found


def weighted(
    columns: Numbers, mean: Numbers, scale: Numbers, clip: float, weights: Numbers, at: Rows = NOWHERE,
    instead: Numbers = NOTHING,
) -> Numbers:  # fmt: skip
    """What each row of columns [n, k] sums up to: `standard`, but for rounding, times `weights` [k], column by column.

    Where `at` [m] names some of the columns, their values are those of `instead` [n, m]. No row's sum depends on the
    rows beside it, as one by BLAS would.
    """
    found = np.zeros(len(columns))
    stored, others = np.ascontiguousarray(columns.T), np.ascontiguousarray(instead.T)
    _weighted(stored, at, others, mean, scale, clip, weights, found)
    return found


@njit(cache=True, nogil=True)
def _weighted(
    columns: Any, at: Any, instead: Any, mean: Any, scale: Any, clip: float, weights: Any, found: Any
) -> None:  # fmt: skip
    place = np.full(len(columns), -1)
    for i in range(len(at)):
        place[at[i]] = i
    for c in range(len(columns)):
        column = columns[c] if place[c] < 0 else instead[place[c]]
        m, per, w = mean[c], 1 / scale[c], weights[c]  # to divide each value would take most of the time
        for row in range(len(found)):
            found[row] += clipped((column[row] - m) * per, clip) * w


@njit(cache=True, nogil=True)
def weighted_parts(
    columns: Any, mean: Any, scale: Any, clip: float, weights: Any, at: Any, found: Any
) -> None:  # fmt: skip
    """Writes what `weighted` sums up into the columns `at` [k] of found [n, …]."""
    for row in range(len(columns)):
        for c in range(len(at)):
            found[row, at[c]] = clipped((columns[row, c] - mean[c]) * (1 / scale[c]), clip) * weights[c]


@njit(cache=True, nogil=True)
def clipped(deviation: float, clip: float) -> float:
    """A deviation, at most `clip`, and 0 where it is missing; without a branch, so that it is vectors."""
    deviation = clip if deviation > clip else deviation
    deviation = -clip if deviation < -clip else deviation
    return deviation if deviation == deviation else 0.0


@njit(cache=True, nogil=True)
def over(parts: Any, count: int) -> Any:
    """Each of the first `count` rows of parts [n, k] less the others, on average: exactly 0 where all are equal."""
    found = np.zeros((count, parts.shape[1]))
    for row in range(count):
        for other in range(count, len(parts)):
            for c in range(parts.shape[1]):
                found[row, c] += parts[row, c] - parts[other, c]
    return found / (len(parts) - count)


def picked(features: Numbers, columns: Rows) -> Numbers:
    """The feature `columns` [n, k]; without a copy where they stand side by side."""
    first, last = int(columns[0]), int(columns[-1]) + 1
    return features[:, first:last] if last - first == len(columns) else features[:, columns]


def named(columns: Rows, *values: Numbers) -> dict[str, list[float]]:
    """By the name of each of the feature `columns` [k], its entry in each of `values` [k]."""
    rows = zip(*(value.tolist() for value in values), strict=True)
    return {FEATURES[i]: list(row) for i, row in zip(columns, rows, strict=True)}


def unnamed(columns: Rows, found: Mapping[str, Sequence[float]]) -> list[Numbers]:
    """The values that `named` was given. Raises `KeyError` for a feature that is missing."""
    table = np.array([found[FEATURES[i]] for i in columns], dtype=np.float64)
    return [np.ascontiguousarray(column) for column in table.T]

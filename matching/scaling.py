"""Feature columns in standard deviations from their mean, and one row of numbers a feature for a bundle's JSON."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numba import njit

from matching.catalogue import Rows
from matching.features import FEATURES
from matching.history import Numbers

NOWHERE: Final = np.empty(0, dtype=np.intp)
NOTHING: Final = np.empty((0, 0))
_SPAN: Final = 128  # numbers that numpy sums in one go


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
    """`(standard(…) * weights).sum(axis=1)` for columns [n, k], to the last bit, without the matrices between.

    Where `at` [m] names some of the columns, their values are those of `instead` [n, m].
    """
    found = np.empty(len(columns))
    _weighted(columns, at, instead, mean, scale, clip, weights, np.array(_steps(0, columns.shape[1])), found)
    return found


@cache
def _steps(begin: int, count: int) -> tuple[tuple[int, int], ...]:
    """In which order numpy sums so many numbers: spans (begin, end), and (0, 0) where the last two sums are added."""
    if count <= _SPAN:
        return ((begin, begin + count),)
    half = count // 2 - count // 2 % 8
    return (*_steps(begin, half), *_steps(begin + half, count - half), (0, 0))


@njit(cache=True, nogil=True)
def _weighted(
    columns: Any, at: Any, instead: Any, mean: Any, scale: Any, clip: float, weights: Any, steps: Any, found: Any
) -> None:  # fmt: skip
    width = columns.shape[1]
    held_row, part, sums = np.empty(width), np.empty(width), np.empty(len(steps) + 1)
    for row in range(len(columns)):
        for c in range(width):
            held_row[c] = columns[row, c]
        for c in range(len(at)):
            held_row[at[c]] = instead[row, c]
        weigh(held_row, mean, scale, clip, weights, part)
        held = 0
        for step in range(len(steps)):
            begin, end = steps[step]
            if end > begin:
                sums[held] = _span_sum(part[begin:end])
                held += 1
            else:
                sums[held - 2] += sums[held - 1]
                held -= 1
        found[row] = sums[0]


@njit(cache=True, nogil=True)
def weigh(row: Any, mean: Any, scale: Any, clip: float, weights: Any, part: Any) -> None:
    """Each value standardised and weighed; one simple loop, which compiles to vectors."""
    for c in range(len(row)):
        deviation = (row[c] - mean[c]) / scale[c]
        deviation = clip if deviation > clip else deviation
        deviation = -clip if deviation < -clip else deviation
        part[c] = (deviation if deviation == deviation else 0.0) * weights[c]


@njit(cache=True, nogil=True)
def weighted_parts(
    columns: Any, mean: Any, scale: Any, clip: float, weights: Any, at: Any, found: Any
) -> None:  # fmt: skip
    """Writes what `weighted` sums up into the columns `at` [k] of found [n, …]."""
    row, part = np.empty(len(at)), np.empty(len(at))
    for i in range(len(columns)):
        for c in range(len(at)):
            row[c] = columns[i, c]
        weigh(row, mean, scale, clip, weights, part)
        for c in range(len(at)):
            found[i, at[c]] = part[c]


@njit(cache=True, nogil=True)
def over(parts: Any, references: Any) -> Any:
    """Each row of parts [n, k] less the references [m, k], on average: exactly 0 where all are equal."""
    found = np.zeros(parts.shape)
    for row in range(len(parts)):
        for reference in range(len(references)):
            for c in range(parts.shape[1]):
                found[row, c] += parts[row, c] - references[reference, c]
    return found / len(references)


@njit(cache=True, nogil=True)
def _span_sum(part: Any) -> Any:
    """Eight sums side by side, then what is left."""
    whole, total = 0, 0.0
    if len(part) >= 8:
        whole = len(part) - len(part) % 8
        a, b, c, d, e, f, g, h = part[0], part[1], part[2], part[3], part[4], part[5], part[6], part[7]
        for i in range(8, whole, 8):
            a, b, c, d = a + part[i], b + part[i + 1], c + part[i + 2], d + part[i + 3]
            e, f, g, h = e + part[i + 4], f + part[i + 5], g + part[i + 6], h + part[i + 7]
        total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(whole, len(part)):
        total += part[i]
    return total


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

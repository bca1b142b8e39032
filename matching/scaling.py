"""Feature columns in standard deviations from their mean, and one row of numbers a feature for a bundle's JSON."""

from collections.abc import Mapping, Sequence

import numpy as np

from matching.catalogue import Rows
from matching.features import FEATURES
from matching.history import Numbers


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

"""Keys: each value of a column as the number of the forest's thresholds that lie below it.

A node is then a comparison of small whole numbers, and rows are compared many at once.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matching.history import Numbers
from matching.trees import CATEGORICAL, DEFAULT_LEFT, MISSING, NANS, ZEROS, Integers, Tree

Keys = NDArray[Any]  # uint8; uint16 where a tree's leaves or a column's thresholds are too many for a byte
ZERO: Final = float(np.float32(1e-35))  # LightGBM takes what is no larger for 0, and holds this bound as a float32
LANES: Final = 16  # numbers that are looked at side by side
STEP: Final = 4  # thresholds that are compared in one go


class Slots(NamedTuple):
    """How columns become keys. Slot s gives the keys of `column[s]`.

    Of a number: how many of `cuts[first[s]:first[s + 1]]` (padded with infinity) lie below it; `fallback[s]` where it
    is missing, as `missing[s]` has it. The slots beyond those of `missing` are of categories: 0 where the value is in
    the set of bits `words[first_word[c]:first_word[c + 1]]`, else 1.
    """

    column: Integers
    missing: Integers
    fallback: Integers
    first: Integers
    cuts: Numbers
    first_word: Integers
    words: NDArray[np.uint32]


def slots_of(trees: Sequence[Tree]) -> tuple[Slots, Integers, Integers]:
    """The slots that the nodes of all trees need, and each node's slot and rank among the thresholds there."""
    column, decision = (joined([getattr(tree, name) for tree in trees], np.int64) for name in ("column", "decision"))
    threshold = joined([tree.threshold for tree in trees], np.float64)
    categorical = (decision & CATEGORICAL) > 0
    missing = decision >> MISSING & 3
    left = (missing > 0) & ((decision & DEFAULT_LEFT) > 0)
    question = column * 8 + missing * 2 + left
    asked = np.unique(question[~categorical])
    slot = np.searchsorted(asked, question)
    slot[categorical] = len(asked) + np.arange(np.count_nonzero(categorical))
    cuts = [np.unique(threshold[slot == s]) for s in range(len(asked))]
    rank = np.zeros(len(slot), dtype=np.int64)
    for s, values in enumerate(cuts):
        rank[slot == s] = np.searchsorted(values, threshold[slot == s])
    return _filled(asked, cuts, column[categorical], _sets(trees)), slot, rank


def _filled(asked: Integers, cuts: list[Numbers], categorical: Integers, sets: list[NDArray[np.uint32]]) -> Slots:
    """The slots of numbers, by what is `asked` (8 × column + 2 × missing + goes left or not), and of categories."""
    padded = [np.append(values, np.full(-len(values) % STEP, np.inf)) for values in cuts]
    return Slots(
        column=np.append(asked // 8, categorical),
        missing=asked // 2 % 4,
        fallback=np.where(asked % 2, 0, np.array([len(values) for values in cuts], dtype=np.int64)),
        first=firsts([len(values) for values in padded]),
        cuts=joined(padded, np.float64),
        first_word=firsts([len(words) for words in sets]),
        words=joined(sets, np.uint32),
    )


def _sets(trees: Sequence[Tree]) -> list[NDArray[np.uint32]]:
    """The set of categories of each categorical node, as bits."""
    return [
        tree.words[tree.bounds[c] : tree.bounds[c + 1]]
        for tree in trees
        for c in tree.threshold[(tree.decision & CATEGORICAL) > 0].astype(np.int64)
    ]


def joined(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """One array of all."""
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)


def firsts(sizes: Sequence[int]) -> Integers:
    """Where each of so many parts begins in the whole, and where the last one ends."""
    return np.cumsum([0, *sizes], dtype=np.int64)


@njit(cache=True, nogil=True)
def write_keys(columns: Any, begin: int, end: int, slots: Any, keys: Any, least: Any, most: Any) -> None:
    """Writes the keys [slots, rows] of the rows from `begin` to before `end` of columns [width, n].

    And the `least` and the `most` of each slot [slots]. Of no row, it writes nothing.
    """
    column_of, missing, fallback, first, cuts, first_word, words = slots  # each look into the tuple takes time
    count, numeric = end - begin, len(missing)
    if count == 0:
        return
    whole = -(-count // LANES) * LANES
    x, below = np.empty(whole), np.empty(whole, dtype=np.int64)
    held, how, low, high, lost = -1, -1, 0.0, 0.0, 0
    for s in range(len(column_of)):
        column = column_of[s]
        if column != held:  # a column's slots stand side by side, and so do those that miss alike
            held, how = column, -1
        if s < numeric:
            if missing[s] != how:
                how = missing[s]
                low, high, lost = _compared(columns[column, begin:end], how, x)
            rising, key = cuts[first[s] : first[s + 1]], keys[s, :count]
            least[s], most[s] = _number_keys(x, low, high, lost, how, fallback[s], rising, below, key)
        else:
            known = words[first_word[s - numeric] : first_word[s - numeric + 1]]
            _category_keys(columns[column, begin:end], known, keys[s, :count])
            least[s], most[s] = keys[s, :count].min(), keys[s, :count].max()


@njit(cache=True, nogil=True)
def _compared(values: Any, missing: int, x: Any) -> Any:
    """Writes what is compared with thresholds, the last to the end of x; its extremes, and how many are missing."""
    count = len(values)
    for r in range(count):
        v = values[r]
        x[r] = 0.0 if (abs(v) <= ZERO) | ((v != v) & (missing != NANS)) else v
    x[count:] = x[count - 1]
    lost = 0
    for r in range(count):
        lost += (x[r] != x[r]) | ((missing == ZEROS) & (x[r] == 0.0))
    low, high = _extremes(x)
    return low, high, lost


@njit(cache=True, nogil=True)
def _number_keys(
    x: Any, low: float, high: float, lost: int, missing: int, fallback: int, cuts: Any, below: Any, key: Any
) -> Any:  # fmt: skip
    """Writes the keys, gives the least and the most; only thresholds between the values' extremes are compared."""
    if lost == len(key):
        key[:] = fallback
        return fallback, fallback
    least, most = _count_below(cuts, low), _count_below(cuts, high)
    if least == most:
        key[:] = least
    else:
        _count_all(x, cuts, least // STEP * STEP, most, below, key)
    if not lost:
        return least, most
    for r in range(len(key)):
        key[r] = fallback if (x[r] != x[r]) | ((missing == ZEROS) & (x[r] == 0.0)) else key[r]
    return min(least, fallback), max(most, fallback)


@njit(cache=True, nogil=True)
def _count_all(x: Any, cuts: Any, passed: int, most: int, below: Any, key: Any) -> None:
    """How many of the rising cuts lie below each x, of which the first `passed` lie below all, and from `most` none."""
    below[:] = passed
    for c in range(passed, most, STEP):
        a, b, d, e = cuts[c], cuts[c + 1], cuts[c + 2], cuts[c + 3]
        for r in range(len(x)):
            below[r] += np.int64(a < x[r]) + np.int64(b < x[r]) + np.int64(d < x[r]) + np.int64(e < x[r])
    for r in range(len(key)):
        key[r] = below[r]


@njit(cache=True, nogil=True)
def _extremes(x: Any) -> Any:
    """The least and the largest of the numbers, infinity and its negative where all are NaN; a vector at a time."""
    low, high = np.full(LANES, np.inf), np.full(LANES, -np.inf)
    for r in range(0, len(x), LANES):
        for i in range(LANES):
            low[i] = x[r + i] if x[r + i] < low[i] else low[i]
            high[i] = x[r + i] if x[r + i] > high[i] else high[i]
    return low.min(), high.max()


@njit(cache=True, nogil=True)
def _count_below(cuts: Any, x: float) -> Any:
    """How many of the rising cuts lie below x."""
    low, high = 0, len(cuts)
    while low < high:
        middle = (low + high) // 2
        if cuts[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _category_keys(x: Any, words: Any, key: Any) -> None:
    for r in range(len(key)):
        known = -1.0 < x[r] < 32.0 * len(words)  # a NaN is in no set
        code = np.int64(x[r]) if known else 0
        key[r] = 0 if known and (words[code >> 5] >> np.uint32(code & 31)) & 1 else 1

"""Exact scoring of a fitted forest, many times faster than `Booster.predict`.

Each column's values become keys first: how many of the forest's thresholds lie below, in one byte, so that a node is a
comparison of bytes. Then every node is asked of many rows at once. A tree's leaves are numbered from left to right, and
a row stands at the first leaf that it can still reach. A node is on its path exactly if the row stands at the first
leaf below the node, since a node is asked before those below it; where the row goes right it moves to the first leaf on
that side. This is QuickScorer's order of work (Lucchese et al., SIGIR 2015) with a byte a row in place of bit masks.
Only thresholds between a column's least and largest value are compared, and a node that leads all rows to one side, as
one on an enterprise's column does in a request, is not asked; nor is any on the other side. Trees are summed in
LightGBM's order: scores are equal to the last bit.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple, Protocol, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matching.errors import Fault, InputError
from matching.history import Numbers
from matching.trees import (
    CATEGORICAL,
    DEFAULT_LEFT,
    MISSING,
    NANS,
    ZEROS,
    Integers,
    Tree,
    UnfitError,
    read_trees,
)

Keys = NDArray[Any]  # uint8; uint16 where a tree's leaves or a column's thresholds are too many for a byte
ZERO: Final = float(np.float32(1e-35))  # LightGBM takes what is no larger for 0, and holds this bound as a float32
ROWS: Final = 512  # the keys of so many rows fit the second cache
LANES: Final = 16  # numbers that are looked at side by side
STEP: Final = 4  # thresholds that are compared in one go
MOST: Final = int(np.iinfo(np.uint16).max)
_log = logging.getLogger("matching")


class Booster(Protocol):
    """What is asked of LightGBM's booster."""

    def model_to_string(self) -> str: ...

    def predict(self, data: Any, *, num_threads: int = ...) -> Any: ...


@dataclass(frozen=True)
class Stored:
    """A booster as LightGBM's text. LightGBM, a second to import, is loaded only where it has to score itself."""

    text: str

    def model_to_string(self) -> str:
        """The text."""
        return self.text

    def predict(self, data: Any, *, num_threads: int = 1) -> Any:
        """LightGBM's own scores."""
        return self._loaded.predict(data, num_threads=num_threads)

    @cached_property
    def _loaded(self) -> Booster:
        import lightgbm

        loaded: Booster = lightgbm.Booster(model_str=self.text)
        return loaded


class Scorer(Protocol):
    """What gives each row of float64 [n, columns] a score."""

    def score(self, features: Numbers) -> Numbers:
        """float64 [n]."""


@dataclass(frozen=True)
class Stock:
    """LightGBM's own scoring, on one thread."""

    booster: Booster

    def score(self, features: Numbers) -> Numbers:
        """float64 [n]."""
        return np.asarray(self.booster.predict(features, num_threads=1), dtype=np.float64)


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


class Nodes(NamedTuple):
    """What the trees ask. Tree t has the nodes and leaves from `first_node[t]` and `first_leaf[t]` to before the next.

    Node i leads right where the key of `slot[i]` exceeds `rank[i]`. Below it are the tree's leaves `low[i]` to before
    `end[i]`, counted from 0, on its right those from `middle[i]` on. Each leaf adds its `value`.
    """

    slot: Integers
    rank: Keys
    low: Keys
    middle: Keys
    end: Keys
    value: Numbers
    first_node: Integers
    first_leaf: Integers


@dataclass(frozen=True)
class Forest:
    """A forest as arrays, for rows of `width` columns."""

    width: int
    slots: Slots
    nodes: Nodes

    @classmethod
    def of(cls, booster: Booster) -> Self:
        """The forest of a booster, up to its best iteration. Raises `UnfitError`."""
        width, trees = read_trees(booster.model_to_string())
        slots, slot, rank = _slots(trees)
        leaves = [tree.leaves() for tree in trees]
        largest = max([len(tree.value) for tree in trees] + np.diff(slots.first).tolist(), default=0)
        if largest > MOST:
            raise UnfitError(f"{largest} leaves in a tree or thresholds on a column are more than {MOST}")
        key = np.uint8 if largest <= np.iinfo(np.uint8).max else np.uint16
        low, middle, end = (_joined([sides[i] for sides in leaves], key) for i in range(3))
        value = _joined([tree.ordered() for tree in trees], np.float64)
        firsts = (_firsts([len(tree.column) for tree in trees]), _firsts([len(tree.value) for tree in trees]))
        return cls(width, slots, Nodes(slot, rank.astype(key), low, middle, end, value, *firsts))

    def keys(self, features: Numbers) -> tuple[Keys, Keys, Keys]:
        """The keys [slots, n] of rows float64 [n, width], one or more, and the least and the most of each slot [slots].

        Raises `InputError` where the rows have another width.
        """
        rows = self._checked(features)
        keys = np.empty((len(self.slots.column), len(rows)), dtype=self.nodes.rank.dtype)
        least, most = np.empty((2, len(keys)), dtype=keys.dtype)
        _keys(rows, self.slots, keys, least, most)
        return keys, least, most

    def score(self, features: Numbers) -> Numbers:
        """For each row of float64 [n, width] the sum of the leaves that it reaches. Raises `InputError` as `keys`."""
        rows = self._checked(features)
        scores = np.zeros(len(rows))
        keys = np.empty((len(self.slots.column), min(ROWS, len(rows))), dtype=self.nodes.rank.dtype)
        nowhere = keys.dtype.type(np.iinfo(keys.dtype).max)
        for begin in range(0, len(rows), ROWS):
            block = slice(begin, begin + ROWS)
            _add(rows[block], self.slots, self.nodes, keys, nowhere, scores[block])
        return scores

    def _checked(self, features: Numbers) -> Numbers:
        if features.ndim != 2 or features.shape[1] != self.width:
            raise InputError("features", [Fault("columns", f"are {self.width}, not {features.shape[-1]}")])
        return np.ascontiguousarray(features, dtype=np.float64)


def scorer(booster: Booster) -> Scorer:
    """The forest of a booster; LightGBM itself, and a line in the log, where the forest has what this cannot do."""
    try:
        return Forest.of(booster)
    except UnfitError as error:
        _log.warning("LightGBM itself scores the forest, more slowly: %s", error)
        return Stock(booster)


def _slots(trees: Sequence[Tree]) -> tuple[Slots, Integers, Integers]:
    """The slots that the nodes of all trees need, and each node's slot and rank among the thresholds there."""
    column, decision = (_joined([getattr(tree, name) for tree in trees], np.int64) for name in ("column", "decision"))
    threshold = _joined([tree.threshold for tree in trees], np.float64)
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
        first=_firsts([len(values) for values in padded]),
        cuts=_joined(padded, np.float64),
        first_word=_firsts([len(words) for words in sets]),
        words=_joined(sets, np.uint32),
    )


def _sets(trees: Sequence[Tree]) -> list[NDArray[np.uint32]]:
    """The set of categories of each categorical node, as bits."""
    return [
        tree.words[tree.bounds[c] : tree.bounds[c + 1]]
        for tree in trees
        for c in tree.threshold[(tree.decision & CATEGORICAL) > 0].astype(np.int64)
    ]


def _joined(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)


def _firsts(sizes: Sequence[int]) -> Integers:
    """Where each of so many parts begins in the whole, and where the last one ends."""
    return np.cumsum([0, *sizes], dtype=np.int64)


@njit(cache=True, nogil=True)
def _keys(rows: Any, slots: Any, keys: Any, least: Any, most: Any) -> None:
    """Writes the keys [slots, rows], and the `least` and the `most` of each slot [slots]; of no row, nothing."""
    count, numeric = len(rows), len(slots.missing)
    if count == 0:
        return
    whole = -(-count // LANES) * LANES
    x, below, values = np.empty(whole), np.empty(whole, dtype=np.int64), np.empty(whole)
    held = -1
    for s in range(len(slots.column)):
        column, key = slots.column[s], keys[s, :count]
        if column != held:  # a column's slots stand side by side
            held = column
            for r in range(whole):
                values[r] = rows[min(r, count - 1), column]
        if s < numeric:
            least[s], most[s] = _number_keys(values, x, slots, s, below, key)
        else:
            first, end = slots.first_word[s - numeric], slots.first_word[s - numeric + 1]
            _category_keys(values, slots.words[first:end], key)
            least[s], most[s] = key.min(), key.max()


@njit(cache=True, nogil=True)
def _number_keys(values: Any, x: Any, slots: Any, s: int, below: Any, key: Any) -> Any:
    """Writes the keys, gives the least and the most; only thresholds between the values' extremes are compared."""
    missing, fallback, cuts, first = slots.missing[s], slots.fallback[s], slots.cuts, slots.first[s]
    for r in range(len(x)):
        v = values[r]
        x[r] = 0.0 if (abs(v) <= ZERO) | ((v != v) & (missing != NANS)) else v
    least, most = _extremes(x)
    least, most = (
        _count_below(cuts, first, slots.first[s + 1], least),
        _count_below(cuts, first, slots.first[s + 1], most),
    )
    passed = least // STEP * STEP
    below[:] = passed
    for c in range(first + passed, first + most, STEP):
        a, b, d, e = cuts[c], cuts[c + 1], cuts[c + 2], cuts[c + 3]
        for r in range(len(x)):
            below[r] += np.int64(a < x[r]) + np.int64(b < x[r]) + np.int64(d < x[r]) + np.int64(e < x[r])
    lost = 0
    for r in range(len(key)):
        gone = (x[r] != x[r]) | ((missing == ZEROS) & (x[r] == 0.0))
        lost += gone
        key[r] = fallback if gone else below[r]
    if lost == len(key):
        return fallback, fallback
    return (min(least, fallback), max(most, fallback)) if lost else (least, most)


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
def _count_below(cuts: Any, first: int, end: int, x: float) -> Any:
    """How many of the rising `cuts[first:end]` lie below x."""
    low, high = first, end
    while low < high:
        middle = (low + high) // 2
        if cuts[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low - first


@njit(cache=True, nogil=True)
def _category_keys(x: Any, words: Any, key: Any) -> None:
    for r in range(len(key)):
        known = -1.0 < x[r] < 32.0 * len(words)  # a NaN is in no set
        code = np.int64(x[r]) if known else 0
        key[r] = 0 if known and (words[code >> 5] >> np.uint32(code & 31)) & 1 else 1


@njit(cache=True, nogil=True)
def _add(rows: Any, slots: Any, nodes: Any, keys: Any, nowhere: Any, scores: Any) -> None:
    """Adds to `scores` what each row's leaf in each tree is worth; `nowhere` is no leaf's number."""
    least, most = np.empty(len(slots.column), dtype=keys.dtype), np.empty(len(slots.column), dtype=keys.dtype)
    _keys(rows, slots, keys, least, most)
    leaves = 1
    for t in range(len(nodes.first_node) - 1):
        leaves = max(leaves, nodes.first_leaf[t + 1] - nodes.first_leaf[t])
    at, place, worth = np.empty(len(rows), keys.dtype), np.empty(leaves, keys.dtype), np.empty(leaves)
    for t in range(len(nodes.first_node) - 1):
        _walk(t, nodes, keys, least, most, nowhere, at, place, worth)
        for r in range(len(rows)):
            scores[r] += worth[at[r]]


@njit(cache=True, nogil=True)
def _walk(t: int, nodes: Any, keys: Any, least: Any, most: Any, nowhere: Any, at: Any, place: Any, worth: Any) -> None:
    """Where the rows stand in a tree [rows], and what each stand is `worth` [leaves].

    `place` [leaves] is the stand of the rows at a leaf: another's where a node led them all to the right, and `nowhere`
    where none is left. A node that does not part its rows is passed over, and so are all on the side that has none.
    """
    leaf = nodes.first_leaf[t]
    at[:], place[0], worth[0] = 0, 0, nodes.value[leaf]
    for i in range(nodes.first_node[t], nodes.first_node[t + 1]):
        slot, rank, low, middle = nodes.slot[i], nodes.rank[i], nodes.low[i], nodes.middle[i]
        here = place[low]
        if here == nowhere or most[slot] <= rank:
            place[middle] = nowhere
        elif least[slot] > rank:
            place[low], place[middle], worth[here] = nowhere, here, nodes.value[leaf + middle]
        else:
            place[middle], worth[middle] = middle, nodes.value[leaf + middle]
            key = keys[slot]
            for r in range(len(at)):
                at[r] = middle if (at[r] == here) & (key[r] > rank) else at[r]

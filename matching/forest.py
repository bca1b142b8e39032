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
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple, Protocol, Self

import numpy as np
from numba import njit

from matching.errors import Fault, InputError
from matching.history import Numbers
from matching.keys import Keys, Slots, firsts, joined, slots_of, write_keys
from matching.trees import Integers, UnfitError, read_trees

ROWS: Final = 1024  # the keys of so many rows fit the second cache
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
        slots, slot, rank = slots_of(trees)
        leaves = [tree.leaves() for tree in trees]
        largest = max([len(tree.value) for tree in trees] + np.diff(slots.first).tolist(), default=0)
        if largest > MOST:
            raise UnfitError(f"{largest} leaves in a tree or thresholds on a column are more than {MOST}")
        key = np.uint8 if largest <= np.iinfo(np.uint8).max else np.uint16
        low, middle, end = (joined([sides[i] for sides in leaves], key) for i in range(3))
        value = joined([tree.ordered() for tree in trees], np.float64)
        begins = (firsts([len(tree.column) for tree in trees]), firsts([len(tree.value) for tree in trees]))
        return cls(width, slots, Nodes(slot, rank.astype(key), low, middle, end, value, *begins))

    def keys(self, features: Numbers) -> tuple[Keys, Keys, Keys]:
        """The keys [slots, n] of rows float64 [n, width], one or more, and the least and the most of each slot [slots].

        Raises `InputError` where the rows have another width.
        """
        columns = self._checked(features)
        keys = np.empty((len(self.slots.column), columns.shape[1]), dtype=self.nodes.rank.dtype)
        least, most = np.empty((2, len(keys)), dtype=keys.dtype)
        write_keys(columns, 0, columns.shape[1], self.slots, keys, least, most)
        return keys, least, most

    def score(self, features: Numbers) -> Numbers:
        """For each row of float64 [n, width] the sum of the leaves that it reaches. Raises `InputError` as `keys`."""
        columns = self._checked(features)
        scores = np.zeros(columns.shape[1])
        keys = np.empty((len(self.slots.column), min(ROWS, len(scores))), dtype=self.nodes.rank.dtype)
        nowhere = keys.dtype.type(np.iinfo(keys.dtype).max)
        for begin in range(0, len(scores), ROWS):
            _add(columns, begin, self.slots, self.nodes, keys, nowhere, scores[begin : begin + ROWS])
        return scores

    def _checked(self, features: Numbers) -> Numbers:
        """The columns [width, n]; no copy where the features are stored so."""
        if features.ndim != 2 or features.shape[1] != self.width:
            raise InputError("features", [Fault("columns", f"are {self.width}, not {features.shape[-1]}")])
        return np.ascontiguousarray(features.T, dtype=np.float64)


def scorer(booster: Booster) -> Scorer:
    """The forest of a booster; LightGBM itself, and a line in the log, where the forest has what this cannot do."""
    try:
        return Forest.of(booster)
    except UnfitError as error:
        _log.warning("LightGBM itself scores the forest, more slowly: %s", error)
        return Stock(booster)


@njit(cache=True, nogil=True)
def _add(columns: Any, begin: int, slots: Any, nodes: Any, keys: Any, nowhere: Any, scores: Any) -> None:
    """Adds to `scores`, of the rows from `begin` on, what their leaf in each tree is worth; `nowhere` is no leaf."""
    least, most = np.empty(len(slots.column), dtype=keys.dtype), np.empty(len(slots.column), dtype=keys.dtype)
    write_keys(columns, begin, begin + len(scores), slots, keys, least, most)
    leaves = 1
    for t in range(len(nodes.first_node) - 1):
        leaves = max(leaves, nodes.first_leaf[t + 1] - nodes.first_leaf[t])
    at, place, worth = np.empty(len(scores), keys.dtype), np.empty(leaves, keys.dtype), np.empty(leaves)
    for t in range(len(nodes.first_node) - 1):
        _walk(t, nodes, keys, least, most, nowhere, at, place, worth)
        for r in range(len(scores)):
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

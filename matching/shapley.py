"""Exact Shapley values of a forest, interventional: what each column moves a score by, against rows of reference.

A leaf is reached by any mix of an explained row x and a reference r whose columns meet its path. Let the path's
columns that x alone meets be A, those that r alone meets B, and the others be met by both. Its worth v then gives
v (a-1)! b! / (a+b)! to each column of A and takes v a! (b-1)! / (a+b)! from each of B (a = |A|, b = |B|): the Shapley
value of a game won by all of A and none of B. The values of a row sum to its score less the references' mean.
References are bits of a word, so that 64 of them cost about as much as one.
"""

from itertools import pairwise
from math import comb
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matching.forest import Forest
from matching.history import Numbers
from matching.trees import Integers

BITS: Final = 64


class Paths(NamedTuple):
    """The way to each leaf: entries from `first[leaf]` to before the next, in order of their columns.

    An entry says that `node` leads there on its `right` or not, by the value in `column`. `shares[a, b]` is
    (a-1)! b! / (a+b)!, for as many columns as the longest path has.
    """

    first: Integers
    node: Integers
    right: NDArray[np.bool_]
    column: Integers
    shares: Numbers

    @classmethod
    def of(cls, forest: Forest) -> "Paths":
        """Made once for a forest."""
        nodes = forest.nodes
        parts = []
        for t in range(len(nodes.first_leaf) - 1):
            here = np.arange(nodes.first_node[t], nodes.first_node[t + 1])
            leaves = np.arange(nodes.first_leaf[t + 1] - nodes.first_leaf[t])[:, None]
            leaf, node = np.nonzero((nodes.low[here] <= leaves) & (leaves < nodes.end[here]))
            column = forest.slots.column[nodes.slot[here[node]]]
            order = np.lexsort((column, leaf))
            right = leaf >= nodes.middle[here[node]]
            parts.append(np.stack([leaf + nodes.first_leaf[t], here[node], right, column])[:, order])
        leaf, node, right, column = np.concatenate([np.empty((4, 0), dtype=np.int64), *parts], axis=1)
        length = np.bincount(leaf, minlength=len(nodes.value))
        first = np.concatenate([[0], np.cumsum(length)])
        return cls(first, node, right > 0, column, _shares(int(length.max(initial=0))))


def contributions(forest: Forest, paths: Paths, rows: Numbers, references: Numbers) -> Numbers:
    """float64 [n, width]: what each column of each of `rows` adds to its score over the mean one of `references`.

    A column in which all references equal the row gets exactly 0. `references` are one row or more.
    """
    found, count = np.zeros((len(rows), forest.width)), len(rows)
    keys, least, most = forest.keys(np.concatenate([rows, references]))
    blocks = [*range(0, count, BITS), *range(count, keys.shape[1], BITS), keys.shape[1]]
    dead, rights = _answers(keys, least, most, forest.nodes, np.array(blocks))
    words = [(rights[i], end - begin) for i, (begin, end) in enumerate(pairwise(blocks))]
    first = -(-count // BITS)
    for i, (ours, some) in enumerate(words[:first]):
        for theirs, others in words[first:]:
            _contribute(ours, theirs, (some, others), dead, forest.nodes.value, paths, found[i * BITS :][:some])
    return found / len(references)


def _shares(longest: int) -> Numbers:
    shares = np.zeros((longest + 1, longest + 1))
    for a in range(1, longest + 1):
        shares[a] = [1 / (a * comb(a + b, a)) for b in range(longest + 1)]
    return shares


@njit(cache=True, nogil=True)
def _ones(bits: Any) -> Any:
    """How many bits are set."""
    bits = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True)
def _answers(keys: Any, least: Any, most: Any, nodes: Any, blocks: Any) -> Any:
    """Which leaves no row and no reference can reach, most of them in a request; and whom each node leads right.

    These are bits, a word a block of `keys`; a node above such leaves alone is not asked.
    """
    dead, rights = np.zeros(len(nodes.value), np.bool_), np.zeros((len(blocks) - 1, len(nodes.slot)), np.uint64)
    for t in range(len(nodes.first_node) - 1):
        leaf = nodes.first_leaf[t]
        for i in range(nodes.first_node[t], nodes.first_node[t + 1]):
            slot, rank, low, middle = nodes.slot[i], nodes.rank[i], leaf + nodes.low[i], leaf + nodes.middle[i]
            if dead[low]:
                continue
            if most[slot] <= rank:
                dead[middle : leaf + nodes.end[i]] = True
            elif least[slot] > rank:
                dead[low:middle] = True
                rights[:, i] = ~np.uint64(0)
            else:
                for b in range(len(rights)):
                    for r in range(blocks[b], blocks[b + 1]):
                        rights[b, i] |= np.uint64(keys[slot, r] > rank) << np.uint64(r - blocks[b])
    return dead, rights


@njit(cache=True, nogil=True)
def _contribute(rows: Any, references: Any, sizes: Any, dead: Any, value: Any, paths: Any, found: Any) -> None:
    """Adds to `found` what each leaf gives the columns, summed over the references of a word."""
    longest = len(paths.shares)
    column, part = np.empty(longest, dtype=np.int64), np.empty(longest)
    met, met_by = np.empty(longest, dtype=np.uint64), np.empty(longest, dtype=np.uint64)
    at = np.empty(longest + 1, dtype=np.uint64)
    every = ~np.uint64(0)
    all_rows, everyone = every >> np.uint64(BITS - sizes[0]), every >> np.uint64(BITS - sizes[1])
    for leaf in range(len(value)):
        if dead[leaf]:
            continue
        size = 0
        for e in range(paths.first[leaf], paths.first[leaf + 1]):
            if size == 0 or column[size - 1] != paths.column[e]:
                column[size], met[size], met_by[size] = paths.column[e], every, everyone
                size += 1
            flip = np.uint64(0) if paths.right[e] else every
            met[size - 1] &= rows[paths.node[e]] ^ flip
            met_by[size - 1] &= references[paths.node[e]] ^ flip
        size = _telling(column, met, met_by, size, all_rows, everyone)
        left = all_rows if size else np.uint64(0)
        while left:  # rows that meet the same columns have the same part
            alike = _alike(left, met, size)
            if _share(alike, value[leaf], met, met_by, size, everyone, at, paths.shares, part):
                _add(found, alike, column, part, size)
            left &= ~alike


@njit(cache=True, nogil=True)
def _alike(left: Any, met: Any, size: int) -> Any:
    """The rows among those `left`, as bits, that meet just the columns which the first of them meets."""
    first = left & (~left + np.uint64(1))
    for c in range(size):
        left &= met[c] if met[c] & first else ~met[c]
    return left


@njit(cache=True, nogil=True)
def _add(found: Any, rows: Any, column: Any, part: Any, size: int) -> None:
    for i in range(len(found)):
        if (rows >> np.uint64(i)) & np.uint64(1):
            for c in range(size):
                found[i, column[c]] += part[c]


@njit(cache=True, nogil=True)
def _telling(column: Any, met: Any, met_by: Any, size: int, all_rows: Any, everyone: Any) -> int:
    """Keeps the columns that somebody meets and somebody does not; 0 where one is met by nobody, and none reaches."""
    kept = 0
    for c in range(size):
        if met[c] & all_rows == 0 and met_by[c] == 0:
            return 0
        if met[c] & all_rows != all_rows or met_by[c] != everyone:
            column[kept], met[kept], met_by[kept] = column[c], met[c], met_by[c]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _share(
    rows: Any, value: float, met: Any, met_by: Any, size: int, everyone: Any, at: Any, shares: Any, part: Any
) -> bool:  # fmt: skip
    """The `part` of each column in what one leaf gives to any of the rows; whether it gives anything.

    `at[a]` are the references that lack a of the columns that the rows meet.
    """
    reaching, lacking = everyone, 0
    for c in range(size):
        if not met[c] & rows:
            reaching &= met_by[c]
            lacking += 1
    if reaching == 0:
        return False
    at[0], most = reaching, 0
    for c in range(size):
        moving = reaching & ~met_by[c]
        if met[c] & rows and moving != 0:
            most += 1
            at[most] = np.uint64(0)
            for a in range(most, 0, -1):
                at[a] = (at[a] & ~moving) | (at[a - 1] & moving)
            at[0] &= ~moving
    taken = 0.0
    for a in range(most + 1):
        taken += _ones(at[a]) * shares[lacking, a]
    for c in range(size):
        alone = reaching & ~met_by[c]
        given = 0.0
        for a in range(1, most + 1):
            given += _ones(at[a] & alone) * shares[a, lacking]
        part[c] = value * given if met[c] & rows else -value * taken
    return True

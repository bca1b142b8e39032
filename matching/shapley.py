"""Exact Shapley values of a forest, interventional: what each column moves a score by, against rows of reference.

A leaf is reached by any mix of an explained row x and a reference r whose columns meet its path. Let the path's
columns that x alone meets be A, those that r alone meets B, and the others be met by both. Its worth v then gives
v (a-1)! b! / (a+b)! to each column of A and takes v a! (b-1)! / (a+b)! from each of B (a = |A|, b = |B|): the Shapley
value of a game won by all of A and none of B. The values of a row sum to its score less the references' mean.
References are bits of a word, so that 64 of them cost about as much as one.
"""

from math import comb
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matching.forest import Forest
from matching.history import Numbers
from matching.keys import Keys
from matching.trees import Integers

BITS: Final = 64


class Walk(NamedTuple):
    """The nodes of each tree from left to right: each before all that is on its left, and that before all on its right.

    Tree t has the nodes from `first_node[t]` and the leaves from `first_leaf[t]` to before the next. A node leads right
    where the key of its `slot`, which is of `column[slot]`, exceeds its `rank`. Of the leaves below it `left` are on
    its left: what is there begins with the next node, what is on its right so many nodes further on. Each leaf adds its
    `value`. `shares[a, b]` is (a-1)! b! / (a+b)!, for as many columns as the longest path has nodes.
    Stored as small as they are: a request finds little of them in the first cache.
    """

    slot: NDArray[np.int32]
    rank: Keys
    left: Keys
    column: Integers
    first_node: Integers
    first_leaf: Integers
    value: Numbers
    shares: Numbers

    @classmethod
    def of(cls, forest: Forest) -> "Walk":
        """Made once for a forest."""
        nodes = forest.nodes
        tree = np.repeat(np.arange(len(nodes.first_node) - 1), np.diff(nodes.first_node))
        low, end = (nodes.first_leaf[tree] + side for side in (nodes.low, nodes.end))
        order = np.lexsort((-end, low))  # of the nodes with the same first leaf, the one above has more of them
        slot, left = nodes.slot[order].astype(np.int32), (nodes.middle - nodes.low)[order]
        ends = len(nodes.value) + 1
        depth = np.cumsum(np.bincount(low, minlength=ends) - np.bincount(end, minlength=ends))
        firsts = nodes.first_node, nodes.first_leaf
        shares = _shares(int(depth.max()))
        return cls(slot, nodes.rank[order], left, forest.slots.column, *firsts, nodes.value, shares)


def contributions(forest: Forest, walk: Walk, rows: Numbers, count: int) -> Numbers:
    """float64 [count, width]: what each column of each of the first rows adds to its score over the others' mean one.

    The others are the references, one row or more; a column in which all of them equal the row gets exactly 0.
    """
    found = np.zeros((count, forest.width))
    keys, least, most = forest.keys(rows)
    for begin in range(0, count, BITS):
        ours = (begin, min(begin + BITS, count))
        for first in range(count, keys.shape[1], BITS):
            theirs = (first, min(first + BITS, keys.shape[1]))
            _contribute(keys, least, most, ours, theirs, walk, found[begin : begin + BITS])
    return found / (len(rows) - count)


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
def _contribute(keys: Any, least: Any, most: Any, ours: Any, theirs: Any, walk: Any, found: Any) -> None:
    """Adds to `found` [rows, width] what each leaf gives the columns, summed over the references of a word.

    The keys of the rows and of the references stand from the first of `ours` and `theirs` to before the second. Nodes
    that lead all of them to one side are passed over with all that is on the other: most are, in a request.
    """
    slots, ranks, lefts, columns, first_node, first_leaf, value, shares = walk
    longest, bit = len(shares), np.uint64(1) << np.arange(BITS).astype(np.uint64)
    # What is still to be walked, by depth: leaves, the node above them, the columns on the path and who meets each.
    low, end, at, size = np.empty((4, longest), dtype=np.int64)
    column = np.empty((longest, longest), dtype=np.int64)
    met, met_by = np.empty((2, longest, longest), dtype=np.uint64)
    lacking = np.empty(longest + 1, dtype=np.uint64)
    all_rows, everyone = bit[: ours[1] - ours[0]].sum(), bit[: theirs[1] - theirs[0]].sum()
    for t in range(len(first_node) - 1):
        depth, low[0], end[0], at[0], size[0] = 0, first_leaf[t], first_leaf[t + 1], first_node[t], 0
        while depth >= 0:
            first, last, node, known = low[depth], end[depth], at[depth], size[depth]
            while last - first > 1:
                slot, rank, left = slots[node], ranks[node], lefts[node]
                if most[slot] <= rank:
                    node, last = node + 1, first + left
                elif least[slot] > rank:
                    node, first = node + left, first + left
                else:
                    break
            if last - first == 1:
                if known:
                    _give(value[first], all_rows, everyone, column, met, met_by, depth, known, lacking, shares, found)
                depth -= 1
                continue
            right, right_by = _above(keys, slot, rank, ours, bit), _above(keys, slot, rank, theirs, bit)
            place, below = _fork(column, met, met_by, depth, known, columns[slot]), depth + 1
            if place == known:
                known += 1
                met[depth, place], met_by[depth, place] = all_rows, everyone
            met[below, place], met_by[below, place] = met[depth, place] & ~right, met_by[depth, place] & ~right_by
            met[depth, place], met_by[depth, place] = met[depth, place] & right, met_by[depth, place] & right_by
            low[below], end[below], at[below], size[below] = first, first + left, node + 1, known
            low[depth], end[depth], at[depth], size[depth] = first + left, last, node + left, known
            depth = below


@njit(cache=True, nogil=True)
def _above(keys: Any, slot: int, rank: int, places: Any, bit: Any) -> Any:
    """Whose keys of a slot exceed the rank, as bits."""
    found, first = np.uint64(0), places[0]
    for r in range(places[1] - first):
        found |= bit[r] if keys[slot, first + r] > rank else np.uint64(0)
    return found


@njit(cache=True, nogil=True)
def _fork(column: Any, met: Any, met_by: Any, depth: int, size: int, asked: int) -> int:
    """Copies a path to the row below; where the column that is asked stands there, behind the others if it is new."""
    below, place = depth + 1, size
    for c in range(size):
        column[below, c], met[below, c], met_by[below, c] = column[depth, c], met[depth, c], met_by[depth, c]
        place = c if column[depth, c] == asked else place
    column[below, place] = column[depth, place] = asked
    return place


@njit(cache=True, nogil=True)
def _give(
    value: float, all_rows: Any, everyone: Any, column: Any, met: Any, met_by: Any, depth: int, size: int,
    at: Any, shares: Any, found: Any,
) -> None:  # fmt: skip
    """Adds to `found` what one leaf gives to the columns on the path at `depth`."""
    left = all_rows
    while left:
        # Rows that meet the same columns as the first of those left: their part is the same.
        row, rows, reaching, lacking = left & (~left + np.uint64(1)), left, everyone, 0
        for c in range(size):
            if met[depth, c] & row:
                rows &= met[depth, c]
            else:
                rows &= ~met[depth, c]
                reaching &= met_by[depth, c]
                lacking += 1
        left &= ~rows
        if reaching == 0:
            continue
        # at[a]: the references that lack a of the columns that the rows meet.
        at[0], longest = reaching, 0
        for c in range(size):
            moving = reaching & ~met_by[depth, c]
            if met[depth, c] & row and moving != 0:
                longest += 1
                at[longest] = np.uint64(0)
                for a in range(longest, 0, -1):
                    at[a] = (at[a] & ~moving) | (at[a - 1] & moving)
                at[0] &= ~moving
        taken = 0.0
        for a in range(longest + 1):
            taken += _ones(at[a]) * shares[lacking, a]
        for c in range(size):
            part = -value * taken
            if met[depth, c] & row:
                given, alone = 0.0, reaching & ~met_by[depth, c]
                for a in range(1, longest + 1):
                    given += _ones(at[a] & alone) * shares[a, lacking]
                part = value * given
            alike = rows
            while alike:
                one = alike & (~alike + np.uint64(1))
                found[_ones(one - np.uint64(1)), column[depth, c]] += part  # so many bits are below this one
                alike &= ~one

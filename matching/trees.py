"""The trees of a forest, read from LightGBM's text; what this version cannot score as LightGBM does is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from matching.history import Numbers

Integers = NDArray[np.int64]
IDENTITY: Final = ("lambdarank", "rank_xendcg", "regression", "regression_l1", "huber", "fair", "quantile", "mape")
CATEGORICAL: Final = 1  # bits of a decision type: on a category …
DEFAULT_LEFT: Final = 2  # … what is missing goes left …
MISSING: Final = 2  # … and, so many bits further up, what counts as missing
ZEROS: Final = 1  # kinds of missing, beside none
NANS: Final = 2


class UnfitError(Exception):
    """A forest that is not scored here as LightGBM scores it; LightGBM itself can."""


@dataclass(frozen=True)
class Tree:
    """One tree. Node i asks `column[i]` by `decision[i]` and `threshold[i]`; 0 is the root, a child comes after it.

    A child below 0 is the leaf `~child`. A category's threshold is the number of its set: `words` from `bounds` on.
    """

    column: Integers
    threshold: Numbers
    decision: Integers
    left: Integers
    right: Integers
    value: Numbers
    bounds: Integers
    words: NDArray[np.uint32]

    @classmethod
    def of(cls, entries: Mapping[str, str]) -> Self:
        """The tree of its entries in the text. Raises `UnfitError`."""
        if entries.get("is_linear", "0") != "0":
            raise UnfitError("its trees are linear")

        def numbers(name: str, dtype: Any) -> NDArray[Any]:
            return np.array(entries.get(name, "").split(), dtype=dtype)

        return cls(
            column=numbers("split_feature", np.int64),
            threshold=numbers("threshold", np.float64),
            decision=numbers("decision_type", np.int64),
            left=numbers("left_child", np.int64),
            right=numbers("right_child", np.int64),
            value=numbers("leaf_value", np.float64),
            bounds=numbers("cat_boundaries", np.int64),
            words=numbers("cat_threshold", np.uint32),
        )

    def leaves(self) -> tuple[Integers, Integers, Integers]:
        """For each node the first leaf below it, the first on its right and the end, leaves numbered left to right."""
        below = np.ones((len(self.column), 2), dtype=np.int64)
        for node in range(len(self.column) - 1, -1, -1):
            for side, child in enumerate((self.left[node], self.right[node])):
                below[node, side] = below[child].sum() if child >= 0 else 1
        low = np.zeros(len(self.column), dtype=np.int64)
        for node, (left, right) in enumerate(zip(self.left, self.right, strict=True)):
            if left >= 0:
                low[left] = low[node]
            if right >= 0:
                low[right] = low[node] + below[node, 0]
        return low, low + below[:, 0], low + below.sum(axis=1)

    def ordered(self) -> Numbers:
        """The leaves' values from left to right."""
        low, middle, _ = self.leaves()
        values = np.empty(len(self.value))
        values[0] = self.value[0]
        for children, at in ((self.left, low), (self.right, middle)):
            values[at[children < 0]] = self.value[~children[children < 0]]
        return values


def read_trees(text: str) -> tuple[int, list[Tree]]:
    """How many columns a forest asks for, and its trees. Raises `UnfitError`."""
    about, trees = _parts(text)
    if "max_feature_idx" not in about:
        raise UnfitError("it is no text of LightGBM")
    if about.get("num_tree_per_iteration") != "1":
        raise UnfitError("it has several scores a row")
    if "\naverage_output\n" in text:
        raise UnfitError("it averages its trees")
    objective = about.get("objective", "lambdarank").split()
    if objective[0] not in IDENTITY or "sqrt" in objective:
        raise UnfitError(f"its objective {' '.join(objective)!r} bends the sum of its trees")
    return int(about["max_feature_idx"]) + 1, [Tree.of(entries) for entries in trees]


def gains_of(text: str) -> dict[str, float]:
    """What the splits on each feature gained in training, by its name, as `Booster.feature_importance("gain")` has it.

    Read from its text, since to import LightGBM for this alone takes a second.
    """
    about, trees = _parts(text)
    names = about["feature_names"].split()
    found = np.zeros(len(names))
    for entries in trees:
        gains = np.array(entries.get("split_gain", "").split(), dtype=np.float32)  # it keeps no more of them
        np.add.at(found, np.array(entries.get("split_feature", "").split(), dtype=np.intp), np.maximum(gains, 0))
    return dict(zip(names, found.tolist(), strict=True))


def _parts(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The entries of a forest's head and of each of its trees."""
    head, *trees = text.split("\nend of trees")[0].split("\nTree=")
    return _entries(head), [_entries(tree) for tree in trees]


def _entries(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)

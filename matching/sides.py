"""What a feature is: its name, its side and its family; and which rows have the same value of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

import numpy as np

from matching.history import Codes


class Side(StrEnum):
    """What a feature depends on: the request alone, the product (and the history) alone, or both."""

    ENTERPRISE = "enterprise"
    PRODUCT = "product"
    PAIR = "pair"


@dataclass(frozen=True)
class Feature:
    """A feature's name, side and family (the unit of ablation)."""

    name: str
    side: Side
    family: str


class Alike(NamedTuple):
    """Rows that are sure to have the same values in some columns, as all of an institution have in its features.

    Column c goes by `codes[by[c]]` [n]: where two rows have the same code there, they have the same value. By none
    where `by[c]` is -1. The codes are from 0 to before `size`.
    """

    by: Codes
    codes: Codes
    size: int

    @classmethod
    def nothing(cls, width: int, rows: int) -> Self:
        """Nothing is known of so many columns and rows."""
        return cls(np.full(width, -1, np.int32), np.empty((0, rows), np.int32), 0)

"""A history's events made ready for recall: columns in rows, and what many events share told apart once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matching.history import CODES, DISTANCES, Codes, History, Numbers

Weights = NDArray[np.float32]

PLACE, TRADE, PROFILE = (
    [CODES.index(name) for name in CODES if name.startswith("region")],
    [CODES.index(name) for name in CODES if name.startswith("industry")],
    [CODES.index(name) for name in ("size", "ownership", "purpose", "tax_grade", "cluster")],
)
SPOT: Final = len(DISTANCES)  # latitude and longitude follow the distances in `NUMBERS`


@dataclass(frozen=True)
class Shared:
    """What events share in some columns of codes: `codes` [n, columns] and `spot` [n, 2], each combination once."""

    columns: Sequence[int]
    codes: Codes
    spot: Numbers


@dataclass(frozen=True)
class Lots:
    """Events of one need on one day weigh the same: their enterprise, `day`, `numbers` [DISTANCES, n], once each.

    `shared` [3, n] counts into place, trade and profile.
    """

    enterprise: Codes
    day: Codes
    numbers: Weights
    shared: Codes

    def between(self, first: int, last: int) -> "Lots":
        """Views, no copies."""
        span = slice(first, last)
        return Lots(self.enterprise[span], self.day[span], self.numbers[:, span], self.shared[:, span])


@dataclass(frozen=True)
class Events:
    """The events taken, or those only seen, in time order; `at` [n] are their places in the history.

    `codes` is [CODES, n]; `lot` [n] counts into `lots`.
    """

    at: Codes
    day: Codes
    product: Codes
    codes: Codes
    amount: Numbers
    lot: Codes
    lots: Lots

    @classmethod
    def of(cls, history: History, at: NDArray[np.intp], shared: Codes) -> "Events":
        codes, numbers, day = history.codes[at], history.numbers[at], history.day[at]
        heads = np.flatnonzero(_differ(day[:, None], codes, numbers))
        lots = Lots(
            codes[heads, 0].copy(),
            day[heads],
            np.ascontiguousarray(numbers[heads, :SPOT].T, dtype=np.float32),
            np.ascontiguousarray(shared[:, at[heads]]),
        )
        lot = np.repeat(np.arange(len(heads)), np.diff(heads, append=len(at))).astype(np.int32)
        amount = numbers[:, DISTANCES.index("amount")].copy()
        return cls(at.astype(np.int32), day, history.product[at], np.ascontiguousarray(codes.T), amount, lot, lots)

    def between(self, start: int, until: int) -> "Events":
        """Those from place `start` to before `until` of the history."""
        span = slice(*np.searchsorted(self.at, [start, until]))
        lot = self.lot[span]
        first, last = (int(lot[0]), int(lot[-1]) + 1) if len(lot) else (0, 0)
        lots = self.lots.between(first, last)
        return Events(
            self.at[span], self.day[span], self.product[span], self.codes[:, span], self.amount[span], lot - first, lots
        )


def _differ(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows [n, …] differ from the one before; unknown is like unknown here."""
    found = np.ones(len(columns[0]), dtype=bool)
    same = [((part[1:] == part[:-1]) | ((part[1:] != part[1:]) & (part[:-1] != part[:-1]))).all(1) for part in columns]
    found[1:] = ~np.logical_and.reduce(same)
    return found


def grouped(history: History) -> tuple[list[Shared], Codes]:
    """Place, trade and profile, each combination once, and which of them each event has [3, events]."""
    spots = [np.unique(history.numbers[:, SPOT + i], return_inverse=True) for i in range(2)]
    groups, members = [], []
    for columns in (PLACE, TRADE, PROFILE):
        keys = [history.codes[:, c] for c in columns] + ([inverse for _, inverse in spots] if columns is PLACE else [])
        first, member = _combinations(keys)
        groups.append(Shared(columns, history.codes[first][:, columns], history.numbers[first, SPOT:].copy()))
        members.append(member)
    return groups, np.array(members, dtype=np.int32).reshape(3, len(history))


def _combinations(keys: Sequence[NDArray[Any]]) -> tuple[NDArray[np.intp], Codes]:
    """One row that has each combination of keys, and each row's combination."""
    member = np.zeros(len(keys[0]), dtype=np.int64)
    first = np.zeros(0, dtype=np.intp)
    for key in keys:
        shifted = key.astype(np.int64) - key.min(initial=0)
        _, first, member = np.unique(
            member * (shifted.max(initial=0) + 1) + shifted, return_index=True, return_inverse=True
        )
    return first, member.astype(np.int32)

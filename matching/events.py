"""A history's events made ready for recall: columns in rows, and what many events share told apart once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
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


def places(rising: Codes, start: int, until: int) -> tuple[int, int]:
    """Where those of the rising numbers lie that are from `start` to before `until`.

    Asked in their own type: numpy would turn all of them, however many, into the type of what is asked.
    """
    first, last = np.searchsorted(rising, np.array([start, until], dtype=rising.dtype)).tolist()
    return first, last


@dataclass(frozen=True)
class Shared:
    """What events share in some columns of codes: `codes` [columns, n] and `spot` [n, 2], each combination once."""

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
        """Each row in one piece, as of all lots: kernels are compiled for one layout, before a request comes."""
        span = slice(first, last)
        numbers = np.ascontiguousarray(self.numbers[:, span])
        return Lots(self.enterprise[span], self.day[span], numbers, np.ascontiguousarray(self.shared[:, span]))


@dataclass(frozen=True)
class Events:
    """All events taken, or all seen, in time order; `at` [n] are their places in the history.

    `codes` [events, CODES] are the whole history's.
    """

    at: Codes
    day: Codes
    product: Codes
    amount: Numbers
    codes: Codes

    @classmethod
    def of(cls, history: History, at: NDArray[np.intp]) -> "Events":
        amount = history.numbers[at, DISTANCES.index("amount")]
        return cls(at.astype(np.int32), history.day[at], history.product[at], amount, history.codes)

    def span(self, start: int, until: int) -> tuple[int, int]:
        """Which of them lie from place `start` to before `until` of the history."""
        return places(self.at, start, until)

    def holding(self, span: tuple[int, int], columns: Sequence[int], codes: Sequence[int]) -> NDArray[np.intp]:
        """Those in a span that hold `codes` in `columns`, in time order; all of it where there are no columns."""
        if not columns:
            return np.arange(*span)
        order, first = self._where(columns[0])
        code = codes[0] + 1
        held = order[first[code] : first[code + 1]] if 0 <= code < len(first) - 1 else order[:0]
        held = held[slice(*places(held, *span))]
        for column, code in zip(columns[1:], codes[1:], strict=True):
            held = held[self.codes[self.at[held], column] == code]
        return held.astype(np.intp)

    @cached_property
    def _sorted(self) -> dict[int, tuple[Codes, Codes]]:
        return {}

    def _where(self, column: int) -> tuple[Codes, Codes]:
        """The events by their code in a column, in time order within it, and where each code (-1 the first) begins."""
        if column not in self._sorted:
            codes = self.codes[self.at, column]
            first = np.cumsum([0, *np.bincount(codes + 1)]).astype(np.int32)
            self._sorted[column] = np.argsort(codes, kind="stable").astype(np.int32), first
        return self._sorted[column]


@dataclass(frozen=True)
class Sample:
    """Events that stand for all taken, in time order: all of them where they are few enough.

    `at` [n] are their places in the history, `lot` [n] counts into `lots`, and each stands for `weight` [n] events.
    `whole` tells that each stands for itself.
    """

    at: Codes
    product: Codes
    lot: Codes
    weight: Weights
    lots: Lots
    whole: bool

    @classmethod
    def of(cls, history: History, at: Codes, weight: Weights, whole: bool, shared: Codes) -> "Sample":
        """Those `at` places of the history; `shared` [3, n] is what they share."""
        codes, numbers, day = history.codes[at], history.numbers[at], history.day[at]
        heads = np.flatnonzero(_differ(day[:, None], codes, numbers))
        lots = Lots(
            codes[heads, 0].copy(),
            day[heads],
            np.ascontiguousarray(numbers[heads, :SPOT].T, dtype=np.float32),
            np.ascontiguousarray(shared[:, heads]),
        )
        lot = np.repeat(np.arange(len(heads)), np.diff(heads, append=len(at))).astype(np.int32)
        return cls(at, history.product[at], lot, weight, lots, whole)

    def between(self, start: int, until: int) -> "Sample":
        """Those from place `start` to before `until` of the history."""
        span = slice(*places(self.at, start, until))
        lot = self.lot[span]
        first, last = (int(lot[0]), int(lot[-1]) + 1) if len(lot) else (0, 0)
        lots = self.lots.between(first, last)
        return Sample(self.at[span], self.product[span], lot - first, self.weight[span], lots, self.whole)


def chosen(product: Codes, most: int) -> tuple[NDArray[np.intp], Weights]:
    """Some `most` of the events of these products [n] in time order, and how many each stands for; all where few.

    Every product has the same number: half of it the latest, which stand for themselves, half evenly from all before,
    which stand for these. What has fewer is kept whole, so that the rare is remembered as well as the common.
    """
    if len(product) <= most:
        return np.arange(len(product)), np.ones(len(product), np.float32)
    count = np.bincount(product)
    cap = max(most // int(np.count_nonzero(count)), 2)
    order = np.argsort(product, kind="stable")
    age = np.empty(len(product), dtype=np.int64)  # how many of the product's came after
    age[order] = np.repeat(np.cumsum(count), count) - 1 - np.arange(len(product))
    older = age - cap // 2
    early = np.maximum(count - cap // 2, 0)
    step = np.where(count <= cap, 1, -(-early // (cap - cap // 2)))[product]
    kept = np.flatnonzero((older < 0) | (older % step == step // 2))
    drawn = np.bincount(product[kept][older[kept] >= 0], minlength=len(count))
    each = (early / np.maximum(drawn, 1)).astype(np.float32)
    return kept, np.where(older[kept] < 0, np.float32(1), each[product[kept]])


def _differ(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows [n, …] differ from the one before; unknown is like unknown here."""
    found = np.ones(len(columns[0]), dtype=bool)
    same = [((part[1:] == part[:-1]) | ((part[1:] != part[1:]) & (part[:-1] != part[:-1]))).all(1) for part in columns]
    found[1:] = ~np.logical_and.reduce(same)
    return found


def grouped(history: History, at: Codes) -> tuple[list[Shared], Codes]:
    """Place, trade and profile of events `at` [n], each combination once, and which of them each event has [3, n]."""
    all_codes, spot = history.codes[at], history.numbers[at, SPOT:]
    spots = [np.unique(spot[:, i], return_inverse=True)[1] for i in range(2)]
    groups, members = [], []
    for columns in (PLACE, TRADE, PROFILE):
        first, member = _combinations([all_codes[:, c] for c in columns] + (spots if columns is PLACE else []))
        groups.append(Shared(columns, np.ascontiguousarray(all_codes[first][:, columns].T), spot[first]))
        members.append(member)
    return groups, np.array(members, dtype=np.int32).reshape(3, len(at))


def standing(
    history: History, events: Events, span: tuple[int, int], whole: int, drawn: int
) -> tuple[list[Shared], Sample]:
    """What stands for the events in a span of places, all of them up to `whole`, and what they share."""
    at = events.at[slice(*events.span(*span))]
    kept, weight = chosen(history.product[at], drawn if len(at) > whole else len(at))
    groups, shared = grouped(history, at[kept])
    return groups, Sample.of(history, at[kept], weight, len(kept) == len(at), shared)


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

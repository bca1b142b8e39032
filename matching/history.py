"""The market's memory: past outcomes as time-sorted columns, and a need's context in the same codes.

Every column is an array over events. An event is one (need, product) pair: taken on the day it was granted, or seen
(shown, applied for, declined) on the day that first happened; a pair that was seen and then taken is two events.
Whoever reads a history for a need reads `history.until(day)` events only: those before the first day of the month in
which it is ranked (`cutoff`). Nothing later is reachable from a context, so nothing learned after the moment of ranking
can touch a feature.
"""

import hashlib
from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from matching.catalogue import day_of
from matching.domain import Enterprise, Need

REGION_LEVELS: Final = 4
INDUSTRY_LEVELS: Final = 4
CODES: Final = (
    "enterprise",
    *(f"region_{level}" for level in range(1, REGION_LEVELS + 1)),
    *(f"industry_{level}" for level in range(1, INDUSTRY_LEVELS + 1)),
    "size",
    "ownership",
    "purpose",
    "tax_grade",
    "cluster",
)
DISTANCES: Final = ("amount", "term", "revenue", "employees", "age", "debt_ratio")
NUMBERS: Final = (*DISTANCES, "latitude", "longitude")
MISSING: Final = -1

Codes = NDArray[np.int32]
Numbers = NDArray[np.float64]


def cutoff(as_of: date) -> date:
    """The first day of the month of `as_of`: history is read up to there, that day excluded."""
    return as_of.replace(day=1)


class Moment(NamedTuple):
    """Up to when a need may know the past: the cutoff in days since 1970, and how many events came before it."""

    day: int
    until: int


@dataclass(frozen=True)
class Context:
    """A need in the history's codes: `codes` by `CODES` (-1 unknown), `numbers` by `NUMBERS` (NaN unknown).

    `day` is the cutoff in days since 1970, `until` the number of events before it.
    """

    codes: Codes
    numbers: Numbers
    day: int
    until: int

    @property
    def moment(self) -> Moment:
        """Its day and what came before."""
        return Moment(self.day, self.until)


@dataclass(frozen=True)
class History:
    """Events in time order; `codes` [events, CODES] and `numbers` [events, NUMBERS] are those of each event's need.

    `product` counts into `products`, whose institution and type count into `institutions` and `types`;
    `vocabulary[i]` lists the texts behind column i of `codes`, sorted.
    """

    day: Codes
    product: Codes
    taken: NDArray[np.bool_]
    position: Codes
    codes: Codes
    numbers: Numbers
    products: NDArray[np.str_]
    institution_of: Codes
    type_of: Codes
    institutions: NDArray[np.str_]
    types: NDArray[np.str_]
    vocabulary: tuple[NDArray[np.str_], ...]

    def __len__(self) -> int:
        return len(self.day)

    def until(self, day: int) -> int:
        """How many events came before `day`."""
        return int(np.searchsorted(self.day, self.day.dtype.type(day)))  # of another type, all days would be converted

    def context(self, enterprise: Enterprise, need: Need, as_of: date) -> Context:
        """The need in this history's codes, as of the first day of the month of `as_of`."""
        texts, numbers = _facts(enterprise, need)
        codes = [lookup.get(text, MISSING) for lookup, text in zip(self._lookups, texts, strict=True)]
        day = day_of(cutoff(as_of))
        return Context(np.array(codes, np.int32), numbers, day, self.until(day))

    @cached_property
    def _lookups(self) -> list[dict[str, int]]:
        return [{str(text): code for code, text in enumerate(texts)} for texts in self.vocabulary]

    def digest(self) -> str:
        """A hash of all columns: the same past gives the same text."""
        found = hashlib.sha256()
        for column in (*(getattr(self, f.name) for f in fields(self) if f.name != "vocabulary"), *self.vocabulary):
            found.update(np.ascontiguousarray(column).tobytes())
        return found.hexdigest()

    def save(self, path: Path) -> None:
        """All columns into one `.npz` (no pickle)."""
        columns: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "vocabulary"}
        columns |= {f"vocabulary_{name}": texts for name, texts in zip(CODES, self.vocabulary, strict=True)}
        np.savez_compressed(path, **columns)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as saved:
            vocabulary = tuple(saved[f"vocabulary_{name}"] for name in CODES)
            columns = {f.name: saved[f.name] for f in fields(cls) if f.name != "vocabulary"}
        return cls(**columns, vocabulary=vocabulary)


def prefixes(path: str | None, levels: int) -> list[str]:
    """The path's first two parts, three parts …: `levels` texts from coarse to fine, empty where it does not reach."""
    parts = path.split("/") if path else []
    return ["/".join(parts[: level + 1]) if len(parts) > level else "" for level in range(1, levels + 1)]


def _facts(enterprise: Enterprise, need: Need) -> tuple[list[str], Numbers]:
    """One need's texts by `CODES` and numbers by `NUMBERS`: the scalar twin of `outcomes._columns`."""
    texts = [
        enterprise.enterprise_id,
        *prefixes(enterprise.region, REGION_LEVELS),
        *prefixes("/" + enterprise.industry if enterprise.industry else None, INDUSTRY_LEVELS),
        enterprise.size or "",
        enterprise.ownership or "",
        need.purpose or "",
        enterprise.tax_grade or "",
        enterprise.cluster or "",
    ]
    raw = (need.amount, need.term_months, enterprise.revenue, enterprise.employees)
    years = (need.posted_at - enterprise.founded).days / 365.25 if enterprise.founded else np.nan
    numbers = [np.nan if value is None else float(value) for value in raw]
    debt = _ratio(enterprise.liabilities, enterprise.assets)
    place = [np.nan if value is None else value for value in (enterprise.latitude, enterprise.longitude)]
    return texts, scaled(np.array([[*numbers, years, debt, *place]]))[0]


def _ratio(part: int | None, whole: int | None) -> float:
    return part / whole if part is not None and whole else np.nan


def scaled(raw: Numbers) -> Numbers:
    """Money, months, persons and years as log(1 + x), so that distances are ratios; the rest as they are."""
    scaled = raw.copy()
    scaled[:, :5] = np.log1p(np.maximum(raw[:, :5], 0))
    return scaled

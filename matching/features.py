"""The features, in order, and the one place that builds them: online for a request, offline for a group.

Each is a number for one (need, candidate) pair, NaN where it is not known. Most compare what the memory recalls at
three levels (`levels`); the rest are how the need fits the product's terms, the need itself, and the appetites.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
from numba import njit

from matching.catalogue import Catalogue, Rows
from matching.domain import Enterprise, Need
from matching.history import DISTANCES, Codes, Context, History, Numbers
from matching.levels import LEVEL_FEATURES, LEVELS, Held, Levels
from matching.memory import Kernel
from matching.recall import Memory
from matching.roster import Roster
from matching.sides import Feature, Side

_TERMS: Final = (
    ("amount_above_minimum", Side.PAIR),
    ("amount_below_maximum", Side.PAIR),
    ("term_below_maximum", Side.PAIR),
    ("rate_bp", Side.PRODUCT),
    ("rate_gap", Side.PAIR),
    ("home_levels", Side.PAIR),
    ("home_km", Side.PAIR),
)
_NEED: Final = (*DISTANCES, "own_outcomes", "region_outcomes", "district_outcomes", "industry_outcomes", "candidates")

APPETITES: Final = ("applied", "granted")  # stages whose log chance an appetite gives; 0 where none was learned

SPECIFICATION: Final = (
    *(Feature(f"{level}_{name}", side, family) for level in LEVELS for name, side, family in LEVEL_FEATURES),
    *(Feature(name, side, "terms") for name, side in _TERMS),
    *(Feature(f"need_{name}", Side.ENTERPRISE, "need") for name in _NEED),
    *(Feature(f"appetite_{stage}", Side.PAIR, "appetite") for stage in APPETITES),
)
FEATURES: Final = tuple(feature.name for feature in SPECIFICATION)
_TERMS_AT: Final = slice(len(LEVELS) * len(LEVEL_FEATURES), len(FEATURES) - len(_NEED) - len(APPETITES))
_NEED_AT: Final = slice(_TERMS_AT.stop, len(FEATURES) - len(APPETITES))
APPETITE_COLUMNS: Final = tuple(FEATURES.index(f"appetite_{stage}") for stage in APPETITES)


class Leaning(Protocol):
    """What gives a stage's log chance from the other features: an appetite in the history's codes."""

    def log_chance(self, context: Context, features: Numbers, levels: Sequence[Codes]) -> Numbers: ...


@dataclass(frozen=True)
class Builder:
    """Features from a history, its kernels and a catalogue; made once for the three, used for every need.

    `appetites` are those of `APPETITES`, in that order, or none: then their columns are 0.
    """

    history: History
    kernels: tuple[Kernel, ...]
    catalogue: Catalogue
    roster: Roster
    appetites: Sequence[Leaning] = ()

    @classmethod
    def of(
        cls, history: History, kernels: tuple[Kernel, ...], catalogue: Catalogue, appetites: Sequence[Leaning] = ()
    ) -> "Builder":
        """A builder with its roster."""
        return cls(history, kernels, catalogue, Roster.of(catalogue, history), appetites)

    @cached_property
    def levels(self) -> Levels:
        """The history under its kernels, made ready for recall at each level."""
        return Levels(Memory(self.history, self.kernels))

    def build(self, enterprise: Enterprise, need: Need, as_of: date, rows: Rows) -> Numbers:
        """float64 [len(rows), len(FEATURES)] for the catalogue's `rows`, columns as in `FEATURES`.

        Stored column by column, as they are made and as all that scores reads them.
        Reads only the history before the first day of `as_of`'s month.
        """
        context = self.history.context(enterprise, need, as_of)
        held = self.levels.held(context)
        columns = np.zeros((len(FEATURES), len(rows)))
        for i, level in enumerate(LEVELS):
            span = slice(i * len(LEVEL_FEATURES), (i + 1) * len(LEVEL_FEATURES))
            self.levels.fill(columns[span], i, held, getattr(self.roster, level)[rows])
        self._terms(columns[_TERMS_AT], enterprise, need, as_of, rows)
        columns[_NEED_AT] = _need(held, len(rows))[:, None]
        return self.leaned(columns.T, context, rows)

    def _terms(self, columns: Numbers, enterprise: Enterprise, need: Need, as_of: date, rows: Rows) -> None:
        """Writes how the need fits the terms of the catalogue's `rows` into columns [_TERMS, n]."""
        asked, offered = (np.log1p(float(need.amount)), float(need.term_months or np.nan)), self.catalogue
        limits = (*self._limits, offered.max_term)
        known = offered.rate_bp(as_of), offered.home_levels(enterprise.region)
        _write_terms(columns, rows, asked, limits, *known, _home_km(offered, enterprise), offered.institution_code)

    @cached_property
    def _limits(self) -> tuple[Numbers, Numbers]:
        """The logs of each row's least and largest amount."""
        return np.log1p(self.catalogue.min_amount), np.log1p(self.catalogue.max_amount)

    def leaned(self, features: Numbers, context: Context, rows: Rows) -> Numbers:
        """The features [len(rows), FEATURES] of `rows`, these appetites' log chances written into their columns.

        They may have been built without appetites: no appetite reads its own column.
        """
        codes = [getattr(self.roster, level)[rows] for level in LEVELS]
        chances = [appetite.log_chance(context, features, codes) for appetite in self.appetites]
        for column, chance in zip(APPETITE_COLUMNS, chances, strict=False):
            features[:, column] = chance
        return features


@njit(cache=True, nogil=True)
def _write_terms(
    columns: Any, rows: Any, asked: Any, limits: Any, rates: Any, levels: Any, km: Any, institution: Any
) -> None:  # fmt: skip
    """Writes `_TERMS`: `km` is by institution, all else by the catalogue's row."""
    (amount, term), (least, most, longest) = asked, limits
    lowest = np.nan
    for i in range(len(rows)):
        row = rows[i]
        rate = rates[row]
        columns[0, i] = amount - least[row]
        columns[1, i] = most[row] - amount
        columns[2, i] = longest[row] - term
        columns[3, i] = rate
        columns[5, i] = levels[row]
        columns[6, i] = km[institution[row]]
        if rate < lowest or np.isnan(lowest):
            lowest = rate
    for i in range(len(rows)):
        columns[4, i] = columns[3, i] - lowest


def _home_km(catalogue: Catalogue, enterprise: Enterprise) -> Numbers:
    """log(1 + km) from the enterprise to each institution; NaN where either place is unknown."""
    places = catalogue.places
    if enterprise.latitude is None or enterprise.longitude is None:
        return np.full(len(places), np.nan)
    east = (places[:, 1] - enterprise.longitude) * np.cos(np.radians((places[:, 0] + enterprise.latitude) / 2))
    km: Numbers = np.log1p(111.2 * np.hypot(places[:, 0] - enterprise.latitude, east))
    return km


def _need(held: Held, size: int) -> Numbers:
    """The same for every candidate."""
    own, *others = held.totals()
    return np.array([*held.context.numbers[: len(DISTANCES)], own, *np.log1p(others), np.log1p(size)])

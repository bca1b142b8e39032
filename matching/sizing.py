"""How much working capital an enterprise needs by the regulator's formula, and whether a need asks for more."""

from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.domain import Enterprise, Entity, Need, Purpose, fact
from matching.reference import programmes

Numbers = npt.NDArray[np.float64]
DAYS: Final = 360
MONTHS: Final = 12
WORKING: Final = (None, Purpose.WORKING_CAPITAL, Purpose.ORDERS, Purpose.EXPORT)
FIGURES: Final = (
    "revenue",
    "profit",
    "growth",
    "inventory",
    "receivables",
    "payables",
    "prepayments",
    "advances",
    "own_funds",
    "working_loans",
)
_BALANCE: Final = FIGURES[3:8]


@dataclass(frozen=True)
class Sizing:
    """What the formula leaves to be borrowed, in yuan, and by how much a need exceeds it (0 where it does not)."""

    amount: int
    excess: int

    @property
    def above(self) -> bool:
        """Whether the need asks for more than the formula gives."""
        return self.excess > 0


class Suggestion(Entity):
    """What to ask for as working capital: the formula's amount, and a term of one cash cycle.

    `excess` and `excess_months` are by how much the need asks for more, 0 where it does not; `above` flags either.
    The term is missing where the cycle is not above 0, the longest one where no rule of the day states it.
    """

    amount: int = fact("流动资金测算额", "Working capital to be borrowed", "yuan", ge=0)
    term_months: int | None = fact("建议期限", "Term suggested", "month", ge=1, default=None)
    max_term_months: int | None = fact("最长期限", "Longest term admitted", "month", ge=1, default=None)
    excess: int = fact("超出金额", "Amount asked above it", "yuan", ge=0)
    excess_months: int = fact("超出期限", "Term asked above the longest", "month", ge=0)
    above: bool = fact("超出测算", "Asks for more")


def suggest(enterprise: Enterprise, need: Need, as_of: date) -> Suggestion | None:
    """Amount and term for a need of working capital by the rules of a day; None for other purposes and as `size_need`.

    Source of the terms: the measures for working capital loans (2024), in force from 2024-07-01.
    """
    sizing = size_need(enterprise, need) if need.purpose in WORKING else None
    if sizing is None:
        return None
    cycle = cash_cycle(enterprise)
    assert cycle is not None  # what is sized has all its figures
    longest = _longest(cycle, as_of)
    beyond = max(0, (need.term_months or 0) - longest) if longest else 0
    return Suggestion(
        amount=sizing.amount,
        term_months=None if cycle < 1 else min(cycle, longest or cycle),
        max_term_months=longest,
        excess=sizing.excess,
        excess_months=beyond,
        above=sizing.above or beyond > 0,
    )


def _longest(cycle: int, as_of: date) -> int | None:
    """The longest term in months for a cash cycle of so many; None where no rule of the day states it."""
    usual, long, mark = (
        programmes.assumption(code, as_of)
        for code in ("working_capital_term", "working_capital_term_long", "long_cycle_months")
    )
    chosen = long if mark and cycle > mark.value else usual
    return int(chosen.value) if chosen else None


def cash_cycle(enterprise: Enterprise) -> int | None:
    """Months of the cash cycle, begun ones whole; None where a figure is missing, or revenue or cost is not above 0."""
    figures = [np.array([getattr(enterprise, name)], np.float64) for name in ("revenue", "profit", *_BALANCE)]
    days = float(cycle_days(*figures)[0])
    return None if np.isnan(days) else ceil(days * MONTHS / DAYS)


def size_need(enterprise: Enterprise, need: Need) -> Sizing | None:
    """The need for working capital beside what is asked; None where one of `FIGURES` is missing or revenue is 0.

    Growth to come is taken to be that of the last year.
    """
    figures = [getattr(enterprise, name) for name in FIGURES]
    if any(figure is None for figure in figures):
        return None
    amount = float(working_capital(*(np.array([figure], np.float64) for figure in figures))[0])
    return None if np.isnan(amount) else Sizing(int(amount), max(0, need.amount - int(amount)))


def working_capital(
    revenue: Numbers,
    profit: Numbers,
    growth: Numbers,
    inventory: Numbers,
    receivables: Numbers,
    payables: Numbers,
    prepayments: Numbers,
    advances: Numbers,
    own_funds: Numbers,
    working_loans: Numbers,
) -> Numbers:
    """Yuan to be borrowed, elementwise and at least 0; NaN where a figure is, or revenue or its cost is not above 0.

    revenue * (1 - margin) * (1 + growth) / turns, less own funds and loans; turns = 360 / days of the cash cycle.
    Inventory, payables and prepayments turn with cost, receivables and advances with revenue. Source: the annex of the
    interim measures for working capital loans (2010).
    """
    cycle = cycle_days(revenue, profit, inventory, receivables, payables, prepayments, advances)
    wanted = (revenue - profit) * (1 + growth) * cycle / DAYS - own_funds - working_loans
    return np.maximum(wanted, 0.0)


def cycle_days(
    revenue: Numbers,
    profit: Numbers,
    inventory: Numbers,
    receivables: Numbers,
    payables: Numbers,
    prepayments: Numbers,
    advances: Numbers,
) -> Numbers:
    """Days from paying for goods to being paid for them, elementwise; NaN as in `working_capital`."""
    sold, made = (np.where(base > 0, base, np.nan) for base in (revenue, revenue - profit))
    return DAYS * ((inventory - payables + prepayments) / made + (receivables - advances) / sold)

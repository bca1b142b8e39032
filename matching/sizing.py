"""How much working capital an enterprise needs by the regulator's formula, and whether a need asks for more."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.domain import Enterprise, Need

Numbers = npt.NDArray[np.float64]
DAYS: Final = 360
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


@dataclass(frozen=True)
class Sizing:
    """What the formula leaves to be borrowed, in yuan, and by how much a need exceeds it (0 where it does not)."""

    amount: int
    excess: int

    @property
    def above(self) -> bool:
        """Whether the need asks for more than the formula gives."""
        return self.excess > 0


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
    cost = revenue - profit
    sold, made = (np.where(base > 0, base, np.nan) for base in (revenue, cost))
    cycle_days = DAYS * ((inventory - payables + prepayments) / made + (receivables - advances) / sold)
    wanted = cost * (1 + growth) * cycle_days / DAYS - own_funds - working_loans
    return np.maximum(wanted, 0.0)

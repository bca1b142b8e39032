"""How much working capital an enterprise needs by the regulator's formula, and whether a need asks for more."""

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from matching.domain import MAX_MONEY, Enterprise, Entity, Need, Purpose, fact
from matching.reference import programmes

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
CYCLE: Final = FIGURES[:2] + FIGURES[3:8]


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
    figures = [getattr(enterprise, name) for name in CYCLE]
    return None if None in figures else cycle_months(*figures)


def size_need(enterprise: Enterprise, need: Need) -> Sizing | None:
    """The need for working capital beside what is asked; None where one of `FIGURES` is missing or revenue is 0.

    Growth to come is taken to be that of the last year.
    """
    figures = [getattr(enterprise, name) for name in FIGURES]
    amount = None if None in figures else working_capital(*figures)
    return None if amount is None else Sizing(amount, max(0, need.amount - amount))


def working_capital(
    revenue: int,
    profit: int,
    growth: float,
    inventory: int,
    receivables: int,
    payables: int,
    prepayments: int,
    advances: int,
    own_funds: int,
    working_loans: int,
) -> int | None:
    """Whole yuan to be borrowed, from 0 to `MAX_MONEY`; None where revenue or its cost is not above 0.

    revenue * (1 - margin) * (1 + growth) / turns, less own funds and loans; turns = 360 / days of the cash cycle.
    Inventory, payables and prepayments turn with cost, receivables and advances with revenue. Source: the annex of the
    interim measures for working capital loans (2010). Exact, as floats refuse a need that comes to the very yuan; a
    growth is the decimal that it is written as.
    """
    tied = _tied(revenue, profit, inventory, receivables, payables, prepayments, advances)
    if tied is None:
        return None
    grown = 1 + Fraction(str(growth))
    wanted = grown.numerator * tied // (grown.denominator * revenue) - own_funds - working_loans
    return min(max(wanted, 0), MAX_MONEY)


def cycle_months(
    revenue: int, profit: int, inventory: int, receivables: int, payables: int, prepayments: int, advances: int
) -> int | None:
    """Months from paying for goods to being paid for them, begun ones whole; None as in `working_capital`."""
    tied = _tied(revenue, profit, inventory, receivables, payables, prepayments, advances)
    return None if tied is None else -(-MONTHS * tied // (revenue * (revenue - profit)))


def _tied(
    revenue: int, profit: int, inventory: int, receivables: int, payables: int, prepayments: int, advances: int
) -> int | None:
    """Days of the cash cycle / 360 * cost * revenue, a whole number; None as in `working_capital`."""
    cost = revenue - profit
    if min(revenue, cost) <= 0:
        return None
    return (inventory - payables + prepayments) * revenue + (receivables - advances) * cost

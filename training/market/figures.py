"""What own rules ask beyond the first facts: figures of simulated enterprises, and the terms of their deals.

Both are drawn apart from the rest of the market, so that it stays as it was when they change.
"""

from typing import Final

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from matching.domain import Purpose

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
DAYS_HELD: Final = {"inventory": 85, "payables": 45, "prepayments": 12}  # of a year's cost, the typical enterprise
ADVANCE_DAYS: Final = 8  # ... of a year's revenue
STATEMENTS: Final = 0.55  # share of enterprises whose full statements are on record; none of the rest's figures are
BALANCE: Final = ("inventory", "payables", "prepayments", "advances", "own_funds", "working_loans")
MISSING: Final = {  # share of rows without the fact, beside the statements
    **dict.fromkeys(BALANCE, 0.04), "invoices": 0.35, "distributable_profit": 0.4, "cash_flow": 0.4, "defaulted": 0.25,
    "misused": 0.5, "patent_value": 0.6, "patent_life": 0.45, "equipment_invoiced": 0.5, "equipment_pledged": 0.45,
}  # fmt: skip
UNSAID: Final = {  # share of needs that leave a term of the deal out
    "confirmed_receivables": 0.45, "order_value": 0.4, "includes_land": 0.35, "new_equipment": 0.35,
    "purchase_contract": 0.35, "purchase_price": 0.45, "down_payment": 0.5, "renewal_agreed": 0.3,
    "renewal_amount": 0.4, "bridge_days": 0.4, "professional_investors": 0.6,
}  # fmt: skip
BUYING: Final = (Purpose.EQUIPMENT, Purpose.TECHNICAL_UPGRADE, Purpose.FIXED_ASSET)
SELLING: Final = (Purpose.ORDERS, Purpose.EXPORT, Purpose.WORKING_CAPITAL)


def figures(rng: Generator, facts: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """More facts for the rows of `facts`, as they truly are and as recorded; an enterprise keeps its habits."""
    firm = facts["firm"].to_numpy()
    habit = rng.normal(0, 1, (firm.max() + 1, 16))[firm]
    revenue, profit = (facts[name].to_numpy(float) for name in ("revenue", "profit"))
    true = pd.DataFrame(_balance(facts, habit, revenue, revenue - profit))
    true["invoices"] = money(revenue * (0.85 + 0.06 * habit[:, 6]).clip(0.5, 1))
    true["distributable_profit"] = money(profit * np.exp(0.15 * habit[:, 7]))
    true["cash_flow"] = money(revenue * (facts["margin"].to_numpy() + 0.02 + 0.04 * habit[:, 8]))
    true["patent_value"] = money(1.4e6 * facts["patents"].to_numpy(float) * np.exp(0.5 * habit[:, 9]))
    true["patent_life"] = (10.5 + 4 * habit[:, 10]).clip(0.5, 19.5).round(1)
    true["equipment_invoiced"] = habit[:, 11] > -1.2
    true["equipment_pledged"] = habit[:, 12] + 1.5 * (facts["debt_ratio"].to_numpy() - 0.5) > 0.7
    true["defaulted"] = habit[:, 13] + 2 * (facts["debt_ratio"].to_numpy() - 0.5) > 2.4
    true["misused"] = habit[:, 14] > 2.6
    gaps = rng.random((firm.max() + 1, len(MISSING)))[firm] < list(MISSING.values())
    gaps[:, : len(BALANCE)] |= (rng.random(firm.max() + 1) > STATEMENTS)[firm, None]
    return true, recorded(true, dict(zip(MISSING, gaps.T, strict=True)))


def _balance(facts: pd.DataFrame, habit: Numbers, revenue: Numbers, cost: Numbers) -> dict[str, Numbers]:
    """The figures that the need for working capital is measured by."""
    held = {name: days / 360 * cost for name, days in DAYS_HELD.items()} | {"advances": ADVANCE_DAYS / 360 * revenue}
    held["own_funds"] = 0.06 * revenue
    held["working_loans"] = 0.06 * revenue * ~facts["first_loan"].to_numpy(bool)
    return {name: money(held[name] * np.exp(0.35 * habit[:, i])) for i, name in enumerate(BALANCE)}


def terms(
    rng: Generator, facts: pd.DataFrame, purpose: NDArray[np.int64], amount: Numbers
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The terms of each need's deal, as they truly are and as stated; those foreign to its purpose are missing."""
    draw, noise = rng.random((len(amount), 6)), rng.normal(0, 1, (len(amount), 4))
    buying, selling, renewing = (_among(purpose, some) for some in (BUYING, SELLING, (Purpose.REFINANCING,)))
    asked = amount * np.exp(0.5 + 0.35 * noise[:, 0])
    price = money(amount * np.exp(0.35 + 0.2 * noise[:, 1]))
    true = pd.DataFrame(
        {
            "confirmed_receivables": money(np.minimum(facts["receivables"].to_numpy(float), asked)),
            "order_value": _where(selling, money(amount * np.exp(0.5 + 0.35 * noise[:, 2]))),
            "includes_land": _flags(buying, draw[:, 0] < 0.08),
            "new_equipment": _flags(buying, draw[:, 1] < 0.92),
            "purchase_contract": _flags(buying, draw[:, 2] < 0.8),
            "purchase_price": _where(buying, price),
            "down_payment": _where(buying, money(price * np.floor(6 * draw[:, 3]) / 10)),
            "renewal_agreed": _flags(renewing, draw[:, 4] < 0.7),
            "renewal_amount": _where(renewing, money(amount * np.exp(0.25 + 0.2 * noise[:, 3]))),
            "bridge_days": _where(renewing, np.ceil(14 * draw[:, 5])),
            "professional_investors": _flags(np.ones(len(amount), bool), rng.random(len(amount)) < 0.85),
        }
    )
    gaps = {name: rng.random(len(amount)) < share for name, share in UNSAID.items()}
    return true, recorded(true, gaps)


def recorded(true: pd.DataFrame, gaps: dict[str, Flags]) -> pd.DataFrame:
    """Facts with what `gaps` marks left out."""
    columns = {
        name: true[name].astype("boolean" if true[name].dtype == bool else true[name].dtype) for name in map(str, true)
    }
    return pd.DataFrame({name: column.mask(gaps[name]) for name, column in columns.items()})


def _among(purpose: NDArray[np.int64], chosen: tuple[Purpose, ...]) -> Flags:
    return np.isin(purpose, [list(Purpose).index(one) for one in chosen])


def _where(known: Flags, values: Numbers) -> Numbers:
    return np.where(known, values, np.nan)


def _flags(known: Flags, values: Flags) -> pd.api.extensions.ExtensionArray:
    return pd.arrays.BooleanArray(values, ~known, copy=True)


def money(values: Numbers) -> Numbers:
    """Whole thousands of yuan."""
    return np.round(values, -3)

"""The need for working capital by the regulator's formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.sizing import FIGURES, Sizing, size_need, working_capital
from tests.factories import enterprise, need

BOOKS = {
    "revenue": 36_000_000,
    "profit": 3_600_000,
    "growth": 0.1,
    "inventory": 8_100_000,
    "receivables": 6_000_000,
    "payables": 4_050_000,
    "prepayments": 900_000,
    "advances": 1_000_000,
    "own_funds": 2_000_000,
    "working_loans": 1_500_000,
}
COST = 36_000_000 - 3_600_000
DAYS = 360 * (8_100_000 - 4_050_000 + 900_000) / COST + 360 * (6_000_000 - 1_000_000) / 36_000_000
TURNS = 360 / DAYS
SIZED = 36_000_000 * (1 - 0.1) * (1 + 0.1) / TURNS - 2_000_000 - 1_500_000


def test_the_need_is_revenue_at_cost_with_growth_over_turns_less_own_funds_and_loans():
    assert size_need(enterprise(**BOOKS), need()) == Sizing(int(SIZED), 0)
    assert 6_000_000 < SIZED < 7_000_000


@pytest.mark.parametrize(("amount", "excess"), [(int(SIZED), 0), (int(SIZED) + 1, 1), (10**8, 10**8 - int(SIZED))])
def test_a_need_above_the_formula_is_flagged_with_its_excess(amount, excess):
    sizing = size_need(enterprise(**BOOKS), need(amount=amount))
    assert sizing.excess == excess
    assert sizing.above is (excess > 0)


@pytest.mark.parametrize("missing", FIGURES)
def test_nothing_is_sized_while_a_figure_is_missing(missing):
    assert size_need(enterprise(**BOOKS | {missing: None}), need()) is None


@pytest.mark.parametrize("nothing", [{"revenue": 0, "profit": -1}, {"profit": BOOKS["revenue"]}])
def test_nothing_is_sized_without_revenue_or_cost(nothing):
    assert size_need(enterprise(**BOOKS | nothing), need()) is None


def test_who_has_enough_of_its_own_needs_nothing():
    assert size_need(enterprise(**BOOKS | {"own_funds": 10**9}), need(amount=5)) == Sizing(0, 5)


@given(st.lists(st.floats(1, 1e9), min_size=7, max_size=7), st.floats(-0.5, 2), st.floats(1, 1e8))
def test_more_own_funds_never_raise_the_need_and_many_are_sized_as_each(balance, growth, more):
    inventory, receivables, payables, prepayments, advances, own, loans = balance
    rest = (inventory, receivables, payables, prepayments, advances)
    columns = [np.full(2, value) for value in (1e9, 1e8, growth, *rest)]
    both = working_capital(*columns, np.array([own, own + more]), np.full(2, loans))
    assert 0 <= both[1] <= both[0]
    assert both[0] == working_capital(*(column[:1] for column in columns), np.array([own]), np.array([loans]))[0]

"""The need for working capital by the regulator's formula."""

from datetime import date
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.sizing import FIGURES, Sizing, size_need, suggest, working_capital
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
MEASURES = date(2024, 7, 1)
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


def suggested(as_of=MEASURES, asked=None, **facts):
    return suggest(enterprise(**BOOKS | facts), need(**asked or {}), as_of)


def test_a_term_of_one_cash_cycle_is_suggested_beside_the_amount():
    found = suggested()
    assert (found.amount, found.term_months) == (int(SIZED), ceil(DAYS / 30))
    assert (found.excess, found.excess_months, found.above) == (0, 0, False)


@pytest.mark.parametrize(("as_of", "longest"), [(date(2024, 6, 30), None), (MEASURES, 36)])
def test_the_longest_term_is_that_of_the_day_s_measures(as_of, longest):
    assert suggested(as_of).max_term_months == longest


@pytest.mark.parametrize(("days", "longest"), [(360, 36), (361, 60)])
def test_a_cycle_of_more_than_a_year_admits_five_years(days, longest):
    cycle = {"revenue": 36_000_000, "profit": 0, "inventory": 100_000 * days, "receivables": 0, "advances": 0}
    assert suggested(**cycle, payables=0, prepayments=0).max_term_months == longest


@pytest.mark.parametrize(("term", "excess"), [(None, 0), (36, 0), (37, 1)])
def test_a_term_above_the_longest_is_flagged(term, excess):
    found = suggested(asked={"term_months": term})
    assert (found.excess_months, found.above) == (excess, excess > 0)


def test_an_amount_above_the_formula_is_flagged_with_it():
    found = suggested(asked={"amount": int(SIZED) + 1})
    assert (found.excess, found.above) == (1, True)


@pytest.mark.parametrize(("purpose", "sized"), [(None, True), ("orders", True), ("equipment", False)])
def test_only_working_capital_is_sized(purpose, sized):
    assert (suggested(asked={"purpose": purpose}) is not None) is sized


def test_no_term_is_suggested_to_who_is_paid_before_it_pays():
    found = suggested(payables=10**9)
    assert (found.amount, found.term_months) == (0, None)


@pytest.mark.parametrize("missing", FIGURES)
def test_nothing_is_suggested_while_a_figure_is_missing(missing):
    assert suggested(**{missing: None}) is None

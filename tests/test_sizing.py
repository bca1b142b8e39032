"""The need for working capital by the regulator's formula."""

from datetime import date
from math import ceil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.domain import MAX_MONEY
from matching.sizing import CYCLE, FIGURES, Sizing, cash_cycle, cycle_months, size_need, suggest, working_capital
from tests.factories import enterprise, need
from training.market.eligibility import exactly

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
BARE = dict.fromkeys(FIGURES, 0) | {"revenue": 10_000_000}  # nothing is tied up
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


@pytest.mark.parametrize("revenue", [7_000_000, 10_000_000, 30_000_000])
@pytest.mark.parametrize("inventory", [700_000, 1_100_000, 2_300_000, 2_900_000])
def test_a_need_that_comes_to_the_very_yuan_of_the_formula_is_not_above_it(revenue, inventory):
    alone = BARE | {"revenue": revenue, "inventory": inventory}
    assert size_need(enterprise(**alone), need(amount=inventory)) == Sizing(inventory, 0)


def test_growth_counts_as_the_decimal_that_it_is_written_as():
    grown = BARE | {"inventory": 700_000, "growth": 0.1}
    assert size_need(enterprise(**grown), need(amount=770_000)) == Sizing(700_000 * 11 // 10, 0)


def test_a_begun_yuan_is_not_lent():
    sizing = size_need(enterprise(**BARE | {"inventory": 9, "growth": 0.1}), need(amount=10))
    assert (sizing, type(sizing.amount)) == (Sizing(9, 1), int)  # of 9.9 yuan


def test_no_more_than_a_need_can_ask_for_is_ever_needed():
    tied = BARE | {"revenue": 1, "profit": -MAX_MONEY, "inventory": MAX_MONEY, "receivables": MAX_MONEY}
    assert size_need(enterprise(**tied), need(amount=MAX_MONEY)) == Sizing(MAX_MONEY, 0)


@pytest.mark.parametrize(("inventory", "months"), [(10_000_000, 12), (10_000_001, 13), (10_000_000 // 12 * 11, 11)])
def test_a_cash_cycle_of_whole_months_is_of_so_many(inventory, months):
    assert cash_cycle(enterprise(**BARE | {"inventory": inventory})) == months


@given(st.lists(st.integers(0, 10**15), min_size=7, max_size=7), st.floats(-1, 100), st.integers(1, 10**15))
def test_more_own_funds_never_raise_the_need(balance, growth, more):
    inventory, receivables, payables, prepayments, advances, own, loans = balance
    rest = (10**9, 10**8, growth, inventory, receivables, payables, prepayments, advances)
    less = working_capital(*rest, own + more, loans)
    assert 0 <= less <= working_capital(*rest, own, loans) <= MAX_MONEY


KNOWN = st.fixed_dictionaries(
    dict.fromkeys(FIGURES, st.integers(0, 10**15))
    | {"profit": st.integers(-(10**15), 10**15), "growth": st.floats(-1, 100)}
)
LACKING = st.sampled_from([(), *((name,) for name in FIGURES)])
FIRMS = KNOWN | st.builds(lambda firm, lacking: firm | dict.fromkeys(lacking), KNOWN, LACKING)


@given(st.lists(FIRMS, min_size=1, max_size=5))
def test_the_simulated_market_sizes_each_row_as_a_request_is_sized(firms):
    known = pd.DataFrame(firms, columns=FIGURES, dtype=float)
    sized = [size_need(enterprise(**firm), need()) for firm in firms]
    amounts = [np.nan if found is None else found.amount for found in sized]
    assert exactly(working_capital, known, FIGURES).tolist() == pytest.approx(amounts, rel=0, abs=0, nan_ok=True)
    months = [np.nan if (found := cash_cycle(enterprise(**firm))) is None else found for firm in firms]
    assert exactly(cycle_months, known, CYCLE).tolist() == pytest.approx(months, rel=0, abs=0, nan_ok=True)


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


def test_a_cycle_of_one_month_is_a_term():
    cycle = {"revenue": 36_000_000, "profit": 0, "inventory": 3_000_000, "receivables": 0, "advances": 0}
    assert suggested(**cycle, payables=0, prepayments=0).term_months == 1


@pytest.mark.parametrize("missing", FIGURES)
def test_nothing_is_suggested_while_a_figure_is_missing(missing):
    assert suggested(**{missing: None}) is None

"""The yearly cost of a stack: each part by hand, caps at the threshold itself, and sums that are exact."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.codes import CostPart
from matching.costs import costs, percent
from matching.reference.programmes import programmes

MILLION = 1_000_000
OF_THE_DAY = {one.code: one for one in programmes(date(2026, 1, 10))}
GUARANTEE, INSURANCE = OF_THE_DAY["government_guarantee"], OF_THE_DAY["loan_insurance"]
FEE_SUBSIDY, PREMIUM_SUBSIDY = OF_THE_DAY["guarantee_fee_subsidy"], OF_THE_DAY["premium_subsidy"]
INTEREST_SUBSIDY = OF_THE_DAY["upgrade_interest_subsidy"]


def parts(found):
    return {one.enhancement or one.part: one.percent for one in found}


def test_interest_fee_and_premium_less_subsidies_are_the_cost():
    found = costs(MILLION, 360.0, [GUARANTEE, INTEREST_SUBSIDY, FEE_SUBSIDY])
    assert parts(found) == {
        CostPart.INTEREST: Decimal("3.6"),
        "government_guarantee": Decimal("1.0"),
        "upgrade_interest_subsidy": -Decimal("3.6") / 2,
        "guarantee_fee_subsidy": -Decimal("1.0") / 2,
    }
    assert percent(found) == Decimal("3.6") / 2 + Decimal("1.0") / 2
    assert [one.yuan for one in found] == [36_000, 10_000, -18_000, -5_000]


def test_the_premium_is_stated_as_what_it_is():
    found = costs(MILLION, None, [INSURANCE, PREMIUM_SUBSIDY])
    assert [(one.part, one.percent) for one in found] == [
        (CostPart.PREMIUM, Decimal("2.7")),
        (CostPart.SUBSIDY, -Decimal("2.7") / 2),
    ]


def test_interest_goes_by_its_own_name_and_every_other_part_by_its_programmes():
    found = costs(MILLION, 360.0, [INSURANCE, PREMIUM_SUBSIDY])
    named = [(CostPart.INTEREST.zh, CostPart.INTEREST.en)]
    named += [(one.name_zh, one.name_en) for one in (INSURANCE, PREMIUM_SUBSIDY)]
    assert [(one.name_zh, one.name_en) for one in found] == named


def test_without_a_rate_there_is_no_interest_and_none_to_subsidise():
    assert costs(MILLION, None, [INTEREST_SUBSIDY]) == ()


@pytest.mark.parametrize(("rate_bp", "paid"), [(399.0, "1.995"), (400.0, "2"), (401.0, "2"), (900.0, "2")])
def test_half_the_interest_is_paid_up_to_two_percent_of_the_loan(rate_bp, paid):
    assert parts(costs(MILLION, rate_bp, [INTEREST_SUBSIDY]))["upgrade_interest_subsidy"] == -Decimal(paid)


def test_nothing_is_taken_back_where_a_rate_is_below_nought():
    assert parts(costs(MILLION, -100.0, [INTEREST_SUBSIDY]))["upgrade_interest_subsidy"] == 0


@pytest.mark.parametrize(
    ("amount", "yuan"),
    [(500 * MILLION, 10 * MILLION), (500 * MILLION - 100, 10 * MILLION - 2), (500 * MILLION + 100, 10 * MILLION)],
)
def test_at_most_ten_million_a_year_is_paid(amount, yuan):
    found = costs(amount, 500.0, [INTEREST_SUBSIDY])
    assert [one.yuan for one in found if one.part is CostPart.SUBSIDY] == [-yuan]


@given(
    amount=st.integers(1, 10**15),
    rate=st.none() | st.decimals(-1000, 5000, places=2).map(float),
    stack=st.lists(st.sampled_from(list(OF_THE_DAY.values())), unique=True),
)
def test_parts_add_up_exactly_and_are_no_further_than_their_rounding_from_the_truth(amount, rate, stack):
    found = costs(amount, rate, stack)
    assert percent(found) == sum((one.percent for one in found), Decimal(0))
    assert percent(found).as_tuple().exponent >= -4
    fees = {CostPart.GUARANTEE_FEE: GUARANTEE, CostPart.PREMIUM: INSURANCE}
    for one in found:
        if one.part is not CostPart.SUBSIDY:
            bp = Fraction(str(rate)) if one.part is CostPart.INTEREST else Fraction(fees[one.part].cost_bp)
            assert abs(one.yuan - amount * bp / 10_000) <= Fraction(1, 2)
            assert one.percent == Decimal(bp.numerator) / Decimal(bp.denominator) / 100

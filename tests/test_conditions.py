"""Products' own rules judged: at, below and without the threshold, in and out of force, in rates of the product."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from matching.clauses import Condition, condition
from matching.conditions import FAIL, PASS, REVIEW, Conditions, OwnRules
from matching.domain import Operator, Rule
from matching.facts import facts
from tests.factories import DAY, enterprise, need, product

NO_RATES = np.full(3, np.nan)


def rule(field, operator, value, **more):
    return Rule.model_validate(
        {"rule_id": "r1", "field": field, "operator": operator, "value": value, "clause": ""} | more
    )


def judged(asked, as_of=DAY, **stated):
    return Conditions([condition(asked)]).judge(facts(enterprise(**stated), need(), as_of), as_of)[0]


@pytest.mark.parametrize(
    ("operator", "below", "at", "above"),
    [
        (">=", FAIL, PASS, PASS),
        ("<=", PASS, PASS, FAIL),
        (">", FAIL, FAIL, PASS),
        ("<", PASS, FAIL, FAIL),
        ("==", FAIL, PASS, FAIL),
    ],
)
def test_numbers_compare_exactly_at_the_threshold(operator, below, at, above):
    asked = rule("debt_ratio", operator, 0.7)
    assert [judged(asked, assets=1000, liabilities=part) for part in (699, 700, 701)] == [below, at, above]


@pytest.mark.parametrize(
    ("asked", "stated", "expected"),
    [
        (rule("founded", "<=", "2015-03-01"), {"founded": date(2015, 3, 1)}, PASS),
        (rule("founded", "<=", "2015-03-01"), {"founded": date(2015, 3, 2)}, FAIL),
        (rule("first_loan", "==", True), {"first_loan": True}, PASS),
        (rule("first_loan", "==", True), {"first_loan": False}, FAIL),
        (rule("tax_grade", "in", ["A", "B"]), {"tax_grade": "B"}, PASS),
        (rule("tax_grade", "in", ["A", "B"]), {"tax_grade": "C"}, FAIL),
        (rule("tax_grade", "not_in", ["C", "D"]), {"tax_grade": "B"}, PASS),
        (rule("tax_grade", "not_in", ["C", "D"]), {"tax_grade": "C"}, FAIL),
        (rule("size", "==", "small"), {"employees": 20, "revenue": 3_000_000}, PASS),
        (rule("tiers", "has", "champion"), {"tiers": ["champion", "high_tech"]}, PASS),
        (rule("tiers", "has", ["champion", "high_tech"]), {"tiers": ["champion"]}, FAIL),
        (rule("tiers", "in", ["champion", "high_tech"]), {"tiers": ["champion"]}, PASS),
        (rule("tiers", "has", "champion"), {"tiers": []}, FAIL),
        (rule("tiers", "not_in", "champion"), {"tiers": []}, PASS),
        (rule("industry", "in", ["C/34", "C/35"]), {"industry": "C/34/344"}, PASS),
        (rule("industry", "in", ["C/344"]), {"industry": "C/34/344"}, FAIL),
        (rule("industry", "not_in", ["C/34"]), {"industry": "C/34/344"}, FAIL),
        (rule("region", "in", ["CN/500000"]), {"region": "CN/500000/500103"}, PASS),
        (rule("region", "in", ["CN/500000"]), {"region": "CN"}, REVIEW),
        (rule("region", "in", ["CN/500000", "CN"]), {"region": "CN"}, PASS),
        (rule("region", "in", ["CN/500000"]), {"region": "CN/50"}, FAIL),
        (rule("region", "not_in", ["CN/500000"]), {"region": "CN"}, REVIEW),
        (rule("region", "not_in", ["CN/500000", "CN"]), {"region": "CN"}, FAIL),
        (rule("region", "not_in", ["CN/500000"]), {"region": "US"}, PASS),
    ],
)
def test_dates_flags_and_codes_compare_by_their_meaning(asked, stated, expected):
    assert judged(asked, **stated) == expected


def test_a_threshold_may_be_a_whole_number():
    asked = [Condition("revenue", operator, 5) for operator in (Operator.GE, Operator.LT)]
    known = facts(enterprise(revenue=5), need(), DAY)
    assert Conditions(asked).judge(known, DAY).tolist() == [PASS, FAIL]


def test_a_rule_on_an_old_district_follows_the_reform():
    asked = rule("region", "in", "CN/500000/500112")
    assert judged(asked, as_of=date(2025, 11, 5), region="CN/500000/5001LJ") == FAIL
    assert judged(asked, as_of=date(2025, 11, 6), region="CN/500000/5001LJ") == PASS


@pytest.mark.parametrize(
    "asked",
    [
        rule("debt_ratio", "<=", 0.7),
        rule("founded", "<=", "2015-03-01"),
        rule("first_loan", "==", True),
        rule("tiers", "has", "champion"),
        rule("tax_grade", "not_in", "D"),
        rule("region", "in", "CN"),
    ],
)
def test_a_missing_fact_is_to_be_reviewed(asked):
    assert judged(asked, founded=None, region=None) == REVIEW


def test_entries_are_judged_and_counted_by_product():
    own = OwnRules(
        [
            product(rules=[rule("employees", ">=", 100), rule("employees", ">=", 500, rule_id="r2")]),
            product(product_id="P2"),
            product(product_id="P3", rules=[rule("employees", ">=", 500, rule_id="r2", severity="review")]),
        ],
    )
    codes = own.judge(facts(enterprise(employees=120), need(), DAY), DAY, NO_RATES)
    assert codes.tolist() == [PASS, FAIL, REVIEW]
    assert [list(own.entries_of(row)) for row in range(3)] == [[0, 1], [], [2]]
    assert own.count(codes == FAIL, np.array([3.0, 1.0, 1.0])) == {"r2": 3}


@pytest.mark.parametrize(("day", "expected"), [(-1, PASS), (0, FAIL), (9, FAIL), (10, PASS)])
def test_a_rule_is_asked_only_from_its_first_day_until_before_its_end(day, expected):
    asked = rule("employees", ">=", 500, valid_from=DAY, valid_to=DAY + timedelta(10))
    as_of = DAY + timedelta(day)
    own = OwnRules([product(rules=[asked])])
    assert own.judge(facts(enterprise(employees=1), need(), as_of), as_of, NO_RATES).tolist() == [expected]
    assert own.in_force(as_of).tolist() == [expected == FAIL]


@pytest.mark.parametrize(("profit", "expected"), [(89_999, FAIL), (90_000, PASS), (90_001, PASS), (None, REVIEW)])
def test_a_rule_in_rates_compares_with_the_products_own_rate(profit, expected):
    cover = rule("profit_to_amount", ">=", 1, unit="rate")
    own = OwnRules([product(rules=[cover]), product(product_id="P2", rules=[cover])])
    case = facts(enterprise(distributable_profit=profit), need(amount=2_000_000), DAY)
    assert own.judge(case, DAY, np.array([450.0, 100.0])).tolist() == [expected, PASS if profit else REVIEW]
    assert own.asked(0, np.array([450.0, 100.0])).threshold == 0.045


def test_a_rule_in_rates_is_to_be_reviewed_where_the_rate_is_unknown():
    own = OwnRules([product(rules=[rule("profit_to_amount", ">=", 1, unit="rate")])])
    case = facts(enterprise(distributable_profit=0), need(), DAY)
    assert own.judge(case, DAY, np.array([np.nan])).tolist() == [REVIEW]


@given(st.integers(1, 200), st.integers(1, 200_000), st.sampled_from([">=", "<=", ">", "<", "=="]))
@example(10, 3001, ">=")
@example(10, 3001, "<")
def test_a_rule_in_rates_compares_exactly_at_the_decimals_of_its_threshold(tenths, rate_in_tenths, operator):
    cover = rule("profit_to_amount", operator, tenths / 10, unit="rate")
    own, rate_bp = OwnRules([product(rules=[cover])]), np.array([rate_in_tenths / 10])
    case = facts(enterprise(distributable_profit=tenths * rate_in_tenths), need(amount=1_000_000), DAY)
    expected = PASS if operator in (">=", "<=", "==") else FAIL
    assert own.judge(case, DAY, rate_bp).tolist() == [expected]
    at = Conditions([own.asked(0, rate_bp)])
    assert at.judge(case, DAY).tolist() == [expected]


VALUES = {"employees": [0, 120, 500], "debt_ratio": [0.5, 0.7], "founded": ["2015-03-01"], "first_loan": [True]}
SETS = {"tiers": ["champion", "high_tech"], "region": ["CN", "US"]}
numbers = st.sampled_from(list(VALUES)).flatmap(
    lambda field: st.builds(
        rule,
        st.just(field),
        st.just("==") if field == "first_loan" else st.sampled_from([">=", "<=", ">", "<", "=="]),
        st.sampled_from(VALUES[field]),
    )
)
sets = st.sampled_from(list(SETS)).flatmap(
    lambda field: st.builds(rule, st.just(field), st.sampled_from(["in", "not_in"]), st.sampled_from(SETS[field]))
)
covers = st.builds(rule, st.just("profit_to_amount"), st.sampled_from([">=", "<"]), st.just(1), unit=st.just("rate"))
stated = st.fixed_dictionaries(
    {
        "employees": st.sampled_from([None, 0, 120, 500]),
        "liabilities": st.sampled_from([None, 5, 7, 8]),
        "assets": st.just(10),
        "founded": st.sampled_from([None, date(2015, 3, 1), date(2015, 3, 2)]),
        "first_loan": st.sampled_from([None, True, False]),
        "tiers": st.sampled_from([None, [], ["champion"]]),
        "region": st.sampled_from([None, "CN/500000/500103"]),
        "distributable_profit": st.sampled_from([None, 90_000]),
    }
)
rates = st.sampled_from([450.0, 100.0, np.nan])


@given(st.lists(st.tuples(numbers | sets | covers, rates), max_size=8), stated)
def test_many_conditions_at_once_are_judged_as_each_alone(asked, known):
    conditions, rate_bp = [condition(one) for one, _ in asked], np.array([rate for _, rate in asked])
    case = facts(enterprise(**known), need(amount=2_000_000), DAY)
    alone = [Conditions([one]).judge(case, DAY, rate)[0] for one, rate in zip(conditions, rate_bp, strict=True)]
    assert Conditions(conditions).judge(case, DAY, rate_bp).tolist() == alone

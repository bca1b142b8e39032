"""Products' own rules as they are read: what is refused, and which of one product contradict each other."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.clauses import Condition, condition, in_force, read
from matching.conditions import PASS, Conditions
from matching.domain import Rule
from matching.errors import InputError
from tests.factories import DAY, product


def rule(field, operator, value, **more):
    return Rule.model_validate(
        {"rule_id": "r1", "field": field, "operator": operator, "value": value, "clause": ""} | more
    )


def test_rules_that_ask_the_same_have_equal_conditions():
    assert condition(rule("tiers", "in", ["champion", "high_tech"])) == condition(
        rule("tiers", "in", ["high_tech", "champion", "champion"], rule_id="other", clause="another")
    )


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (rule("height", ">=", 1), "field: is a known fact, not 'height'"),
        (rule("revenue", "has", 1), "operator: is one of >=, <=, >, <, == as revenue is a number, not has"),
        (rule("tiers", ">=", 1), "operator: is one of has, in, not_in as tiers is codes, any number of them, not >="),
        (rule("first_loan", "<", True), "operator: is one of == as first_loan is true or false, not <"),
        (rule("revenue", ">=", "many"), "value: is a number as revenue is, not 'many'"),
        (rule("revenue", ">=", True), "value: is a number as revenue is, not True"),
        (rule("first_loan", "==", 1.0), "value: is true or false as first_loan is, not 1.0"),
        (rule("founded", ">=", "2015-02-30"), r"value: is a date \(YYYY-MM-DD\) as founded is, not '2015-02-30'"),
        (rule("founded", ">=", "20150201"), r"value: is a date \(YYYY-MM-DD\) as founded is, not '20150201'"),
        (rule("founded", ">=", "2015-W05-7"), r"value: is a date \(YYYY-MM-DD\) as founded is, not '2015-W05-7'"),
        (rule("founded", ">=", 2015.0), r"value: is a date \(YYYY-MM-DD\) as founded is, not 2015.0"),
        (rule("patents", "==", 2.5), "value: is a whole number as patents is, not 2.5"),
        (rule("equity", "==", 0.1), "value: is a whole number as equity is, not 0.1"),
        (rule("tax_grade", "in", []), r"value: is one code or more as tax_grade is a code, not \(\)"),
        (rule("tax_grade", "==", ["A", "B"]), r"value: is one code as tax_grade is a code, not \('A', 'B'\)"),
        (rule("tax_grade", "in", 3), "value: is one code or more as tax_grade is a code, not 3.0"),
        (rule("tax_grade", "in", ["A", "Z"]), "value: is one of A, B, M, C, D, not 'Z'"),
        (rule("revenue", ">=", 1, severity="pass"), "severity: is review or fail, not pass"),
        (rule("revenue", ">=", 1, unit="10k yuan"), "unit: is yuan/year as revenue is, not '10k yuan'"),
        (rule("debt_ratio", "<=", 70, unit="%"), "unit: is share or rate as debt_ratio is, not '%'"),
        (rule("first_loan", "==", True, unit="yuan"), "unit: is empty as first_loan is, not 'yuan'"),
        (
            rule("revenue", ">=", 1, valid_from=DAY, valid_to=DAY),
            r"valid_to: is after valid_from \(2025-01-10\), not 2025-01-10",
        ),
    ],
)
def test_a_rule_that_cannot_be_judged_is_refused_with_its_product(broken, message):
    with pytest.raises(
        InputError, match=rf"^products: rules\.{broken.rule_id}\.{message[: message.index(':')]} \(row P1\)"
    ):
        read([product(rules=[broken])])
    with pytest.raises(InputError, match=message):
        condition(broken)


def test_an_id_is_taken_by_another_rule_of_the_same_product_at_the_same_time():
    once = rule("revenue", ">=", 1)
    assert len(read([product(rules=[once]), product(product_id="P2", rules=[once])])) == 2
    with pytest.raises(InputError, match=r"rules\.r1\.rule_id \(row P1\): is unique in its product"):
        read([product(rules=[once, once])])


def test_a_rule_may_follow_another_under_its_id():
    old, new = rule("revenue", ">=", 1, valid_to=DAY), rule("revenue", ">=", 2, valid_from=DAY)
    assert [one.threshold for one in read([product(rules=[old, new])])] == [1, 2]
    assert [in_force(one, DAY) for one in (old, new)] == [False, True]
    with pytest.raises(InputError, match="is unique"):
        read([product(rules=[old, rule("revenue", ">=", 2, valid_from=DAY - timedelta(1))])])


def test_a_name_of_a_built_in_rule_is_taken():
    with pytest.raises(InputError, match=r"rules\.term\.rule_id \(row P1\): is unique .* not the name of a built"):
        read([product(rules=[rule("revenue", ">=", 1, rule_id="term")])])


def test_every_broken_rule_is_named_at_once():
    products = [product(product_id=f"P{i}", rules=[rule("height", ">=", i)]) for i in range(3)]
    with pytest.raises(InputError) as caught:
        read(products)
    assert [fault.row for fault in caught.value.faults] == ["P0", "P1", "P2"]


@pytest.mark.parametrize(
    ("one", "other", "field"),
    [
        (("debt_ratio", ">=", 0.8), ("debt_ratio", "<=", 0.7), "debt_ratio"),
        (("debt_ratio", ">", 0.7), ("debt_ratio", "<=", 0.7), "debt_ratio"),
        (("patents", "==", 2), ("patents", "<", 2), "patents"),
        (("patents", ">", 3), ("patents", "<", 4), "patents"),
        (("patents", ">=", 3.2), ("patents", "<=", 3.9), "patents"),
        (("rd_two_years", ">", 0), ("rd_two_years", "<", 1), "rd_two_years"),
        (("founded", ">", "2020-01-01"), ("founded", "<", "2019-01-01"), "founded"),
        (("founded", ">", "2020-01-01"), ("founded", "<", "2020-01-02"), "founded"),
        (("first_loan", "==", True), ("first_loan", "==", False), "first_loan"),
        (("tax_grade", "in", ["A", "B"]), ("tax_grade", "==", "C"), "tax_grade"),
        (("tax_grade", "in", ["A", "B"]), ("tax_grade", "not_in", ["A", "B"]), "tax_grade"),
        (("tiers", "has", ["champion"]), ("tiers", "not_in", ["champion"]), "tiers"),
        (("tiers", "in", ["champion"]), ("tiers", "not_in", ["champion", "high_tech"]), "tiers"),
        (("industry", "in", ["C/34"]), ("industry", "not_in", ["C"]), "industry"),
        (("industry", "in", ["C/34"]), ("industry", "in", ["C/35"]), "industry"),
    ],
)
def test_rules_that_no_enterprise_can_meet_together_are_refused_by_name(one, other, field):
    pair = [rule(*one), rule(*other, rule_id="r2")]
    with pytest.raises(
        InputError, match=rf"rules\.r2\.value \(row P1\): can be met beside r1: no {field} meets them all"
    ):
        read([product(rules=pair)])


@pytest.mark.parametrize(
    ("limits", "asked", "named"),
    [
        ({"max_amount": 5_000_000}, ("amount", ">", 5_000_000), "amount"),
        ({"min_term": 12}, ("term_months", "<", 12), "term"),
        ({"purposes": ["export"]}, ("purpose", "==", "orders"), "purpose"),
        ({"collateral": ["orders"]}, ("collateral", "not_in", ["orders"]), "collateral"),
        ({"industries": ["C/34"]}, ("industry", "in", ["C/35"]), "industry"),
    ],
)
def test_a_rule_that_contradicts_its_products_limits_is_refused(limits, asked, named):
    with pytest.raises(InputError, match=rf"rules\.r1\.value \(row P1\): can be met beside {named}: no"):
        read([product(rules=[rule(*asked)], **limits)])


def test_three_rules_may_contradict_where_no_two_do():
    pairs = [["A", "B"], ["B", "C"], ["A", "C"]]
    rules = [rule("tax_grade", "in", pair, rule_id=f"r{i}") for i, pair in enumerate(pairs)]
    assert len(read([product(rules=rules[:2])])) == 2
    with pytest.raises(InputError, match=r"rules\.r2\.value .*: can be met beside r0, r1: no tax_grade meets them all"):
        read([product(rules=rules)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("debt_ratio", ">=", 0.7), ("debt_ratio", "<=", 0.7)),
        (("revenue_mean", ">", 3), ("revenue_mean", "<", 4)),
        (("revenue_mean", "==", 3.5), ("revenue_mean", ">", 3)),
        (("patents", ">", 3), ("patents", "<", 5)),
        (("patents", ">=", 3.5), ("patents", "<", 4.5)),
        (("founded", ">", "2020-01-01"), ("founded", "<", "2020-01-03")),
        (("industry", "in", ["C"]), ("industry", "in", ["C/34"])),
        (("industry", "in", ["C"]), ("industry", "not_in", ["C/34"])),
        (("tiers", "has", ["champion"]), ("tiers", "in", ["champion", "high_tech"])),
        (("ownership", "not_in", ["state"]), ("ownership", "not_in", ["foreign"])),
        (("region", "in", ["CN/500000/500112"]), ("region", "in", ["CN/500000/5001LJ"])),
    ],
)
def test_rules_that_some_enterprise_meets_are_read(one, other):
    assert len(read([product(rules=[rule(*one), rule(*other, rule_id="r2")])])) == 2


def test_rules_of_different_times_do_not_contradict():
    before = rule("debt_ratio", "<=", 0.7, valid_to=DAY)
    after = rule("debt_ratio", ">=", 0.8, valid_from=DAY, rule_id="r2")
    always = rule("debt_ratio", "<=", 0.9, rule_id="r3")
    assert len(read([product(rules=[before, after, always])])) == 3
    with pytest.raises(InputError, match=r"rules\.r4\.value .*: can be met beside r2: no debt_ratio"):
        read([product(rules=[before, after, rule("debt_ratio", "<=", 0.75, rule_id="r4")])])


def test_a_rule_in_rates_contradicts_nothing():
    pair = [rule("debt_ratio", ">=", 9), rule("debt_ratio", "<=", 1, rule_id="r2", unit="rate")]
    assert [one.rated for one in read([product(rules=pair)])] == [False, True]


GRADES = st.lists(st.sampled_from(["A", "B", "M"]), min_size=1, max_size=2, unique=True)
HALVES, WHOLE = (st.integers(0, 3 * by).map(lambda n, by=by: n / by) for by in (2, 1))
NUMBERS = st.tuples(st.just("patents"), st.sampled_from([">=", "<=", ">", "<"]), HALVES) | st.tuples(
    st.just("patents"), st.just("=="), WHOLE
)
CODES = st.tuples(st.just("tax_grade"), st.sampled_from(["in", "not_in"]), GRADES)
FEWER = {"patents": range(-1, 5), "tax_grade": ["A", "B", "M", "C", "D"]}


@given(st.sampled_from([NUMBERS, CODES]).flatmap(lambda some: st.lists(some, min_size=1, max_size=4)))
def test_what_is_read_can_be_met_and_what_is_refused_cannot(asked):
    rules = [rule(*one, rule_id=f"r{i}") for i, one in enumerate(asked)]
    conditions = Conditions([condition(one) for one in rules])
    field = rules[0].field
    meetable = any((conditions.judge({field: value}, DAY) == PASS).all() for value in FEWER[field])
    try:
        assert (len(read([product(rules=rules)])) == len(rules)) is meetable
    except InputError:
        assert not meetable


def test_a_condition_says_whether_it_counts_in_rates():
    assert condition(rule("profit_to_amount", ">=", 1, unit="rate")) == Condition("profit_to_amount", ">=", 1.0, True)
    assert not condition(rule("profit_to_amount", ">=", 1, unit="share")).rated

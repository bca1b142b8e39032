"""Products' own rules: which are accepted, and what each says at, below and without its threshold."""

from datetime import date

import numpy as np
import pytest

from matching.conditions import FAIL, PASS, REVIEW, Conditions, OwnRules, condition
from matching.domain import Rule
from matching.errors import InputError
from matching.facts import facts
from tests.factories import DAY, enterprise, need, product


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
    ],
)
def test_dates_flags_and_codes_compare_by_their_meaning(asked, stated, expected):
    assert judged(asked, **stated) == expected


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
        (rule("founded", ">=", 2015.0), r"value: is a date \(YYYY-MM-DD\) as founded is, not 2015.0"),
        (rule("tax_grade", "in", []), r"value: is one code or more as tax_grade is a code, not \(\)"),
        (rule("tax_grade", "==", ["A", "B"]), r"value: is one code as tax_grade is a code, not \('A', 'B'\)"),
        (rule("tax_grade", "in", 3), "value: is one code or more as tax_grade is a code, not 3.0"),
        (rule("tax_grade", "in", ["A", "Z"]), "value: is one of A, B, M, C, D, not 'Z'"),
        (rule("revenue", ">=", 1, severity="pass"), "severity: is review or fail, not pass"),
        (
            rule("revenue", ">=", 1, rule_id="amount"),
            "rule_id: is unique in its product and not the name of a built-in",
        ),
    ],
)
def test_a_rule_that_cannot_be_judged_is_refused_with_its_product(broken, message):
    with pytest.raises(
        InputError, match=rf"^products: rules\.{broken.rule_id}\.{message[: message.index(':')]} \(row P1\)"
    ):
        OwnRules([product(rules=[broken])], {"amount"})
    with pytest.raises(InputError, match=message):
        condition(broken, {"amount"})


def test_an_id_is_taken_by_an_earlier_rule_of_the_same_product_only():
    once = rule("revenue", ">=", 1)
    assert OwnRules([product(rules=[once]), product(product_id="P2", rules=[once])], ()).names == ["r1"]
    with pytest.raises(InputError, match=r"rules\.r1\.rule_id \(row P1\): is unique in its product"):
        OwnRules([product(rules=[once, once])], ())


def test_every_broken_rule_is_named_at_once():
    products = [product(product_id=f"P{i}", rules=[rule("height", ">=", i)]) for i in range(3)]
    with pytest.raises(InputError) as caught:
        OwnRules(products, ())
    assert [fault.row for fault in caught.value.faults] == ["P0", "P1", "P2"]


def test_entries_are_judged_and_counted_by_product():
    own = OwnRules(
        [
            product(rules=[rule("employees", ">=", 100), rule("employees", ">=", 500, rule_id="r2")]),
            product(product_id="P2"),
            product(product_id="P3", rules=[rule("employees", ">=", 500, rule_id="r2", severity="review")]),
        ],
        (),
    )
    codes = own.judge(facts(enterprise(employees=120), need(), DAY), DAY)
    assert codes.tolist() == [PASS, FAIL, REVIEW]
    assert [list(own.entries_of(row)) for row in range(3)] == [[0, 1], [], [2]]
    assert own.count(codes == FAIL, np.array([3.0, 1.0, 1.0])) == {"r2": 3}

"""Requirements: met by any one option, an option by all of its rules; the weakest source is the requirement's."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.codes import Trust
from matching.domain import Result, Rule
from matching.facts import own_facts
from matching.reference.programmes import Criterion
from matching.requirements import required, within, worst
from tests.factories import DAY, enterprise

MILLION = 1_000_000


def criterion(field, value, option="1", requirement="size", **changes):
    """At least `value` of a fact, from 2020 on."""
    rule = {
        "rule_id": f"{field}{option}",
        "field": field,
        "operator": ">=",
        "value": float(value),
        "clause": "",
        **changes,
    }
    told = {"message_zh": f"{field}达标", "message_en": f"Enough {field}"}
    trust = changes.pop("trust", Trust.A)
    rule.pop("trust", None)
    return Criterion("one", requirement, option, Rule.model_validate(told | rule), trust, date(2020, 1, 1), None)


def results(criteria, **facts):
    return {one.requirement: one.result for one in required(criteria, own_facts(enterprise(**facts), DAY), DAY)}


EITHER = (
    criterion("revenue", 10 * MILLION),
    criterion("rd_spend", MILLION),
    criterion("new_equity", 20 * MILLION, "2"),
)


@pytest.mark.parametrize(
    ("facts", "result"),
    [
        ({"revenue": 10 * MILLION, "rd_spend": MILLION}, Result.PASS),
        ({"revenue": 10 * MILLION, "rd_spend": MILLION, "new_equity": 0}, Result.PASS),
        ({"revenue": 10 * MILLION - 1, "rd_spend": MILLION, "new_equity": 20 * MILLION}, Result.PASS),
        ({"revenue": 10 * MILLION, "rd_spend": None, "new_equity": 0}, Result.REVIEW),
        ({"revenue": 10 * MILLION - 1, "rd_spend": MILLION}, Result.REVIEW),
        ({"revenue": 10 * MILLION, "rd_spend": MILLION - 1, "new_equity": 20 * MILLION - 1}, Result.FAIL),
    ],
)
def test_one_option_is_enough_and_asks_all_of_its_rules(facts, result):
    assert results(EITHER, **facts) == {"size": result}


def test_a_requirement_says_all_its_options_in_both_languages():
    (found,) = required(EITHER, own_facts(enterprise(), DAY), DAY)
    assert found.message_zh == "revenue达标且rd_spend达标；或new_equity达标"
    assert found.message_en == "Enough revenue and enough rd_spend; or enough new_equity"
    assert [one.rule for one in found.verdicts] == ["revenue1", "rd_spend1", "new_equity2"]


def test_a_rule_that_asks_for_review_never_fails():
    assert results([criterion("revenue", 10**12, severity="review")]) == {"size": Result.REVIEW}


def test_rows_may_stand_in_any_order():
    rules = [EITHER[0], criterion("employees", 1, requirement="staff"), *EITHER[1:][::-1]]
    facts = {"revenue": 10 * MILLION, "rd_spend": MILLION - 1, "new_equity": 0}
    assert results(rules, **facts) == {"size": Result.FAIL, "staff": Result.PASS}


def test_requirements_keep_their_order_and_are_judged_apart():
    rules = [criterion("revenue", 1, requirement="b"), criterion("employees", 10**6, requirement="a")]
    assert list(results(rules).items()) == [("b", Result.PASS), ("a", Result.FAIL)]


def test_a_requirement_is_as_well_known_as_its_weakest_source():
    (found,) = required(
        [criterion("revenue", 1), criterion("employees", 1, trust=Trust.C)], own_facts(enterprise(), DAY), DAY
    )
    assert found.trust is Trust.C


def test_a_requirement_holds_while_all_of_its_rules_do():
    long = replace(criterion("revenue", 1), valid_to=date(2027, 1, 1))
    short = replace(criterion("employees", 1), valid_from=date(2023, 1, 1), valid_to=date(2026, 1, 1))
    (found,) = required([long, short, criterion("assets", 1)], own_facts(enterprise(), DAY), DAY)
    assert (found.valid_from, found.valid_to) == (date(2023, 1, 1), date(2026, 1, 1))


@pytest.mark.parametrize(
    ("sentence", "part"),
    [("In China", "in China"), ("A high-tech enterprise", "a high-tech enterprise"), ("R&D of 3%", "R&D of 3%")],
)
def test_a_sentence_within_another_starts_small_unless_by_an_abbreviation(sentence, part):
    assert within(sentence) == part


@given(st.lists(st.sampled_from(Result)))
def test_what_must_all_be_met_is_as_good_as_the_worst(found):
    for result in (Result.FAIL, Result.REVIEW):
        if result in found:
            assert worst(found) is result
            return
    assert worst(found) is Result.PASS

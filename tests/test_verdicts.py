"""Verdicts in words: texts are made once, and what is the same is said by the same object."""

from matching.domain import BuiltIn, Result, Rule
from matching.verdicts import own_stated, said_of, stated, verdict

OWN = Rule(rule_id="debt", field="debt_ratio", operator="<=", value=0.7, clause="§ 3", source="2024 No. 3")


def test_a_built_in_rule_says_its_name_in_both_languages():
    found = stated(BuiltIn.AMOUNT, 2, "at most 5", "7", "yuan")
    assert (found.rule, found.result, found.threshold, found.actual) == ("amount", Result.FAIL, "at most 5", "7")
    assert found.clause == f"{found.message_zh} / {found.message_en}"


def test_an_own_rule_says_what_it_asks_and_what_it_found():
    found = verdict(OWN, Result.PASS, {"debt_ratio": 0.5}, OWN.value)
    assert (found.clause, found.source, found.unit) == ("§ 3", "2024 No. 3", "share")
    assert (found.threshold, found.actual) == ("at most 0.7", "0.5")


def test_rules_of_several_products_that_say_the_same_share_a_verdict():
    twin = OWN.model_copy()
    assert own_stated(said_of(OWN, 0.7), Result.PASS, "0.5") is own_stated(said_of(twin, 0.7), Result.PASS, "0.5")


def test_another_threshold_result_or_fact_is_another_verdict():
    known = {"debt_ratio": 0.5}
    found = {verdict(OWN, result, known, limit) for result in (Result.PASS, Result.FAIL) for limit in (0.6, 0.7)}
    assert len(found | {verdict(OWN, Result.PASS, {"debt_ratio": None}, 0.7)}) == 5

"""Verdicts in words: texts are made once, and what is the same is said by the same object."""

import pytest

from matching.domain import BuiltIn, Result, Rule
from matching.verdicts import message, own_stated, said_of, stated, verdict

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


@pytest.mark.parametrize(
    ("field", "operator", "value", "zh", "en"),
    [
        ("purchase_contract", "==", True, "已签设备购置合同：是", "Purchase contract signed: yes"),
        ("defaulted", "==", False, "债务违约或延迟支付仍在继续：否", "A default or late payment still goes on: no"),
        ("tax_grade", "in", ["A", "B"], "纳税信用等级属于A级、B级", "Tax grade: one of A, B"),
        ("size", "==", "small", "企业规模等于小型", "Size class: equal to Small"),
        (
            "tiers",
            "has",
            ["high_tech"],
            "梯度与名单包含高新技术企业",
            "Tiers and lists: including High-tech enterprise",
        ),
        ("ownership", "not_in", "foreign", "所有制不属于foreign", "Ownership: none of foreign"),
        ("debt_ratio", "<=", 0.7, "资产负债率不高于70%", "Debt ratio is at most 70%"),
        ("down_payment_share", ">=", 0.125, "首付比例不低于12.5%", "Down payment to price is at least 12.5%"),
        ("age_years", ">=", 2, "成立年限不低于2年", "Years since founded is at least 2 years"),
        ("term_months", "<=", 1, "期限不高于1个月", "Term is at most 1 month"),
        ("employees", ">=", 1000, "从业人员不低于1,000人", "Employees is at least 1,000"),
        ("revenue", ">=", 5e6, "营业收入不低于5,000,000", "Revenue is at least 5,000,000"),
        ("founded", "<=", "2020-01-01", "成立日期不高于2020-01-01", "Founded: at most 2020-01-01"),
    ],
)
def test_a_rule_without_words_of_its_own_is_told_without_codes_in_both_languages(field, operator, value, zh, en):
    rule = Rule(rule_id="own", field=field, operator=operator, value=value, clause="")
    assert message(rule) == (zh, en)


def test_a_rule_of_many_codes_is_told_in_as_many_characters_as_a_verdict_takes():
    rule = Rule(rule_id="own", field="region", operator="in", value=[f"CN/{i}" for i in range(100)], clause="")
    assert [len(one) for one in message(rule)] == [200, 200]

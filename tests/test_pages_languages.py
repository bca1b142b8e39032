"""The pages' words: every text is translated; numbers, money, days and verdicts are written as each language does."""

import re
import string
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import api.pages
from api.desk.queue import Show, Sort
from api.desk.reasons import OverrideReason
from api.desk.stages import CaseStage, Step
from api.desk.views import EventShown
from api.pages import events, words
from api.pages.languages import LOCALES, NONE, language, local
from api.pages.verdicts import Teller, fields_of, missing
from api.pages.views import Due
from matching.codes import DeclineReason
from matching.domain import Enterprise, Rule, Verdict
from tests import factories as make

PAGES = Path(api.pages.__file__).parent
HAN = re.compile(r"[\u4e00-\u9fff]")
OPTIONS = {
    "**/templates/**.html": {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
}
KEYWORDS = {"_": None, "gettext": None, "say": None, "marked": None, "ngettext": (1, 2)}
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
ZH, EN = language("zh-CN"), language("en")
DAY = date(2026, 1, 5)


def texts():
    """Every text that the pages look up: in the templates and in the code; a plural as its pair."""
    found = extract_from_dir(PAGES, METHODS, OPTIONS, KEYWORDS)
    return sorted({message for _, _, message, _, _ in found}, key=str)


def catalogue():
    with (LOCALES / "zh_CN" / "LC_MESSAGES" / "pages.po").open("rb") as file:
        return read_po(file, locale="zh_CN")


TEXTS = texts()
CATALOGUE = catalogue()


def places(text):
    return sorted(re.findall(r"%\(\w+\)[sd]|%%", text))


def test_the_pages_texts_are_found():
    assert len(TEXTS) > 150
    assert "Queue" in TEXTS
    assert ("%(num)d month", "%(num)d months") in TEXTS


@pytest.mark.parametrize("text", TEXTS, ids=str)
def test_every_text_is_there_in_chinese(text):
    single = text if isinstance(text, str) else text[0]
    message = CATALOGUE.get(single)
    assert message is not None
    assert not message.fuzzy
    told = [message.string] if isinstance(message.string, str) else list(message.string)
    assert all(HAN.search(one) for one in told)
    assert all(places(one) == places(text if isinstance(text, str) else text[1]) for one in told)


def test_no_translation_is_of_a_text_that_is_gone():
    known = {text if isinstance(text, str) else text[0] for text in TEXTS}
    assert {m.id if isinstance(m.id, str) else m.id[0] for m in CATALOGUE if m.id} == known


def test_no_text_in_a_template_stands_outside_the_catalogue():
    """Between tags there is nothing but marks: words come from the catalogue, the store or the codes."""
    commands = ("user add", "user password", "user disable", "key add", "key revoke")
    allowed = {f"python -m api {command}" for command in commands}
    for path in sorted((PAGES / "templates").glob("*.html")):
        plain = re.sub(
            r"{%-? *trans.*?endtrans *-?%}|{[{%#].*?[}%#]}|<[^>]*>", "\n", path.read_text("utf-8"), flags=re.DOTALL
        )
        words_left = {line.strip(string.whitespace + string.punctuation + "·–←→%") for line in plain.split("\n")}
        assert {word for word in words_left if any(map(str.isalpha, word)) and word not in allowed} == set(), path.name


def test_no_blank_follows_a_text_that_ends_in_a_mark_but_where_the_language_has_one():
    """Chinese writes none after its full stop and colon."""
    for path in sorted((PAGES / "templates").glob("*.html")):
        ended = r"""_\("[^"]+[:.]"(?:, [^{}]*)?\) }}\s+(?:{{|{% if|<code>)"""
        assert re.findall(ended, path.read_text("utf-8")) == [], path.name


@pytest.mark.parametrize("code", [*CaseStage, *Step, *OverrideReason, *Show, *Sort], ids=str)
def test_every_code_of_the_desk_speaks_both_languages(code):
    assert HAN.search(ZH.label(code))
    assert not HAN.search(EN.label(code))


def test_an_unknown_language_is_chinese():
    assert language("fr").code == "zh-CN"
    assert language("").code == "zh-CN"


@pytest.mark.parametrize(
    ("told", "zh", "en"),
    [
        (lambda one: one.money(4_200_000), "¥420万", "CN¥4.2M"),
        (lambda one: one.money(-35_000), "-¥3.5万", "-CN¥35K"),
        (lambda one: one.money(9_999), "¥9,999", "CN¥9,999"),
        (lambda one: one.money(120_000_000), "¥1.2亿", "CN¥120M"),
        (lambda one: one.money(4_234_567), "¥423.46万", "CN¥4.23M"),
        (lambda one: one.money(4_200_000, "USD"), "US$420万", "$4.2M"),
        (lambda one: one.exact(4_200_000), "¥4,200,000", "CN¥4,200,000"),
        (lambda one: one.percent(0.1234), "12%", "12%"),
        (lambda one: one.percent(0.1234, 1), "12.3%", "12.3%"),
        (lambda one: one.percent(-0.0004, 1), "0.0%", "0.0%"),
        (lambda one: one.percent(0.995786707), "99.6%", "99.6%"),
        (lambda one: one.percent(0.99996, 1), "99.996%", "99.996%"),
        (lambda one: one.percent(0.004), "0.4%", "0.4%"),
        (lambda one: one.percent(6e-8), "0.00001%", "0.00001%"),
        (lambda one: one.percent(4e-8), "0%", "0%"),
        (lambda one: one.percent(1), "100%", "100%"),
        (lambda one: one.percent(0.0), "0%", "0%"),
        (lambda one: one.number(Decimal("2.3550"), 3), "2.355", "2.355"),
        (lambda one: one.day(DAY), "2026年1月5日", "Jan 5, 2026"),
        (lambda one: one.month(DAY), "2026年1月", "January 2026"),
        (lambda one: one.half("贷款期限 / Term of the loan"), "贷款期限", "Term of the loan"),
        (lambda one: one.half("Art. 15"), "Art. 15", "Art. 15"),
        (lambda one: one.named(make.institution()), "甲银行", "Bank One"),
        (lambda one: one.named(make.institution().model_copy(update={"name_en": ""})), "甲银行", "甲银行"),
        (lambda one: one.named(make.institution().model_copy(update={"name_zh": ""})), "Bank One", "Bank One"),
        (lambda one: words.months(1, one), "1 个月", "1 month"),
        (lambda one: words.months(12, one), "12 个月", "12 months"),
    ],
)  # fmt: skip
def test_numbers_and_days_are_written_as_the_language_does(told, zh, en):
    assert told(ZH) == zh
    assert told(EN) == en


@pytest.mark.parametrize("form", ["money", "exact", "percent", "number", "day", "moment", "label"])
def test_what_is_unknown_is_a_dash(form):
    assert getattr(ZH, form)(None) == NONE


def test_a_time_of_the_store_is_shown_where_the_service_stands():
    at = datetime(2026, 1, 5, 9, 30)
    assert local(at) == at.replace(tzinfo=UTC)
    assert f"{at.replace(tzinfo=UTC).astimezone():%H:%M}" in EN.moment(at)


@pytest.mark.parametrize(
    ("path", "day", "zh", "en"),
    [
        ("CN/500000/500103", DAY, "渝中区", "Yuzhong"),
        ("CN/500000/500112", date(2025, 1, 1), "渝北区", "Yubei"),
        ("CN/500000/500112", DAY, "两江新区", "Liangjiang New Area"),
        ("CN/500000/509999", DAY, "500000/509999", "500000/509999"),
        ("US/CA/Los Angeles/90012", DAY, "CA/Los Angeles/90012", "CA/Los Angeles/90012"),
        ("US", DAY, "US", "US"),
        (None, DAY, NONE, NONE),
    ],
)
def test_a_place_has_its_name_of_the_day(path, day, zh, en):
    assert words.place(path, day, ZH) == zh
    assert words.place(path, day, EN) == en


@pytest.mark.parametrize(
    ("path", "en"),
    [("C/14/143", "Food (143)"), ("C", "C"), ("F/51", "F/51"), ("C/99", "C/99"), (None, NONE)],
)
def test_a_trade_has_its_division_s_name(path, en):
    assert words.trade(path, DAY, EN) == en


def test_facts_come_with_labels_and_units_and_without_ids():
    firm = make.enterprise(
        as_of=DAY,
        growth=0.052,
        tiers=("high_tech",),
        first_loan=True,
        cluster="none",
        ownership="private",
        tax_grade="A",
    )
    told = dict(words.facts(firm, EN, "CNY"))
    assert told == {
        "Region": "Yuzhong", "Industry": "General-purpose machinery (344)", "Ownership": "Private",
        "Founded": "Mar 1, 2015", "Employees": "120 people", "Revenue": "CN¥30,000,000",
        "Revenue growth": "5.2%", "Tax grade": "A", "Tiers and lists": "High-tech enterprise",
        "Manufacturing cluster": "none", "No loan on record": "Yes",
    }  # fmt: skip


def test_facts_from_before_a_table_s_first_day_are_shown_as_they_are():
    """The industries begin in 2017 and the clusters in 2023; somebody's last known facts may be older."""
    firm = make.enterprise(as_of=date(2016, 12, 31), industry="C/14/143", cluster="smart_equipment")
    told = dict(words.facts(firm, EN, "CNY"))
    assert {"C/14/143", "smart_equipment"} <= set(told.values())


def test_unknown_facts_are_named():
    told = words.unknown(Enterprise(enterprise_id="E1", as_of=DAY), ZH)
    assert "营业收入" in told
    assert "企业编号" not in told
    assert "纬度" not in told


@pytest.mark.parametrize(
    ("rule", "text", "unit", "zh", "en"),
    [
        ("amount", "at least 1, at most 20,000", "yuan", "不低于 ¥1、不高于 ¥2万", "at least CN¥1, at most CN¥20K"),
        ("term", "at most 1", "month", "不高于 1 个月", "at most 1 month"),
        ("purpose", "orders, equipment", "", "订单履约、设备购置", "Order fulfilment, Equipment"),
        ("collateral", "orders, equipment", "", "任一即可：订单、设备", "any of: Orders, Equipment"),
        ("collateral", "orders", "", "订单", "Orders"),
        ("first_loan", "equal to true", "", "是", "Yes"),
        ("max_debt_ratio", "at most 0.755", "share", "不高于 75.5%", "at most 75.5%"),
        ("max_debt_ratio", "0.75", "share", "75%", "75%"),
        ("min_age_years", "10.8410959", "year", "10.84 年", "10.84 years"),
        ("dates", "from 2026-01-05", "", "自 2026年1月5日 起", "from Jan 5, 2026"),
        ("region", "CN/500000/500103", "", "渝中区", "Yuzhong"),
        ("industry", "C/14/143", "", "食品制造业 (143)", "Food (143)"),
        ("kind", "any", "", "不限", "any"),
        ("cover", "the product's rate is not known", "share", "产品利率未知", "the product's rate is not known"),
        ("collateral", "none", "", "无", "none"),
        ("size", "one of small, micro", "", "属于 小型、微型", "one of Small, Micro"),
        ("orders", "infinite", "share", "无穷大", "infinite"),
        ("other", "1900 - 1950", "", "1900 - 1950", "1900 - 1950"),
    ],
)  # fmt: skip
def test_a_verdict_s_values_are_in_words(rule, text, unit, zh, en):
    verdict = Verdict(rule=rule, result="pass", clause="c", threshold=text, actual=None, unit=unit)
    assert Teller(ZH, "CNY", DAY).told(verdict, text) == zh
    assert Teller(EN, "CNY", DAY).told(verdict, text) == en


def test_the_days_of_an_offer_are_in_words():
    text = "from 2026-01-05 until before 2026-02-01"
    verdict = Verdict(rule="dates", result="pass", clause="c", threshold=text, actual=None, unit="")
    assert Teller(ZH, "CNY", DAY).told(verdict, text) == "自 2026年1月5日 起至 2026年2月1日 前"
    assert Teller(EN, "CNY", DAY).told(verdict, text) == "from Jan 5, 2026 until before Feb 1, 2026"


@pytest.mark.parametrize(
    ("threshold", "actual", "told"),
    [
        ("at most 0.7", "0.7004", ("at most 70%", "70.04%")),
        ("at most 0.7", "0.704", ("at most 70%", "70.4%")),
        ("at least 0.0003", "0.0002", ("at least 0.03%", "0.02%")),
        ("below 0.5", "0.499999999", ("below 50%", "49.9999999%")),
    ],
)
def test_a_share_is_told_apart_from_its_limit_and_from_nothing(threshold, actual, told):
    verdict = Verdict(rule="debt", result="fail", clause="c", threshold=threshold, actual=actual, unit="share")
    assert tuple(Teller(EN, "CNY", DAY).told(verdict, text) for text in (threshold, actual)) == told


@pytest.mark.parametrize(
    ("threshold", "actual", "zh", "en"),
    [
        ("at most 3,000,000", "3,000,001", "¥3,000,001", "CN¥3,000,001"),
        ("at most 3,000,000", "3,004,000", "¥300.4万", "CN¥3,004,000"),
        ("at most 3,000,000", "3,000,000", "¥300万", "CN¥3M"),
        ("at most 3,000,000", "3,500,000", "¥350万", "CN¥3.5M"),
        ("at least 100,000, at most 3,000,000", "99,999", "¥99,999", "CN¥99,999"),
    ],
)
def test_an_amount_is_told_apart_from_its_limit(threshold, actual, zh, en):
    verdict = Verdict(rule="amount", result="fail", clause="c", threshold=threshold, actual=actual, unit="yuan")
    assert Teller(ZH, "CNY", DAY).told(verdict, actual) == zh
    assert Teller(EN, "CNY", DAY).told(verdict, actual) == en


SIZED = Rule(rule_id="sized", field="amount_above_need", operator="<=", value=0, clause="§ 1", source="s")
RULED = make.product(rules=(SIZED,))


def judged(rule, actual, unit="yuan", result="review"):
    threshold = "at most 0"
    return Verdict(rule=rule, result=result, clause="c", threshold=threshold, actual=actual, unit=unit)


@pytest.mark.parametrize(
    ("actual", "zh", "en"),
    [("0", "未超出", "within it"), ("-12", "未超出", "within it"), ("1,200,000", "超出 ¥120万", "CN¥1.2M above it")],
)
def test_what_exceeds_a_limit_says_by_how_much_and_not_the_bare_difference(actual, zh, en):
    verdict = judged("sized", actual)
    for speaking, wanted, asked in ((ZH, zh, "不超出"), (EN, en, "nothing above it")):
        teller = Teller(speaking, "CNY", DAY, fields_of(RULED))
        assert (teller.told(verdict, actual), teller.told(verdict, "at most 0")) == (wanted, asked)
    assert Teller(EN, "CNY", DAY).told(verdict, "at most 0") == "at most CN¥0"


def test_rules_rest_on_facts_by_name():
    fields = fields_of(RULED)
    assert (fields["sized"], fields["term"], fields["kind"]) == ("amount_above_need", "term_months", "kinds")
    assert "dates" not in fields
    assert fields_of(None) == {name: field for name, field in fields.items() if name != "sized"}


def test_a_verdict_that_waits_names_what_to_ask_for():
    firm, need = make.enterprise(revenue=None, profit=5), make.need(term_months=None)
    waiting = [judged("sized", None), judged("term", None, "month"), judged("gone", None)]
    known = [judged("amount", "7"), judged("purpose", None, "", "pass")]
    found = missing([*waiting, *known], fields_of(RULED), (firm, need, DAY), ZH)
    assert [verdict for verdict, _ in found] == waiting
    assert [labels[:1] for _, labels in found] == [["营业收入"], ["期限"], []]


@pytest.mark.parametrize(
    ("left", "overdue", "days", "hours"),
    [
        (timedelta(days=2, hours=3), False, 2, 51),
        (timedelta(hours=3, minutes=1), False, 0, 4),
        (timedelta(seconds=5), False, 0, 1),
        (timedelta(0), False, 0, 1),
        (-timedelta(minutes=90), True, 0, 2),
        (-timedelta(days=1, hours=1), True, 1, 25),
    ],
)
def test_a_clock_counts_days_and_hours_begun(left, overdue, days, hours):
    due = Due(datetime(2026, 1, 5, tzinfo=UTC), left)
    assert (due.overdue, due.days, due.hours) == (overdue, days, hours)


OPENED = {"product_id": "P1", "rank": 2, "turn": 1}
CHANGED = {"from": "P1", "from_rank": 2, "to": "P9", "to_rank": 4}
FASTER = (OverrideReason.FASTER, OverrideReason.ASKED)
REPORTED = {"amount": 1_500_000, "rate_bp": 385.5, "at": "2025-01-09"}


@pytest.mark.parametrize(
    ("actor", "step", "stage", "reasons", "text", "detail", "zh", "en"),
    [
        (
            *("system", Step.OPEN, CaseStage.SUGGESTED, (), "", OPENED),
            ("系统", "推送至机构", (), ""),
            ("the desk itself", "Came to the institution", (), ""),
        ),
        (
            *("wang", Step.SUGGEST, CaseStage.ACCEPTED, FASTER, "sooner", CHANGED),
            ("wang", "改荐本机构其他产品", ("办理更快、企业要求", "Loan One → P9"), "sooner"),
            (
                "wang",
                "Another own product suggested",
                ("Decided sooner, The enterprise asked for it", "Loan One → P9"),
                "sooner",
            ),
        ),
        (
            *("key:A", Step.GRANT, CaseStage.GRANTED, (), "reported by key:A", REPORTED),
            ("key:A", "已授信", ("¥1,500,000", "年利率 3.855%", "由接口回写，发生于 2025年1月9日"), ""),
            ("key:A", "Granted", ("CN¥1,500,000", "3.855% a year", "Reported over the API; it was on Jan 9, 2025"), ""),
        ),
        (
            *("wang", Step.GRANT, CaseStage.GRANTED, (), "reported by key:A", {"rate_bp": 0.0}),
            ("wang", "已授信", ("年利率 0%",), "reported by key:A"),
            ("wang", "Granted", ("0% a year",), "reported by key:A"),
        ),
        (
            *("simulated", Step.DECLINE, CaseStage.DECLINED, (DeclineReason.DEBT,), "", {}),
            ("模拟操作", "已拒绝", ("资产负债率过高",), ""),
            ("made-up work", "Declined", ("Debt too high",), ""),
        ),
    ],
)
def test_an_event_is_told_in_the_page_s_language(actor, step, stage, reasons, text, detail, zh, en):
    at = datetime(2025, 1, 10, 12, tzinfo=UTC)
    event = EventShown(
        7, at, actor, step, CaseStage.CONTACTED, stage, reasons, text, detail, 3600, late=step is Step.OPEN
    )
    for tongue, told in ((ZH, zh), (EN, en)):
        expected = events.EventTold(at, *told, late=step is Step.OPEN)
        assert events.told(event, tongue, "CNY", {"P1": "Loan One"}) == expected

"""Everything that is shown is there in zh and in en: codes, fields, facts, rules and advice."""

import re
from datetime import date

import pytest

import matching.reference as reference
from matching.appetite import PARTS
from matching.clauses import OPERATORS
from matching.domain import BuiltIn, Coded, Entity, Rule
from matching.facts import FACTS, FactType
from matching.features import SPECIFICATION
from matching.fixes import LEVERS
from matching.leanings import LEANINGS
from matching.reference import programmes
from matching.rules import message
from matching.sides import Side
from matching.topics import SAID
from training.market.types import TYPES

HAN = re.compile(r"[\u4e00-\u9fff]")
CODES = [member for kind in Coded.__subclasses__() for member in kind]
FIELDS = [
    (cls.__name__, name, info)
    for cls in Entity.__subclasses__()
    if cls.__module__.startswith("matching.")
    for name, info in cls.model_fields.items()
]
VALUES = {
    FactType.NUMBER: 1,
    FactType.DAY: "2020-01-01",
    FactType.FLAG: True,
    FactType.CODE: ("A",),
    FactType.CODES: ("champion",),
    FactType.PATH: ("C/34",),
}
TOLD = {**SAID, **LEANINGS}
SYMBOLS = {"A", "B", "M", "C", "D"}  # tax grades are letters in both


@pytest.mark.parametrize("member", [pytest.param(m, id=f"{type(m).__name__}.{m.name}") for m in CODES])
def test_every_code_speaks_both_languages(member):
    assert member.en
    assert not HAN.search(member.en)
    assert HAN.search(member.zh) or member.zh in SYMBOLS


@pytest.mark.parametrize(("cls", "name", "info"), FIELDS, ids=[f"{cls}.{name}" for cls, name, _ in FIELDS])
def test_every_field_speaks_both_languages(cls, name, info):
    labels = info.json_schema_extra
    assert HAN.search(labels["zh"])
    assert labels["en"]
    assert not HAN.search(labels["en"])


@pytest.mark.parametrize("name", FACTS)
def test_every_fact_speaks_both_languages(name):
    fact = FACTS[name]
    assert HAN.search(fact.zh)
    assert fact.en
    assert not HAN.search(fact.en)


def test_every_built_in_rule_has_its_words():
    assert {rule.zh for rule in BuiltIn}.isdisjoint({rule.en for rule in BuiltIn})


@pytest.mark.parametrize("name", FACTS)
def test_a_rule_without_words_of_its_own_gets_them_in_both_languages(name):
    fact = FACTS[name]
    for operator in OPERATORS[fact.type]:
        zh, en = message(Rule(rule_id="r", field=name, operator=operator, value=VALUES[fact.type], clause=""))
        assert fact.zh in zh
        assert fact.en in en
        asked = ("：", ": ") if fact.type is FactType.FLAG else (operator.zh, operator.en)
        assert asked[0] in zh
        assert asked[1] in en


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in TYPES])
def test_every_rule_of_the_market_speaks_both_languages(kind):
    for rule in kind.rules:
        zh, en = message(rule)
        assert HAN.search(zh)
        assert not HAN.search(en)


RULES = [row for table in ("enhancement_rules", "ladder_rules") for row in programmes.every_criterion(table)]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.code) for row in RULES])
def test_every_rule_of_an_enhancement_or_a_rung_speaks_both_languages(row):
    assert HAN.search(row.rule.message_zh)
    assert row.rule.message_en
    assert not HAN.search(row.rule.message_en)
    for told in (row.rule.clause, row.rule.source):
        zh, en = told.split(" / ")
        assert HAN.search(zh)
        assert not HAN.search(en)


@pytest.mark.parametrize("one", [pytest.param(one, id=one.code) for one in programmes.programmes(date(2026, 1, 1))])
def test_every_enhancement_speaks_both_languages(one):
    assert HAN.search(one.name_zh)
    assert one.name_en
    assert not HAN.search(one.name_en)


def test_every_step_and_assumption_speaks_both_languages():
    told = [(rung.step_zh, rung.step_en) for rung in programmes.rungs(date(2026, 1, 1))]
    told += [(one.text_zh, one.text_en) for one in programmes.every_assumption()]
    assert all(HAN.search(zh) and en and not HAN.search(en) for zh, en in told)


def test_all_advice_speaks_both_languages():
    for field, rows in reference.changes(date(2025, 1, 1)).items():
        told = [(row.advice_zh, row.advice_en) for row in rows if row.value]
        assert all(HAN.search(zh) and not HAN.search(en) for zh, en in told)
        assert field in FACTS


def test_every_derived_fact_that_can_be_fixed_is_named_with_what_is_behind_it():
    assert all(HAN.search(FACTS[base].zh) and name in FACTS for name, (base, _) in LEVERS.items())


def test_everything_that_tells_candidates_apart_has_words():
    common = {feature.name for feature in SPECIFICATION if feature.side is Side.ENTERPRISE}
    assert TOLD.keys() == set(PARTS) - common


@pytest.mark.parametrize("name", TOLD)
def test_every_reason_speaks_both_languages(name):
    said = TOLD[name]
    assert all(HAN.search(text) for text in (said.topic.zh, said.zh))
    assert all(text and not HAN.search(text) for text in (said.topic.en, said.en, said.shown(0.0)[1]))


@pytest.mark.parametrize("name", TOLD)
def test_every_reason_fits_the_length_that_a_text_takes(name):
    said = TOLD[name]
    _, en = said.shown(-0.123456)
    assert len(f"{said.topic.en}; {said.en}: {en} (median of the candidates: {en})") <= 180


def test_a_topic_has_one_code_and_a_code_one_topic():
    topics = {said.topic for said in TOLD.values()}
    assert len({topic.code for topic in topics}) == len(topics)
    assert len({topic.zh for topic in topics}) == len({topic.en for topic in topics}) == len(topics)

"""The vocabulary: labels everywhere, limits held, nothing unknown let in."""

import inspect
import json
import re
from datetime import date

import pytest
from pydantic import TypeAdapter, ValidationError

from matching import domain
from matching.domain import Coded, Day, Entity, Kind, Operator, Rule
from tests.factories import enterprise, institution, need, outcome, product

DAY = TypeAdapter(Day)
CODES = [cls for _, cls in inspect.getmembers(domain, inspect.isclass) if issubclass(cls, Coded) and cls is not Coded]
ENTITIES = [
    cls for _, cls in inspect.getmembers(domain, inspect.isclass) if issubclass(cls, Entity) and cls is not Entity
]
FIELDS = [pytest.param(i, id=f"{cls.__name__}.{name}") for cls in ENTITIES for name, i in cls.model_fields.items()]


@pytest.mark.parametrize("info", FIELDS)
def test_every_field_has_a_label_in_both_languages(info):
    assert info.json_schema_extra["zh"].strip()
    assert info.json_schema_extra["en"].strip() == info.title
    assert info.json_schema_extra["zh"] != info.json_schema_extra["en"]


@pytest.mark.parametrize("codes", CODES)
def test_every_code_has_a_label_in_both_languages(codes):
    assert all(member.zh.strip() and member.en.strip() for member in codes)


@pytest.mark.parametrize("codes", CODES)
def test_no_two_codes_of_one_kind_share_a_label(codes):
    for language in ("zh", "en"):
        labels = [getattr(member, language) for member in codes]
        assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("codes", CODES)
def test_a_code_is_the_text_that_stands_in_a_table(codes):
    assert all(codes(str(member)) is member and "|" not in member for member in codes)


@pytest.mark.parametrize("cls", ENTITIES)
def test_every_entity_publishes_a_json_schema(cls):
    assert set(cls.model_json_schema()["properties"]) == set(cls.model_fields)


@pytest.mark.parametrize("entity", [enterprise(), need(), institution(), product(), outcome()])
def test_an_entity_survives_json(entity):
    assert type(entity).model_validate_json(entity.model_dump_json()) == entity


def test_an_entity_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        need().amount = 1


@pytest.mark.parametrize(
    ("make", "facts", "rule"),
    [
        (enterprise, {"colour": "red"}, "colour\n  Extra inputs are not permitted"),
        (enterprise, {"employees": "many"}, "employees\n  Input should be a valid integer"),
        (enterprise, {"employees": -1}, "employees\n  Input should be greater than or equal to 0"),
        (enterprise, {"growth": float("nan")}, "growth\n  Input should be a finite number"),
        (enterprise, {"latitude": 91}, "latitude\n  Input should be less than or equal to 90"),
        (enterprise, {"size": "huge"}, "size\n  Input should be 'large', 'medium', 'small' or 'micro'"),
        (enterprise, {"founded": date(1699, 12, 31)}, "founded\n  Input should be greater than or equal to 1700-01-01"),
        (enterprise, {"name": "名" * 201}, "name\n  String should have at most 200 characters"),
        (enterprise, {"name": "two\nlines"}, "name\n  String should match pattern"),
        (enterprise, {"enterprise_id": " E1"}, "enterprise_id\n  String should match pattern"),
        (enterprise, {"enterprise_id": "E/1"}, "enterprise_id\n  String should match pattern"),
        (enterprise, {"enterprise_id": "."}, "enterprise_id\n  String should match pattern"),
        (enterprise, {"enterprise_id": ".."}, "enterprise_id\n  String should match pattern"),
        (enterprise, {"region": "CN//500000"}, "region\n  String should match pattern"),
        (need, {"amount": 0}, "amount\n  Input should be greater than 0"),
        (need, {"amount": 10**15 + 1}, "amount\n  Input should be less than or equal to 1000000000000000"),
        (need, {"term_months": 601}, "term_months\n  Input should be less than or equal to 600"),
        (need, {"amount": None}, "amount\n  Input should be a valid integer"),
        (product, {"regions": ["CN"] * 1001}, "regions\n  Tuple should have at most 1000 items"),
        (product, {"rules": [{"rule_id": "r"}]}, "rules.0.field\n  Field required"),
        (outcome, {"propensity": 0}, "propensity\n  Input should be greater than 0"),
    ],
)
def test_an_entity_outside_its_limits_is_refused(make, facts, rule):
    with pytest.raises(ValidationError) as caught:
        make(**facts)
    assert rule in str(caught.value)


@pytest.mark.parametrize("key", ["...", ".1", "..1", ".. 1", "1..", "a", "名", "E 1"])
def test_an_id_may_hold_dots_beside_other_signs_and_more_than_two_alone(key):
    assert enterprise(enterprise_id=key).enterprise_id == key


@pytest.mark.parametrize("strict", [False, True])
def test_a_day_is_a_date_or_its_text(strict):
    assert DAY.validate_json('"2026-01-15"', strict=strict) == date(2026, 1, 15)
    assert DAY.validate_python(date(2026, 1, 15), strict=strict) == date(2026, 1, 15)
    assert enterprise(as_of="2026-01-15").as_of == date(2026, 1, 15)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "given",
    ["1794700800", "0", "2026-1-15", "20260115", "2026-W03-4", "2026-01- 1", "2026-01-15T00:00:00", "２０２６-01-15",
     "2026-02-30", "", 0, 1794700800, 1.5],
)  # fmt: skip
def test_what_is_no_date_is_no_day(given, strict):
    with pytest.raises(ValidationError, match=re.escape(f"is a date (YYYY-MM-DD), not {given!r}")):
        DAY.validate_json(json.dumps(given), strict=strict)
    with pytest.raises(ValidationError, match=r"is a date \(YYYY-MM-DD\)"):
        DAY.validate_python(given, strict=strict)


@pytest.mark.parametrize("value", [True, 0.7, 3.0, "A", ("A", "B")])
def test_a_rule_keeps_its_threshold_as_it_was_given(value):
    rule = Rule(rule_id="r", field="tax_grade", operator=Operator.IN, value=value, clause="3.1")
    again = Rule.model_validate_json(rule.model_dump_json())
    assert again.value == value
    assert type(again.value) is type(value)


def test_kinds_are_the_three_of_the_service():
    assert list(Kind) == ["credit", "bond", "leasing"]

"""The vocabulary: labels everywhere, limits held, nothing unknown let in."""

import inspect
from datetime import date

import pytest
from pydantic import ValidationError

from matching import domain
from matching.domain import Coded, Entity, Kind, Operator, Rule
from tests.factories import enterprise, institution, need, outcome, product

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


@pytest.mark.parametrize("value", [True, 0.7, 3.0, "A", ("A", "B")])
def test_a_rule_keeps_its_threshold_as_it_was_given(value):
    rule = Rule(rule_id="r", field="tax_grade", operator=Operator.IN, value=value, clause="3.1")
    again = Rule.model_validate_json(rule.model_dump_json())
    assert again.value == value
    assert type(again.value) is type(value)


def test_kinds_are_the_three_of_the_service():
    assert list(Kind) == ["credit", "bond", "leasing"]

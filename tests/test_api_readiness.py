"""Readiness over the wire: by value, by id, as a field of the enterprise, by the rules of a day."""

from datetime import date

from api.enquiring import show
from matching.readiness import Standing
from tests.factories import enterprise

URL = "/v1/readiness"
WHO = {"enterprise_id": "E-new", "region": "CN/500000/500106", "tiers": ["innovative", "specialised"]}


def ask(client, status=200, **body):
    response = client.post(URL, json=body)
    assert response.status_code == status, response.text
    return response.json()


def rules(answer):
    return {step["tier"]: step["valid_from"] for step in answer["ladder"]}


def test_an_enterprise_by_value_is_told_its_next_rung(client):
    answer = ask(client, enterprise=WHO)
    assert Standing.model_validate(answer).enterprise_id == "E-new"
    assert (answer["as_of"], answer["reached"], answer["next"]) == ("2025-01-10", "specialised", "little_giant")


def test_an_enterprise_by_id_is_judged_by_its_facts_and_the_day_s_rules(client):
    old, new = (ask(client, enterprise_id="E1", as_of=day) for day in ("2026-03-31", "2026-04-01"))
    assert (rules(old)["little_giant"], rules(new)["little_giant"]) == ("2022-08-01", "2026-04-01")
    assert old["ladder"][1]["met"] == ["place", "size", "revenue"]


def test_the_enterprise_shows_what_readiness_answers(client):
    shown = client.get("/v1/enterprises/E1?as_of=2026-04-01").json()
    assert shown["readiness"] == ask(client, enterprise_id="E1", as_of="2026-04-01")


def test_before_the_ladder_the_question_is_refused(client):
    day = "2022-07-31"
    problem = ask(client, 422, enterprise=WHO | {"as_of": day}, as_of=day)
    assert problem["errors"] == [
        {"field": "as_of", "rule": "is at least 2022-08-01, the table's first day, not 2022-07-31"}
    ]


def test_before_the_ladder_an_enterprise_is_shown_without_readiness():
    assert show(enterprise(), date(2022, 7, 31)).readiness is None
    assert show(enterprise(), date(2022, 8, 1)).readiness is not None


def test_either_an_enterprise_or_its_id_is_asked_about(client):
    assert ask(client, 422)["errors"] == [{"field": "enterprise_id", "rule": "is present, or enterprise is"}]
    both = ask(client, 422, enterprise=WHO, enterprise_id="E1")
    assert both["errors"] == [{"field": "enterprise_id", "rule": "is absent where enterprise is given"}]


def test_an_unknown_enterprise_is_not_found(client):
    assert ask(client, 404, enterprise_id="nobody")["status"] == 404


def test_facts_of_a_later_day_are_refused(client):
    problem = ask(client, 422, enterprise=WHO | {"as_of": "2025-01-11"})
    assert problem["errors"] == [
        {"field": "enterprise.as_of", "rule": "is not after as_of (2025-01-10), not 2025-01-11"}
    ]

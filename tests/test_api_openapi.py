"""OpenAPI: every request has an example that works, and every problem is documented."""

import json
import re
from pathlib import Path

import pytest

from api.desk.reasons import choices
from api.desk.screening import Standard
from api.desk.stages import Step
from api.messages import (
    EXAMPLE,
    EXAMPLE_BY_ID,
    EXAMPLE_LISTING,
    EXAMPLE_LISTING_BY_ID,
    EXAMPLE_OUTCOME,
    EXAMPLE_READINESS,
    ListingRequest,
    ReadinessRequest,
    RecommendationRequest,
)
from matching.codes import BuiltIn

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
PROBLEM = "application/problem+json"
MADE_UP = ("case_id", "recommendation_id", "cursor", "need_id")  # differ in each store: no example can be tried


@pytest.fixture(scope="module")
def schema(client):
    return client.get("/openapi.json").json()


def operations(schema):
    return [(path, method, found) for path, methods in schema["paths"].items() for method, found in methods.items()]


def test_every_route_of_the_issue_is_there(schema):
    assert {(method, path) for path, method, _ in operations(schema)} == {
        ("post", "/v1/recommendations"),
        ("get", "/v1/recommendations/{recommendation_id}"),
        ("post", "/v1/needs"),
        ("post", "/v1/outcomes"),
        ("get", "/v1/cases"),
        ("get", "/v1/cases/{case_id}"),
        ("post", "/v1/cases/{case_id}/steps"),
        ("get", "/v1/events"),
        ("get", "/v1/months/{month}"),
        ("get", "/v1/coordination"),
        ("get", "/v1/coordination/{need_id}"),
        ("post", "/v1/coordination/{need_id}/steps"),
        ("post", "/v1/readiness"),
        ("get", "/v1/products"),
        ("get", "/v1/products/{product_id}"),
        ("get", "/v1/enterprises/{enterprise_id}"),
        ("get", "/healthz"),
        ("get", "/readyz"),
    }


def test_the_page_of_the_api_loads_nothing_from_elsewhere(client):
    page = client.get("/docs").text
    loaded = set(re.findall(r'(?:src|href)="([^"]+)"', page))
    assert len(loaded) == 4
    assert all(address.startswith("/") for address in loaded)
    assert all(client.get(address).status_code == 200 for address in loaded)
    assert "url: '/openapi.json'" in page


def test_without_scripts_the_page_of_the_api_leads_to_what_it_shows(client):
    told = re.search(r"<noscript>(.*)</noscript>", client.get("/docs").text)[1]
    assert "This page needs scripts." in told
    assert "本页面需要脚本" in told
    assert set(re.findall(r'href="([^"]+)"', told)) == {"/openapi.json"}


def test_every_reference_leads_somewhere(schema):
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(schema)))
    assert {
        "Problem",
        "RecommendationRequest",
        "Recommendation",
        "Record",
        "EnterpriseGiven",
        "Stacks",
        "Standing",
    } <= names
    assert names <= set(schema["components"]["schemas"])


def test_every_body_and_parameter_has_an_example_but_those_that_the_service_itself_makes_up(schema):
    for path, _, operation in operations(schema):
        for body in operation.get("requestBody", {}).get("content", {}).values():
            assert body["examples"], path
        for parameter in operation.get("parameters", []):
            shown, made_up = {"examples", "default"} & set(parameter["schema"]), parameter["name"] in MADE_UP
            assert bool(shown) is not made_up, (path, parameter["name"])
            assert not made_up or "`" in parameter["description"], "where it is found"


def test_every_operation_that_can_fail_documents_its_problem(schema):
    for path, _, operation in operations(schema):
        failures = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert failures or path == "/healthz"
        assert all(set(answer["content"]) == {PROBLEM} for answer in failures.values())


@pytest.mark.parametrize("path", ["/v1/needs", "/v1/outcomes", "/v1/cases/{case_id}/steps"])
def test_what_is_sent_again_is_answered_alike_and_documented(schema, path):
    answers = schema["paths"][path]["post"]["responses"]
    assert answers["200"]["content"] == answers["201"]["content"]


@pytest.mark.parametrize("example", [EXAMPLE, EXAMPLE_BY_ID])
def test_the_examples_are_valid_requests(example):
    RecommendationRequest.model_validate_json(json.dumps(example), strict=True)


@pytest.mark.parametrize("example", [EXAMPLE_LISTING, EXAMPLE_LISTING_BY_ID])
def test_the_examples_of_a_listing_are_valid_requests(example):
    ListingRequest.model_validate_json(json.dumps(example), strict=True)


def test_the_example_of_a_listing_shows_a_whole_screen_that_says_what_each_standard_is(schema):
    told = schema["components"]["schemas"]["Screen"]["properties"]
    assert EXAMPLE_LISTING["screen"].keys() == told.keys()
    assert [told[one.value]["title"] for one in Standard] == [one.en for one in Standard]


def test_the_example_of_readiness_is_answered(client):
    ReadinessRequest.model_validate_json(json.dumps(EXAMPLE_READINESS), strict=True)
    assert client.post("/v1/readiness", json=EXAMPLE_READINESS).json()["next"] == "little_giant"


def test_the_example_by_value_is_answered(client):
    example = json.loads(json.dumps(EXAMPLE)) | {"as_of": "2025-01-10"}
    assert client.post("/v1/recommendations", json=example).status_code == 201


def test_the_examples_name_what_the_embedded_market_has_and_the_tour_does_not_use(schema, simulated):
    known = {
        "enterprise_id": set(simulated.enterprises["enterprise_id"]),
        "product_id": set(simulated.products["product_id"]),
        "institution_id": set(simulated.institutions["institution_id"]),
        "need_id": set(simulated.needs["need_id"]),
    }
    named = [(EXAMPLE_LISTING_BY_ID, "need_id"), (EXAMPLE_OUTCOME, "need_id"), (EXAMPLE_OUTCOME, "product_id")]
    found = [(name, example[name]) for example, name in [*named, (EXAMPLE_BY_ID, "enterprise_id")]]
    parameters = [one for _, _, operation in operations(schema) for one in operation.get("parameters", [])]
    tried = known.keys() - MADE_UP
    found += [(one["name"], one["schema"]["examples"][0]) for one in parameters if one["name"] in tried]
    assert len(found) > 6
    assert [(name, value) for name, value in found if value not in known[name]] == []
    assert EXAMPLE_LISTING_BY_ID["need_id"] != EXAMPLE_OUTCOME["need_id"]  # no case that the outcome would be a step of
    assert EXAMPLE_LISTING["need"]["need_id"] not in known["need_id"]
    assert EXAMPLE_LISTING["need"]["need_id"] not in README


def test_a_step_names_those_that_can_be_taken_and_the_reasons_that_they_take(schema):
    asked = schema["components"]["schemas"]["StepRequest"]["properties"]
    assert asked["step"]["enum"] == ["accept", "contact", "apply", "grant", "draw", "suggest", "decline", "withdraw"]
    reasons = {reason.value for step in (Step.DECLINE, Step.SUGGEST) for reason in choices(step)}
    assert set(asked["reasons"]["items"]["enum"]) == reasons | {"withdrawn"}
    assert all(reason in asked["reasons"]["description"] for reason in reasons)


def test_the_fields_carry_both_languages_and_their_units(schema):
    revenue = schema["components"]["schemas"]["Enterprise"]["properties"]["revenue"]
    assert (revenue["zh"], revenue["en"], revenue["unit"]) == ("营业收入", "Revenue", "yuan/year")


def test_the_example_of_what_failed_names_rules_that_every_product_has(schema):
    for answer in ("Recommendation", "Record"):
        shown = schema["components"]["schemas"][answer]["properties"]["failed"]["examples"][0]
        assert set(shown) <= {rule.value for rule in BuiltIn}


def test_a_listing_says_which_needs_its_id_names_and_when_it_has_no_open_case(schema):
    schemas = schema["components"]["schemas"]
    assert "loaded or listed" in schemas["ListingRequest"]["properties"]["need_id"]["description"]
    assert "ended for good" in schemas["ListingAnswer"]["properties"]["case_id"]["description"]


def test_an_outcome_says_that_a_later_report_of_a_stage_replaces_the_earlier_one(schema):
    said = " ".join(schema["paths"]["/v1/outcomes"]["post"]["description"].split())
    assert "a later report of it replaces the earlier one" in said
    assert "report each time all that is drawn by then" in said


def test_a_month_says_what_each_figure_of_its_grants_is(schema):
    schemas = schema["components"]["schemas"]
    assert schemas["MonthFigures"]["properties"]["grants"]["$ref"].endswith("/Grants")
    told = schemas["Grants"]
    figures = {name for name in told["properties"] if name != "count" and not name.startswith("by_")}
    assert {name for name in figures if f"`{name}`" not in told["description"]} == set()
    assert "acquisition rate" in schemas["Group"]["description"]

"""What is counted for who operates the service: by templates, never by paths, and nothing that is anybody's."""

from datetime import datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

from api.app import create_app
from api.desk.coordinating import coordinate
from api.desk.coordination import CoordinationStep
from api.desk.identity import Scope
from api.desk.keys import add_key
from api.settings import Settings
from api.store.desk_models import ListingRow
from tests import bundles, databases
from tests.conftest import NOON
from tests.desks import COMMISSION, Hands, listed, models_of

ASKED = {"enterprise_id": "E1", "need": {"amount": 2_000_000}}
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@pytest.fixture
def client(market_database, tmp_path, bundle, hands):
    """A service that has counted nothing yet."""
    settings = Settings(database_url=market_database, models=models_of(tmp_path, bundle), keys="never")
    with TestClient(create_app(settings, now=hands), raise_server_exceptions=False) as asking:
        yield asking


def read(text):
    """Each line's value by its name, with its labels in order of their names."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value for sample in samples}


def scrape(client):
    answer = client.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (200, TEXT)
    return read(answer.text)


def requests(found):
    """How many there were by (method, route, status), without the scrapes themselves."""
    counted = [(labels, count) for (name, *labels), count in found.items() if name == "matching_http_requests_total"]
    return {tuple(labels): count for labels, count in counted if labels[1] != "/metrics"}


def test_a_request_is_counted_by_its_routes_template_its_method_and_the_class_of_its_status(client):
    for path in ("/v1/products/P4", "/v1/products/P1", "/v1/products/none", "/desk/static/mark.svg", "/healthz"):
        client.get(path)
    client.head("/healthz")
    client.delete("/v1/products")
    client.get("/", follow_redirects=False)
    client.post("/v1/recommendations", json=ASKED)
    assert requests(scrape(client)) == {
        ("GET", "/v1/products/{product_id}", "2xx"): 2,
        ("GET", "/v1/products/{product_id}", "4xx"): 1,
        ("GET", "/desk/static/{path}", "2xx"): 1,
        ("GET", "/healthz", "2xx"): 2,
        ("DELETE", "/v1/products", "4xx"): 1,
        ("GET", "/", "3xx"): 1,
        ("POST", "/v1/recommendations", "2xx"): 1,
    }


def test_made_up_paths_and_methods_add_no_labels(client):
    client.get("/none")
    client.request("FOO", "/none")
    client.get("/desk/static/none")
    scrape(client)  # which is counted by the next one
    before = scrape(client)
    for i in range(200):
        client.get(f"/made/up/{i}")
        client.request(f"FOO{i}", f"/none?x={i}")
        client.get(f"/desk/static/{i}")
    after = scrape(client)
    assert after.keys() == before.keys()
    assert requests(after) == {
        ("GET", "other", "4xx"): 201,
        ("other", "other", "4xx"): 201,
        ("GET", "/desk/static/{path}", "4xx"): 201,
    }


def test_what_nobody_caught_is_counted_as_what_it_is_answered_by(client, monkeypatch):
    monkeypatch.setattr("api.routes.products.queries.products", lambda *_arguments: 1 / 0)
    assert client.get("/v1/products").status_code == 500
    assert requests(scrape(client)) == {("GET", "/v1/products", "5xx"): 1}


def test_who_left_before_the_answer_is_counted_so(client, monkeypatch):
    async def leave(_request, _limit):
        raise ClientDisconnect

    monkeypatch.setattr("api.requests.read_body", leave)
    with pytest.raises(AssertionError):  # the test's client waits for an answer
        TestClient(client.app).post("/v1/readiness", json={})
    assert requests(scrape(client)) == {("POST", "/v1/readiness", "left"): 1}


def test_the_histogram_of_a_route_adds_up(client):
    for path in ("/healthz", "/healthz", "/v1/products/P4"):
        client.get(path)
    found = scrape(client)
    name = "matching_http_request_duration_seconds"
    heights = [value for (of, *labels), value in found.items() if of == f"{name}_bucket" and labels[1] == "/healthz"]
    assert heights == sorted(heights)
    assert heights[-1] == found[f"{name}_bucket", "+Inf", "/healthz"] == found[f"{name}_count", "/healthz"] == 2
    assert found[f"{name}_sum", "/healthz"] > 0
    assert found[f"{name}_count", "/v1/products/{product_id}"] == 1


def test_recommendations_are_counted_with_their_seconds_where_they_were_ranked(client):
    for request in (ASKED, ASKED, {"need": {"amount": 1}}):
        client.post("/v1/recommendations", json=request)
    found = scrape(client)
    assert found["matching_ranking_seconds_count",] == 2
    assert found["matching_recording_seconds_count",] == 2
    assert found["matching_ranking_seconds_sum",] > 0
    assert found["matching_recording_seconds_sum",] > 0


def test_the_model_in_service_is_told_as_it_is_after_a_promotion(client, tmp_path):
    ready = client.get("/readyz").json()
    before = scrape(client)
    assert before["matching_model_info", ready["catalogue_version"], ready["model_id"]] == 1
    other = bundles.ranker(seed=1).save(tmp_path / "models")
    bundles.promote(tmp_path / "models", other.name)
    assert [one for one in scrape(client) if one[0] == "matching_model_info"] == [
        ("matching_model_info", ready["catalogue_version"], other.name)
    ]
    assert before["matching_ready",] == 1


def test_a_service_without_a_model_is_scraped_and_not_ready(deploy):
    with TestClient(create_app(deploy(promoted=False), now=lambda: NOON)) as client:
        found = scrape(client)
    assert found["matching_ready",] == 0
    assert found["matching_cases_open",] == 0
    assert [one for one in found if one[0] == "matching_model_info"] == []


def test_cases_are_counted_as_the_store_has_them_now_and_only_while_they_wait(client, hands):
    service = client.app.state.service
    assert waiting(client) == (0, 0)
    listed(service, "N3")
    hands.move(hours=20)
    listed(service, "N0")
    assert waiting(client) == (2, 0)
    hands.move(hours=5)
    assert waiting(client) == (2, 1)


def test_needs_to_coordinate_are_counted_until_they_are_settled(client, hands):
    service = client.app.state.service
    need_id = exhausted(service)
    assert coordination(client) == (1, 0)
    coordinate(service, COMMISSION, need_id, CoordinationStep.DISPATCH, 1, office="Fuling", until=service.today())
    assert coordination(client) == (1, 0)
    hands.move(hours=24)
    assert coordination(client) == (1, 1)
    coordinate(service, COMMISSION, need_id, CoordinationStep.SETTLE, 2, result="funded")
    assert coordination(client) == (0, 0)


def exhausted(service):
    """A need that nobody is left for."""
    need_id = listed(service, "N3").need_id
    with service.store.writing() as session:
        session.execute(update(ListingRow).values(exhausted_at=datetime(2025, 1, 10)))
    return need_id


def coordination(client):
    found = scrape(client)
    return found["matching_coordination_open",], found["matching_coordination_overdue",]


def waiting(client):
    found = scrape(client)
    return found["matching_cases_open",], found["matching_cases_overdue",]


def test_while_the_store_is_gone_no_number_of_cases_is_made_up(client):
    client.get("/healthz")
    with databases.gone(client.app.state.service.store):
        found = scrape(client)
    assert found["matching_ready",] == 0
    assert requests(found) == {("GET", "/healthz", "2xx"): 1}
    assert [one for one in found if one[0].startswith(("matching_cases", "matching_coord", "matching_model"))] == []


def test_two_services_of_one_process_count_for_themselves(client, deploy):
    client.get("/healthz")
    with TestClient(create_app(deploy(), now=lambda: NOON)) as other:
        assert requests(scrape(other)) == {}


@pytest.fixture
def guarded(market_database, tmp_path, bundle):
    settings = Settings(database_url=market_database, models=models_of(tmp_path, bundle), keys="always")
    with TestClient(create_app(settings, now=Hands())) as asking:
        yield asking


def keyed(client, *scopes, of=None):
    key = add_key(client.app.state.service.store, NOON, f"key {scopes} {of}", scopes, of)
    return client.get("/metrics", headers={"Authorization": f"Bearer {key}"})


def test_where_keys_are_needed_a_scrape_needs_one_that_reads_and_is_no_institutions(guarded):
    refused = guarded.get("/metrics")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert "matching_" not in refused.text
    assert keyed(guarded, Scope.READ).status_code == 200
    no_scope, bound = keyed(guarded, Scope.OUTCOMES), keyed(guarded, Scope.READ, of="I1")
    assert (no_scope.status_code, no_scope.json()["detail"]) == (403, "the key has no scope 'read'")
    assert bound.status_code == 403
    assert bound.json()["detail"] == "figures of the whole service are for no institution's key"


def test_a_scrape_tells_nothing_of_a_case_an_institution_an_enterprise_or_a_key(guarded):
    service = guarded.app.state.service
    case_id = listed(service).case_id
    key = add_key(service.store, NOON, "platform", list(Scope))
    headers = {"Authorization": f"Bearer {key}"}
    for path in (f"/v1/cases/{case_id}", "/v1/enterprises/E1", "/v1/cases?search=E1", f"/{key}"):
        guarded.get(path, headers=headers)
    text = guarded.get("/metrics", headers=headers).text
    assert 'route="/v1/cases/{case_id}"' in text
    assert [
        word for word in (case_id, "I1", "E1", "N3", "P4", "platform", *key.split("_", 2)[1:]) if word in text
    ] == []

"""The desk over JSON: keys and their scopes, needs, outcomes and steps, and what is refused."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from api import requests
from api.app import create_app
from api.desk import clockwork
from api.desk.cases import key_sent, sweep
from api.desk.clockwork import sweeping
from api.desk.cursors import Place, pack
from api.desk.identity import Scope
from api.desk.keys import add_key, revoke_key
from api.desk.screening import EXAMPLE_SCREEN
from api.desk.stages import CaseStage
from api.desk.views import Swept
from api.replaying import replay
from api.routes.months import MONTH
from api.settings import Settings
from api.store import arrays, queries
from api.store.desk_models import CaseRow, CatalogueRow, ListingRow, OutcomeRow
from api.store.models import EnterpriseRow, LoadRow, NeedRow, ProductRow, RecommendationRow
from matching.bundles import POINTER
from tests.desks import NOON, Hands, desk, listed, models_of

OUTCOME = {"need_id": "N3", "product_id": "P0", "stage": "contacted", "at": "2025-01-10"}
ASKED = {"enterprise_id": "E1", "need": {"amount": 2_000_000}}


@pytest.fixture
def client(market_database, tmp_path, bundle):
    settings = Settings(database_url=market_database, models=models_of(tmp_path, bundle))
    with TestClient(create_app(settings, now=Hands())) as client:
        yield client


def store(client):
    return client.app.state.service.store


def bearer(client, *scopes, institution_id=None):
    label = institution_id or "platform"
    key = add_key(store(client), client.app.state.service.now(), label, scopes, institution_id)
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def every(client):
    return bearer(client, *Scope)


@pytest.fixture
def case(client, every):
    """A case just opened, as JSON."""
    made = client.post("/v1/needs", json={"need_id": "N3"}, headers=every)
    assert made.status_code == 201
    return client.get(f"/v1/cases/{made.json()['case_id']}", headers=every).json()


def step(client, case, headers, **about):
    body = {"step": "accept", "version": 1} | about
    return client.post(f"/v1/cases/{case['item']['case_id']}/steps", json=body, headers=headers)


def problem(response, status):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return response.json()


def real(client):
    """As if the market were no simulated one."""
    with store(client).writing() as session:
        session.scalars(select(LoadRow)).one().simulated = False


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/needs", {"need_id": "N3"}),
        ("POST", "/v1/outcomes", OUTCOME),
        ("GET", "/v1/cases", None),
        ("GET", "/v1/cases/c1", None),
        ("GET", "/v1/events", None),
        ("GET", "/v1/months/2025-01", None),
        ("POST", "/v1/cases/c1/steps", {"step": "accept", "version": 1}),
        ("GET", "/v1/coordination", None),
        ("GET", "/v1/coordination/N3", None),
        ("POST", "/v1/coordination/N3/steps", {"step": "settle", "version": 1, "result": "funded"}),
    ],
)
def test_the_desk_always_needs_a_key_and_one_of_the_right_scope(client, method, path, body):
    without = client.request(method, path, json=body)
    assert problem(without, 401)["detail"].startswith("an API key is needed")
    assert without.headers["www-authenticate"] == "Bearer"
    wrong = {"GET": Scope.OUTCOMES, "POST": Scope.READ}[method]
    assert (
        "the key has no scope"
        in problem(client.request(method, path, json=body, headers=bearer(client, wrong)), 403)["detail"]
    )


@pytest.mark.parametrize("path", ["/v1/needs", "/v1/outcomes", "/v1/cases/c1/steps", "/v1/recommendations"])
@pytest.mark.parametrize("sent", [{"json": {"nobody": "asks for this"}}, {"data": {"a": "form"}}], ids=["json", "form"])
def test_without_a_key_nobody_is_told_what_is_wrong_with_a_body(client, path, sent):
    real(client)
    bearer(client, Scope.READ)
    assert problem(client.post(path, **sent), 401)["detail"].startswith("an API key is needed")


def test_recommendations_are_open_to_anybody_until_a_real_market_has_a_key(client):
    assert client.post("/v1/recommendations", json=ASKED).status_code == 201
    real(client)
    assert client.post("/v1/recommendations", json=ASKED).status_code == 201
    headers = bearer(client, Scope.RECOMMEND)
    problem(client.post("/v1/recommendations", json=ASKED), 401)
    assert client.post("/v1/recommendations", json=ASKED, headers=headers).status_code == 201
    assert client.get("/readyz").status_code == 200


def test_a_key_guards_no_simulated_market(client):
    bearer(client, Scope.RECOMMEND)
    assert client.post("/v1/recommendations", json=ASKED).status_code == 201
    real(client)
    problem(client.post("/v1/recommendations", json=ASKED), 401)


def test_a_real_market_stays_guarded_when_its_last_key_is_revoked(client):
    real(client)
    headers = bearer(client, Scope.RECOMMEND)
    revoke_key(store(client), client.app.state.service.now(), headers["Authorization"].split("_")[1])
    for answer in (client.post("/v1/recommendations", json=ASKED), client.get("/v1/products")):
        assert problem(answer, 401)["detail"].startswith("an API key is needed")


@pytest.mark.parametrize("path", ["/v1/products", "/v1/products/P1", "/v1/enterprises/E1"])
def test_what_is_read_needs_a_key_where_the_settings_say_always(market_database, tmp_path, bundle, path):
    settings = Settings(database_url=market_database, models=models_of(tmp_path, bundle), keys="always")
    with TestClient(create_app(settings, now=Hands())) as client:
        problem(client.get(path), 401)
        assert client.get(path, headers=bearer(client, Scope.READ)).status_code == 200


def test_a_revoked_or_made_up_key_is_refused_even_where_none_is_needed(client):
    headers = bearer(client, Scope.READ)
    assert client.get("/v1/products", headers=headers).status_code == 200
    revoke_key(store(client), client.app.state.service.now(), headers["Authorization"].split("_")[1])
    for given in (headers, {"Authorization": "Bearer x"}):
        assert problem(client.get("/v1/products", headers=given), 401)["detail"] == (
            "the API key is unknown or was revoked"
        )


def test_a_need_is_listed_once(client, every):
    first, again = (client.post("/v1/needs", json={"need_id": "N3"}, headers=every) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() | {"new": False} == again.json()


def test_a_need_is_listed_with_its_screen_which_its_case_and_the_month_tell(client, every):
    screen = EXAMPLE_SCREEN | {"on": "2025-01-09"}
    partly = {name: value for name, value in screen.items() if name != "good_credit"}
    made = client.post("/v1/needs", json={"need_id": "N3", "screen": partly}, headers=every)
    assert made.status_code == 201
    case = client.get(f"/v1/cases/{made.json()['case_id']}", headers=every).json()
    assert case["screen"] == partly | {"good_credit": None}
    assert client.post("/v1/needs", json={"need_id": "N3", "screen": partly}, headers=every).status_code == 200
    other = problem(client.post("/v1/needs", json={"need_id": "N3", "screen": screen}, headers=every), 409)
    assert other["detail"] == "need 'N3' is listed already, with another screen or none"
    client.post("/v1/needs", json={"need_id": "N0"}, headers=every)
    month = client.get("/v1/months/2025-01", headers=every).json()
    assert month["listings"] == {"listed": 2, "screened": 1}
    assert month["coverage"] == {"enterprises": 0, "listed": 0, "granted": 0}  # no figures of the last two years
    bank = bearer(client, Scope.READ, institution_id=case["item"]["institution_id"])
    assert client.get("/v1/months/2025-01", headers=bank).json()["listings"] is None


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"good_credit": False}, "screen.good_credit", "is true for a need on the white list (Good credit), not false"),
        ({"good_credit": 1}, "screen.good_credit", "is true or false, not 1"),
        ({"solvent": True}, "screen.solvent", "is a known field"),
        ({"by": ""}, "screen.by", "has at least 1 characters, not ''"),
        ({"on": "2025-01-11"}, "screen.on", "is not after today (2025-01-10), not 2025-01-11"),
    ],
)
def test_a_fault_in_a_screen_is_named_and_the_need_stays_off_the_white_list(client, every, change, field, rule):
    body = {"need_id": "N3", "screen": EXAMPLE_SCREEN | {"on": "2025-01-09"} | change}
    found = problem(client.post("/v1/needs", json=body, headers=every), 422)
    assert found["errors"] == [{"field": field, "rule": rule}]
    with store(client).reading() as session:
        assert session.scalars(select(ListingRow)).all() == []


def test_a_case_is_read_with_its_match_and_steps(client, every, case):
    queue = client.get("/v1/cases?size=10&search=e3", headers=every).json()
    assert [item["case_id"] for item in queue["items"]] == [case["item"]["case_id"]]
    assert (queue["total"], queue["after"]) == (1, None)
    assert case["legal"] == ["accept", "suggest", "decline", "withdraw"]
    assert case["match"]["product_id"] == case["item"]["product_id"] == "P0"
    assert [event["step"] for event in case["events"]] == ["open"]


def test_how_an_answer_is_written_is_worked_out_once_a_kind(client, every, case, monkeypatch):
    monkeypatch.setattr(requests, "TypeAdapter", None)  # the fixture has read the case once
    again = client.get(f"/v1/cases/{case['item']['case_id']}", headers=every)
    assert (again.status_code, again.json()) == (200, case)


def test_a_step_is_taken_once_by_its_key(client, every, case):
    first, again = (step(client, case, every | {"Idempotency-Key": "s-1"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() | {"repeated": True} == again.json()


def test_a_step_s_key_is_one_in_its_header_and_its_body(client, every, case):
    headers = every | {"Idempotency-Key": "s-1"}
    (fault,) = problem(step(client, case, headers, key="s-2"), 422)["errors"]
    assert (fault["field"], fault["rule"]) == ("key", "is that of the header Idempotency-Key, or absent")
    assert [step(client, case, headers, key="s-1").status_code for _ in range(2)] == [201, 200]
    assert step(client, case, every, key="s-1").status_code == 200


def test_an_illegal_step_names_the_legal_ones(client, every, case):
    found = problem(step(client, case, every, step="grant"), 409)
    assert found["legal"] == ["accept", "suggest", "decline", "withdraw"]
    assert "'grant' is not legal for a case that is suggested" in found["detail"]


def test_an_ended_case_has_no_legal_step_and_a_conflict_that_is_about_none_does_not_speak_of_steps(client, every, case):
    headers = every | {"Idempotency-Key": "s-1"}
    step(client, case, headers)
    used = problem(step(client, case, headers, version=2, text="again"), 409)
    assert (used["detail"], "legal" in used) == ("the key was used for another step", False)
    step(client, case, every, step="withdraw", version=2)
    ended = problem(step(client, case, every, version=3), 409)
    assert "no further step: the case has ended" in ended["detail"]
    assert ended["legal"] == []


@pytest.mark.parametrize(
    ("about", "field", "rule"),
    [
        ({"step": "jump"}, "step", "is one of accept, contact, apply, grant, draw, suggest, decline, withdraw, not"),
        ({"step": "expire"}, "step", "is one of accept, contact"),
        ({"step": "open"}, "step", "is one of accept, contact"),
        ({"version": 0}, "version", "is at least 1"),
        ({"step": "decline"}, "reasons", "has at least 1 items"),
        ({"step": "decline", "reasons": ["debt", "x"]}, "reasons", "is one of debt"),
        ({"step": "suggest", "reasons": ["faster"]}, "text", "is present: suggest needs words"),
        ({"step": "suggest", "reasons": ["faster"], "text": "sooner"}, "product_id", "is another product"),
        ({"colour": 1}, "colour", "is a known field"),
    ],
)
def test_a_fault_in_a_step_is_named(client, every, case, about, field, rule):
    (fault,) = problem(step(client, case, every, **about), 422)["errors"]
    assert (fault["field"], fault["rule"].startswith(rule)) == (field, True)


def test_an_outcome_is_a_step_of_its_case_and_is_kept_once(client, every, case):
    step(client, case, every)
    first, again = (client.post("/v1/outcomes", json=OUTCOME | {"key": "o-1"}, headers=every) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() | {"repeated": True} == again.json()
    assert first.json()["stage"] == "contacted"
    with store(client).reading() as session:
        assert session.scalars(select(OutcomeRow)).one().document == OUTCOME
        assert session.get_one(CaseRow, case["item"]["case_id"]).version == 3


def test_an_outcome_that_its_case_has_come_to_already_is_no_second_step(client, every, case):
    step(client, case, every)
    step(client, case, every, step="contact", version=2)
    made = client.post("/v1/outcomes", json=OUTCOME | {"key": "o-1"}, headers=every)
    assert (made.status_code, made.json()["stage"]) == (201, "contacted")


def test_an_outcome_that_its_case_has_gone_past_is_kept_and_is_no_step(client, every, case):
    for version, taken in enumerate(("accept", "contact", "apply", "decline"), start=1):
        about = {"reasons": ["debt"]} if taken == "decline" else {}
        assert step(client, case, every, step=taken, version=version, **about).status_code == 201
    made = client.post("/v1/outcomes", json=OUTCOME | {"key": "o-1"}, headers=every)
    assert (made.status_code, made.json()["stage"]) == (201, "declined")
    with store(client).reading() as session:
        assert session.scalars(select(OutcomeRow)).one().document == OUTCOME
        assert session.get_one(CaseRow, case["item"]["case_id"]).version == 5
    drawn = OUTCOME | {"key": "o-2", "stage": "drawn"}
    assert problem(client.post("/v1/outcomes", json=drawn, headers=every), 409)["legal"] == []


def test_no_more_is_reported_as_drawn_than_was_granted_once_the_case_has_ended(client, every, case):
    for version, taken in enumerate(("accept", "contact", "apply", "grant", "draw"), start=1):
        about = {"amount": 4_000_000} if taken == "grant" else {}
        assert step(client, case, every, step=taken, version=version, **about).status_code == 201
    drawn = OUTCOME | {"stage": "drawn"}
    over = client.post("/v1/outcomes", json=drawn | {"key": "o-1", "amount": 4_000_001}, headers=every)
    assert "amount: is at most the 4000000 granted, not 4000001" in problem(over, 422)["detail"]
    within = client.post("/v1/outcomes", json=drawn | {"key": "o-1", "amount": 4_000_000}, headers=every)
    assert (within.status_code, within.json()["stage"]) == (201, "drawn")


@pytest.mark.parametrize("by", ["report", "officer"])
@pytest.mark.parametrize("corrected", [5_000_000, 3_000_000])
def test_what_may_be_drawn_of_a_case_is_what_its_grant_was_last_reported_to_be(client, every, case, corrected, by):
    for version, taken in enumerate(("accept", "contact", "apply", "grant"), start=1):
        about = {"amount": 4_000_000} if taken == "grant" else {}
        assert step(client, case, every, step=taken, version=version, **about).status_code == 201
    again = OUTCOME | {"stage": "granted", "key": "o-1", "amount": corrected}
    assert client.post("/v1/outcomes", json=again, headers=every).status_code == 201

    def draw(amount):
        if by == "officer":
            return step(client, case, every, step="draw", version=5, amount=amount)
        drawn = OUTCOME | {"stage": "drawn", "key": f"o-{amount}", "amount": amount}
        return client.post("/v1/outcomes", json=drawn, headers=every)

    assert f"amount: is at most the {corrected} granted" in problem(draw(corrected + 1), 422)["detail"]
    assert draw(corrected).status_code == 201


def told(client, headers, stage, day, **about):
    """A report of a match that has no case, a moment later than the one before."""
    client.app.state.service.now.move(seconds=1)
    body = OUTCOME | {"key": str(client.app.state.service.now.at), "product_id": "P1", "stage": stage}
    return client.post("/v1/outcomes", json=body | {"at": f"2025-01-{day:02}"} | about, headers=headers)


@pytest.mark.parametrize(
    ("first", "second", "detail"),
    [
        (("granted", 8, 300), ("drawn", 8, 301), "amount: is at most the 300 granted, not 301"),
        (("drawn", 8, 300), ("granted", 8, 299), "amount: is at least the 300 drawn, not 299"),
        (("granted", 9, 300), ("drawn", 8, 300), "at: is not before it was granted (2025-01-09), not 2025-01-08"),
        (("applied", 9, 300), ("drawn", 8, 300), "at: is not before it was applied (2025-01-09), not 2025-01-08"),
        (("drawn", 8, 300), ("granted", 9, 300), "at: is not after it was drawn (2025-01-08), not 2025-01-09"),
    ],
)
def test_what_is_reported_of_one_match_agrees_without_a_case_too(client, every, first, second, detail):
    for stage, day, amount in (first, ("contacted", 10, 1)):
        assert told(client, every, stage, day, amount=amount).status_code == 201
    stage, day, amount = second
    assert detail in problem(told(client, every, stage, day, amount=amount), 422)["detail"]
    assert told(client, every, stage, first[1], amount=first[2]).status_code == 201


def test_a_report_is_held_to_the_latest_one_of_another_stage_and_not_to_its_own(client, every):
    for stage, amount in (("granted", 300), ("granted", 500), ("drawn", 200), ("drawn", 500), ("drawn", 400)):
        assert told(client, every, stage, 9, amount=amount).status_code == 201
    assert told(client, every, "granted", 9, amount=400).status_code == 201
    assert told(client, every, "granted", 9).status_code == 201
    assert told(client, every, "drawn", 9, amount=600).status_code == 201


def test_a_grant_is_not_reported_smaller_than_what_its_case_has_drawn(client, every, case):
    for version, taken in enumerate(("accept", "contact", "apply", "grant", "draw"), start=1):
        about = {"amount": 3_000_000} if taken in ("grant", "draw") else {}
        assert step(client, case, every, step=taken, version=version, **about).status_code == 201
    granted = OUTCOME | {"stage": "granted", "key": "o-1", "amount": 2_999_999}
    less = problem(client.post("/v1/outcomes", json=granted, headers=every), 422)
    assert "amount: is at least the 3000000 drawn, not 2999999" in less["detail"]
    assert client.post("/v1/outcomes", json=granted | {"amount": 3_000_000}, headers=every).status_code == 201


def test_an_outcome_that_is_no_legal_step_is_refused_and_not_kept(client, every, case):
    found = problem(client.post("/v1/outcomes", json=OUTCOME | {"key": "o-1", "stage": "drawn"}, headers=every), 409)
    assert "accept" in found["legal"]
    with store(client).reading() as session:
        assert session.scalars(select(OutcomeRow)).all() == []


def test_a_decline_hands_the_need_on_and_a_withdrawal_does_not(client, every, case):
    declined = OUTCOME | {"key": "o-1", "stage": "declined", "reason_code": "debt"}
    assert client.post("/v1/outcomes", json=declined, headers=every).json()["stage"] == "declined"
    (following,) = client.get("/v1/cases", headers=every).json()["items"]
    left = declined | {"key": "o-2", "product_id": following["product_id"], "reason_code": "withdrawn"}
    assert client.post("/v1/outcomes", json=left, headers=every).json()["stage"] == "withdrawn"
    assert client.get("/v1/cases", headers=every).json()["total"] == 0


def test_to_decline_a_case_by_an_outcome_without_a_reason_names_the_field_that_lacks(client, every, case):
    declined = OUTCOME | {"key": "o-1", "stage": "declined"}
    (fault,) = problem(client.post("/v1/outcomes", json=declined, headers=every), 422)["errors"]
    assert (fault["field"], fault["rule"]) == ("reason_code", "is present: to decline a case needs a reason")
    other = client.post("/v1/outcomes", json=declined | {"product_id": "P1"}, headers=every)
    assert (other.status_code, other.json()["case_id"]) == (201, None)


def test_an_outcome_of_a_match_without_a_case_is_kept(client, every):
    made = client.post("/v1/outcomes", json=OUTCOME | {"key": "o", "stage": "shown", "position": 2}, headers=every)
    assert made.status_code == 201
    assert (made.json()["case_id"], made.json()["stage"]) == (None, None)


def test_an_outcome_of_a_need_that_was_only_recommended_for_is_kept(client, every):
    made = client.post("/v1/recommendations", json=ASKED).json()
    outcome = OUTCOME | {"key": "o", "need_id": made["need_id"], "stage": "shown"}
    assert client.post("/v1/outcomes", json=outcome, headers=every).status_code == 201


def test_a_need_that_was_recommended_for_twice_was_posted_when_it_was_first(client, every):
    for posted in ("2025-01-08", "2025-01-09"):
        need = {"need_id": "N-asked", "amount": 2_000_000, "posted_at": posted}
        assert client.post("/v1/recommendations", json=ASKED | {"need": need}).status_code == 201
        client.app.state.service.now.move(hours=1)
    outcome = OUTCOME | {"need_id": "N-asked", "stage": "shown"}
    made = client.post("/v1/outcomes", json=outcome | {"key": "o-1", "at": "2025-01-08"}, headers=every)
    assert made.status_code == 201
    early = client.post("/v1/outcomes", json=outcome | {"key": "o-2", "at": "2025-01-07"}, headers=every)
    assert "at: is not before its need was posted" in problem(early, 422)["detail"]


@pytest.mark.parametrize(
    ("change", "status", "detail"),
    [
        ({"need_id": "N-none"}, 404, "need 'N-none' does not exist"),
        ({"product_id": "P-none"}, 404, "product 'P-none' does not exist"),
        ({"at": "2025-01-11"}, 422, "at: is not after today (2025-01-10), not 2025-01-11"),
        ({"at": "2023-01-01"}, 422, "at: is not before its need was posted"),
        ({"stage": "granted", "amount": 0}, 422, "amount: is above 0 and at most"),
        ({"stage": "drawn", "amount": 0}, 422, "amount: is above 0 and at most"),
        ({"key": None}, 422, "key: is present, or the header Idempotency-Key is"),
        ({"stage": "won"}, 422, "stage: is one of shown, contacted"),
    ],
)
def test_an_outcome_that_training_could_not_use_is_refused(client, every, change, status, detail):
    body = OUTCOME | {"key": "o", "stage": "shown"} | change
    assert detail in problem(client.post("/v1/outcomes", json=body, headers=every), status)["detail"]


@pytest.mark.parametrize("key", ["放款-1", "crédit"])
def test_an_outcomes_key_is_the_same_in_its_header_and_in_its_body(client, every, key):
    body = OUTCOME | {"stage": "shown"}
    first = client.post("/v1/outcomes", json=body, headers=every | {"Idempotency-Key": key.encode()})
    again = client.post("/v1/outcomes", json=body | {"key": key}, headers=every)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["key"] == again.json()["key"] == key


def test_a_header_that_is_no_utf_8_is_read_as_the_web_has_it():
    assert key_sent("cr\xe9dit", "crédit") == "crédit"


def test_a_key_that_named_another_outcome_is_refused(client, every):
    body = OUTCOME | {"key": "o", "stage": "shown"}
    assert client.post("/v1/outcomes", json=body, headers=every).status_code == 201
    found = problem(client.post("/v1/outcomes", json=body | {"position": 3}, headers=every), 409)
    assert found["detail"] == "the key named another outcome before"
    both = client.post("/v1/outcomes", json=body, headers=every | {"Idempotency-Key": "p"})
    assert "key: is that of the header" in problem(both, 422)["detail"]


def follow(client, headers, cursor=None):
    """What a platform reads that asks on until there is nothing more; and where it would go on."""
    items, more = [], True
    while more:
        asked = {"size": 2} | ({"cursor": cursor} if cursor else {})
        found = client.get("/v1/events", params=asked, headers=headers).json()
        items, cursor, more = items + found["items"], found["after"], found["more"]
    return items, cursor


def test_events_tell_each_step_of_each_case_once_whoever_took_it(client, every, case):
    first, cursor = follow(client, every)
    step(client, case, every)
    step(client, case, every, step="decline", version=2, reasons=["debt"], text="two loans already")
    client.post("/v1/needs", json={"need_id": "N0"}, headers=every)
    client.app.state.service.now.move(days=3)
    swept = sweep(client.app.state.service, client.app.state.service.now())
    rest, cursor = follow(client, every, cursor)
    assert [(event["case_id"], event["step"]) for event in first] == [(case["item"]["case_id"], "open")]
    assert [event["step"] for event in rest[:4]] == ["accept", "decline", "open", "open"]
    late = [(event["step"], event["case_id"]) for event in rest[4:]]
    assert sorted(late) == sorted([("expire", one) for one in swept.expired] + [("open", one) for one in swept.opened])
    assert (len(swept.expired), len(swept.opened) > 0) == (2, True)
    assert rest[1]["reasons"] == ["debt"]
    names = ("case_id", "need_id", "enterprise_id", "institution_id")
    assert [rest[1][name] for name in names] == [case["item"][name] for name in names]
    shown = client.get(f"/v1/cases/{case['item']['case_id']}", headers=every).json()["events"]
    told = [
        {k: v for k, v in one.items() if k not in names}
        for one in first + rest
        if one["case_id"] == case["item"]["case_id"]
    ]
    assert told == shown
    assert follow(client, every, cursor) == ([], cursor)


def test_before_anything_has_happened_there_is_no_place_to_go_on_from(client, every):
    assert client.get("/v1/events", headers=every).json() == {"items": [], "after": None, "more": False}


@pytest.mark.parametrize(
    "cursor", ["xx", pack(Place(False, 1, "c1"), "amount"), pack(Place(False, 1.5, "c1"), "events")]
)
def test_events_are_not_gone_on_with_from_a_place_that_they_did_not_give(client, every, cursor):
    found = problem(client.get("/v1/events", params={"cursor": cursor}, headers=every), 422)
    assert found["errors"] == [{"field": "cursor", "rule": "is one that a page of this order gave"}]


@pytest.mark.parametrize(
    ("row", "what", "method", "path", "body"),
    [
        (NeedRow, "need 'N1'", "POST", "/v1/needs", {"need_id": "N1"}),
        (EnterpriseRow, "enterprise 'E1'", "GET", "/v1/enterprises/E1", None),
        (EnterpriseRow, "enterprise 'E1'", "POST", "/v1/recommendations", ASKED),
        (ProductRow, "product 'P0'", "GET", "/v1/cases/{case_id}", None),
    ],
)
def test_what_another_version_has_stored_is_named_with_what_this_one_cannot_read(
    client, every, case, row, what, method, path, body
):
    with store(client).writing() as session:
        for one in session.scalars(select(row)):
            one.document = one.document | {"later_field": 1}
    found = client.request(method, path.format(**case["item"]), json=body, headers=every)
    why = f"{what} was stored by another version of the service, this one cannot read its later_field"
    assert problem(found, 503)["detail"] == why


@pytest.mark.parametrize(
    ("column", "method", "path", "body"),
    [
        ("request", "GET", "/v1/recommendations/{recommendation_id}", None),
        ("answer", "GET", "/v1/recommendations/{recommendation_id}", None),
        ("request", "GET", "/v1/cases/{case_id}", None),
        ("answer", "GET", "/v1/cases/{case_id}", None),
        ("answer", "POST", "/v1/cases/{case_id}/steps", {"step": "decline", "version": 1, "reasons": ["tax"]}),
        ("request", "POST", "/v1/cases/{case_id}/steps", {"step": "decline", "version": 1, "reasons": ["tax"]}),
        ("request", "POST", "/v1/needs", {"need_id": "N3"}),
    ],
)
def test_a_record_of_another_version_is_named_with_what_this_one_cannot_read(
    client, every, case, column, method, path, body
):
    with store(client).writing() as session:
        row = session.scalars(select(RecommendationRow)).one()
        setattr(row, column, getattr(row, column) | {"later_field": 1})
        recommendation_id = row.recommendation_id
    named = case["item"] | {"recommendation_id": recommendation_id}
    found = client.request(method, path.format(**named), json=body, headers=every)
    why = f"recommendation {recommendation_id!r} was stored by another version of the service"
    assert problem(found, 503)["detail"] == f"{why}, this one cannot read its later_field"


def test_a_record_is_replayed_and_equal(client):
    full = {"explain": True, "fix": True, "stack": True}
    made = client.post("/v1/recommendations", json=ASKED | full).json()
    found = client.get(f"/v1/recommendations/{made['id']}?replay=true").json()
    assert found["replay"] == {"equal": True, "why": "", "differences": []}
    assert len(found["rules_version"]) == 16
    assert client.get(f"/v1/recommendations/{made['id']}").json()["replay"] is None


def change_catalogue(client, most=5):
    """As a load of tables in which a product takes other amounts."""
    with store(client).writing() as session:
        queries.upsert(
            session, [queries.product(session, "P0", Hands().at.date()).model_copy(update={"max_amount": most})]
        )
        load = queries.last_load(session)
        again = {name: getattr(load, name) for name in ("loaded_at", "source", "currency", "attribution", "simulated")}
        session.add(LoadRow(**again, fingerprint=f"changed to {most}"))


def test_a_record_is_replayed_from_the_catalogue_that_it_was_made_of(client):
    made = client.post("/v1/recommendations", json=ASKED).json()
    change_catalogue(client)
    later = client.post("/v1/recommendations", json=ASKED).json()
    assert later["catalogue_version"] != made["catalogue_version"]
    assert later["candidates"] == made["candidates"] - 1
    assert client.get(f"/v1/recommendations/{made['id']}?replay=true").json()["replay"]["equal"] is True


def test_records_of_two_former_catalogues_are_replayed_each_from_its_own(client):
    made = []
    for most in (5, 6):
        made.append(client.post("/v1/recommendations", json=ASKED).json())
        change_catalogue(client, most)
    assert made[0]["catalogue_version"] != made[1]["catalogue_version"]
    found = [client.get(f"/v1/recommendations/{one['id']}?replay=true").json()["replay"] for one in made]
    assert [one["equal"] for one in found] == [True, True]


def test_records_of_one_former_catalogue_that_are_replayed_at_once_have_it_read_once(client, monkeypatch):
    service, kept_catalogue, read = client.app.state.service, queries.kept_catalogue, []

    def noted(session, version):
        read.append(version)
        return kept_catalogue(session, version)

    monkeypatch.setattr(queries, "kept_catalogue", noted)
    made = [client.post("/v1/recommendations", json=ASKED).json() for _ in range(4)]
    change_catalogue(client)
    with ThreadPoolExecutor(len(made)) as pool:
        found = list(pool.map(lambda one: replay(service, one["id"]), made))
    assert [one.equal for one in found] == [True] * len(made)
    assert read == [made[0]["catalogue_version"]]


def test_a_replay_says_where_it_comes_out_otherwise(client):
    made = client.post("/v1/recommendations", json=ASKED).json()
    with store(client).writing() as session:
        row = queries.recommendation(session, made["id"], features=True)
        answer = row.answer | {"candidates": 99}
        answer["matches"][0]["score"] = 0.5
        row.answer, row.rules_version = answer, "other"
        row.scores = arrays.pack_vector(np.zeros(made["candidates"]))
    found = client.get(f"/v1/recommendations/{made['id']}?replay=true").json()["replay"]
    assert found["equal"] is False
    where = [one["where"] for one in found["differences"]]
    assert where[:3] == ["rules_version", "candidates", "matches[1].score"]
    assert {"was": "99", "now": "5", "where": "candidates"} in found["differences"]
    assert sum(one.startswith("scores.") for one in where) == made["candidates"]


def test_a_replay_names_a_list_of_another_length_and_takes_it_not_amiss_that_a_record_has_no_version_of_rules(client):
    made = client.post("/v1/recommendations", json=ASKED).json()
    with store(client).writing() as session:
        row = queries.recommendation(session, made["id"])
        row.answer, row.rules_version = row.answer | {"matches": row.answer["matches"][:1]}, None
    found = client.get(f"/v1/recommendations/{made['id']}?replay=true").json()["replay"]
    assert [one["where"] for one in found["differences"]] == ["matches"]


@pytest.mark.parametrize("other", ["products", "features"])
def test_of_other_candidates_or_features_a_replay_compares_no_numbers(client, other):
    made = client.post("/v1/recommendations", json=ASKED).json()
    with store(client).writing() as session:
        row = queries.recommendation(session, made["id"], features=True)
        if other == "products":
            row.product_ids = arrays.pack_ids(arrays.unpack_ids(row.product_ids)[::-1])
        else:
            row.feature_names = row.feature_names[::-1]
    found = client.get(f"/v1/recommendations/{made['id']}?replay=true").json()["replay"]
    assert [one["where"] for one in found["differences"]] == ["candidates"]


@pytest.mark.parametrize("was", [np.nan, 1e9])
def test_of_many_differences_a_replay_tells_the_first_twenty(client, was):
    made = client.post("/v1/recommendations", json=ASKED).json()
    with store(client).writing() as session:
        row = queries.recommendation(session, made["id"], features=True)
        row.features = arrays.pack_matrix(np.full((made["candidates"], len(row.feature_names)), was))
    found = client.get(f"/v1/recommendations/{made['id']}?replay=true").json()["replay"]
    assert [one["where"].split(".")[0] for one in found["differences"]] == ["features"] * 20
    assert {one["was"] for one in found["differences"]} == {str(was)}
    assert str(was) not in {one["now"] for one in found["differences"]}


def test_a_record_is_replayed_where_no_model_is_in_service(client):
    made = client.post("/v1/recommendations", json=ASKED).json()
    settings = client.app.state.service.settings
    (settings.models / POINTER).unlink()
    with TestClient(create_app(settings, now=Hands())) as bare:
        assert bare.get("/readyz").status_code == 503
        assert bare.get(f"/v1/recommendations/{made['id']}?replay=true").json()["replay"]["equal"] is True


@pytest.mark.parametrize("missing", ["model", "catalogue"])
def test_a_replay_says_what_is_missing(client, missing):
    made = client.post("/v1/recommendations", json=ASKED).json()
    with store(client).writing() as session:
        row = queries.recommendation(session, made["id"])
        setattr(row, {"model": "model_id", "catalogue": "catalogue_version"}[missing], "gone")
    found = client.get(f"/v1/recommendations/{made['id']}?replay=true").json()["replay"]
    assert (found["equal"], found["why"]) == (None, f"{missing} 'gone' does not exist")


def test_a_replay_says_what_of_its_catalogue_this_version_cannot_read(client):
    made = client.post("/v1/recommendations", json=ASKED).json()
    change_catalogue(client)
    with store(client).writing() as session:
        kept = session.get(CatalogueRow, made["catalogue_version"])
        rows = json.loads(arrays.unpack_text(kept.document))
        rows["institutions"][0]["later_field"] = 1
        kept.document = arrays.pack_text(json.dumps(rows))
    found = client.get(f"/v1/recommendations/{made['id']}?replay=true").json()["replay"]
    why = f"institution {rows['institutions'][0]['institution_id']!r} was stored by another version of the service"
    assert (found["equal"], found["why"]) == (None, f"{why}, this one cannot read its later_field")


@pytest.mark.parametrize("damaged", [b"", b"Z", b"Y another packing", b"Z" + b"\xff" * 8, b"Z" + b"\x7f" * 99])
@pytest.mark.parametrize("column", ["product_ids", "scores", "features"])
def test_what_cannot_be_unpacked_of_a_record_is_told_with_its_name(client, column, damaged):
    made = client.post("/v1/recommendations", json=ASKED).json()
    with store(client).writing() as session:
        setattr(queries.recommendation(session, made["id"], features=True), column, damaged)
    why = f"recommendation {made['id']!r} was stored by another version of the service or damaged since"
    where = f"/v1/recommendations/{made['id']}"
    assert problem(client.get(f"{where}?features=true"), 503)["detail"] == f"{why}, this one cannot unpack it"
    found = client.get(f"{where}?replay=true").json()["replay"]
    assert (found["equal"], found["why"]) == (None, f"{why}, this one cannot unpack it")
    assert client.get(where).json()["matches"] == made["matches"]


def test_a_replay_says_that_its_catalogue_cannot_be_unpacked(client):
    made = client.post("/v1/recommendations", json=ASKED).json()
    change_catalogue(client)
    with store(client).writing() as session:
        session.get(CatalogueRow, made["catalogue_version"]).document = b"Y another packing"
    found = client.get(f"/v1/recommendations/{made['id']}?replay=true").json()["replay"]
    why = f"catalogue {made['catalogue_version']!r} was stored by another version of the service or damaged since"
    assert (found["equal"], found["why"]) == (None, f"{why}, this one cannot unpack it")


def test_the_clocks_are_looked_at_while_the_service_runs(market_database, tmp_path, bundle):
    hands = Hands()
    service = desk(market_database, models_of(tmp_path, bundle), hands, sweep_minutes=1e-4)
    made = listed(service)
    hands.move(days=3)

    async def wait():
        async with sweeping(service):
            for _ in range(1000):
                await asyncio.sleep(0.01)
                with service.store.reading() as session:
                    if session.get_one(CaseRow, made.case_id).closed_at:
                        return True
        return False

    assert asyncio.run(wait())
    service.store.close()


def clocked(minutes=10.0):
    """As much of a service as its clocks need."""
    return SimpleNamespace(settings=Settings(sweep_minutes=minutes), now=Hands())


def test_the_clocks_are_looked_at_after_each_span_of_the_settings_never_at_once(monkeypatch):
    done, service = [], clocked(2.5)

    async def asleep(seconds):
        done.append(seconds)
        if len(done) == 5:
            raise asyncio.CancelledError

    monkeypatch.setattr(clockwork.asyncio, "sleep", asleep)
    monkeypatch.setattr(clockwork, "sweep", lambda _, now: done.append(now) or Swept())
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(clockwork._forever(service))
    assert done == [2.5 * 60, NOON, 2.5 * 60, NOON, 2.5 * 60]


@pytest.mark.parametrize(("minutes", "clocks"), [(0, 0), (10, 1)])
def test_the_clocks_run_as_long_as_the_service_and_not_at_all_where_the_settings_say_0(minutes, clocks):
    async def tasks():
        async with sweeping(clocked(minutes)):
            during = len(asyncio.all_tasks())
        return during - 1, len(asyncio.all_tasks()) - 1  # beside this one

    assert asyncio.run(tasks()) == (clocks, 0)


def test_the_log_tells_what_a_look_at_the_clocks_did_and_is_silent_of_one_that_did_nothing(monkeypatch, caplog):
    caplog.set_level("INFO", "api")
    done = [Swept(), Swept(("C1", "C2"), ("C3",)), Swept(forgotten=4)]
    monkeypatch.setattr(clockwork, "sweep", lambda *_: done.pop(0))
    for _ in range(3):
        clockwork._once(clocked())
    assert [record.getMessage() for record in caplog.records] == [
        "2 cases expired, 1 handed on, 0 records forgotten",
        "0 cases expired, 0 handed on, 4 records forgotten",
    ]


def test_a_look_at_the_clocks_that_fails_is_logged_and_stops_none_to_come(monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("a fault of the code")

    monkeypatch.setattr(clockwork, "sweep", fail)
    clockwork._once(clocked())
    assert [record.getMessage() for record in caplog.records] == ["the clocks could not be looked at"]
    assert "a fault of the code" in caplog.text


def test_a_month_tells_how_far_cases_came_and_why_not_further_in_all_and_by_institution(client, every, case):
    step(client, case, every)
    step(client, case, every, step="decline", version=2, reasons=["tax", "debt"])
    found = client.get("/v1/months/2025-01", headers=every).json()
    assert (found["month"], found["institution_id"], found["open"], found["overdue"]) == ("2025-01-01", None, 1, 0)
    nothing = dict.fromkeys(map(str, CaseStage), 0)
    assert found["reached"] == nothing | {"suggested": 2, "accepted": 1, "declined": 1}
    assert found["clocks"][0] == {"stage": "suggested", "days": 1, "steps": 1, "median_hours": 0, "in_time": 1}
    assert (found["declines"], found["overrides"], found["granted_amount"]) == ({"debt": 1, "tax": 1}, {}, 0)
    assert (found["grants"]["count"], found["grants"]["mean_ticket"]) == (0, None)
    waiting, declined = found["institutions"]
    assert (waiting["open"], waiting["reached"]) == (1, nothing | {"suggested": 1})
    assert declined == {
        "institution_id": case["item"]["institution_id"], "open": 0, "overdue": 0,
        "reached": nothing | {"suggested": 1, "accepted": 1, "declined": 1}, "answers": 2, "in_time": 2,
    }  # fmt: skip


def test_a_month_tells_what_its_grants_were_like(client, every, case):
    for version, taken in enumerate(("accept", "contact", "apply", "grant"), start=1):
        about = {"amount": 1_200_000, "rate_bp": 400} if taken == "grant" else {}
        assert step(client, case, every, step=taken, version=version, **about).status_code == 201
    found = client.get("/v1/months/2025-01", headers=every).json()["grants"]
    assert (found["count"], found["mean_ticket"]) == (1, 1_200_000)
    assert found["first_loan"] == {"count": 0, "of": 0, "unknown": 1}
    assert found["by_size"][2] == {"group": "small", "applied": 1, "granted": 1}
    assert found["by_first_loan"][-1] == {"group": None, "applied": 1, "granted": 1}


def test_a_month_may_be_asked_of_one_institution_by_who_may_see_it(client, every, case):
    name = case["item"]["institution_id"]
    other = {"I1": "I2", "I2": "I1"}[name]
    month = "/v1/months/2025-01"
    of_one = client.get(month, params={"institution_id": name}, headers=every).json()
    assert (of_one["open"], [line["institution_id"] for line in of_one["institutions"]]) == (1, [name])
    assert client.get(month, headers=bearer(client, Scope.READ, institution_id=name)).json() == of_one
    of_other = client.get(month, headers=bearer(client, Scope.READ, institution_id=other)).json()
    assert (of_other["open"], of_other["institutions"]) == (0, [])
    for asked, headers in ((other, bearer(client, Scope.READ, institution_id=name)), ("I9", every)):
        refused = problem(client.get(month, params={"institution_id": asked}, headers=headers), 404)
        assert refused["detail"] == f"institution {asked!r} does not exist"


@pytest.mark.parametrize(
    ("month", "rule"),
    [
        ("2025-02", "is not after today (2025-01-10), not 2025-02-01"),
        ("2025-13", f"matches {MONTH}, not '2025-13'"),
        ("2025-1", f"matches {MONTH}, not '2025-1'"),
        ("1999-12", f"matches {MONTH}, not '1999-12'"),
        ("20２５-01", f"matches {MONTH}, not '20２５-01'"),
    ],
)
def test_no_month_is_told_that_is_none_or_yet_to_come(client, every, month, rule):
    assert problem(client.get(f"/v1/months/{month}", headers=every), 422)["errors"] == [
        {"field": "month", "rule": rule}
    ]

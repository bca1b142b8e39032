"""Another institution's case is not there: on every route that the app has, for keys and for who has signed in."""

import re
from dataclasses import dataclass, replace

import pytest
from fastapi import Response
from starlette.testclient import TestClient

from api.app import create_app
from api.desk import reading
from api.desk.identity import COOKIE, SYSTEM, Role, Scope, SignedIn, add_account, sign_in
from api.desk.keys import add_key
from api.desk.views import CaseItem
from api.settings import Settings
from tests.desks import Hands, listed, models_of

PASSWORD = "a long password"
OWN = [Scope.READ, Scope.OUTCOMES]
FORM = {"step": "accept", "version": "1", "key": "form-1"}
STEP = {"step": "accept", "version": 1}
DISPATCH = {"step": "dispatch", "version": 1, "office": "Fuling"}
FREE = {"/openapi.json", "/docs", "/healthz", "/readyz"}  # they know of no case
FREE |= {"/signout"}  # it would end the session that the others are asked with


@dataclass
class Scene:
    """A service in which `I1` has a case and `I2` its own; a key and a session of `I2`, a key bound to nobody."""

    client: TestClient
    item: CaseItem
    own: CaseItem
    recommendation_id: str
    bound: str
    unbound: str
    session: SignedIn

    def path(self, template):
        names = {
            "case_id": self.item.case_id,
            "need_id": self.item.need_id,
            "enterprise_id": self.item.enterprise_id,
            "recommendation_id": self.recommendation_id,
            "product_id": "P4",
            "month": "2025-01",
            "rest": "nothing",
        }
        asked = re.findall(r"{(\w+)[^}]*}", template)
        assert set(asked) <= set(names), f"{template}: say in this test what its parameter names"
        return re.sub(r"{(\w+)[^}]*}", lambda found: names[found[1]], template)

    def ask(self, method, template, key=None):
        """With a key, or else with the session's cookie and its token against forgery."""
        self.client.cookies.clear()
        headers = {"Authorization": f"Bearer {key}"} if key else {"X-CSRF-Token": self.session.csrf}
        about = {"headers": headers, "follow_redirects": False}
        if key is None:
            self.client.cookies.set(COOKIE, self.session.token)
        if method == "POST":
            step = DISPATCH if "coordination" in template else STEP
            about |= {"json": step} if template.startswith("/v1") else {"data": FORM | {"csrf": self.session.csrf}}
        return self.client.request(method, self.path(template), **about)

    def leaks(self, method, template, key=None):
        """What is wrong with an answer to `I2`: a case that is there, or a word of one."""
        answer = self.ask(method, template, key)
        named = {"case_id", "need_id", "enterprise_id", "recommendation_id"} & set(re.findall(r"{(\w+)", template))
        if named and answer.status_code not in refusals(template, key):
            return f"{method} {template}: {answer.status_code}"
        text = answer.text.replace(self.session.csrf, "")  # a random token may spell a short id
        told = [word for word in (self.item.case_id, self.item.need_id) if word in text and word not in template]
        asked = self.path(template)
        told = [word for word in told if word not in asked]
        return f"{method} {template} tells of {told}" if told else None


def refusals(template, key):
    """How a route may refuse: a key opens no page, which leads to signing in, and a session no JSON."""
    if template.startswith("/v1"):
        return (404,) if key else (401, 404)
    return (303, 401) if key else (404,)


def routes(router):
    """Every (method, path) of an app, whichever router brought it."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner)
        elif getattr(route, "methods", None):
            yield from ((method, route.path) for method in route.methods - {"HEAD", "OPTIONS"})


@pytest.fixture
def scene(market_database, tmp_path, bundle):
    settings = Settings(database_url=market_database, models=models_of(tmp_path, bundle), keys="always")
    hands = Hands()
    with TestClient(create_app(settings, now=hands)) as client:
        service = client.app.state.service
        made = listed(service)
        item = reading.case(service, SYSTEM, made.case_id).item
        own = reading.case(service, SYSTEM, listed(service, "N0").case_id).item
        assert (item.institution_id, own.institution_id) == ("I1", "I2")
        add_account(service.store, hands.at, "zhao", Role.OFFICER, PASSWORD, "I2")
        bound = add_key(service.store, hands.at, "bank two", OWN, "I2")
        unbound = add_key(service.store, hands.at, "platform", list(Scope))
        yield Scene(client, item, own, made.recommendation_id, bound, unbound, sign_in(service, "zhao", PASSWORD))


def test_no_route_knows_another_institutions_case(scene):
    found = [(method, path) for method, path in routes(scene.client.app) if path not in FREE]
    assert {("GET", "/v1/cases"), ("GET", "/v1/cases/{case_id}"), ("POST", "/v1/cases/{case_id}/steps")} <= set(found)
    assert ("GET", "/v1/events") in found
    leaks = [scene.leaks(*route, key) for route in found for key in (scene.bound, None)]
    assert [leak for leak in leaks if leak] == []


def test_the_same_routes_do_know_it_for_who_sees_all(scene):
    for template in (
        "/v1/cases/{case_id}",
        "/v1/recommendations/{recommendation_id}",
        "/v1/enterprises/{enterprise_id}",
    ):
        assert scene.ask("GET", template, scene.unbound).status_code == 200
    assert scene.item.case_id in scene.ask("GET", "/v1/cases", scene.unbound).text
    assert scene.item.case_id in scene.ask("GET", "/v1/events", scene.unbound).text


def test_who_is_bound_knows_its_own_case_and_the_enterprise_of_it(scene):
    known = replace(scene, item=scene.own)
    for template in ("/v1/cases/{case_id}", "/v1/enterprises/{enterprise_id}"):
        assert known.ask("GET", template, scene.bound).status_code == 200
    queue = known.ask("GET", "/v1/cases", scene.bound).json()
    assert [case["case_id"] for case in queue["items"]] == [known.item.case_id]
    assert scene.own.case_id in known.ask("GET", "/desk").text
    events = known.ask("GET", "/v1/events", scene.bound).json()["items"]
    assert [event["case_id"] for event in events] == [known.item.case_id]


def test_a_new_route_that_forgets_whose_case_it_is_would_be_found(scene):
    app = scene.client.app

    @app.get("/v1/leak/{case_id}")
    def leak(case_id: str):
        return Response(case_id)

    @app.get("/desk-leak")
    def leaky_list():
        return Response(scene.item.case_id)

    found = [scene.leaks(*route, scene.bound) for route in routes(app) if "leak" in route[1]]
    assert sorted(found) == [
        f"GET /desk-leak tells of ['{scene.item.case_id}']",
        "GET /v1/leak/{case_id}: 200",
    ]


def test_an_outcome_of_another_institutions_product_is_refused_as_unknown(scene):
    outcome = {"need_id": "N3", "product_id": scene.item.product_id, "stage": "contacted", "at": "2025-01-10"}
    for key, status in ((scene.bound, 404), (scene.unbound, 409)):
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "c-1"}
        assert scene.client.post("/v1/outcomes", json=outcome, headers=headers).status_code == status


def test_an_outcome_of_a_need_that_was_never_its_own_is_refused_as_unknown(scene):
    """`I2` has the product, so only the need tells: one that is there, that is listed or that is none are all one."""
    outcome = {"product_id": "P4", "stage": "shown", "at": "2025-01-10"}
    headers = {"Authorization": f"Bearer {scene.bound}", "Idempotency-Key": "c-1"}
    for need_id in ("N3", "N5", "N-none"):
        for change in ({}, {"at": "1900-01-01"}, {"product_id": "P-none"}):
            body = outcome | {"need_id": need_id} | change
            answer = scene.client.post("/v1/outcomes", json=body, headers=headers)
            assert (answer.status_code, answer.json()["detail"]) == (404, f"need '{need_id}' does not exist")


def test_an_outcome_of_an_own_need_with_another_institutions_product_is_refused_as_unknown(scene):
    outcome = {"need_id": scene.own.need_id, "product_id": scene.item.product_id, "stage": "shown", "at": "2025-01-10"}
    headers = {"Authorization": f"Bearer {scene.bound}", "Idempotency-Key": "c-1"}
    answer = scene.client.post("/v1/outcomes", json=outcome, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (404, f"product '{scene.item.product_id}' does not exist")


def test_an_institution_tells_what_came_of_its_own_needs(scene):
    own = add_key(scene.client.app.state.service.store, Hands().at, "bank one", OWN, "I1")
    outcome = {"need_id": "N3", "product_id": scene.item.product_id, "stage": "shown", "at": "2025-01-10"}
    headers = {"Authorization": f"Bearer {own}", "Idempotency-Key": "c-1"}
    assert scene.client.post("/v1/outcomes", json=outcome, headers=headers).status_code == 201


@pytest.mark.parametrize("guess", ["0" * 24, "1", "N3", "%27%20OR%201=1", "..%2f..", "%F0%9F%A6%8A"])
def test_a_guessed_id_is_not_found(scene, guess):
    headers = {"Authorization": f"Bearer {scene.bound}"}
    assert scene.client.get(f"/v1/cases/{guess}", headers=headers).status_code in (404, 422)

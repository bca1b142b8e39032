"""The pages and the API on both databases against what nobody types by accident: a refusal, never a failure."""

import re
from html import unescape
from urllib.parse import quote, unquote

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.desk import reading
from api.desk.identity import COOKIE, SYSTEM, Role, Scope, add_account, sign_in
from api.desk.keys import add_key
from api.settings import Settings
from tests.desks import Hands, listed, models_of
from tests.visitors import PASSWORD, Visitor

ODD = ("a\0b", "%00", "\ufeff", "x" * 5000, "🦊" * 300, "\u202eevil", "' OR 1=1 --", "%", "\\", "=1+1")
ADDRESSES = (
    "/desk?q={0}&region={0}&institution={0}&stage={0}&show={0}&sort={0}&per={0}",
    "/desk.csv?q={0}&region={0}&institution={0}",
    "/desk?cursor={0}",
    "/desk/month?month={0}&institution={0}",
    "/desk/cases/{0}",
    "/desk/{0}",
    "/signin?next={0}&lang={0}",
    "/v1/cases?search={0}&cursor={0}",
    "/v1/cases/{0}",
    "/v1/recommendations/{0}",
    "/v1/enterprises/{0}",
    "/v1/products/{0}",
    "/v1/coordination/{0}",
    "/v1/coordination?show={0}&cursor={0}",
    "/v1/coordination?search={0}&region={0}&office={0}",
)
OVERSEEN = (
    "/desk/coordination?show={0}&cursor={0}",
    "/desk/coordination?cursor={0}",
    "/desk/coordination?q={0}&region={0}&office={0}",
    "/desk/coordination.csv?show={0}&q={0}&region={0}&office={0}",
    "/desk/coordination/{0}?done={0}",
)
FORMS = (
    {"step": "{0}"},
    {"step": "accept", "version": "{0}"},
    {"step": "accept", "version": "9", "key": "{0}", "text": "{0}"},
    {"step": "suggest", "version": "1", "product_id": "{0}", "reasons": "{0}"},
    {"step": "decline", "version": "9", "reasons": "other", "text": "{0}", "key": "{0}"},
    {"step": "grant", "version": "1", "amount": "{0}", "rate": "{0}"},
)
COORDINATING = (
    {"step": "{0}"},
    {"step": "dispatch", "version": "{0}", "office": "F"},
    {"step": "dispatch", "version": "9", "office": "{0}", "until": "{0}", "text": "{0}", "key": "{0}"},
    {"step": "dispatch", "version": "1", "office": "F", "until": "{0}x"},
    {"step": "settle", "version": "1", "result": "{0}", "text": "{0}", "key": "{0}"},
)
NAMES = (
    "a b",
    "100%",
    "a#b?c=d&e",
    "'\"<b>x",
    "渝北;区",
    "重" * 128,
    "x" * 128,
    "a+b",
    "a\\b",
    "\u202eabc",
    "🦊",
)
BODIES = (
    ("/v1/needs", {"need_id": "{0}"}),
    ("/v1/outcomes", {"key": "{0}", "need_id": "{0}", "product_id": "{0}", "stage": "shown", "at": "2025-01-10"}),
    ("/v1/cases/{case_id}/steps", {"step": "decline", "version": 9, "reasons": ["{0}"], "text": "{0}", "key": "{0}"}),
    ("/v1/readiness", {"enterprise_id": "{0}"}),
    ("/v1/coordination/N-new/steps", {"step": "dispatch", "version": 9, "office": "{0}", "text": "{0}", "key": "{0}"}),
    ("/v1/coordination/N-new/steps", {"step": "settle", "version": 1, "result": "{0}", "text": "{0}", "key": "{0}"}),
)


@pytest.fixture
def client(market_database, tmp_path, bundle):
    settings = Settings(database_url=market_database, models=models_of(tmp_path, bundle))
    with TestClient(create_app(settings, now=Hands()), follow_redirects=False) as client:
        yield client


@pytest.fixture
def item(client):
    service = client.app.state.service
    return reading.case(service, SYSTEM, listed(service).case_id).item


@pytest.fixture
def session(client, item):
    service = client.app.state.service
    add_account(service.store, service.now(), "zhao", Role.OFFICER, PASSWORD, item.institution_id)
    return sign_in(service, "zhao", PASSWORD)


@pytest.fixture
def bearer(client):
    service = client.app.state.service
    return {"Authorization": f"Bearer {add_key(service.store, service.now(), 'platform', list(Scope))}"}


def filled(pattern, word):
    """The pattern, a text or what holds texts, with the word in each of its gaps."""
    if isinstance(pattern, dict):
        return {name: filled(value, word) for name, value in pattern.items()}
    if isinstance(pattern, list):
        return [filled(value, word) for value in pattern]
    return pattern.replace("{0}", word) if isinstance(pattern, str) else pattern


def test_no_address_breaks_a_page_or_a_resource(client, session, bearer):
    client.cookies.set(COOKIE, session.token)
    found = [client.get(filled(path, quote(word)), headers=bearer) for path in ADDRESSES for word in ODD]
    assert [answer.url for answer in found if answer.status_code not in (200, 303, 404, 422)] == []


def test_no_form_breaks_a_case_or_changes_it(client, session, item):
    client.cookies.set(COOKIE, session.token)
    sent = [{"csrf": session.csrf, **filled(form, word)} for form in FORMS for word in ODD]
    found = [(client.post(f"/desk/cases/{item.case_id}", data=form).status_code, form) for form in sent]
    assert [form for status, form in found if status not in (404, 409, 422)] == []
    assert reading.case(client.app.state.service, SYSTEM, item.case_id).item == item


def test_no_character_0_that_is_hidden_in_others_breaks_a_case_or_changes_it(client, session, item):
    client.cookies.set(COOKIE, session.token)
    form = f"csrf={quote(session.csrf)}&%0%000step=x&step=decline&version=9&reasons=other&text=a%0%000b&key=%0%000"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post(f"/desk/cases/{item.case_id}", content=form, headers=headers).status_code == 409
    assert reading.case(client.app.state.service, SYSTEM, item.case_id).item == item


def test_no_body_breaks_the_api(client, bearer, item):
    sent = [(path.replace("{case_id}", item.case_id), filled(body, word)) for path, body in BODIES for word in ODD]
    found = [(client.post(path, json=body, headers=bearer).status_code, body) for path, body in sent]
    assert [body for status, body in found if status not in (404, 409, 422)] == []


@pytest.fixture
def overseer(client):
    service = client.app.state.service
    add_account(service.store, service.now(), "chen", Role.COMMISSION, PASSWORD, None)
    made = sign_in(service, "chen", PASSWORD)
    client.cookies.set(COOKIE, made.token)
    return made


def unsuited(client, bearer, need_id, **facts):
    """A need that no product suits, of an enterprise without a name unless one is given, listed."""
    firm = {"enterprise_id": "E-new", "as_of": "2025-01-01", **facts}
    need = {"need_id": need_id, "amount": 3_000_000, "posted_at": "2025-01-09", "kinds": ["bond"]}
    sent = {"enterprise": firm, "need": need}
    assert client.post("/v1/needs", json=sent, headers=bearer).status_code == 201


def test_no_address_and_no_form_breaks_coordination_or_changes_it(client, bearer, overseer):
    unsuited(client, bearer, "N-new")
    found = [client.get(filled(path, quote(word))) for path in OVERSEEN for word in ODD]
    assert [answer.url for answer in found if answer.status_code not in (200, 404, 422)] == []
    sent = [{"csrf": overseer.csrf, **filled(form, word)} for form in COORDINATING for word in ODD]
    told = [(client.post("/desk/coordination/N-new", data=form).status_code, form) for form in sent]
    assert [form for status, form in told if status not in (404, 409, 422)] == []
    assert client.get("/v1/coordination/N-new", headers=bearer).json()["item"]["version"] == 1


def test_a_need_of_any_name_is_dispatched_on_its_page_and_settled_over_the_api(client, bearer, overseer):
    for need_id in NAMES:
        unsuited(client, bearer, need_id)
        (href,) = re.findall('href="(/desk/coordination/[^"]+)"', client.get("/desk/coordination").text)
        (action,) = set(re.findall('action="(/desk/coordination/[^"#]+)#', client.get(href).text))
        form = {"csrf": overseer.csrf, "step": "dispatch", "version": "1", "office": "Fuling", "text": need_id}
        done = client.post(action, data=form)
        told = client.get(done.headers["location"])
        (tongue,) = re.findall('href="([^"]+)" lang=', told.text)
        assert (done.status_code, told.status_code, client.get(unescape(tongue)).status_code) == (303, 200, 200)
        (back,) = re.findall('href="(/desk/coordination/[^"?]+)"', client.post(action, data=form).text)
        assert unquote(unescape(back)) == f"/desk/coordination/{need_id}"
        step = {"step": "settle", "version": 2, "result": "funded", "text": need_id}
        done = client.post(f"/v1/coordination/{quote(need_id, safe='')}/steps", json=step, headers=bearer)
        assert (done.status_code, done.json()["need_id"]) == (201, need_id)


def test_no_name_and_no_words_turn_the_line_that_they_stand_in(client, bearer, overseer):
    turning = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    unsuited(client, bearer, "N-\u2067new", name=f"甲{turning}乙")
    (href,) = re.findall('href="(/desk/coordination/[^"]+)"', client.get("/desk/coordination").text)
    form = {"csrf": overseer.csrf, "step": "dispatch", "version": "1", "office": "Fuling", "text": f"丙{turning}丁"}
    assert client.post(href, data=form).status_code == 303
    page = client.get(href).text
    assert [text in page for text in ("<h1>甲乙</h1>", "N-new", "丙丁")] == [True] * 3
    assert not set(turning) & set(page)


def test_what_a_form_sends_back_keeps_such_characters(client, overseer):
    word = "甲\u202e乙"
    assert f'value="{word}"' in client.get(f"/desk/coordination?q={quote(word)}").text


def test_no_name_breaks_the_way_in(client):
    visitor = Visitor(client.app)
    visitor.get("/signin")
    assert {visitor.post("/signin", name=word, password=word).status_code for word in ODD} == {401}

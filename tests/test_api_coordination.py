"""Coordination over the API: a need that no product suits is listed, read, dispatched and settled by a platform."""

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.desk.identity import Scope
from api.desk.keys import add_key
from tests.desks import NOON

NEED = {
    "enterprise": {"enterprise_id": "E-new", "region": "CN/500000/500106", "as_of": "2025-01-01"},
    "need": {"need_id": "N-new", "amount": 3_000_000, "posted_at": "2025-01-09", "kinds": ["bond"]},
}
PATH = "/v1/coordination/N-new"


@pytest.fixture
def ask(deploy):
    """Asks as a platform that is bound to no institution; a need that no product suits is listed."""
    with TestClient(create_app(deploy(), now=lambda: NOON)) as client:
        key = add_key(client.app.state.service.store, NOON, "platform", list(Scope))
        headers = {"Authorization": f"Bearer {key}"}

        def asked(method, path, **about):
            about["headers"] = headers | about.get("headers", {})
            return client.request(method, path, **about)

        assert asked("POST", "/v1/needs", json=NEED).status_code == 201
        yield asked


def test_a_need_is_listed_read_dispatched_and_settled(ask):
    (line,) = ask("GET", "/v1/coordination").json()["items"]
    assert (line["need_id"], line["stage"], line["version"], line["institutions"]) == ("N-new", "waiting", 1, 0)
    assert ask("GET", PATH).json()["legal"] == ["dispatch", "settle"]
    step = {"step": "dispatch", "version": 1, "office": "渝北区", "until": "2025-01-17"}
    done = ask("POST", f"{PATH}/steps", json=step, headers={"Idempotency-Key": "d-1"})
    assert (done.status_code, done.json()["stage"], done.json()["version"]) == (201, "dispatched", 2)
    again = ask("POST", f"{PATH}/steps", json=step | {"key": "d-1"})
    assert (again.status_code, again.json()["repeated"], again.json()["event_id"]) == (
        200,
        True,
        done.json()["event_id"],
    )
    last = ask("POST", f"{PATH}/steps", json={"step": "settle", "version": 2, "result": "funded"})
    assert last.status_code == 201
    found = ask("GET", PATH).json()
    assert [event["step"] for event in found["events"]] == ["dispatch", "settle"]
    assert (found["item"]["result"], found["legal"]) == ("funded", [])
    assert ask("GET", "/v1/coordination").json() == {"items": [], "total": 0, "after": None}
    assert ask("GET", "/v1/coordination?show=settled").json()["total"] == 1
    month = ask("GET", "/v1/months/2025-01").json()["coordination"]
    assert month == {"came": 1, "dispatched": 1, "settled": {"funded": 1}, "open": 0, "overdue": 0}


@pytest.mark.parametrize(
    ("step", "status", "said"),
    [
        ({"step": "accept", "version": 1}, 422, "step"),
        ({"step": "dispatch", "version": 1}, 422, "office: is present"),
        ({"step": "settle", "version": 1, "result": "gone"}, 422, "result"),
        ({"step": "settle", "version": 2, "result": "funded"}, 409, "it is waiting now, version 1"),
        ({"step": "settle", "version": 0, "result": "funded"}, 422, "version"),
        ({"step": "settle", "version": 10**9 + 1, "result": "funded"}, 422, "version"),
        ({"step": "dispatch", "version": 1, "office": "x" * 101}, 422, "office"),
        ({"step": "dispatch", "version": 1, "office": "F", "text": "x" * 2001}, 422, "text"),
        ({"step": "dispatch", "version": 1, "office": "F", "until": "2025-13-01"}, 422, "until"),
        (
            {"step": "dispatch", "version": 1, "office": "F", "until": "2025-01-09"},
            422,
            "until: is not before 2025-01-10",
        ),
        ({"step": "dispatch", "version": 1, "office": "F", "key": ""}, 422, "key"),
    ],
)
def test_a_step_that_cannot_be_is_a_problem_that_says_why(ask, step, status, said):
    answer = ask("POST", f"{PATH}/steps", json=step)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "size=0",
        "size=201",
        "show=gone",
        "cursor=x",
        f"cursor={'x' * 801}",
        "search=a%00",
        f"search={'x' * 101}",
        "region=a%00",
        "office=a%00",
    ],
)
def test_a_list_that_cannot_be_is_a_problem_that_names_what_is_wrong(ask, query):
    answer = ask("GET", f"/v1/coordination?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert query.partition("=")[0] in answer.text
    assert ask("GET", "/v1/coordination?size=200").status_code == 200


def test_a_list_is_read_page_by_page_each_of_what_is_asked_for(ask):
    other = NEED | {"need": NEED["need"] | {"need_id": "N-other"}}
    assert ask("POST", "/v1/needs", json=other).status_code == 201
    first = ask("GET", "/v1/coordination?size=1").json()
    rest = ask("GET", f"/v1/coordination?size=1&cursor={first['after']}").json()
    assert [item["need_id"] for item in first["items"] + rest["items"]] == ["N-new", "N-other"]
    assert (first["total"], rest["total"], rest["after"]) == (2, 2, None)


def test_a_list_is_narrowed_as_the_page_narrows_it(ask):
    other = {
        "enterprise": {"enterprise_id": "E-other", "name": "Iron Works", "region": "CN/500000/500102"},
        "need": NEED["need"] | {"need_id": "N-other"},
    }
    other["enterprise"]["as_of"] = "2025-01-01"
    assert ask("POST", "/v1/needs", json=other).status_code == 201
    step = {"step": "dispatch", "version": 1, "office": "涪陵区"}
    assert ask("POST", "/v1/coordination/N-other/steps", json=step).status_code == 201
    for query in ("search=iron", "region=CN/500000/500102", "office=涪陵区", "search=N-OTHER&office=涪陵区"):
        found = ask("GET", f"/v1/coordination?{query}").json()
        assert ([item["need_id"] for item in found["items"]], found["total"]) == (["N-other"], 1), query
    assert ask("GET", "/v1/coordination?search=iron&region=CN/500000/500106").json()["total"] == 0


def test_a_list_of_needs_with_the_longest_ids_is_read_page_by_page(ask):
    ids = [f"{sign * 127}{number}" for number, sign in enumerate(("需", "𠮷", "需"))]
    for need_id in ids:
        need = NEED | {"need": NEED["need"] | {"need_id": need_id}}
        assert ask("POST", "/v1/needs", json=need).status_code == 201
    seen, cursor = [], ""
    for _ in range(len(ids) + 1):
        answer = ask("GET", f"/v1/coordination?size=1{cursor}")
        assert answer.status_code == 200, answer.text
        seen += [item["need_id"] for item in answer.json()["items"]]
        cursor = f"&cursor={answer.json()['after']}"
    assert sorted(seen) == sorted(["N-new", *ids])


def test_two_keys_of_one_request_are_refused(ask):
    step = {"step": "dispatch", "version": 1, "office": "F", "key": "a"}
    answer = ask("POST", f"{PATH}/steps", json=step, headers={"Idempotency-Key": "b"})
    assert answer.status_code == 422
    assert "is that of the header Idempotency-Key, or absent" in answer.text


def test_a_need_that_is_not_there_is_not_found(ask):
    assert ask("GET", "/v1/coordination/N-none").status_code == 404
    assert (
        ask(
            "POST", "/v1/coordination/N-none/steps", json={"step": "settle", "version": 1, "result": "funded"}
        ).status_code
        == 404
    )

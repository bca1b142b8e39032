"""Bad input at the API: a clear problem each, naming the field, and a service that stays up."""

import asyncio
import json
import math
from http import HTTPStatus

import pytest
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from api.desk import keys
from api.requests import RequestIds, read_body

URL = "/v1/recommendations"
MEGABYTE = "x" * 2**20
JSON = {"Content-Type": "application/json"}
GOOD = {"enterprise_id": "E1", "need": {"amount": 2_000_000}}
BY_VALUE = {"enterprise": {"enterprise_id": "E1"}, "need": {"amount": 2_000_000}}


def with_need(**facts):
    return GOOD | {"need": GOOD["need"] | facts}


def with_enterprise(**facts):
    return BY_VALUE | {"enterprise": BY_VALUE["enterprise"] | facts}


def problem(response, status):
    """The problem in a response, small and without anything of the inside, whatever was sent."""
    body = response.json()
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert response.headers["x-request-id"] == body["request_id"]
    assert len(response.content) < 8000
    assert "Traceback" not in response.text
    return body


@pytest.fixture(autouse=True)
def service_stays_up(client):
    yield
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.post(URL, json=GOOD).status_code == 201


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (with_need(amount="a lot"), "need.amount", "is a whole number, not 'a lot'"),
        (with_need(amount="2000000"), "need.amount", "is a whole number, not '2000000'"),
        (with_need(amount=True), "need.amount", "is a whole number, not true"),
        (with_need(amount=1.5), "need.amount", "is a whole number, not 1.5"),
        (with_need(amount=None), "need.amount", "is a whole number, not null"),
        (with_need(amount=-5), "need.amount", "is above 0, not -5"),
        (with_need(amount=0), "need.amount", "is above 0, not 0"),
        (with_need(amount=10**15 + 1), "need.amount", "is at most 1000000000000000, not 1000000000000001"),
        (with_need(term_months=601), "need.term_months", "is at most 600, not 601"),
        (with_need(purpose="yacht"), "need.purpose", "is one of working_capital, fixed_asset,"),
        (with_need(collateral="patents"), "need.collateral", "is a list, not 'patents'"),
        (with_need(colour="red"), "need.colour", "is a known field"),
        (with_need(enterprise_id="E2"), "need.enterprise_id", "is 'E1' as the enterprise, or absent"),
        (with_need(posted_at="2025-01-11"), "need.posted_at", "is not after as_of (2025-01-10), not 2025-01-11"),
        (with_need(posted_at="10/01/2025"), "need.posted_at", "is a date (YYYY-MM-DD), not '10/01/2025'"),
        (with_need(posted_at="1735689600"), "need.posted_at", "is a date (YYYY-MM-DD), not '1735689600'"),
        (with_need(posted_at="1600-01-01"), "need.posted_at", "is at least 1700-01-01, not 1600-01-01"),
        (with_need(posted_at=0), "need.posted_at", "is a date (YYYY-MM-DD), not 0"),
        (with_enterprise(employees=-1), "enterprise.employees", "is at least 0, not -1"),
        (with_enterprise(first_loan="yes"), "enterprise.first_loan", "is true or false, not 'yes'"),
        (with_enterprise(tax_grade="Z"), "enterprise.tax_grade", "is one of A, B, M, C, D, not 'Z'"),
        (with_enterprise(growth=math.nan), "enterprise.growth", "is a finite number, not NaN"),
        (with_enterprise(growth=math.inf), "enterprise.growth", "is a finite number, not Infinity"),
        (with_enterprise(revenue=math.nan), "enterprise.revenue", "is a whole number, not NaN"),
        (with_enterprise(as_of="2025-02-01"), "enterprise.as_of", "is not after as_of (2025-01-10), not 2025-02-01"),
        (with_enterprise(name="x" * 201), "enterprise.name", "has at most 200 characters, not 'xxx"),
        (with_enterprise(enterprise_id=".."), "enterprise.enterprise_id", "matches "),
        (with_need(need_id="."), "need.need_id", "matches "),
        (with_enterprise(region="CN//500103"), "enterprise.region", "matches "),
        (GOOD | {"top_k": 0}, "top_k", "is at least 1, not 0"),
        (GOOD | {"top_k": 101}, "top_k", "is at most 100, not 101"),
        (GOOD | {"kinds": []}, "kinds", "has at least 1 items"),
        (GOOD | {"exposure": {"cap": 0}}, "exposure.cap", "is at least 1, not 0"),
        (GOOD | {"exposure": {"floor": 2.5}}, "exposure.floor", "is a whole number, not 2.5"),
        (GOOD | {"exposure": {"floor": 11}}, "exposure.floor", "is at most the number of products asked for (10)"),
        (GOOD | {"exposure": {"small_share": 0}}, "exposure.small_share", "is above 0"),
        (GOOD | {"exposure": {"roof": 1}}, "exposure.roof", "is a known field"),
        (GOOD | {"as_of": "tomorrow"}, "as_of", "is a date (YYYY-MM-DD), not 'tomorrow'"),
        (GOOD | {"enterprise_id": ""}, "enterprise_id", "has at least 1 characters, not ''"),
        (GOOD | {"enterprise": {"enterprise_id": "E1"}}, "enterprise_id", "is absent where enterprise is given"),
        ({"need": {"amount": 1}}, "enterprise_id", "is present, or enterprise is"),
        ({"enterprise_id": "E1"}, "need", "is present"),
        ([], "body", "is an object"),
        (None, "body", "is an object, not null"),
    ],
)
def test_a_fault_in_the_request_is_named_by_field_and_rule(client, body, field, rule):
    found = problem(client.post(URL, content=json.dumps(body), headers=JSON), 422)
    assert [error["field"] for error in found["errors"]] == [field]
    assert found["errors"][0]["rule"].startswith(rule)
    assert f"{field}: {rule}" in found["detail"]


def test_an_item_of_a_list_is_named_by_its_number(client):
    found = problem(client.post(URL, json=with_need(collateral=["patents", "patience"])), 422)
    assert [(error["field"], error["row"]) for error in found["errors"]] == [("need.collateral", 2)]


def test_all_faults_are_named_at_once_up_to_twenty(client):
    found = problem(client.post(URL, json=with_need(amount=-1, term_months=0) | {"top_k": 0}), 422)
    assert [error["field"] for error in found["errors"]] == ["need.amount", "need.term_months", "top_k"]
    crowd = problem(client.post(URL, json=GOOD | {f"k{i}": 1 for i in range(5000)}), 422)
    assert len(crowd["errors"]) == 20
    assert "and 4995 more" in crowd["detail"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{bad", "key must be a string at line 1 column 2"),
        ('{"need": {"amount": 1}', "EOF while parsing an object at line 1 column 22"),
        (b"\xff\xfe", "expected value at line 1 column 1"),
        ("[" * 100_000, "recursion limit exceeded"),
        ('{"top_k": ' + "9" * 6000 + "}", "number out of range at line 1 column"),
    ],
)
def test_a_body_that_is_no_json_is_refused_with_its_position(client, body, where):
    found = problem(client.post(URL, content=body, headers=JSON), 422)
    assert found["errors"][0]["field"] == "body"
    assert found["errors"][0]["rule"].startswith(f"is JSON: {where}")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ('{"enterprise_id": "E1", "need": {"amount": 2000000, "amount": 3}}', ["amount"]),
        (
            '{"top_k": 1, "enterprise_id": "E1", "need": {"amount": 1}, "top_k": 1, "enterprise_id": "E2"}',
            ["top_k", "enterprise_id"],
        ),
        ('{"enterprise_id": "E1", "need": {"amount": 1}' + ', "fix": true' * 20_000 + "}", ["fix"]),
    ],
)
def test_a_field_that_is_given_twice_is_refused_and_neither_is_taken(client, body, fields):
    found = problem(client.post(URL, content=body, headers=JSON), 422)
    assert [(error["field"], error["rule"]) for error in found["errors"]] == [(f, "is given once") for f in fields]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("text/plain", "not as text/plain"),
        ("text/plain; charset=application/json", "not as text/plain"),
        ("application/x-www-form-urlencoded", "not as application/x-www-form-urlencoded"),
        ("multipart/form-data; boundary=application/json", "not as multipart/form-data"),
        ("text/x+json", "not as text/x+json"),
        ("application/" + "x" * 5000, "not as application/xxx"),
        (None, "not without a type"),
    ],
)
def test_a_body_that_is_not_sent_as_json_is_refused_even_if_it_would_be_some(client, kind, said):
    headers = {} if kind is None else {"Content-Type": kind}
    found = problem(client.post(URL, content=json.dumps(GOOD), headers=headers), 415)
    assert found["detail"].startswith(
        f"The body is JSON: send it with the header Content-Type: application/json, {said}"
    )


@pytest.mark.parametrize("kind", ["APPLICATION/JSON", "application/json;charset=utf-8", "application/vnd.need+json"])
def test_json_is_taken_under_each_of_its_names(client, kind):
    assert client.post(URL, content=json.dumps(GOOD), headers={"Content-Type": kind}).status_code == 201


def test_a_text_of_a_megabyte_is_refused_by_size_and_not_echoed(client):
    found = problem(client.post(URL, json=with_enterprise(name=MEGABYTE)), 413)
    assert found["detail"] == "The body is larger than 262144 bytes."


def test_a_large_body_sent_piece_by_piece_is_refused_too(client):
    pieces = (b"x" * 65536 for _ in range(8))
    assert problem(client.post(URL, content=pieces), 413)["title"] == HTTPStatus(413).phrase


def test_a_body_that_claims_to_be_endless_is_not_read(client):
    headers = {"content-length": str(2**40)}
    problem(client.post(URL, content=b"{}", headers=headers), 413)


def test_a_long_text_within_the_limit_is_cut_in_the_answer(client):
    for body in (GOOD | {"enterprise_id": "x" * 200_000}, GOOD | {"x" * 200_000: 1}):
        assert "xxx..." in problem(client.post(URL, json=body), 422)["detail"]


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("/v1/enterprises/E-none", "enterprise known by 2025-01-10 'E-none' does not exist"),
        ("/v1/enterprises/E1?as_of=2022-12-30", "enterprise known by 2022-12-30 'E1' does not exist"),
        ("/v1/products/P-none", "product offered by 2025-01-10 'P-none' does not exist"),
        ("/v1/recommendations/R-none", "recommendation 'R-none' does not exist"),
        ("/v2/anything", "GET /v2/anything: Not Found"),
    ],
)
def test_what_does_not_exist_is_not_found(client, url, detail):
    assert problem(client.get(url), 404)["detail"] == detail


def test_an_unknown_enterprise_in_a_request_is_not_found(client):
    found = problem(client.post(URL, json=GOOD | {"enterprise_id": "E-none"}), 404)
    assert found["detail"] == "enterprise known by 2025-01-10 'E-none' does not exist"


@pytest.mark.parametrize(
    ("url", "field", "rule"),
    [
        ("/v1/products?kind=gift", "kind", "is one of credit, bond, leasing, not 'gift'"),
        ("/v1/products?limit=0", "limit", "is at least 1, not '0'"),
        ("/v1/products?limit=501", "limit", "is at most 500, not '501'"),
        ("/v1/products?offset=-1", "offset", "is at least 0, not '-1'"),
        ("/v1/products?offset=99999999999999999999", "offset", "is at most 1000000000"),
        ("/v1/products?as_of=0", "as_of", "is a date (YYYY-MM-DD), not '0'"),
        ("/v1/products?as_of=1735689600", "as_of", "is a date (YYYY-MM-DD), not '1735689600'"),
        ("/v1/enterprises/E1?as_of=1735689600", "as_of", "is a date (YYYY-MM-DD), not '1735689600'"),
        ("/v1/products?as_of=2201-01-01", "as_of", "is at most 2200-12-31, not 2201-01-01"),
        ("/v1/products?as_of=2025-13-45", "as_of", "is a date (YYYY-MM-DD), not '2025-13-45'"),
        (f"/v1/products/{'x' * 1000}", "product_id", "has at most 128 characters, not 'xxx"),
        ("/v1/products/P%00", "product_id", "matches "),
        ("/v1/recommendations/R1?features=maybe", "features", "is true or false, not 'maybe'"),
    ],
)
def test_a_fault_in_the_address_is_named(client, url, field, rule):
    found = problem(client.get(url), 422)
    assert [error["field"] for error in found["errors"]] == [field]
    assert found["errors"][0]["rule"].startswith(rule)


def test_another_method_is_refused_with_those_that_are_allowed(client):
    response = client.put("/v1/products")
    assert problem(response, 405)["detail"] == "PUT /v1/products: Method Not Allowed"
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize("url", ["/healthz", "/readyz", "/v1/products?limit=2", "/docs", "/signin", "/v1/products/P0"])
def test_who_asks_for_the_head_alone_gets_that_of_the_whole_answer(client, url):
    whole, head = client.get(url), client.head(url)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    for name in ("content-type", "content-length", "cache-control"):
        assert head.headers.get(name) == whole.headers.get(name)


def test_there_is_no_head_of_what_is_only_posted(client):
    response = client.head("/v1/recommendations")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("url", ["/v1/products/", "/healthz/", "/docs/", "/signin/"])
def test_an_address_with_a_slash_too_many_leads_nowhere_least_of_all_to_a_host_that_the_request_names(client, url):
    response = client.get(url, headers={"host": "elsewhere.example"}, follow_redirects=False)
    assert problem(response, 404)["detail"] == f"GET {url}: Not Found"
    assert "location" not in response.headers


def test_a_plain_request_id_is_kept_and_a_strange_one_replaced(client):
    assert client.get("/healthz", headers={"x-request-id": "trace-7.a"}).headers["x-request-id"] == "trace-7.a"
    strange = client.get("/healthz", headers={"x-request-id": "a b" * 100}).headers["x-request-id"]
    assert len(strange) == 16


def test_an_address_writes_no_line_of_its_own_into_the_log_where_a_request_fails(client, monkeypatch, caplog):
    def failing(*_):
        raise RuntimeError("a fault of the code")

    monkeypatch.setattr(keys, "actor_of", failing)
    problem(client.get("/v1/cases/a%0AERROR: forged" + "x" * 1000, headers={"Authorization": "Bearer key"}), 500)
    (record,) = (record for record in caplog.records if record.name == "api")
    assert r"GET '/v1/cases/a\nERROR: forged" in record.getMessage()
    assert "a fault of the code" in caplog.text
    assert len(record.getMessage()) < 200


@pytest.mark.parametrize("length", [64, 65])
def test_an_id_of_a_request_is_kept_up_to_64_characters(client, length):
    kept = client.get("/healthz", headers={"x-request-id": "a" * length}).headers["x-request-id"]
    assert (kept == "a" * length) is (length == 64)


class Sending:
    """A request that says nothing of its length, and counts the pieces that are taken."""

    headers = Headers()

    def __init__(self, pieces):
        self.pieces, self.taken = pieces, 0

    async def stream(self):
        for piece in self.pieces:
            self.taken += 1
            yield piece


@pytest.mark.parametrize(("length", "read"), [(10, True), (11, False)])
def test_a_body_is_read_up_to_its_limit(length, read):
    if read:
        assert asyncio.run(read_body(Sending([b"x" * length]), 10)) == b"x" * length
    else:
        with pytest.raises(HTTPException, match=r"The body is larger than 10 bytes\."):
            asyncio.run(read_body(Sending([b"x" * length]), 10))


def test_a_body_without_an_end_is_read_no_further_than_64_times_its_limit():
    sending = Sending([b"x" * 10] * 1000)
    with pytest.raises(HTTPException, match=r"The body is larger than 10 bytes\."):
        asyncio.run(read_body(sending, 10))
    assert sending.taken == 64 + 1


def test_an_answer_that_fails_once_it_has_begun_is_not_begun_anew():
    sent = []

    async def breaks_off(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("a fault of the code")

    async def send(message):
        sent.append(message["status"])

    async def ask():
        await RequestIds(breaks_off)({"type": "http", "method": "GET", "path": "/", "headers": []}, None, send)

    with pytest.raises(RuntimeError, match="a fault of the code"):
        asyncio.run(ask())
    assert sent == [200]

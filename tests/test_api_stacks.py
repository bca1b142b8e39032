"""Stacks, sizing and the neutral order in recommendations: asked for, answered, recorded, silent where not asked."""

import pytest

from api.store import queries
from matching.financing import StackBasis, Stacks
from tests.test_sizing import BOOKS, SIZED

URL = "/v1/recommendations"
NEED = {"amount": 2_000_000, "term_months": 12, "purpose": "working_capital"}
WHO = {"enterprise_id": "E-new", "region": "CN/500000/500106", "size": "small"}


def ask(client, **changes):
    response = client.post(URL, json={"enterprise": WHO, "need": NEED, "as_of": "2025-06-01"} | changes)
    assert response.status_code == 201, response.text
    return response.json()


def recalled(client, answer):
    return client.get(f"{URL}/{answer['id']}").json()


def product_ids(answer):
    return [match["product_id"] for match in answer["matches"]]


def test_each_match_gets_its_stacks_and_the_answer_what_they_rest_on(client):
    answer = ask(client, stack=True)
    found = {match["product_id"]: Stacks.model_validate(match["stack"]) for match in answer["matches"]}
    assert found["P4"].best.enhancements == ()  # a lease: no cover for it
    assert found["P0"].order == "lift"
    assert found["P0"].best.enhancements == ("government_guarantee",)
    basis = StackBasis.model_validate(answer["stack_basis"])
    assert {one.enhancement for one in basis.enhancements} >= {"government_guarantee", "loan_insurance"}


def test_the_chance_of_a_stack_starts_from_the_match_s_own(client):
    for match in ask(client, stack=True)["matches"]:
        best = match["stack"]["best"]
        if match["chance"] is None:
            assert best["chance"] is None
        else:
            assert best["chance"] == pytest.approx(match["chance"] + (1 - match["chance"]) * 0.5 * 0.8)


def test_stacks_are_recorded_as_answered_and_left_out_where_not_asked(client):
    asked, not_asked = ask(client, stack=True), ask(client)
    kept = recalled(client, asked)
    assert kept["request"]["stack"] is True
    assert (kept["matches"], kept["stack_basis"]) == (asked["matches"], asked["stack_basis"])
    assert recalled(client, not_asked)["request"]["stack"] is False
    assert {match["stack"] for match in not_asked["matches"]} == {None}
    assert not_asked["stack_basis"] is None


def test_the_neutral_order_says_so_and_states_no_model_s_figures(client):
    answer = ask(client, order="neutral", stack=True)
    assert product_ids(answer) == ["P0", "P1", "P2", "P3", "P4"]  # no rate is known, no term limited, all of one name
    assert answer["order"] == "neutral"
    assert answer["order_en"] == "By price, then term, then name: made by no model"
    assert "不经任何模型" in answer["order_zh"]
    assert {(match["score"], match["chance"]) for match in answer["matches"]} == {(None, None)}
    assert {match["stack"]["order"] for match in answer["matches"]} == {"cost"}
    assert recalled(client, answer)["request"]["order"] == "neutral"


def test_by_default_the_model_orders_and_the_answer_says_so(client):
    answer = ask(client)
    assert (answer["order"], answer["order_en"]) == ("model", "By the model's score")
    assert all(match["score"] is not None for match in answer["matches"])


def test_fixes_in_the_neutral_order_have_no_rank(client):
    fixes = {order: ask(client, fix=True, order=order)["fixes"] for order in ("neutral", "model")}
    assert [fix["product_id"] for fix in fixes["neutral"]] == [fix["product_id"] for fix in fixes["model"]] == ["P5"]
    assert (fixes["neutral"][0]["rank"], fixes["neutral"][0]["candidates"]) == (None, None)
    assert fixes["model"][0]["candidates"] == 6
    assert ask(client, fix=True, order="neutral", kinds=["credit"])["fixes"] == []


def test_a_need_of_working_capital_is_sized_where_the_figures_are_known(client):
    assert ask(client)["sizing"] is None
    answer = ask(client, enterprise=WHO | BOOKS, need=NEED | {"amount": int(SIZED) + 1})
    assert (answer["sizing"]["amount"], answer["sizing"]["excess"], answer["sizing"]["above"]) == (int(SIZED), 1, True)
    assert recalled(client, answer)["sizing"] == answer["sizing"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"order": "best"}, {"field": "order", "rule": "is one of model, neutral, not 'best'"}),
        ({"stack": 1}, {"field": "stack", "rule": "is true or false, not 1"}),
    ],
)
def test_what_is_no_order_and_no_flag_is_refused(client, change, error):
    response = client.post(URL, json={"enterprise": WHO, "need": NEED} | change)
    assert (response.status_code, response.json()["errors"]) == (422, [error])


def test_a_record_of_before_there_were_stacks_is_read(client):
    answer = ask(client, top_k=1)
    new = {"order", "order_zh", "order_en", "stack_basis", "sizing"}
    with client.app.state.service.store.writing() as session:
        row = queries.recommendation(session, answer["id"])
        old = {name: value for name, value in row.answer.items() if name not in new}
        old["matches"] = [{name: v for name, v in match.items() if name != "stack"} for match in old["matches"]]
        row.answer = old
        row.request = {name: value for name, value in row.request.items() if name not in ("stack", "order")}
    found = recalled(client, answer)
    assert (found["order"], found["sizing"], found["request"]["stack"]) == ("model", None, False)
    assert product_ids(found) == product_ids(answer)


def test_the_neutral_order_gives_no_reasons_even_when_asked(client):
    answer = ask(client, order="neutral", explain=True)
    assert answer["matches"]
    assert all(not match["reasons"] for match in answer["matches"])

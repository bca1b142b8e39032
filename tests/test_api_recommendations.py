"""Recommendations: what is asked, answered and recorded, and that the record is there whatever happens next."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import numpy as np
import pytest
from sqlalchemy import func, select

from api.store import arrays, queries
from api.store.models import RecommendationRow
from matching.domain import Need, Verdict
from matching.features import FEATURES

URL = "/v1/recommendations"
NEED = {"amount": 2_000_000, "term_months": 12, "purpose": "working_capital"}
BY_VALUE = {"enterprise": {"enterprise_id": "E-new", "employees": 50, "region": "CN/500000/500106"}, "need": NEED}
BY_ID = {"enterprise_id": "E1", "need": NEED}


def ask(client, **changes):
    response = client.post(URL, json=BY_ID | changes)
    assert response.status_code == 201, response.text
    return response.json()


def record(client, recommendation_id):
    with client.app.state.service.store.reading() as session:
        return queries.recommendation(session, recommendation_id, features=True)


def test_an_enterprise_by_value_gets_ranked_products(client):
    response = client.post(URL, json=BY_VALUE)
    answer = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"{URL}/{answer['id']}"
    assert answer["enterprise_id"] == "E-new"
    assert answer["model_id"] == client.get("/readyz").json()["model_id"]
    assert [match["rank"] for match in answer["matches"]] == [1, 2, 3, 4, 5]
    assert {match["product_id"] for match in answer["matches"]} == {"P0", "P1", "P2", "P3", "P4"}
    scores = [match["score"] for match in answer["matches"]]
    assert scores == sorted(scores, reverse=True)


def test_a_match_names_its_product_and_says_what_each_rule_found(client):
    lease = next(match for match in ask(client)["matches"] if match["product_id"] == "P4")
    assert lease["institution_id"] == "I2"
    assert (lease["name_zh"], lease["name_en"]) == ("流动资金贷款", "Working capital loan")
    assert (lease["kind"], lease["type"]) == ("leasing", "direct_lease")
    assert all(set(verdict) == set(Verdict.model_fields) for verdict in lease["verdicts"])
    assert {verdict["result"] for verdict in lease["verdicts"]} <= {"pass", "review"}


def test_a_match_states_its_chance_where_the_model_learned_one_for_its_kind(client):
    answer = ask(client)
    chances = {match["product_id"]: match["chance"] for match in answer["matches"]}
    assert chances.pop("P4") is None
    assert all(0 < chance < 1 for chance in chances.values())
    recalled = client.get(f"{URL}/{answer['id']}").json()["matches"]
    assert {match["product_id"]: match["chance"] for match in recalled} == {"P4": None} | chances


def test_products_that_fail_are_counted_by_rule_and_not_ranked(client):
    answer = ask(client)
    assert answer["candidates"] == 5
    assert sum(answer["failed"].values()) >= 1  # P5 lends one yuan at most
    assert any("amount" in rule for rule in answer["failed"])


def test_top_k_cuts_the_list_and_leaves_the_order(client):
    everything = ask(client)["matches"]
    assert ask(client, top_k=2)["matches"] == everything[:2]


def test_an_exposure_constraint_is_kept_and_recorded(client):
    answer = ask(client, exposure={"cap": 2})
    owners = [match["institution_id"] for match in answer["matches"]]
    assert sorted(owners) == ["I1", "I1", "I2"]
    assert answer["candidates"] == 5
    asked = client.get(f"{URL}/{answer['id']}").json()["request"]
    assert asked["exposure"] == {"cap": 2, "floor": 0, "small_share": 0.01}


def test_without_an_exposure_constraint_the_score_alone_decides(client):
    answer = ask(client)
    assert len(answer["matches"]) == 5
    assert client.get(f"{URL}/{answer['id']}").json()["request"]["exposure"] is None


def test_what_to_fix_is_said_on_demand_with_the_rank_that_it_brings(client):
    answer = ask(client, fix=True)
    (fix,) = answer["fixes"]
    assert (fix["product_id"], fix["institution_id"], fix["kind"]) == ("P5", "I2", "leasing")
    assert (fix["effort_days"], fix["rank"] <= fix["candidates"]) == (1, True)
    (change,) = fix["changes"]
    assert (change["field"], change["before"], change["after"]) == ("amount", NEED["amount"], 1)
    assert change["text_en"] == "bring the amount needed from 2,000,000 to 1 yuan"


def test_what_to_fix_is_recorded_and_left_out_where_it_is_not_asked(client):
    asked, not_asked = (client.get(f"{URL}/{ask(client, fix=fix)['id']}").json() for fix in (True, False))
    assert asked["request"]["fix"] is True
    assert [fix["product_id"] for fix in asked["fixes"]] == ["P5"]
    assert not_asked["request"]["fix"] is False
    assert not_asked["fixes"] is None


def test_reasons_are_given_on_demand_and_recorded(client):
    asked, not_asked = (ask(client, explain=explain) for explain in (True, False))
    assert all(1 <= len(match["reasons"]) <= 4 for match in asked["matches"])
    assert {reason["effect"] for match in asked["matches"] for reason in match["reasons"]} <= {"raises", "lowers"}
    assert {match["reasons"] for match in not_asked["matches"]} == {None}
    assert [match["score"] for match in asked["matches"]] == [match["score"] for match in not_asked["matches"]]
    record = client.get(f"{URL}/{asked['id']}").json()
    assert record["request"]["explain"] is True
    assert record["matches"] == asked["matches"]


def test_a_record_of_before_there_were_messages_fixes_and_reasons_is_read(client):
    answer = ask(client, top_k=1)
    with client.app.state.service.store.writing() as session:
        row = queries.recommendation(session, answer["id"])
        old = {name: value for name, value in row.answer.items() if name != "fixes"}
        kept = ("rule", "result", "clause", "threshold", "actual")
        for match in old["matches"]:
            match["verdicts"] = [{name: verdict[name] for name in kept} for verdict in match["verdicts"]]
            del match["reasons"]
        row.answer = old
        row.request = {name: value for name, value in row.request.items() if name not in ("fix", "explain")}
    found = client.get(f"{URL}/{answer['id']}").json()
    assert found["fixes"] is None
    assert found["matches"][0]["reasons"] is None
    assert found["matches"][0]["product_id"] == answer["matches"][0]["product_id"]


def test_kinds_limits_the_products(client):
    assert [match["product_id"] for match in ask(client, kinds=["leasing"])["matches"]] == ["P4"]


def test_nothing_that_suits_is_an_answer_too(client):
    answer = ask(client, kinds=["bond"])
    assert (answer["candidates"], answer["matches"]) == (0, [])
    assert client.get(f"{URL}/{answer['id']}?features=true").json()["features"] == []


def test_defaults_are_today_and_the_enterprises_own_id(client):
    asked = client.get(f"{URL}/{ask(client)['id']}").json()["request"]
    assert asked["as_of"] == "2025-01-10"
    assert asked["need"]["posted_at"] == "2025-01-10"
    assert asked["need"]["enterprise_id"] == "E1"
    assert asked["need"]["need_id"].startswith("need-20250110T120000")
    assert asked["enterprise"]["as_of"] == "2022-12-31"
    assert asked["top_k"] == 10


def test_an_enterprise_by_value_is_as_of_the_request(client):
    answer = client.post(URL, json=BY_VALUE | {"as_of": "2024-06-30"}).json()
    assert client.get(f"{URL}/{answer['id']}").json()["request"]["enterprise"]["as_of"] == "2024-06-30"


def test_an_enterprise_by_value_is_known_by_the_day_its_need_was_posted(client):
    answer = client.post(URL, json=BY_VALUE | {"need": BY_VALUE["need"] | {"posted_at": "2025-01-08"}}).json()
    assert client.get(f"{URL}/{answer['id']}").json()["request"]["enterprise"]["as_of"] == "2025-01-08"


def test_a_past_day_has_that_days_products(client):
    assert "P6" in {match["product_id"] for match in ask(client, as_of="2023-06-30")["matches"]}


def test_the_same_request_gets_the_same_ranking_and_a_record_of_its_own(client):
    first, second = ask(client), ask(client)
    assert first["id"] != second["id"]
    assert first["matches"] == second["matches"]


def test_the_record_repeats_the_answer(client):
    answer = ask(client, need=NEED | {"need_id": "N-7"})
    found = client.get(f"{URL}/{answer['id']}").json()
    assert {name: found[name] for name in answer} == answer
    assert found["created_at"] == "2025-01-10T12:00:00Z"
    assert found["request"]["need"]["amount"] == NEED["amount"]
    assert found["features"] is None


def test_the_record_holds_every_candidates_features_by_name(client):
    answer = ask(client, top_k=1)
    features = client.get(f"{URL}/{answer['id']}?features=true").json()["features"]
    row = record(client, answer["id"])
    matrix = arrays.unpack_matrix(row.features, len(FEATURES))
    assert [line["product_id"] for line in features] == ["P0", "P1", "P2", "P3", "P4"]
    assert [tuple(line["values"]) for line in features] == [FEATURES] * 5
    shown = np.array([[np.nan if v is None else v for v in line["values"].values()] for line in features])
    assert np.isnan(shown).any()
    np.testing.assert_array_equal(shown, matrix)
    assert max(line["score"] for line in features) == answer["matches"][0]["score"]


def test_features_logged_online_equal_those_built_offline_bit_for_bit(client):
    answer = ask(client, as_of="2024-12-20")
    matcher = client.app.state.service.serving.matcher()
    asked = client.get(f"{URL}/{answer['id']}").json()["request"]
    with client.app.state.service.store.reading() as session:
        enterprise = queries.enterprise(session, "E1", date(2024, 12, 20))
    need = Need.model_validate(asked["need"])
    row = record(client, answer["id"])
    rows = np.searchsorted(matcher.catalogue.ids, arrays.unpack_ids(row.product_ids))
    built = matcher.builder.build(enterprise, need, date(2024, 12, 20), rows)
    logged = arrays.unpack_matrix(row.features, len(row.feature_names))
    assert np.ascontiguousarray(logged).tobytes() == built.tobytes()
    assert arrays.unpack_vector(row.scores).tobytes() == matcher.ranker.score(built).tobytes()


def test_an_answer_that_cannot_be_recorded_is_not_given(client, monkeypatch, caplog):
    def full(*_):
        raise OSError("disk full at /secret/path")

    monkeypatch.setattr(arrays, "pack_matrix", full)
    response = client.post(URL, json=BY_ID)
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "disk full" not in response.text
    assert response.json()["request_id"] in caplog.text
    assert "disk full" in caplog.text


def test_eight_clients_at_once_each_find_their_record(client):
    with client.app.state.service.store.reading() as session:
        before = session.scalar(select(func.count()).select_from(RecommendationRow))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: ask(client, need=NEED | {"need_id": f"T{i}"}), range(40)))
    with client.app.state.service.store.reading() as session:
        assert session.scalar(select(func.count()).select_from(RecommendationRow)) == before + 40
        rows = [queries.recommendation(session, answer["id"]) for answer in answers]
    assert [row.need_id for row in rows] == [f"T{i}" for i in range(40)]


@pytest.mark.parametrize("flag", ["true", "1"])
def test_an_unknown_record_is_not_found(client, flag):
    response = client.get(f"{URL}/R-none?features={flag}")
    assert response.status_code == 404
    assert response.json()["detail"] == "recommendation 'R-none' does not exist"

"""Who is served worse than average: what is found where somebody is, and how seldom anything is where nobody is."""

import numpy as np
import pandas as pd
import pytest

from training.breakdown import UNKNOWN
from training.served import Served, gaps


def market(labels, worse=(), by=0.3, seed=0, **columns):
    """A need an enterprise, its NDCG drawn around 0.7, and lower `by` so much in the `worse` slices of `size`."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0.7, 0.1, len(labels)) - by * np.isin(labels, worse)
    firms = [f"E{i}" for i in range(len(labels))]
    return pd.DataFrame({"enterprise_id": firms, "size": labels, "model": values} | columns)


def said(frame):
    return dict(zip(frame["label"], frame["served"], strict=True))


def test_whom_chance_does_not_put_so_far_below_the_average_is_served_worse_and_comes_first():
    found = gaps(market(["micro"] * 15 + ["small"] * 60 + ["large"] * 5, worse=["micro"]), ["size"])
    assert found["label"][0] == "size: micro"
    assert said(found) == {
        "size: micro": Served.WORSE,
        "size: small": Served.BETTER,
        "size: large": Served.CHANCE,
    }
    assert found["gap"][0] < -found["chance"][0]


def test_where_all_are_served_alike_one_market_in_twenty_has_a_slice_that_seems_not_to_be():
    """However many slices are looked at: each market has twelve."""
    rng, false = np.random.default_rng(0), 0
    for seed in range(60):
        sizes, zones = rng.integers(0, 6, (2, 60)).astype(str)
        found = gaps(market(sizes, seed=seed, zone=zones), ["size", "zone"])
        false += not {Served.WORSE, Served.BETTER}.isdisjoint(found["served"])
    assert 1 <= false <= 7  # 3 are expected; more than 7 come once in a hundred


def test_an_enterprise_counts_once_in_a_slice_however_often_it_came():
    needs = pd.DataFrame(
        {"enterprise_id": ["E1", "E1", "E1", "E2", "E3"], "size": [*"aaaa", "b"], "model": [0.0, 0.0, 0.0, 1.0, 0.8]}
    )
    found = gaps(needs, ["size"]).set_index("label")
    assert found.loc["size: a", ["value", "needs", "enterprises"]].tolist() == [pytest.approx(0.5), 4, 2]
    assert found["gap"].to_dict() == {"size: a": pytest.approx(-0.1), "size: b": pytest.approx(0.2)}


def test_an_enterprise_in_two_slices_counts_in_both():
    needs = pd.DataFrame({"enterprise_id": ["E1", "E1", "E2"], "size": [*"abb"], "model": [0.2, 0.4, 0.6]})
    found = gaps(needs, ["size"]).set_index("label")
    assert found["value"].to_dict() == {"size: a": pytest.approx(0.2), "size: b": pytest.approx(0.5)}


def test_fewer_than_five_enterprises_are_not_judged_and_stand_last():
    found = gaps(market(["micro"] * 4 + ["small"] * 60, worse=["micro"], by=0.6), ["size"])
    assert found["label"].tolist() == ["size: small", "size: micro"]
    assert said(found)["size: micro"] == Served.TOO_FEW


def test_chance_carries_a_small_slice_further_than_a_large_one():
    found = gaps(market(["small"] * 10 + ["medium"] * 40 + ["large"] * 40), ["size"]).set_index("label")
    assert found.loc["size: small", "chance"] > 1.5 * found.loc["size: large", "chance"]


def test_the_more_slices_are_looked_at_the_further_one_of_them_lies_off_by_chance():
    labels = [*"ab"] * 40
    needs = market(labels, industry=np.arange(80) // 8)
    alone, among = (gaps(needs, columns).set_index("label") for columns in (["size"], ["size", "industry"]))
    assert among.loc["size: a", "chance"] > 1.2 * alone.loc["size: a", "chance"]


def test_slices_that_are_too_small_to_judge_are_not_looked_at_and_widen_nothing():
    needs = market([*"ab"] * 24, industry=np.arange(48) // 4)
    alone, beside = (gaps(needs, columns).set_index("label")["chance"] for columns in (["size"], ["size", "industry"]))
    assert beside["size: a"] == alone["size: a"]


def test_what_is_not_known_is_a_slice_and_what_all_have_alike_is_none():
    found = gaps(market(["small", None] * 10, zone="west"), ["size", "zone"])
    assert set(found["label"]) == {"size: small", f"size: {UNKNOWN}"}
    assert gaps(market(["small"] * 9), ["size"]).empty


def test_where_all_get_the_same_nobody_is_served_worse():
    found = gaps(market([*"ab"] * 10).assign(model=1.0), ["size"])
    assert found[["gap", "chance"]].to_numpy() == pytest.approx(0)
    assert set(found["served"]) == {Served.CHANCE}


def test_another_figure_can_be_asked_about_and_the_answer_is_the_same_again():
    needs = market([*"ab"] * 20).assign(lead=[0.1, 0.3] * 20)
    found = gaps(needs, ["size"], "lead", seed=3)
    assert found["value"].tolist() == [pytest.approx(0.1), pytest.approx(0.3)]
    pd.testing.assert_frame_equal(found, gaps(needs, ["size"], "lead", seed=3))

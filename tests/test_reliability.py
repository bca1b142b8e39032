"""Reliability: bins, error and noise as computed by hand, and the chances that the matcher states."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from matching.calibration import FEWEST
from matching.matcher import Matcher
from tests.conftest import SPLIT
from training.appetites import positions
from training.applications import applied
from training.reliability import COLUMNS, calibration_error, measured, reliability, stated, unstated


def applications(kind, chances, granted, **more):
    return pd.DataFrame({"kind": kind, "chance": chances, "granted": granted, **more})


def rows(frame):
    return [tuple(row) for row in frame[["kind", "chance", "granted", "n"]].itertuples(index=False)]


# bins and their error


def test_reliability_bins_each_kind_by_the_chance_stated():
    chances = pd.concat([applications("bond", [0.1, 0.3, 0.6, 0.8], [0, 0, 1, 0]), applications("credit", [0.5], [1])])
    assert rows(reliability(chances, bins=2)) == [
        ("bond", pytest.approx(0.2), 0, 2),
        ("bond", pytest.approx(0.7), 0.5, 2),
        ("credit", 0.5, 1, 1),
    ]


def test_a_weight_is_a_number_of_applications():
    heavy = applications("bond", [0.1, 0.3, 0.8], [0, 1, 1], weight=[3.0, 1.0, 4.0])
    assert rows(reliability(heavy, bins=2)) == [
        ("bond", pytest.approx((3 * 0.1 + 1 * 0.3) / 4), 1 / 4, 4),
        ("bond", pytest.approx(0.8), 1, 4),
    ]


@pytest.mark.parametrize("n", [1, 7, 10, 11, 99, 1000])
def test_bins_are_of_equal_size(n):
    frame = reliability(applications("bond", np.linspace(0.1, 0.9, n), 1.0))
    assert len(frame) == min(n, 10)
    assert frame["n"].sum() == n
    assert np.ptp(frame["n"]) <= 1


def test_the_calibration_error_weighs_bins_by_applications():
    bins = pd.DataFrame({"kind": "bond", "chance": [0.2, 0.7], "granted": [0.0, 0.5], "n": [3, 1]})
    assert calibration_error(bins) == pytest.approx((3 * 0.2 + 1 * 0.2) / 4)


# what is reported


def candidates(chances, granted, needs=None, looked=1.0):
    """Candidates of credit, P0, P1 and so on, of one need unless said otherwise."""
    ids = [f"P{i}" for i in range(len(chances))]
    return applications("credit", chances, granted, need_id=needs or "N1", product_id=ids, looked=looked)


def test_only_decided_applications_are_counted():
    found = measured(candidates([0.2, 0.4, 0.9], [0.0, 1.0, np.nan]))["credit"]
    assert found["applications"] == 2
    assert found["chance"] == pytest.approx((0.2 + 0.4) / 2)
    assert found["granted"] == 1 / 2
    assert found["ece"] == pytest.approx((0.2 + 0.6) / 2)


def test_noise_is_the_error_of_chances_that_are_right():
    n, chance = 4000, 0.3
    found = measured(candidates([chance] * n, [1.0] * n))["credit"]
    of_a_bin = np.sqrt(chance * (1 - chance) / (n / 10))
    assert found["noise"] == pytest.approx(np.sqrt(2 / np.pi) * of_a_bin, rel=0.1)
    assert found["ece"] == pytest.approx(1 - chance)


def test_with_the_truth_every_candidate_counts_as_likely_as_it_is_applied_for():
    truth = pd.DataFrame(
        {"need_id": "N1", "product_id": ["P0", "P1"], "chance": [0.3 * 0.5, 0.1 * 0.9], "granted": [0.5, 0.9]}
    )
    found = measured(candidates([0.4, 0.6], [1.0, np.nan]), truth)["credit"]
    assert found["true_mae"] == pytest.approx((0.3 * 0.1 + 0.1 * 0.3) / (0.3 + 0.1))
    assert found["true_ece"] == pytest.approx(found["true_mae"])  # a bin each


def test_what_was_not_looked_at_was_not_applied_for():
    truth = pd.DataFrame({"need_id": "N1", "product_id": ["P0", "P1", "P2"], "chance": 0.2, "granted": [0.5, 0.9, 0.1]})
    chosen = candidates([0.4, 0.6, 0.7], [1.0, np.nan, np.nan], looked=[1.0, 0.5, 0.0])
    first, second = 0.2 / 0.5, 0.5 * 0.2 / 0.9
    assert measured(chosen, truth)["credit"]["true_mae"] == pytest.approx(
        (first * 0.1 + second * 0.3) / (first + second)
    )


def test_a_need_with_more_applications_counts_more():
    truth = pd.DataFrame(
        {"need_id": ["N1", "N1", "N2"], "product_id": ["P0", "P1", "P2"], "chance": 0.25, "granted": 0.5}
    )
    found = measured(candidates([0.5, 0.5, 0.8], [1.0, 0.0, 1.0], ["N1", "N1", "N2"]), truth)["credit"]
    assert found["true_mae"] == pytest.approx((2 * 0.0 + 1 * 0.3) / 3)


def test_a_need_of_which_nothing_was_looked_at_counts_for_nothing():
    truth = pd.DataFrame({"need_id": ["N1", "N2"], "product_id": ["P0", "P1"], "chance": 0.25, "granted": 0.5})
    chosen = candidates([0.6, 0.9], [1.0, np.nan], ["N1", "N2"], looked=[1.0, 0.0])
    found = measured(chosen, truth)["credit"]
    assert (found["true_mae"], found["true_ece"]) == pytest.approx((0.1, 0.1))


def test_a_truth_without_the_chance_of_a_grant_is_not_held_against_it():
    truth = pd.DataFrame({"need_id": ["N1"], "product_id": ["P0"], "chance": [0.5]})
    assert "true_ece" not in measured(candidates([0.4], [1.0]), truth)["credit"]


def test_without_a_decided_application_nothing_is_measured():
    assert measured(candidates([0.4], [np.nan])) == {}
    assert measured(pd.DataFrame(columns=list(COLUMNS))) == {}


def test_a_kind_without_a_chance_says_why():
    counts = {kind: {"granted": 1200, "refused": 7, "enough": False} for kind in ("bond", "credit")}
    found = unstated(counts, ["credit"])
    assert set(found) == {"bond"}
    assert found["bond"]["why"].startswith("1,200 applications granted and 7 refused")
    assert found["bond"]["why"].endswith(f"at least {FEWEST} of each are needed")


def test_where_enough_was_decided_but_not_of_what_was_shown_it_says_so():
    found = unstated({"bond": {"granted": 90, "refused": 60, "enough": True}}, [])
    assert found["bond"]["why"].endswith(
        f"at least {FEWEST} of each are needed, of products that are on record as shown, "
        "the earliest quarter of all decisions left out"
    )


# what is stated


@pytest.fixture(scope="module")
def matcher(world, trained):
    return Matcher(world.catalogue, replace(trained, history=world.history))


def test_chances_are_the_matchers_own_beside_what_was_decided(world, matcher):
    frame = stated(world, matcher, SPLIT)
    assert set(frame["kind"]) == {"credit"}
    decided = frame.dropna().set_index(["need_id", "product_id"])["granted"]
    item = applied(world, SPLIT)[0]
    ranking = matcher.rank(item.query.enterprise, item.query.need, as_of=item.query.as_of, among=item.query.rows)
    mine = frame[frame["need_id"] == item.query.need_id].set_index("product_id")["chance"]
    for match in ranking.matches:
        assert mine.get(match.product_id) == match.chance
    assert len(decided)
    assert set(decided) <= {0.0, 1.0}


def test_what_is_shown_further_down_is_looked_at_less_and_what_is_not_shown_not_at_all(world, matcher):
    frame = stated(world, matcher, SPLIT).set_index(["need_id", "product_id"])["looked"]
    gamma = matcher.ranker.appetites[0].gamma
    places = positions(world.tables.outcomes)
    need_id = frame.index[0][0]
    expected = {p: float(places[need_id][p]) ** -gamma if p in places[need_id] else 0.0 for p in frame[need_id].index}
    assert frame[need_id].to_dict() == pytest.approx(expected)
    assert 0.0 in set(frame)


def test_a_model_without_a_chance_states_none(world, matcher, loyal_ranker):
    silent = replace(matcher.ranker, calibration=loyal_ranker.calibration)
    frame = stated(world, Matcher(world.catalogue, silent), SPLIT)
    assert list(frame.columns) == list(COLUMNS)
    assert frame.empty


def test_where_it_is_not_on_record_what_was_shown_every_candidate_was_looked_at(world, matcher):
    outcomes = world.tables.outcomes
    unseen = replace(world, tables=replace(world.tables, outcomes=outcomes[outcomes["stage"] != "shown"]))
    assert set(stated(unseen, matcher, SPLIT)["looked"]) == {1.0}


def test_where_it_is_not_on_record_how_far_down_it_was_shown_it_was_looked_at_like_the_first(world, matcher):
    outcomes = world.tables.outcomes.assign(position=np.nan)
    anywhere = replace(world, tables=replace(world.tables, outcomes=outcomes))
    assert set(stated(anywhere, matcher, SPLIT)["looked"]) == {0.0, 1.0}

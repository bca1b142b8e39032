"""The price of a constraint on exposure: each figure by arithmetic on the four needs of `evaluations`.

Of the four outcomes before the window, three are the bank's (P1, P2, P4 by E1) and one the lessor's (P3).
"""

import pytest

from matching.exposure import Exposure
from tests.evaluations import SECOND, TAKEN, THIRD, evaluation
from training.breakdown import best_baseline
from training.evaluate import CONSTRAINED
from training.fairness import constrained, floors, said

LESSOR_IS_SMALL = 0.5
TENTH = Exposure(floor=9, small_share=LESSOR_IS_SMALL)  # one place for the bank, nine for the lessor's one product


@pytest.fixture(scope="module")
def found():
    return evaluation()


@pytest.fixture(scope="module")
def tight(found):
    return constrained(found, TENTH)


def ndcg(found, system, part="all"):
    return found.report["systems"][system][part]["ndcg@10"]["value"]


def test_the_model_itself_is_measured_as_before(found, tight):
    assert {name: tight.report["systems"][name] for name in found.report["systems"]} == found.report["systems"]
    assert set(tight.report["systems"]) - set(found.report["systems"]) == {CONSTRAINED}


def test_what_gets_no_place_is_worth_nothing_and_what_follows_moves_up(tight):
    """The bank keeps P1 in each need and the lessor P3: N1 is right, N2's P3 moves up to 2, N3's P2 is gone."""
    assert ndcg(tight, CONSTRAINED) == pytest.approx(((1 + 0) / 2 + (SECOND + 0) / 2) / 2)
    assert ndcg(tight, CONSTRAINED, "cold") == pytest.approx(SECOND)


def test_the_price_is_the_models_ndcg_less_the_constrained_ones(tight):
    price = tight.report["exposure"]["price"]
    assert price["all"]["value"] == pytest.approx((0 + (THIRD - SECOND + SECOND - 0) / 2) / 2)
    assert price["cold"]["value"] == pytest.approx(THIRD - SECOND)
    assert price["all"]["low"] <= price["all"]["value"] <= price["all"]["high"]


def test_the_share_of_places_is_that_of_all_needs_together(tight):
    small = tight.report["exposure"]["small"]
    assert small == {"eligible": pytest.approx(1 / 3), "without": pytest.approx(1 / 3), "under": pytest.approx(1 / 2)}
    assert tight.report["exposure"]["fewer"] == 1.0


def test_a_constraint_that_binds_nobody_costs_nothing(found):
    loose = constrained(found, Exposure(cap=3, floor=1, small_share=LESSOR_IS_SMALL))
    assert loose.report["systems"][CONSTRAINED] == loose.report["systems"]["model"]
    assert loose.report["exposure"]["price"]["all"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert loose.report["exposure"]["fewer"] == 0.0


def test_the_constraint_itself_is_in_the_report(tight):
    told = tight.report["exposure"]
    assert {name: told[name] for name in ("cap", "floor", "small_share")} == TENTH.model_dump()


def test_the_constrained_model_is_no_baseline(tight):
    assert best_baseline(tight.report) == "popularity"


def test_without_a_cold_need_there_is_no_cold_price():
    warm = constrained(evaluation(taken=[one for one in TAKEN if one[0] != "N2"]), TENTH)
    assert set(warm.report["exposure"]["price"]) == {"all"}


def test_a_constraint_is_said_in_words(tight, found):
    text = said(tight.report["exposure"])
    assert "9 of ten places kept for small ones; small: below 50.0% of the outcomes of three years" in text
    assert "50.0% of the first ten places, 33.3% without it and 33.3% of the eligible products" in text
    assert "100.0% of the needs get fewer products" in text
    assert f"all {tight.report['exposure']['price']['all']['value']:.3f} [" in text
    assert "(at most 2 of one institution; small:" in said(constrained(found, Exposure(cap=2)).report["exposure"])


def test_several_floors_are_beside_each_other_each_as_the_report_has_it(found, tight):
    frame = floors(found, (1, 9), LESSOR_IS_SMALL)
    assert frame["label"].tolist() == ["1 of 10", "9 of 10"]
    told = tight.report["exposure"]
    assert frame.iloc[1].drop("label").to_dict() == told["price"]["all"] | told["small"] | {"fewer": told["fewer"]}
    assert frame["value"][0] == 0.0, "one place binds nobody"

"""What moves an appetite's chance: by the definition, to the last share, and in words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from matching.appetite import SLOPES, moved
from matching.features import APPETITES, FEATURES
from matching.leanings import LEANINGS
from matching.outcomes import history_of
from tests import bundles
from tests import factories as make


def logistic(odds):
    return 1 / (1 + np.exp(-odds))


# what moves a chance


def tilted(slope, others):
    """By quadrature: the mean of 1 - σ on the straight line between two log-odds, by the midpoints of many pieces."""
    middle = (np.arange(20_000) + 0.5) / 20_000
    return np.mean(1 - logistic(others + middle * (slope - others)))


def moving(intercept, parts, references):
    return moved(intercept, np.concatenate([parts, references]), len(parts))


@given(
    parts=arrays(np.float64, (3, 4), elements=st.floats(-5, 5)),
    references=arrays(np.float64, (2, 4), elements=st.floats(-5, 5)),
)
def test_a_parts_value_is_the_integral_of_the_slope_along_the_line_from_each_reference(parts, references):
    found = moving(-0.3, parts, references)
    for row, values in zip(parts, found, strict=True):
        lines = [tilted(row.sum() - 0.3, other.sum() - 0.3) * (row - other) for other in references]
        assert values == pytest.approx(np.mean(lines, axis=0), abs=1e-7)


@given(
    parts=arrays(np.float64, (3, 4), elements=st.floats(-30, 30)),
    references=arrays(np.float64, (5, 4), elements=st.floats(-30, 30)),
)
def test_values_sum_to_the_log_chance_less_the_references_mean(parts, references):
    chance, mean = (-np.logaddexp(0, -part.sum(axis=1) - 0.5) for part in (parts, references))
    assert moving(0.5, parts, references).sum(axis=1) == pytest.approx(chance - mean.mean(), abs=1e-9)


def test_odds_that_are_nearly_equal_move_by_the_slope_between_them():
    for step in (0.0, 1e-12, 0.99e-4, 1.01e-4):
        found = moving(0.0, np.array([[0.4 + step, 2.0]]), np.array([[0.4, 2.0]]))
        assert found[0, 0] == pytest.approx(step * logistic(-2.4), rel=1e-4, abs=1e-18)


def test_what_is_the_same_in_a_row_and_all_references_moves_exactly_nothing():
    rng = np.random.default_rng(0)
    parts, references = rng.normal(size=(4, 6)), rng.normal(size=(7, 6))
    parts[:, 2] = references[:, 2] = 0.1
    found = moving(-1.0, parts, references)
    assert (found[:, 2] == 0).all()
    assert (np.delete(found, 2, axis=1) != 0).all()


def test_equal_parts_move_alike_and_against_one_reference_the_two_swap_signs():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(1, 6)), rng.normal(size=(1, 6))
    one[0, 1], other[0, 1] = one[0, 0], other[0, 0]
    found = moving(0.2, one, other)
    assert found[0, 0] == found[0, 1]
    assert found == pytest.approx(-moving(0.2, other, one))


# parts


def asked(bound, history, **facts):
    """The parts of `P0` to `P3` and of a product that was never met, and their log chances."""
    context = history.context(make.enterprise(**facts), make.need(), bundles.UNTIL)
    features = np.random.default_rng(3).normal(size=(5, len(FEATURES)))
    product = np.array([0, 1, 2, 3, len(history.products)], np.int32)
    levels = [product, np.where(product < 4, 0, 2).astype(np.int32), np.where(product < 4, 0, 2).astype(np.int32)]
    return bound.parts(context, features, levels), bound.log_chance(context, features, levels)


@pytest.mark.parametrize("stage", range(len(APPETITES)))
def test_the_parts_and_the_intercept_sum_to_the_log_odds(stage):
    history, appetite = history_of(bundles.market()), bundles.leaning()[stage]
    parts, chance = asked(appetite.bound(history), history)
    assert -np.logaddexp(0, -parts.sum(axis=1) - appetite.intercept) == pytest.approx(chance, abs=1e-12)


def test_a_part_is_a_slope_on_a_fact_of_the_need_and_0_where_either_is_missing():
    history, (appetite, _) = history_of(bundles.market()), bundles.leaning()
    place = {name: i for i, name in enumerate((*FEATURES, *SLOPES))}
    slopes = dict(zip(appetite.keys.names, appetite.slopes["institution"]["I1"], strict=True))
    known, unknown = (asked(appetite.bound(history), history, **facts)[0] for facts in ({}, {"industry": None}))
    assert known[0, place["institution_industry_2"]] == slopes["industry_2:/C/34"]
    assert unknown[0, place["institution_industry_2"]] == 0
    assert known[0, place["institution_cluster"]] == 0  # the enterprise states none
    assert (known[4, len(FEATURES) :] == 0).all()  # never met


def test_every_leaning_has_a_topic_of_its_stage_and_level():
    assert LEANINGS["granted_institution_industry_2"].topic.code == "granted_institution_industry"
    found = LEANINGS["granted_institution_industry_2"].topic
    assert found.en == "How readily this institution grants in the enterprise's industry"
    assert LEANINGS["applied_product_level"].topic.en == "How readily this product finds applicants"
    assert all(said.topic.code.split("_")[:2] == name.split("_")[:2] for name, said in LEANINGS.items())

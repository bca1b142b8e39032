"""The choice model: a conditional logit that finds planted weights, and speaks only of what differs in a need."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from matching.choice import COLUMNS, RIDGE, Choice, fit_choice
from matching.features import FEATURES, SPECIFICATION
from matching.sides import Side

PAIR = int(COLUMNS[0])
OTHER = int(COLUMNS[1])
ENTERPRISE = next(i for i, feature in enumerate(SPECIFICATION) if feature.side == Side.ENTERPRISE)


def sample(seed=0, groups=200, size=5, pull=2.0):
    """Groups in which the choice follows a softmax over one feature, `pull` a unit, and nothing else."""
    rng = np.random.default_rng(seed)
    features = np.zeros((groups * size, len(FEATURES)))
    features[:, PAIR] = rng.normal(size=len(features))
    features[:, OTHER] = rng.normal(size=len(features))
    noisy = (pull * features[:, PAIR] + rng.gumbel(size=len(features))).reshape(groups, size)
    labels = (noisy == noisy.max(axis=1, keepdims=True)).astype(np.int32).ravel()
    return features, labels, np.full(groups, size, np.int32), np.ones(len(features))


def loss(choice, features, labels, groups, weights, ridge=RIDGE):
    """The penalised negative log-likelihood, group by group: slow and obvious."""
    scores, total, begin, sum_of_weights = choice.score(features), 0.0, 0, 0.0
    for size in groups:
        rows = slice(begin, begin + size)
        gain = 2.0 ** labels[rows] - 1
        chances = np.exp(scores[rows]) / np.exp(scores[rows]).sum()
        total -= weights[begin] * (gain / gain.sum() * np.log(chances)).sum()
        sum_of_weights += weights[begin]
        begin += size
    return total / sum_of_weights + ridge * (choice.weights**2).sum()


def test_finds_the_feature_that_decides_and_no_other():
    choice = fit_choice(*sample(), ridge=1e-6)
    per_unit = choice.weights / choice.scale
    assert per_unit[0] == pytest.approx(2.0, abs=0.5)
    assert abs(per_unit[1]) < 0.3
    assert np.all(choice.weights[2:] == 0)


def test_is_the_same_to_the_last_bit_on_any_number_of_cores():
    rng = np.random.default_rng(3)
    features, labels, groups, weights = sample(groups=1000, size=50)
    features[:, COLUMNS] = rng.normal(size=(len(features), len(COLUMNS)))
    found = []
    for cores in (1, 2, 3):
        with threadpool_limits(cores, user_api="blas"):
            found.append(fit_choice(features, labels, groups, weights).weights.tobytes())
    assert found[1:] == found[:1] * 2


@given(st.integers(0, 10**6), st.integers(0, len(COLUMNS) - 1))
def test_no_small_step_away_from_the_fit_is_better(seed, column):
    features, labels, groups, weights = sample(seed % 5, groups=30)
    choice = fit_choice(features, labels, groups, weights)
    step = np.zeros(len(COLUMNS))
    step[column] = 0.05 if seed % 2 else -0.05
    moved = Choice(choice.weights + step, choice.mean, choice.scale)
    assert loss(choice, features, labels, groups, weights) <= loss(moved, features, labels, groups, weights) + 1e-9


def test_what_is_the_same_for_all_candidates_changes_nothing():
    features, *_ = sample()
    choice = fit_choice(*sample())
    other = features.copy()
    other[:, ENTERPRISE] = 17.0
    assert np.array_equal(choice.score(features), choice.score(other))


def test_a_missing_value_counts_as_an_average_one():
    features, *rest = sample()
    choice = fit_choice(features, *rest)
    missing, average = features[:1].copy(), features[:1].copy()
    missing[0, PAIR], average[0, PAIR] = np.nan, choice.mean[0]
    assert choice.score(missing) == pytest.approx(choice.score(average))


def test_a_column_that_is_never_known_weighs_nothing():
    features, *rest = sample()
    features[:, OTHER] = np.nan
    choice = fit_choice(features, *rest)
    assert choice.weights[1] == 0
    assert np.isfinite(choice.score(features)).all()


def test_a_higher_grade_takes_the_larger_share_of_a_choice():
    features = np.zeros((2, len(FEATURES)))
    features[:, PAIR] = [1.0, -1.0]
    choice = fit_choice(features, np.array([3, 1], np.int32), np.array([2], np.int32), np.ones(2), ridge=1e-9)
    scores = choice.score(features)
    assert np.exp(scores[0] - scores[1]) == pytest.approx((2**3 - 1) / (2**1 - 1), rel=1e-2)


def test_json_brings_back_the_same_scores_to_the_bit():
    features, *rest = sample()
    choice = fit_choice(features, *rest)
    again = Choice.from_dict(json.loads(json.dumps(choice.to_dict())))
    assert np.array_equal(choice.score(features), again.score(features))


@given(seed=st.integers(0, 10**6), lacking=st.floats(0, 0.5))
def test_what_each_column_adds_sums_up_to_the_score_to_the_last_bit(seed, lacking):
    rng = np.random.default_rng(seed)
    choice = Choice(*rng.normal(size=(2, len(COLUMNS))), np.exp(rng.normal(size=len(COLUMNS))))
    features = 5 * rng.normal(size=(7, len(FEATURES)))
    features[rng.random(features.shape) < lacking] = np.nan
    assert np.cumsum(choice.parts(features), axis=1)[:, -1].tolist() == choice.score(features).tolist()

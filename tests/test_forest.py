"""The forest scores as LightGBM does, to the last bit, whatever it is asked."""

import logging
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.errors import InputError
from matching.forest import ROWS, Forest, Stock, Stored, scorer
from tests import forests

LEAVES = st.integers(2, 70)
SEEDS = st.integers(0, 10**6)


def same(booster, features):
    """Whether the forest is scored here, and as LightGBM scores it."""
    return Forest.of(booster).score(features).tobytes() == booster.predict(features, num_threads=1).tobytes()


@given(
    seed=SEEDS,
    leaves=LEAVES,
    trees=st.integers(1, 6),
    categories=st.booleans(),
    onehot=st.sampled_from([1, 100]),
    use_missing=st.booleans(),
    zero_as_missing=st.booleans(),
)
def test_any_forest_scores_any_row_as_lightgbm_does(
    seed, leaves, trees, categories, onehot, use_missing, zero_as_missing
):
    booster = forests.forest(
        seed,
        trees=trees,
        categories=categories,
        num_leaves=leaves,
        max_cat_to_onehot=onehot,
        use_missing=use_missing,
        zero_as_missing=zero_as_missing,
    )
    assert same(booster, forests.hard_rows(booster, 60, seed))
    assert same(booster, forests.rows(60, 5, seed + 1))


@given(seed=SEEDS, fixed=st.sets(st.integers(0, 4)))
def test_columns_with_one_value_for_all_rows_change_no_score(seed, fixed):
    booster = forests.forest(seed % 7, num_leaves=20)
    features = forests.hard_rows(booster, 30, seed)
    for column in fixed:
        features[:, column] = features[0, column]
    assert same(booster, features)


@given(seed=SEEDS, n=st.integers(2, 40))
def test_a_row_scores_the_same_whichever_rows_are_scored_with_it(seed, n):
    booster = forests.forest(seed % 7, num_leaves=20)
    forest, features = Forest.of(booster), forests.hard_rows(booster, n, seed)
    alone = np.concatenate([forest.score(features[i : i + 1]) for i in range(n)])
    assert alone.tobytes() == forest.score(features).tobytes()


@pytest.mark.parametrize("n", [0, 1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS + 5])
def test_any_number_of_rows_is_scored(n):
    booster = forests.forest()
    features = forests.rows(n, 5, seed=1)
    scores = Forest.of(booster).score(features)
    assert scores.shape == (n,)
    assert n == 0 or scores.tobytes() == booster.predict(features).tobytes()


def test_trees_of_more_leaves_and_columns_of_more_thresholds_than_a_byte_holds_are_scored():
    booster = forests.forest(n=3000, trees=3, num_leaves=600, max_bin=1000, categories=True)
    forest = Forest.of(booster)
    assert forest.nodes.rank.dtype == np.uint16
    assert same(booster, forests.hard_rows(booster, 300, seed=2))


def test_a_forest_without_a_split_gives_every_row_the_same():
    booster = forests.forest(trees=2, min_data_in_leaf=1000)
    assert same(booster, forests.rows(10, 5, seed=3))


def test_a_forest_without_trees_scores_nothing():
    text = forests.forest(trees=1).model_to_string()
    head = text.split("\nTree=")[0]

    class Bare:
        def model_to_string(self):
            return head + "\nend of trees\n"

    assert Forest.of(Bare()).score(forests.rows(4, 5, seed=9)).tolist() == [0.0] * 4


def test_only_the_trees_up_to_the_best_iteration_are_summed():
    booster = forests.forest(trees=6)
    booster.best_iteration = 2
    features = forests.rows(10, 5, seed=4)
    assert Forest.of(booster).score(features).tobytes() == booster.predict(features, num_iteration=2).tobytes()


def test_a_ranking_forest_sums_its_trees_as_they_are():
    features = forests.rows(60, 5, seed=5)
    booster = forests.ranking(features)
    assert same(booster, features)


def test_rows_in_another_layout_are_scored_alike():
    booster = forests.forest()
    features = forests.rows(20, 5, seed=6)
    assert Forest.of(booster).score(np.asfortranarray(features)).tobytes() == booster.predict(features).tobytes()


@pytest.mark.parametrize("width", [4, 6])
def test_rows_of_another_width_are_refused(width):
    with pytest.raises(InputError, match=f"features: columns: are 5, not {width}"):
        Forest.of(forests.forest()).score(forests.rows(3, width, seed=7))


def test_what_is_not_known_here_is_scored_by_lightgbm_and_the_log_says_so(caplog):
    booster = forests.forest(objective="poisson", whole=True)
    features = forests.rows(9, 5, seed=8)
    with caplog.at_level(logging.WARNING):
        fallback = scorer(booster)
    assert fallback == Stock(booster)
    assert fallback.score(features).tobytes() == booster.predict(features).tobytes()
    assert re.search("LightGBM itself scores the forest, more slowly: its objective 'poisson'", caplog.text)


def test_a_forest_kept_as_text_is_scored_alike_here_and_by_lightgbm():
    booster, features = forests.forest(categories=True), forests.rows(9, 5, seed=8)
    stored = Stored(booster.model_to_string())
    assert scorer(stored).score(features).tobytes() == booster.predict(features).tobytes()
    assert Stock(stored).score(features).tobytes() == booster.predict(features).tobytes()


def test_a_fit_forest_is_scored_here_and_nothing_is_logged(caplog):
    assert isinstance(scorer(forests.forest()), Forest)
    assert caplog.text == ""


def test_more_leaves_than_can_be_counted_are_left_to_lightgbm(monkeypatch, caplog):
    monkeypatch.setattr("matching.forest.MOST", 60)
    booster = forests.forest(num_leaves=61, min_data_in_leaf=1)
    assert scorer(booster) == Stock(booster)
    assert "61 leaves in a tree or thresholds on a column are more than 60" in caplog.text

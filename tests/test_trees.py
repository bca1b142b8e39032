"""Reading LightGBM's text: every tree as it stands there, and what cannot be scored here refused by name."""

import re

import numpy as np
import pytest

from matching.trees import Tree, UnfitError, gains_of, read_trees
from tests import forests


def tree(**entries):
    """A root that leads left to the first leaf and right to a node over the second and third."""
    text = {
        "split_feature": "4 2",
        "threshold": "0.5 1e-35",
        "decision_type": "2 10",
        "left_child": "-1 -2",
        "right_child": "1 -3",
        "leaf_value": "0.1 0.2 0.3",
    }
    return Tree.of(text | entries)


def test_a_tree_is_read_as_its_text_has_it():
    read = tree()
    assert read.column.tolist() == [4, 2]
    assert read.threshold.tolist() == [0.5, 1e-35]
    assert read.decision.tolist() == [2, 10]
    assert read.value.tolist() == [0.1, 0.2, 0.3]


def test_leaves_are_numbered_from_left_to_right():
    low, middle, end = tree().leaves()
    assert (low.tolist(), middle.tolist(), end.tolist()) == ([0, 1], [1, 2], [3, 3])
    assert tree().ordered().tolist() == [0.1, 0.2, 0.3]


def test_values_follow_their_leaves_where_the_text_has_another_order():
    mirrored = tree(left_child="1 -3", right_child="-1 -2")
    low, middle, end = mirrored.leaves()
    assert (low.tolist(), middle.tolist(), end.tolist()) == ([0, 0], [2, 1], [3, 2])
    assert mirrored.ordered().tolist() == [0.3, 0.2, 0.1]


def test_a_tree_without_a_split_has_one_leaf():
    stump = Tree.of({"split_feature": "", "leaf_value": "0.7"})
    assert stump.ordered().tolist() == [0.7]
    assert all(len(side) == 0 for side in stump.leaves())


def test_every_tree_of_a_forest_is_read_and_the_width_counts_unused_columns():
    booster = forests.forest(width=7, trees=4, num_leaves=6)
    width, trees = read_trees(booster.model_to_string())
    assert width == 7
    assert [len(one.value) for one in trees] == [info["num_leaves"] for info in booster.dump_model()["tree_info"]]


def test_sets_of_categories_are_read_with_their_bounds():
    _, trees = read_trees(forests.forest(categories=True, num_leaves=8, max_cat_to_onehot=1).model_to_string())
    bounds = trees[0].bounds
    assert bounds[0] == 0
    assert (np.diff(bounds) >= 1).all()
    assert len(trees[0].words) == bounds[-1]


@pytest.mark.parametrize(
    "params",
    [{"num_leaves": 8}, {"categories": True, "num_leaves": 8}, {"min_gain_to_split": 1e9}, {"width": 60, "trees": 40}],
    ids=["numbers", "categories", "no split", "wide"],
)
def test_gains_are_those_that_lightgbm_tells(params):
    booster = forests.forest(**params)
    told = dict(zip(booster.feature_name(), booster.feature_importance("gain").tolist(), strict=True))
    assert gains_of(booster.model_to_string()) == told
    assert any(told.values()) != ("min_gain_to_split" in params)


UNFIT = [
    ({"linear_tree": True}, "its trees are linear"),
    ({"objective": "multiclass", "num_class": 3}, "it has several scores a row"),
    ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "it averages its trees"),
    ({"objective": "poisson"}, "its objective 'poisson' bends the sum of its trees"),
    ({"reg_sqrt": True}, "its objective 'regression sqrt' bends the sum of its trees"),
]


@pytest.mark.parametrize(("params", "why"), UNFIT, ids=[why for _, why in UNFIT])
def test_what_another_sum_scores_is_refused_by_name(params, why):
    with pytest.raises(UnfitError, match=re.escape(why)):
        read_trees(unfit(**params).model_to_string())


def unfit(**params):
    return forests.forest(**{"trees": 2, "num_leaves": 4, "whole": True, **params})


def test_another_text_is_refused():
    with pytest.raises(UnfitError, match="it is no text of LightGBM"):
        read_trees("tree")

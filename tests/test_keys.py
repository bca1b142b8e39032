"""Keys: how many thresholds lie below a value, whatever column it stands in and whatever is missing beside it."""

import numpy as np
import pytest

from matching.forest import Forest
from tests import forests


def test_a_key_counts_the_thresholds_below():
    forest = Forest.of(forests.forest(num_leaves=2, trees=1))
    threshold = forest.slots.cuts[0]
    features = np.full((3, 5), np.nextafter(threshold, -np.inf))
    features[1:] = [[threshold], [np.nextafter(threshold, np.inf)]]
    assert forest.keys(features)[0].tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("width", [1, 7, 19])
def test_every_column_is_counted_however_many_there_are(width):
    forest = Forest.of(forests.forest(width=width, trees=20, num_leaves=20))
    features = forests.rows(40, width, seed=8)
    slots, known = forest.slots, np.nan_to_num(features)
    keys = forest.keys(features)[0]
    for s, column in enumerate(slots.column):
        expected = np.searchsorted(slots.cuts[slots.first[s] : slots.first[s + 1]], known[:, column])
        assert (keys[s] == expected)[~np.isnan(features[:, column])].all()


def test_the_least_and_the_most_of_each_slot_are_those_of_its_keys():
    booster = forests.forest(categories=True, trees=20, num_leaves=20)
    keys, least, most = Forest.of(booster).keys(forests.hard_rows(booster, 30, seed=9))
    assert (least <= keys.min(axis=1)).all()
    assert (most >= keys.max(axis=1)).all()


def test_a_column_that_is_missing_throughout_has_one_key_a_slot():
    forest = Forest.of(forests.forest(trees=20, num_leaves=20))
    keys, least, most = forest.keys(np.full((9, 5), np.nan))
    assert (keys == keys[:, :1]).all()
    assert least.tolist() == most.tolist() == keys[:, 0].tolist()

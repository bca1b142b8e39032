"""Exact Shapley values, against their definition: every coalition of columns on small forests."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.forest import Forest
from matching.shapley import Walk, contributions
from tests import forests


def explained(forest, rows, references):
    return contributions(forest, Walk.of(forest), np.concatenate([rows, references]), len(rows))


def by_definition(forest, row, references):
    """Shapley (1953): what each column adds, over all coalitions of the others, at their share of all orders."""
    width = len(row)
    worth = {}
    for size in range(width + 1):
        for coalition in combinations(range(width), size):
            mixed = references.copy()
            mixed[:, list(coalition)] = row[list(coalition)]
            worth[frozenset(coalition)] = forest.score(mixed).mean()
    orders = [factorial(size) * factorial(width - size - 1) / factorial(width) for size in range(width)]
    return [
        sum(orders[len(some)] * (worth[some | {column}] - worth[some]) for some in worth if column not in some)
        for column in range(width)
    ]


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    leaves=st.integers(2, 25),
    categories=st.booleans(),
    zero_as_missing=st.booleans(),
    count=st.integers(1, 9),
)
def test_values_are_those_of_the_definition(seed, leaves, categories, zero_as_missing, count):
    booster = forests.forest(
        seed, trees=3, categories=categories, num_leaves=leaves, zero_as_missing=zero_as_missing, max_cat_to_onehot=1
    )
    forest = Forest.of(booster)
    rows, references = forests.hard_rows(booster, 2, seed), forests.hard_rows(booster, count, seed + 1)
    found = explained(forest, rows, references)
    expected = [by_definition(forest, row, references) for row in rows]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_values_sum_to_the_score_less_the_mean_of_any_number_of_references(count):
    booster = forests.forest(num_leaves=20, trees=30)
    forest = Forest.of(booster)
    rows, references = forests.rows(70, 5, seed=1), forests.rows(count, 5, seed=2)
    expected = forest.score(rows) - forest.score(references).mean()
    np.testing.assert_allclose(explained(forest, rows, references).sum(axis=1), expected, rtol=0, atol=1e-12)


@given(seed=st.integers(0, 10**6), shared=st.sets(st.integers(0, 4)))
def test_a_column_in_which_all_references_equal_the_row_gets_exactly_nothing(seed, shared):
    booster = forests.forest(seed % 5, num_leaves=20)
    rows = forests.hard_rows(booster, 9, seed)
    for column in shared:
        rows[:, column] = rows[0, column]
    found = explained(Forest.of(booster), rows[:2], rows[2:])
    assert (found[:, sorted(shared)] == 0).all()


def test_a_column_that_no_tree_asks_gets_exactly_nothing():
    booster = forests.forest(num_leaves=2, trees=1)
    asked = int(np.argmax(booster.feature_importance()))
    found = explained(Forest.of(booster), forests.hard_rows(booster, 9, 1), forests.hard_rows(booster, 9, 2))
    assert (np.delete(found, asked, axis=1) == 0).all()
    assert (found[:, asked] != 0).any()


def test_against_one_reference_the_two_swap_signs():
    booster = forests.forest(num_leaves=20)
    forest = Forest.of(booster)
    one, other = forests.hard_rows(booster, 1, 3), forests.hard_rows(booster, 1, 4)
    np.testing.assert_allclose(explained(forest, one, other), -explained(forest, other, one), rtol=0, atol=1e-12)


def test_a_row_is_explained_alike_whichever_rows_are_explained_with_it():
    booster = forests.forest(num_leaves=20)
    forest = Forest.of(booster)
    rows, references = forests.hard_rows(booster, 66, 5), forests.hard_rows(booster, 7, 6)
    alone = np.concatenate([explained(forest, row[None], references) for row in rows])
    assert alone.tobytes() == explained(forest, rows, references).tobytes()


def test_trees_without_a_split_explain_nothing():
    booster = forests.forest(trees=2, min_data_in_leaf=1000)
    assert (explained(Forest.of(booster), forests.rows(3, 5, 1), forests.rows(3, 5, 2)) == 0).all()

"""Standard deviations from the mean: missing values are average ones, and no row depends on another."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.features import FEATURES
from matching.scaling import moments, named, over, standard, unnamed, weighted

COLUMNS = np.array([2, 0, 5])


def test_moments_are_those_of_the_known_values():
    columns = np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]])
    mean, scale = moments(columns)
    assert mean.tolist() == [(1 + 3 + 5) / 3, (2 + 6) / 2]
    assert scale == pytest.approx([np.sqrt((2**2 + 0 + 2**2) / 3), 2])


@pytest.mark.parametrize(("column", "mean"), [([np.nan, np.nan], 0), ([7.0, np.nan], 7), ([7.0, 7.0], 7)])
def test_a_column_that_never_varies_or_is_never_known_has_a_scale_of_1(column, mean):
    assert [part.tolist() for part in moments(np.array([column]).T)] == [[mean], [1]]


@given(st.lists(st.floats(-1e9, 1e9) | st.just(np.nan), min_size=1, max_size=8))
def test_moments_are_numpy_s(values):
    column = np.array([values]).T
    mean, scale = moments(column)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of columns without a value
        expected = np.nan_to_num(np.nanmean(column)), np.nan_to_num(np.nanstd(column))
    assert mean[0] == pytest.approx(expected[0])
    assert scale[0] == pytest.approx(expected[1] or 1.0)


def test_values_count_in_scales_from_the_mean_and_no_further_than_the_clip():
    columns = np.array([[3.0, 9.0], [np.nan, -99.0]])
    found = standard(columns, np.array([1.0, 5.0]), np.array([4.0, 1.0]), clip=3.0)
    assert found.tolist() == [[(3 - 1) / 4, 3], [0, -3]]


def test_values_come_back_from_json_by_the_names_of_their_features():
    values = np.random.default_rng(0).normal(size=(2, len(COLUMNS)))
    found = named(COLUMNS, *values)
    assert list(found) == [FEATURES[2], FEATURES[0], FEATURES[5]]
    assert found[FEATURES[0]] == values[:, 1].tolist()
    again = unnamed(COLUMNS, dict(reversed(json.loads(json.dumps(found)).items())))
    assert [row.tobytes() for row in again] == [row.tobytes() for row in values]


def test_a_feature_that_is_missing_cannot_be_read():
    with pytest.raises(KeyError, match=FEATURES[5]):
        unnamed(COLUMNS, {FEATURES[2]: [1.0], FEATURES[0]: [1.0]})


def drawn(seed, width, rows):
    """Columns [rows, width] with values that are missing or infinite, and a mean, a scale and a weight for each."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(rows, width)) * np.exp(rng.normal(size=width) * 3)
    columns[rng.random(columns.shape) < 0.1] = np.nan
    columns[rng.random(columns.shape) < 0.1] = rng.choice([np.inf, -np.inf, 0.0])
    return columns, rng.normal(size=width), np.exp(rng.normal(size=width)), rng.normal(size=width)


@given(seed=st.integers(0, 10**6), width=st.integers(1, 130), rows=st.integers(0, 40))
def test_a_weighted_sum_adds_column_after_column_to_the_last_bit(seed, width, rows):
    columns, mean, scale, weights = drawn(seed, width, rows)
    deviations = np.nan_to_num(np.clip((columns - mean) * (1 / scale), -4.0, 4.0))
    expected = np.cumsum(deviations * weights, axis=1)[:, -1]
    assert weighted(columns, mean, scale, 4.0, weights).tolist() == expected.tolist()
    assert weighted(np.asfortranarray(columns), mean, scale, 4.0, weights).tolist() == expected.tolist()
    np.testing.assert_allclose(deviations, standard(columns, mean, scale, 4.0), rtol=1e-15)


@given(seed=st.integers(0, 10**6), rows=st.integers(1, 40))
def test_a_row_s_sum_does_not_depend_on_the_rows_beside_it(seed, rows):
    columns, *moments_, weights = drawn(seed, 30, rows)
    alone = [weighted(columns[i : i + 1], *moments_, 4.0, weights) for i in range(rows)]
    assert np.concatenate(alone).tobytes() == weighted(columns, *moments_, 4.0, weights).tobytes()


@given(seed=st.integers(0, 10**6), at=st.sets(st.integers(0, 9)))
def test_some_columns_may_have_other_values(seed, at):
    columns, mean, scale, weights = drawn(seed, 10, 20)
    places = np.array(sorted(at), dtype=np.intp)
    others = drawn(seed + 1, 10, 20)[0][:, places]
    replaced = columns.copy()
    replaced[:, places] = others
    found = weighted(columns, mean, scale, 4.0, weights, places, others)
    assert found.tobytes() == weighted(replaced, mean, scale, 4.0, weights).tobytes()


@given(seed=st.integers(0, 10**6), count=st.integers(1, 9), others=st.integers(1, 9))
def test_what_the_first_rows_are_over_the_others_is_the_mean_difference_and_exactly_nothing_where_all_are_equal(
    seed, count, others
):
    parts = np.random.default_rng(seed).normal(size=(count + others, 5))
    parts[:, 3] = 0.1
    found = over(parts, count)
    np.testing.assert_allclose(found, parts[:count] - parts[count:].mean(axis=0), rtol=0, atol=1e-12)
    assert (found[:, 3] == 0).all()

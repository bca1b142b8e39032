"""Events made ready: which hold a code, and which of many stand for all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.events import Events, chosen


def events(codes):
    """One event a row of codes, one in two of the history's."""
    n = len(codes)
    at = 2 * np.arange(n, dtype=np.int32)
    whole = np.full((2 * n, 2), -1, np.int32)
    whole[at] = np.array(codes, np.int32).reshape(n, 2)
    return Events(at, np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n), whole)


pairs = st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), max_size=12)


@given(pairs, st.integers(0, 24), st.integers(0, 24), st.integers(-1, 5), st.integers(-1, 5))
def test_those_that_hold_codes_are_found_in_time_order(codes, start, until, first, second):
    made = events(codes)
    span = made.span(start, until)
    inside = [i for i in range(len(codes)) if start <= 2 * i < until]
    assert made.holding(span, (), ()).tolist() == inside
    assert made.holding(span, (0,), (first,)).tolist() == [i for i in inside if codes[i][0] == first]
    both = [i for i in inside if codes[i] == (first, second)]
    assert made.holding(span, (0, 1), (first, second)).tolist() == both


def test_few_events_all_stand_for_themselves():
    kept, weight = chosen(np.array([0, 2, 2], np.int32), 3)
    assert kept.tolist() == [0, 1, 2]
    assert weight.tolist() == [1, 1, 1]


@given(st.integers(0, 10**6), st.integers(4, 80))
def test_a_sample_stands_for_all_events_of_each_product(seed, most):
    product = np.random.default_rng(seed).choice(4, 200, p=[0.7, 0.2, 0.07, 0.03]).astype(np.int32)
    kept, weight = chosen(product, most)
    assert len(kept) <= max(most, 2 * 4)
    assert (np.diff(kept) > 0).all()
    stood_for = np.bincount(product[kept], weight, minlength=4)
    assert stood_for == pytest.approx(np.bincount(product, minlength=4), rel=1e-6)


def test_the_latest_events_of_a_product_stand_for_themselves():
    kept, weight = chosen(np.zeros(100, np.int32), 20)
    assert kept[-10:].tolist() == list(range(90, 100))
    assert weight[-10:].tolist() == [1] * 10
    assert weight[:-10].tolist() == [90 / 10] * 10

"""The order that no model makes: price, then term, then name, then id."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.catalogue import Catalogue
from matching.neutral import neutral
from tests.factories import institution, product

DAY = date(2025, 6, 1)


def ordered(*offered, as_of=DAY):
    """The ids of these products (P0, P1 …) in the neutral order."""
    catalogue = Catalogue.of([product(product_id=f"P{i}", **facts) for i, facts in enumerate(offered)], [institution()])
    rows = catalogue.known_as_of(as_of)
    return catalogue.ids[rows][np.argsort(-neutral(catalogue, rows, as_of))].tolist()


def at(spread, **facts):
    return {"benchmark": "lpr_1y", "spread_bp": spread, **facts}


def test_the_lowest_rate_comes_first_and_an_unknown_one_last():
    assert ordered(at(60.0), {}, at(-10.0), at(20.0)) == ["P2", "P3", "P0", "P1"]


def test_at_one_rate_the_longest_term_comes_first_and_no_limit_is_the_longest():
    assert ordered(at(1.0, max_term=12), at(1.0, max_term=36), at(1.0)) == ["P2", "P1", "P0"]


def test_then_comes_the_name_and_then_the_id():
    assert ordered({"name_en": "B"}, {"name_en": "A"}, {"name_en": "B"}) == ["P1", "P0", "P2"]


@pytest.mark.parametrize(("as_of", "first"), [(date(2024, 2, 19), "P0"), (date(2024, 2, 20), "P1")])
def test_prices_are_those_of_the_day(as_of, first):
    """The rate of five years lay 75 points above that of one year, then 50."""
    assert ordered(at(30.0), {"benchmark": "lpr_5y", "spread_bp": -30.0}, as_of=as_of)[0] == first


def test_none_of_no_products():
    catalogue = Catalogue.of([product()], [institution()])
    assert neutral(catalogue, np.array([], dtype=np.intp), DAY).tolist() == []


@given(st.lists(st.tuples(st.none() | st.sampled_from([0.0, 50.0]), st.none() | st.integers(1, 3)), min_size=1))
def test_no_two_share_a_place(offered):
    facts = [product(product_id=f"P{i}", **at(spread, max_term=term)) for i, (spread, term) in enumerate(offered)]
    places = neutral(Catalogue.of(facts, [institution()]), np.arange(len(facts)), DAY)
    assert sorted(places.tolist(), reverse=True) == [-place for place in range(len(facts))]

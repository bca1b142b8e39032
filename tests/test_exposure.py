"""The constraint on exposure: the best list that keeps it, no other product let in, small as of the day."""

from datetime import date
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from matching.catalogue import Catalogue
from matching.errors import InputError
from matching.exposure import Exposure, Places, constrained
from matching.outcomes import history_of
from matching.roster import Roster
from matching.tables import entities
from tests import factories as make

TODAY = date(2025, 1, 10)
ANY = Exposure()


def first(scores, institutions, small, exposure, top_k=3):
    """The positions that get a place, by score, ties by position."""
    order = np.lexsort((np.arange(len(scores)), -np.array(scores)))
    small = np.array(small, dtype=bool)
    return constrained(order, np.array(institutions), small, exposure, top_k).tolist()


def keeps(places, institutions, small, exposure, top_k):
    """Whether a list keeps the constraint, said in the words of `Exposure`."""
    owners = [institutions[i] for i in places]
    others = sum(not small[i] for i in places)
    return (
        len(places) <= top_k
        and (exposure.cap is None or all(owners.count(owner) <= exposure.cap for owner in owners))
        and others <= top_k - exposure.floor
    )


def worth(places, scores):
    return sum(scores[i] / np.log2(1 + rank) for rank, i in enumerate(places, start=1))


# the choice


def test_without_a_limit_the_best_come_first():
    assert first([0.1, 0.9, 0.5, 0.7], [0, 0, 0, 0], [0, 0, 0, 0], ANY) == [1, 3, 2]


def test_an_institution_at_its_cap_gives_way_to_the_next():
    assert first([9, 8, 7, 6], [0, 0, 0, 1], [0, 0, 0, 0], Exposure(cap=2)) == [0, 1, 3]


def test_small_institutions_get_the_places_kept_for_them_at_their_own_rank():
    assert first([9, 8, 7, 6, 5], [0, 1, 2, 3, 4], [0, 0, 0, 1, 1], Exposure(floor=2)) == [0, 3, 4]
    assert first([9, 5, 7, 6, 8], [0, 1, 2, 3, 4], [0, 0, 0, 0, 1], Exposure(floor=1)) == [0, 4, 2]


def test_a_small_institution_is_not_held_to_the_places_kept():
    assert first([9, 8, 7, 6], [0, 1, 2, 3], [1, 1, 1, 0], Exposure(floor=1)) == [0, 1, 2]


def test_a_kept_place_that_nobody_small_can_take_stays_empty():
    assert first([9, 8, 7, 6], [0, 1, 2, 3], [0, 0, 0, 1], Exposure(floor=2)) == [0, 3]
    assert first([9, 8, 7, 6], [0, 0, 0, 0], [0, 0, 0, 0], Exposure(cap=1)) == [0]


def test_the_cap_holds_for_small_institutions_too():
    assert first([9, 8, 7, 6], [0, 1, 1, 2], [0, 1, 1, 0], Exposure(cap=1, floor=1)) == [0, 1, 3]


def test_no_candidate_gets_no_place():
    assert first([], [], [], Exposure(cap=1, floor=1)) == []


PRODUCTS = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2)), max_size=6)  # score, institution
MARKETS = st.tuples(PRODUCTS, st.lists(st.booleans(), min_size=3, max_size=3))


@given(MARKETS, st.none() | st.integers(1, 3), st.integers(0, 4), st.integers(0, 4))
def test_no_list_that_keeps_the_constraint_is_longer_or_worth_more(market, cap, floor, more):
    rows, small_institutions = market
    scores, institutions = [float(score) for score, _ in rows], [owner for _, owner in rows]
    small = [small_institutions[owner] for owner in institutions]
    exposure, top_k = Exposure(cap=cap, floor=floor), floor + more
    found = first(scores, np.array(institutions, dtype=int), small, exposure, top_k)
    lists = [
        places
        for length in range(min(top_k, len(rows)) + 1)
        for places in permutations(range(len(rows)), length)
        if keeps(places, institutions, small, exposure, top_k)
    ]
    longest = max(map(len, lists))
    assert keeps(found, institutions, small, exposure, top_k)
    assert len(set(found)) == len(found) == longest
    best = max(worth(places, scores) for places in lists if len(places) == longest)
    assert worth(found, scores) == pytest.approx(best)


@given(MARKETS, st.none() | st.integers(1, 3), st.integers(0, 4))
def test_what_gets_a_place_stands_in_the_order_of_its_scores(market, cap, floor):
    rows, small_institutions = market
    scores, institutions = [score for score, _ in rows], np.array([owner for _, owner in rows], dtype=int)
    small = np.array(small_institutions)[institutions]
    places = first(scores, institutions, small, Exposure(cap=cap, floor=floor), 4)
    ranked = [(-scores[i], i) for i in places]
    assert ranked == sorted(ranked)


# who is small


@pytest.fixture(scope="module")
def market():
    """Of four outcomes before 2025, I1 has three and I2 one; one of I3's is four years old, I4 comes later."""
    owners = {"P1": "I1", "P2": "I2", "P3": "I3", "P4": "I4", "P5": "I4"}
    days = [
        ("P3", date(2020, 12, 31)),
        ("P1", date(2022, 3, 1)),
        ("P1", date(2023, 3, 1)),
        ("P2", date(2024, 3, 1)),
        ("P1", date(2024, 12, 31)),
        ("P4", date(2025, 1, 5)),
    ]
    outcomes = [make.outcome(need_id=f"N{i}", product_id=p, at=day) for i, (p, day) in enumerate(days)]
    outcomes.append(make.outcome(need_id="N0", product_id="P2", stage="declined", at=date(2024, 5, 1)))
    return make.tables(
        enterprises=[make.enterprise(as_of=date(2019, 1, 1))],
        institutions=[make.institution(institution_id=f"I{i}") for i in range(1, 5)],
        products=[make.product(product_id=p, institution_id=i) for p, i in owners.items()],
        needs=[make.need(need_id=f"N{i}", posted_at=date(2020, 1, 1)) for i in range(len(days))],
        outcomes=outcomes,
    )


@pytest.fixture(scope="module")
def places(market):
    """The market's products, and P6 of an institution that the history never heard of."""
    products = [*entities("products", market.products), make.product(product_id="P6", institution_id="I9")]
    institutions = [*entities("institutions", market.institutions), make.institution(institution_id="I9")]
    catalogue, history = Catalogue.of(products, institutions), history_of(market)
    return Places(catalogue, history, Roster.of(catalogue, history))


def small(places, as_of=TODAY, share=0.01):
    rows = np.arange(len(places.catalogue))
    return set(places.catalogue.ids[places.small(rows, as_of, share)].tolist())


def test_small_is_who_has_less_than_the_share_of_what_was_taken_in_three_years(places):
    assert small(places, share=1 / 4) == {"P3", "P4", "P5", "P6"}  # I2 has 1 of 4
    assert small(places, share=0.26) == {"P2", "P3", "P4", "P5", "P6"}
    assert small(places, share=0.76) == {"P1", "P2", "P3", "P4", "P5", "P6"}


def test_who_has_the_only_outcome_has_all_of_what_was_taken(places):
    assert small(places, as_of=date(2021, 1, 1), share=1) == {"P1", "P2", "P4", "P5", "P6"}  # P3 has 1 of 1


def test_nothing_of_the_month_itself_tells_who_is_small(places):
    assert "P4" in small(places, as_of=date(2025, 1, 31))
    assert "P4" not in small(places, as_of=date(2025, 2, 1))


def test_three_years_are_whole_ones(places):
    assert "P3" not in small(places, as_of=date(2023, 12, 1))
    assert "P3" in small(places, as_of=date(2024, 1, 1))


def test_before_the_first_outcome_all_are_small(places):
    assert len(small(places, as_of=date(2019, 1, 1))) == len(places.catalogue)


def test_two_newcomers_have_a_cap_each(places):
    rows = np.arange(len(places.catalogue))
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    found = places.first(rows, scores, date(2019, 1, 1), 6, Exposure(cap=1))
    assert places.catalogue.ids[found].tolist() == ["P6", "P5", "P3", "P2", "P1"]  # P4 is of P5's institution


def test_equal_scores_get_their_places_by_product_id(places):
    rows = np.array([3, 0, 2])
    assert places.first(rows, np.zeros(3), TODAY, 2).tolist() == [1, 2]
    assert places.first(rows, np.zeros(3), TODAY, 2, ANY).tolist() == [1, 2]


@pytest.mark.parametrize("many", [0, 1, 9, 40, 299, 300, 301])
def test_the_first_places_are_those_of_the_whole_order(places, many):
    scores = np.random.default_rng(1).integers(0, 60, 300) / 60  # about five of each
    order = sorted(range(300), key=lambda row: (-scores[row], row))
    assert places.first(np.arange(300), scores, TODAY, many).tolist() == order[:many]


# what is refused


def test_a_floor_above_the_number_asked_for_is_refused(places):
    with pytest.raises(
        InputError, match=r"^rank: exposure.floor: is at most the number of products asked for \(2\), not 3$"
    ):
        places.first(np.arange(3), np.zeros(3), TODAY, 2, Exposure(floor=3))
    assert places.first(np.arange(3), np.zeros(3), TODAY, 2, Exposure(floor=2)).tolist() == [2]  # P3 alone is small


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"cap": 0}, "greater than or equal to 1"),
        ({"cap": 1001}, "less than or equal to 1000"),
        ({"floor": 1001}, "less than or equal to 1000"),
        ({"floor": -1}, "greater than or equal to 0"),
        ({"small_share": 0.0}, "greater than 0"),
        ({"small_share": 1.1}, "less than or equal to 1"),
        ({"roof": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_constraint_out_of_range_is_refused(given, rule):
    with pytest.raises(ValidationError, match=rule):
        Exposure(**given)

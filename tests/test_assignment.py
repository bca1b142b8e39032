"""The white list at once: within every room, as good as can be on small lists, and never better than its bound."""

from itertools import product as every

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.assignment import NONE, assign, in_turn
from matching.errors import InputError


def assigned(offers, amounts, room):
    """What each need gets, by product; `offers` are (need, product, worth)."""
    found = made(offers, amounts, room)
    return [None if place == NONE else offers[place][1] for place in found.taken.tolist()]


def made(offers, amounts, room):
    need, product, worth = zip(*offers, strict=True) if offers else ((), (), ())
    whole = [np.array(column, dtype=np.int64) for column in (need, product, amounts, room)]
    return assign(whole[0], whole[1], np.array(worth, dtype=float), whole[2], whole[3])


def best(offers, amounts, room):
    """The most that any assignment is worth: all of them, one after the other."""
    choices = [[None, *(offer for offer in offers if offer[0] == need)] for need in range(len(amounts))]
    return max(
        sum(offer[2] for offer in chosen if offer)
        for chosen in every(*choices)
        if all(used(chosen, amounts, p) <= size for p, size in enumerate(room))
    )


def used(chosen, amounts, product):
    return sum(amounts[offer[0]] for offer in chosen if offer and offer[1] == product)


@st.composite
def lists(draw, needs=5, products=3):
    """A small white list: offers, amounts, rooms."""
    room = draw(st.lists(st.integers(0, 30), min_size=1, max_size=products))
    amounts = draw(st.lists(st.integers(1, 20), min_size=1, max_size=needs))
    some = st.lists(st.integers(0, len(room) - 1), unique=True, min_size=1, max_size=len(room))
    pairs = [(need, p) for need in range(len(amounts)) for p in draw(some)]
    worth = draw(st.lists(st.floats(0.01, 1), min_size=len(pairs), max_size=len(pairs)))
    return [(need, p, value) for (need, p), value in zip(pairs, worth, strict=True)], amounts, room


# what is assigned


def test_where_there_is_room_every_need_gets_its_best():
    offers = [(0, 0, 0.4), (0, 1, 0.9), (1, 0, 0.8), (1, 1, 0.2)]
    assert assigned(offers, [5, 7], [100, 100]) == [1, 0]


def test_who_loses_least_by_it_gives_way():
    offers = [(0, 0, 1.0), (0, 1, 0.9), (1, 0, 1.0), (1, 1, 0.1)]
    assert assigned(offers, [10, 10], [10, 10]) == [1, 0]  # 0.9 + 1.0; the other way round it is 1.0 + 0.1
    assert made(offers, [10, 10], [10, 10]).worth == 0.9 + 1.0


def test_a_large_need_gives_way_to_two_small_ones():
    offers = [(0, 0, 1.0), (1, 0, 0.8), (2, 0, 0.8)]
    assert assigned(offers, [10, 5, 5], [10]) == [None, 0, 0]


def test_a_need_that_fits_nowhere_gets_nothing():
    assert assigned([(0, 0, 1.0), (1, 0, 0.5)], [11, 10], [10]) == [None, 0]


def test_a_product_without_room_serves_nobody():
    assert assigned([(0, 0, 1.0), (0, 1, 0.1)], [3], [0, 3]) == [1]


def test_a_need_moves_up_into_what_is_left_in_the_end():
    offers = [(0, 0, 0.3), (0, 1, 0.7), (1, 0, 0.2), (1, 1, 0.9), (2, 0, 0.7), (2, 1, 0.9)]
    assert assigned(offers, [7, 9, 3], [5, 14]) == [None, 1, 1]  # by its price the third had the first product


def test_what_a_need_leaves_behind_is_there_for_the_next():
    offers = [(0, 0, 1.0), (0, 1, 0.5), (1, 0, 0.7), (1, 1, 0.2), (2, 0, 0.6), (2, 1, 0.5)]
    assert assigned(offers, [9, 5, 5], [12, 11]) == [1, 0, 0]  # when the third moves up there is room for the first


def test_of_nobody_nothing_is_assigned():
    found = made([], [], [5])
    assert (found.taken.tolist(), found.worth, found.bound, found.prices.tolist()) == ([], 0.0, 0.0, [0.0])


@given(lists())
def test_no_product_gives_more_than_its_room_and_no_need_gets_anothers_offer(made_up):
    offers, amounts, room = made_up
    taken = made(*made_up).taken.tolist()
    chosen = [None if place == NONE else offers[place] for place in taken]
    assert all(offer is None or offer[0] == need for need, offer in enumerate(chosen))
    assert all(used(chosen, amounts, p) <= size for p, size in enumerate(room))


@given(lists())
def test_the_best_assignment_lies_between_what_was_found_and_the_bound(made_up):
    found, most = made(*made_up), best(*made_up)
    assert found.worth <= most + 1e-9
    assert most <= found.bound + 1e-9


@given(lists())
def test_nobody_could_have_more_from_what_is_left(made_up):
    offers, amounts, room = made_up
    chosen = [None if place == NONE else offers[place] for place in made(*made_up).taken.tolist()]
    for need, p, worth in offers:
        now = chosen[need]
        if worth > (now[2] if now else 0):
            own = amounts[need] if now and now[1] == p else 0
            assert used(chosen, amounts, p) - own + amounts[need] > room[p]


@given(lists(), st.integers(1, 40))
def test_the_unit_of_money_changes_nothing(made_up, power):
    offers, amounts, room = made_up
    times = 2**power
    other = made(offers, [amount * times for amount in amounts], [size * times for size in room])
    assert other.taken.tolist() == made(*made_up).taken.tolist()
    assert (other.prices * times).tolist() == pytest.approx(made(*made_up).prices.tolist())


@pytest.mark.parametrize("seed", range(5))
def test_on_long_lists_it_comes_within_a_hundredth_of_the_bound(seed):
    rng = np.random.default_rng(seed)
    needs, products, each = 2000, 40, 10
    columns = np.argsort(rng.random((needs, products)), axis=1)[:, :each]
    need, amounts = np.repeat(np.arange(needs), each), rng.integers(1, 50, needs)
    worth = np.tile(1 / np.log2(1 + np.arange(1, each + 1)), needs)
    room = rng.integers(0, 2 * amounts.sum() // products, products)
    found = assign(need, columns.ravel(), worth, amounts, room)
    assert found.bound * 0.99 <= found.worth <= found.bound
    turn = in_turn(need, columns.ravel(), amounts, room)
    assert found.worth > worth[turn[turn != NONE]].sum() * 1.02


# one after the other


def test_one_after_the_other_takes_the_first_that_still_has_room():
    need, product, amounts, room = map(np.array, ([0, 0, 1, 1, 2], [0, 1, 0, 1, 1], [10, 5, 7], [12, 6]))
    assert in_turn(need, product, amounts, room).tolist() == [0, 3, NONE]  # 2 and 6 are left; then 2 and 1, and 7 asked


@given(lists())
def test_one_after_the_other_keeps_within_every_room_and_is_worth_no_more_than_the_bound(made_up):
    offers, amounts, room = made_up
    need, product = (np.array([offer[i] for offer in offers]) for i in (0, 1))
    chosen = [
        None if p == NONE else offers[p] for p in in_turn(need, product, np.array(amounts), np.array(room)).tolist()
    ]
    assert all(used(chosen, amounts, p) <= size for p, size in enumerate(room))
    assert sum(offer[2] for offer in chosen if offer) <= made(*made_up).bound + 1e-9


# what room is worth


def test_a_product_with_room_for_all_has_no_price():
    found = made([(0, 0, 1.0), (0, 1, 0.5), (1, 0, 1.0)], [5, 5], [5, 100])
    assert found.prices[1] == 0
    assert found.prices[0] > 0


def test_a_price_is_what_one_more_yuan_adds_to_the_bound():
    offers = [(need, 0, 1.0) for need in range(20)] + [(need, 1, 0.4) for need in range(20)]
    offers.sort()
    less, more = (made(offers, [10] * 20, [size, 1000]) for size in (100, 110))
    gain = 1.0 - 0.4  # a need of 10 yuan moves up
    assert less.prices[0] * 10 == pytest.approx(gain, abs=0.02)
    assert more.bound - less.bound == pytest.approx(gain, abs=0.02)


# what is refused


@pytest.mark.parametrize(
    ("offers", "amounts", "room", "words"),
    [
        ([(1, 0, 1.0)], [5, 5], [5], "need: counts the needs from 0 upwards and leaves none out"),
        ([(0, 0, 1.0), (2, 0, 1.0)], [5, 5, 5], [5], "need: counts the needs from 0 upwards and leaves none out"),
        ([(0, 0, 1.0), (1, 0, 1.0), (0, 0, 1.0)], [5, 5], [5], "need: counts the needs"),
        ([(0, 1, 1.0)], [5], [5], "product: is the code of a room for each offer"),
        ([(0, -1, 1.0)], [5], [5], "product: is the code of a room for each offer"),
        ([(0, 0, 0.0)], [5], [5], "worth: is above 0 and finite for each offer"),
        ([(0, 0, float("nan"))], [5], [5], "worth: is above 0 and finite for each offer"),
        ([(0, 0, float("inf"))], [5], [5], "worth: is above 0 and finite for each offer"),
        ([(0, 0, 1.0)], [0], [5], "amounts: is above 0 for each need"),
        ([(0, 0, 1.0)], [5, 5], [5], "amounts: is above 0 for each need"),
        ([(0, 0, 1.0)], [5], [-1], "room: is not negative"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(offers, amounts, room, words):
    with pytest.raises(InputError, match=words):
        made(offers, amounts, room)

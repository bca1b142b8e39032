"""One look for many, and nobody is told anything older than their own question."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.store.coalescing import Coalesced


def test_who_came_before_a_look_began_shares_it():
    looks = Coalesced(count().__next__)
    arrived = [perf_counter() for _ in range(3)]
    assert [looks.value(at) for at in arrived] == [0, 0, 0]


def test_who_came_after_a_look_had_begun_has_another():
    looks = Coalesced(count().__next__)
    assert [looks.value(perf_counter()) for _ in range(3)] == [0, 1, 2]


def test_who_does_not_say_when_they_came_always_has_a_look_of_their_own():
    looks = Coalesced(count().__next__)
    assert [looks.value() for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize(("arrived", "found"), [(0.9, "a"), (1.0, "b"), (1.1, "b")])
def test_a_look_that_began_at_the_very_moment_may_have_been_too_early(monkeypatch, arrived, found):
    clock, answers = iter([1.0, 2.0]), iter("ab")
    monkeypatch.setattr("api.store.coalescing.perf_counter", clock.__next__)
    looks = Coalesced(answers.__next__)
    looks.value()
    assert looks.value(arrived) == found


def test_what_changes_while_a_look_is_under_way_is_seen_by_who_came_since():
    world, begun, may_end = ["old"], Event(), Event()

    def look():
        found = world[0]
        begun.set()
        assert may_end.wait(20)
        return found

    looks = Coalesced(look)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(looks.value)
        assert begun.wait(20)
        world[0], arrived = "new", perf_counter()
        may_end.set()
        assert (first.result(20), looks.value(arrived)) == ("old", "new")


def test_a_look_that_failed_is_told_to_who_asked_and_not_kept():
    tries = count()

    def look():
        if next(tries) == 0:
            raise RuntimeError("gone")
        return "back"

    looks, arrived = Coalesced(look), perf_counter()
    with pytest.raises(RuntimeError, match="gone"):
        looks.value(arrived)
    assert looks.value(arrived) == "back"


@given(steps=st.lists(st.tuples(st.sampled_from(["change", "come", "answer"]), st.integers(0, 3)), max_size=40))
def test_nobody_is_told_anything_older_than_their_question(steps):
    world, came = [0], dict.fromkeys(range(4), (perf_counter(), 0))
    looks = Coalesced(lambda: world[0])
    for what, who in steps:
        if what == "change":
            world[0] += 1
        elif what == "come":
            came[who] = perf_counter(), world[0]
        else:
            at, then = came[who]
            assert then <= looks.value(at) <= world[0]

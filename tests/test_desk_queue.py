"""The queue on both databases: what is shown to whom, in which order, page by page, by which index; and the month."""

import base64
import json
import math
from datetime import date, timedelta
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from api.desk import queue, reading
from api.desk.cursors import Place, pack, unpack
from api.desk.identity import SYSTEM, plain
from api.desk.month import month
from api.desk.queue import Filters, Show, Sort, cursor_at, export, following, page
from api.desk.reading import institutions
from api.desk.stages import CaseStage, Step
from api.store.desk_models import CaseRow
from matching.codes import Kind, Size
from matching.errors import InputError
from tests.desks import ADMINISTRATOR, COMMISSION, NOON, listed, officer, plan, walk

CASES = 60
TIED = 7  # cases of one moment, amount and chance
SORTED = {
    Sort.DUE: lambda item: (item.due_at, item.case_id),
    Sort.AMOUNT: lambda item: (-item.amount, item.case_id),
    Sort.CHANCE: lambda item: (-(item.chance if item.chance is not None else -1), item.case_id),
    Sort.OPENED: lambda item: (-item.opened_at.timestamp(), item.case_id),
    Sort.CHANGED: lambda item: (-item.changed_at.timestamp(), item.case_id),
}


def rows(case):
    """Many cases like one, of two institutions, with ties in all that a queue is sorted by."""
    for i in range(CASES):
        at = plain(NOON) - timedelta(hours=i // TIED)
        yield case | {
            "case_id": f"c{i * 37 % CASES:03}",
            "need_id": f"Q{i}",
            "institution_id": "I2" if i % 3 == 0 else "I1",
            "opened_at": at,
            "changed_at": at,
            "due_at": at + timedelta(hours=2),
            "amount": 10**12 + i // TIED,
            "chance": -1.0 if i % 11 == 0 else i // TIED / 100,
            "kind": "leasing" if i % 2 else "credit",
            "size": ("micro", "small")[i % 2],
            "region": "CN/500000/500106" if i % 5 else "CN/5000001",
            "search": f"e{i} 重庆第{i}号机械厂 q{i}",
        }


@pytest.fixture
def full(service):
    """A service whose desk holds many cases; the one that they were made like is among them."""
    made = listed(service)
    with service.store.writing() as session:
        first = session.get_one(CaseRow, made.case_id)
        like = {column.name: getattr(first, column.name) for column in CaseRow.__table__.columns}
        session.execute(insert(CaseRow), list(rows(like)))
    return service


def ask(service, actor=COMMISSION, sort=Sort.DUE, lines=200, cursor=None, **filters):
    with service.store.reading() as session:
        return page(session, actor, service.now(), Filters(**filters), sort, lines, cursor)


def pages(service, actor, sort, size):
    """All pages by their cursors, forwards, and then backwards from the last."""
    there = [ask(service, actor, sort, size)]
    while there[-1].after:
        there.append(ask(service, actor, sort, size, there[-1].after))
    back = [there[-1]]
    while back[-1].before:
        back.append(ask(service, actor, sort, size, back[-1].before))
    return there, back[::-1]


@pytest.mark.parametrize("sort", list(Sort))
def test_pages_hold_every_case_once_in_order_whichever_way_they_are_turned(full, sort):
    there, back = pages(full, COMMISSION, sort, 13)
    items = [item for one in there for item in one.items]
    assert len(items) == len({item.case_id for item in items}) == CASES + 1 == there[0].total
    keys = [SORTED[sort](item)[0] for item in items]
    assert keys == sorted(keys)
    assert [one.items for one in back] == [one.items for one in there]
    assert (there[0].before, there[-1].after) == (None, None)


@pytest.mark.parametrize("sort", list(Sort))
def test_ties_are_in_one_order_on_every_page(full, sort):
    items = [item for one in pages(full, COMMISSION, sort, 5)[0] for item in one.items]
    rising = sort is Sort.DUE
    for one, other in pairwise(items):
        if SORTED[sort](one)[0] == SORTED[sort](other)[0]:
            assert (one.case_id < other.case_id) is rising


def test_an_officer_sees_the_own_institutions_cases_and_the_commission_all(full):
    own = ask(full, officer("I2"))
    assert {item.institution_id for item in own.items} == {"I2"}
    assert own.total == len(own.items) == CASES // 3
    assert ask(full).total == CASES + 1
    assert ask(full, institution_id="I2").total == CASES // 3


@pytest.mark.parametrize("actor", [ADMINISTRATOR, officer("I-none")])
def test_who_has_no_case_sees_an_empty_queue(full, actor):
    assert ask(full, actor) == queue.QueuePage((), 0, None, None)


def test_an_officer_cannot_ask_for_another_institution(full):
    assert ask(full, officer("I2"), institution_id="I1").total == 0


def test_overdue_ones_lead_and_can_be_asked_for_alone(full):
    items = ask(full).items
    late = [item.overdue for item in items]
    assert late == sorted(late, reverse=True)
    assert 0 < sum(late) < len(late)
    assert ask(full, show=Show.OVERDUE).items == items[: sum(late)]


def test_ended_cases_are_shown_apart_the_last_changed_first(full, hands):
    case_id = ask(full, search="N3").items[0].case_id
    hands.move(minutes=5)
    walk(full, SYSTEM, case_id, Step.WITHDRAW)
    (ended,) = ask(full, show=Show.ENDED).items
    assert (ended.case_id, ended.stage, ended.overdue) == (case_id, CaseStage.WITHDRAWN, False)
    assert ask(full).total == CASES


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({"kind": Kind.LEASING}, lambda item: item.kind == "leasing"),
        ({"size": Size.MICRO}, lambda item: item.size == "micro"),
        ({"region": "CN/500000"}, lambda item: item.region.startswith("CN/500000/")),
        ({"region": "CN/500000/500106"}, lambda item: item.region == "CN/500000/500106"),
        ({"least": 10**12 + 2, "most": 10**12 + 4}, lambda item: 2 <= item.amount - 10**12 <= 4),
        ({"search": " 第7号 "}, lambda item: item.need_id == "Q7"),
        ({"search": "Q7"}, lambda item: item.need_id == "Q7"),
        ({"search": "%"}, lambda item: False),
        ({"search": "_"}, lambda item: False),
        ({"stage": CaseStage.SUGGESTED, "kind": Kind.CREDIT}, lambda item: item.kind == "credit"),
        ({"stage": CaseStage.GRANTED}, lambda item: False),
    ],
)
def test_filters_keep_what_they_say(full, filters, kept):
    every = ask(full).items
    found = ask(full, **filters)
    assert found.items == tuple(item for item in every if kept(item))
    assert found.total == len(found.items)


def after(service, item, sort=Sort.DUE, actor=COMMISSION, **filters):
    """The case that comes after one, as its page finds it."""
    narrowed = Filters(**filters)
    with service.store.reading() as session:
        cursor = cursor_at(item, narrowed, sort)
        return following(session, actor, service.now(), narrowed, sort, item.case_id, cursor)


@pytest.mark.parametrize("sort", list(Sort))
def test_one_goes_from_case_to_case_in_the_queue_s_order_and_from_the_last_to_the_first(full, sort):
    for actor, narrow in ((COMMISSION, {}), (officer("I2"), {"kind": Kind.LEASING})):
        items = ask(full, actor, sort, **narrow).items
        assert [after(full, item, sort, actor, **narrow) for item in items] == [*items[1:], items[0]]


def test_nothing_comes_after_the_only_case_and_the_first_after_one_that_has_ended(full):
    every = ask(full).items
    (only,) = ask(full, search="N3").items
    assert after(full, only, search="N3") is None
    walk(full, SYSTEM, only.case_id, Step.WITHDRAW)
    (ended,) = ask(full, show=Show.ENDED).items
    assert after(full, ended) == next(item for item in every if item.case_id != only.case_id)


@pytest.mark.parametrize("narrow", [{}, {"kind": Kind.LEASING}, {"search": "Q7"}])
def test_the_overdue_are_counted_whichever_part_is_shown(full, narrow):
    for show in Show:
        with full.store.reading() as session:
            late = queue.overdue(session, officer("I1"), full.now(), Filters(show=show, **narrow))
        assert late == ask(full, officer("I1"), show=Show.OVERDUE, **narrow).total


def test_an_export_holds_the_whole_queue_in_its_order(full, monkeypatch):
    monkeypatch.setattr(queue, "EXPORTED_AT_ONCE", 9)
    with full.store.reading() as session:
        lines = list(export(session, officer("I1"), full.now(), Filters(), Sort.AMOUNT))
    assert tuple(lines) == ask(full, officer("I1"), Sort.AMOUNT).items


def test_a_cursor_of_another_order_or_of_nobody_is_refused(full):
    good = ask(full, lines=5).after
    other = pack(Place(False, 5, "c001"), Sort.AMOUNT)
    for cursor in (other, good[:-4], "", "é", pack(Place(False, plain(NOON), "c\0"), Sort.DUE)):
        if cursor:
            with pytest.raises(InputError, match="cursor: is one that a page of this order gave"):
                ask(full, lines=5, cursor=cursor)
    assert unpack(good, Sort.DUE).case_id == ask(full, lines=5).items[-1].case_id


def place_in(sort, case_id="c001"):
    """A place such as a row of this order has."""
    return Place(False, 5 if sort in (Sort.AMOUNT, Sort.CHANCE) else plain(NOON), case_id)


@pytest.mark.parametrize(("gave", "reads"), list(product(Sort, Sort)))
def test_a_cursor_is_read_by_the_order_that_gave_it_and_by_no_other_of_like_values(gave, reads):
    text = pack(place_in(gave), gave)
    if gave is reads:
        assert unpack(text, reads) == place_in(gave)
    else:
        with pytest.raises(InputError, match="cursor: is one that a page of this order gave"):
            unpack(text, reads)


@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("case_id", ["", "c\0", "c 1", "c/1", "c" * (64 + 1)])
def test_a_cursor_of_what_can_be_no_case_s_id_is_refused(sort, case_id):
    assert unpack(pack(place_in(sort, "c" * 64), sort), sort).case_id == "c" * 64
    with pytest.raises(InputError, match="cursor: is one that a page of this order gave"):
        unpack(pack(place_in(sort, case_id), sort), sort)


@given(st.booleans(), st.datetimes(), st.integers(1 - 2**63, 2**63 - 1), st.floats(-1, 1))
def test_a_cursor_comes_back_as_the_place_that_it_was_made_of(back, moment, amount, chance):
    for sort in Sort:
        value = {Sort.AMOUNT: amount, Sort.CHANCE: chance}.get(sort, moment)
        assert unpack(pack(Place(back, value, "c001"), sort), sort) == Place(back, value, "c001")


def forged(sort, value):
    """A cursor as nobody gave it."""
    return base64.urlsafe_b64encode(json.dumps([str(sort), False, value, "c001"]).encode()).decode()


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        *((Sort.AMOUNT, value) for value in (10**30, 2**63, -(2**63) - 1, 1.5, math.nan, math.inf, True, "5", None)),
        *((Sort.CHANCE, value) for value in (10**400, math.nan, -math.inf, False, "0.5", [])),
        *((Sort.DUE, value) for value in ("2025-01-10T12:00:00+08:00", "2025-01-10T12:00:00Z", "soon", 5, None)),
    ],
)
def test_a_cursor_of_a_value_that_no_row_has_is_refused(full, sort, value):
    with pytest.raises(InputError, match="cursor: is one that a page of this order gave"):
        ask(full, sort=sort, cursor=forged(sort, value))


def test_a_cursor_nested_without_end_is_refused():
    with pytest.raises(InputError, match="cursor: is one that a page of this order gave"):
        unpack(base64.urlsafe_b64encode(b"[" * 100_000).decode(), Sort.DUE)


@pytest.mark.parametrize("value", [2**63 - 1, 0, -1])
def test_a_cursor_reaches_as_far_as_a_column_does(full, value):
    assert ask(full, sort=Sort.AMOUNT, cursor=forged(Sort.AMOUNT, value)).total == CASES + 1


@pytest.mark.parametrize("sort", [Sort.DUE, Sort.AMOUNT, Sort.CHANCE, Sort.OPENED, Sort.CHANGED])
@pytest.mark.parametrize(("actor", "prefix"), [(COMMISSION, "ix_cases_"), (officer("I1"), "ix_cases_institution_")])
def test_a_page_is_read_along_an_index_without_sorting(full, actor, prefix, sort):
    column = {"due": "due_at", "opened": "opened_at", "changed": "changed_at"}.get(sort, sort)
    place = unpack(ask(full, actor, sort, 5).after, sort)
    with full.store.reading() as session:
        for where in (None, place):
            found = plan(session, queue.query_of(actor, full.now(), Filters(), sort, 50, where))
            assert f"{prefix}{column}" in found
            assert "TEMP B-TREE" not in found
            assert "Sort" not in found


def test_the_names_of_institutions_are_told_to_who_may_see_their_cases(service):
    with service.store.reading() as session:
        assert list(institutions(session, COMMISSION)) == ["I1", "I2"]
        assert institutions(session, officer("I2")) == {"I2": ("甲银行", "Lessor Two")}
        assert institutions(session, ADMINISTRATOR) == {}


def test_a_month_counts_steps_clocks_and_reasons(service, hands):
    case = reading.case(service, SYSTEM, listed(service).case_id)
    own = officer(case.item.institution_id)
    hands.move(hours=12)
    walk(service, own, case.item.case_id, Step.ACCEPT)
    hands.move(hours=96)  # the clock of contact is 72 hours
    walk(service, own, case.item.case_id, Step.CONTACT, version=2)
    walk(service, own, case.item.case_id, Step.APPLY, Step.GRANT, version=3, amount=777)
    for need_id, reasons in (("N4", ["tax", "debt"]), ("N6", ["tax"])):
        other = reading.case(service, SYSTEM, listed(service, need_id).case_id).item
        walk(service, officer(other.institution_id), other.case_id, Step.DECLINE, reasons=reasons)
    with service.store.reading() as session:
        found, own, others, empty = (
            month(session, actor, service.settings, first, hands.at)
            for actor, first in (
                (COMMISSION, date(2025, 1, 1)),
                (officer("I1"), date(2025, 1, 1)),
                (officer("I2"), date(2025, 1, 1)),
                (COMMISSION, date(2024, 12, 1)),
            )
        )
    clocks = {clock.stage: clock for clock in found.clocks}
    assert {stage: n for stage, n in found.reached.items() if n} == {
        "suggested": 5, "accepted": 1, "contacted": 1, "applied": 1, "granted": 1, "declined": 2,
    }  # fmt: skip
    assert (clocks["suggested"].steps, clocks["suggested"].in_time) == (3, 3)
    assert clocks["suggested"].median_hours == 0  # of 0, 0 and 12
    assert (clocks["accepted"].median_hours, clocks["accepted"].in_time, clocks["accepted"].days) == (96, 0, 3)
    assert [(str(reason), n) for reason, n in found.declines.items()] == [("tax", 2), ("debt", 1)]
    assert (found.granted_amount, found.open, found.overdue) == (777, 3, 0)
    assert {stage: n + others.reached[stage] for stage, n in own.reached.items()} == found.reached
    assert (own.open + others.open, own.granted_amount + others.granted_amount) == (3, 777)
    assert 0 < own.reached[CaseStage.SUGGESTED] < 5
    assert set(empty.reached.values()) == {0}

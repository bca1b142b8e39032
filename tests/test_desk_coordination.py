"""Needs that nobody is left for, on both databases: found by the commission, dispatched, settled, counted by month."""

from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pandas as pd
import pytest
from alembic import command
from sqlalchemy import event, func, select, text, update
from sqlalchemy.exc import DBAPIError

from api.desk import belated, reading, unplaced
from api.desk.cases import sweep
from api.desk.coordinated import coordinated
from api.desk.coordinating import coordinate
from api.desk.coordination import LEGAL, TO, CoordinationStage, CoordinationStep, Settlement, after, check
from api.desk.cursors import Place, pack, unpack
from api.desk.identity import SYSTEM, Actor, Role, Scope
from api.desk.listing import list_need
from api.desk.overview import figures
from api.desk.stages import Step
from api.desk.unplaced import Unplaced, Wanted
from api.loading import load
from api.messages import ListingRequest
from api.refusals import ConflictError, ForbiddenError
from api.serving import Serving
from api.store.database import migrations
from api.store.desk_models import CaseRow, CoordinationRow, ListingRow
from api.store.migrations.versions import m0009_searched_needs
from api.store.models import NeedRow, RecommendationRow
from matching import tables
from matching.domain import Enterprise
from matching.errors import InputError, NotFoundError
from tests import bundles
from tests.desks import ADMINISTRATOR, COMMISSION, NOON, listed, officer, walk

TODAY = NOON.date()
DISPATCH, SETTLE = CoordinationStep.DISPATCH, CoordinationStep.SETTLE
FIRM = {"enterprise_id": "E-new", "name": "重庆“新”厂", "region": "CN/500000/500106", "as_of": "2025-01-01"}
NEED = {"amount": 3_000_000, "term_months": 24, "purpose": "equipment", "posted_at": "2025-01-09", "kinds": ["bond"]}
READER = Actor("key:reader", Role.PLATFORM, scopes=frozenset({Scope.READ}))
BOUND = Actor("key:bank", Role.PLATFORM, "I1", frozenset(Scope))


def unsuited(service, need_id="N-new", **about):
    """A need that no product suits."""
    given = {"enterprise": FIRM, "need": NEED | {"need_id": need_id} | about}
    assert list_need(service, SYSTEM, ListingRequest.model_validate(given)).case_id is None
    return need_id


def declined(service, need_id="N3", reasons=("tax",)):
    """A need that both institutions declined."""
    listed(service, need_id)
    for _ in range(2):
        row = open_case(service, need_id)
        walk(service, officer(row.institution_id), row.case_id, Step.DECLINE, reasons=reasons, text="as discussed")
    return need_id


def open_case(service, need_id):
    with service.store.reading() as session:
        return session.scalars(select(CaseRow).where(CaseRow.need_id == need_id, CaseRow.closed_at.is_(None))).one()


def page(service, show=Unplaced.OPEN, actor=COMMISSION, size=50, cursor=None, **narrow):
    with service.store.reading() as session:
        return unplaced.page(session, actor, service.today(), Wanted(show, **narrow), size, cursor)


def ids(found):
    return [item.need_id for item in found.items]


def dispatch(service, need_id, version=1, actor=COMMISSION, office="Fuling", **about):
    return coordinate(service, actor, need_id, DISPATCH, version, office=office, **about)


def settle(service, need_id, version=1, result="funded", **about):
    return coordinate(service, COMMISSION, need_id, SETTLE, version, result=result, **about)


def count(service):
    with service.store.reading() as session:
        return session.scalar(select(func.count()).select_from(CoordinationRow))


@pytest.mark.parametrize("step", CoordinationStep)
@pytest.mark.parametrize("stage", CoordinationStage)
def test_a_step_is_legal_until_the_need_is_settled(stage, step):
    if stage is not CoordinationStage.SETTLED:
        assert step in LEGAL[stage]
        assert after(stage, step) is TO[step]
        return
    with pytest.raises(ConflictError, match=f"'{step}' is not legal for a need that is settled") as refused:
        after(stage, step)
    assert refused.value.legal == ()


@pytest.mark.parametrize(
    ("step", "said", "fault"),
    [
        (DISPATCH, {}, "office: is present: a dispatch names a department or district"),
        (DISPATCH, {"office": "  "}, "office: is present"),
        (DISPATCH, {"office": "x" * 101}, "office: has at most 100 printable characters"),
        (DISPATCH, {"office": "a\nb"}, "office: has at most 100 printable characters"),
        (DISPATCH, {"office": "F", "until": TODAY - timedelta(days=1)}, "until: is not before 2025-01-10, today"),
        (DISPATCH, {"office": "F", "result": "funded"}, "result: is left out: it is for settle"),
        (DISPATCH, {"office": "F", "result": ""}, "result: is left out: it is for settle"),
        (DISPATCH, {"office": "F", "text": "x" * 2001}, "text: has at most 2000 characters"),
        (SETTLE, {}, "result: is one of funded, relisted, not_ready, withdrawn, other, not missing"),
        (SETTLE, {"result": "lost"}, "not 'lost'"),
        (SETTLE, {"result": "other", "text": " "}, "text: is present where the result is other"),
        (SETTLE, {"result": "funded", "office": "F"}, "office: is left out: it is for dispatch"),
        (SETTLE, {"result": "funded", "until": TODAY}, "until: is left out: it is for dispatch"),
    ],
)
def test_a_step_that_lacks_what_it_needs_or_says_what_is_another_s_is_refused(step, said, fault):
    given = {"office": None, "until": None, "result": None, "text": ""} | said
    with pytest.raises(InputError, match=fault):
        check(step, **given, today=TODAY)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (DISPATCH, {"office": "x" * 100, "until": TODAY, "text": "x" * 2000}),
        (SETTLE, {"result": "other", "text": "merged"}),
    ],
)
def test_a_step_may_say_as_much_as_it_may_and_no_more(step, said):
    check(step, **{"office": None, "until": None, "result": None, "text": ""} | said, today=TODAY)


def test_what_no_product_suits_and_what_everybody_declined_are_to_be_coordinated_oldest_first(service, hands):
    declined(service)
    hands.move(hours=1)
    unsuited(service)
    listed(service, "N0")  # an institution has it
    found = page(service)
    assert (ids(found), found.total, found.after) == (["N3", "N-new"], 2, None)
    first, second = found.items
    assert (first.institutions, first.reasons, first.since) == (2, ("tax",), NOON)
    assert (second.institutions, second.reasons, second.since) == (0, (), hands.at)
    assert (second.enterprise_name, second.amount, second.purpose) == ("重庆“新”厂", 3_000_000, "equipment")
    assert {item.stage for item in found.items} == {CoordinationStage.WAITING}


def test_what_more_institutions_said_is_named_first(service):
    listed(service)
    for reasons in (["collateral", "tax"], ["tax"]):
        row = open_case(service, "N3")
        walk(service, officer(row.institution_id), row.case_id, Step.DECLINE, reasons=reasons)
    assert page(service).items[0].reasons == ("tax", "collateral")


def test_why_an_officer_offered_another_product_is_no_reason_why_nobody_is_left(service):
    row = reading.case(service, SYSTEM, listed(service).case_id)
    other = next(one.product.product_id for one in row.products if not one.current)
    own = officer(row.item.institution_id)
    walk(service, own, row.item.case_id, Step.SUGGEST, product_id=other, reasons=["faster"], text="sooner")
    for _ in range(2):
        case = open_case(service, "N3")
        walk(service, officer(case.institution_id), case.case_id, Step.DECLINE, version=case.version, reasons=["tax"])
    assert page(service).items[0].reasons == ("tax",)


def test_institutions_that_had_a_need_stand_in_the_order_in_which_they_had_it(service, hands):
    listed(service)
    had = []
    for _ in range(2):
        had.append(open_case(service, "N3").institution_id)
        hands.move(days=10)
        sweep(service, hands.at)
    tried = unplaced.need(service, COMMISSION, "N3").tried
    assert [one.item.institution_id for one in tried] == had
    assert tried[0].item.opened_at < tried[1].item.opened_at


def test_a_need_that_everybody_let_pass_says_so_of_each(service, hands):
    listed(service)
    for _ in range(2):
        hands.move(days=10)
        assert len(sweep(service, hands.at).expired) == 1
    found = unplaced.need(service, COMMISSION, "N3")
    assert [(one.ended.step, one.ended.reasons) for one in found.tried] == [(Step.EXPIRE, ())] * 2
    assert (found.item.institutions, found.item.reasons, found.item.since) == (2, (), hands.at)


def test_of_many_reasons_the_three_commonest_are_named(service):
    declined(service, reasons=("tax", "debt", "collateral", "credit_record"))
    assert page(service).items[0].reasons == ("collateral", "credit_record", "debt")


def test_a_need_whose_record_this_version_cannot_read_hides_no_other_and_is_not_hidden(service, hands):
    kept = declined(service)
    hands.move(hours=1)
    other = unsuited(service)
    with service.store.writing() as session:
        row = session.get(RecommendationRow, session.get(ListingRow, kept).recommendation_id)
        row.request = row.request | {"later_field": 1}
    found = page(service)
    assert (ids(found), found.total) == ([kept, other], 2)
    unread, read = found.items
    assert (unread.enterprise_id, unread.institutions, unread.reasons) == ("E3", 2, ("tax",))
    assert {unread.enterprise_name, unread.size, unread.amount, unread.term_months} == {None}
    assert (unread.region, read.amount) == ("CN/500000/500103", 3_000_000)
    assert settle(service, kept).stage is CoordinationStage.SETTLED


def test_of_a_need_whose_record_this_version_cannot_read_there_is_all_that_is_known_without_it(service):
    kept = declined(service)
    before = unplaced.need(service, COMMISSION, kept)
    with service.store.writing() as session:
        session.get(RecommendationRow, session.get(ListingRow, kept).recommendation_id).request = {"other": 1}
    found = unplaced.need(service, COMMISSION, kept)
    assert (found.enterprise, found.fixes) == (None, None)
    assert (found.need, found.tried, found.legal) == (before.need, before.tried, before.legal)
    with service.store.writing() as session:
        session.get(NeedRow, kept).document = {"other": 1}
    assert unplaced.need(service, COMMISSION, kept).need is None


def test_a_list_is_read_page_by_page(service, hands):
    for number in range(5):
        unsuited(service, f"N-new {number}")
        hands.move(minutes=1 if number != 2 else 0)  # two at one moment
    seen, cursor = [], None
    for expected in (2, 2, 1):
        found = page(service, size=2, cursor=cursor)
        assert (len(found.items), found.total) == (expected, 5)
        seen, cursor = seen + ids(found), found.after
    assert cursor is None
    assert seen == [f"N-new {number}" for number in range(5)]


def test_overdue_ones_are_listed_by_themselves_page_by_page_as_many_as_the_month_counts(service, hands):
    for number in range(5):
        need_id = unsuited(service, f"N-new{number}")
        hands.move(minutes=1)
        if number != 1:  # one waits, and one has all the time that it needs
            dispatch(service, need_id, until=None if number == 2 else TODAY)
    assert page(service, Unplaced.OVERDUE).total == 0
    hands.move(days=1)
    settle(service, "N-new0", 2)
    first = page(service, Unplaced.OVERDUE, size=1)
    assert (ids(first), first.total) == (["N-new3"], 2)
    rest = page(service, Unplaced.OVERDUE, size=1, cursor=first.after)
    assert (ids(rest), rest.after, rest.items[0].overdue) == (["N-new4"], None, True)
    assert month(service, date(2025, 1, 1)).overdue == 2
    with pytest.raises(InputError, match="cursor: is one that a page of this order gave"):
        page(service, cursor=first.after)


@pytest.mark.parametrize(
    ("narrow", "found"),
    [
        ({"search": "e-NEW"}, ["N-new1", "N-new2"]),
        ({"search": " 新”厂 "}, ["N-new1", "N-new2"]),
        ({"search": "new2"}, ["N-new2"]),
        ({"search": "n3"}, ["N3"]),
        ({"search": "%"}, []),
        ({"region": "CN/500000/500106"}, ["N-new1", "N-new2"]),
        ({"region": "CN/500000"}, ["N-new1", "N-new2", "N3"]),
        ({"region": "CN/5000"}, []),
        ({"office": "Fuling"}, ["N-new2"]),
        ({"office": "Ful"}, []),
        ({"search": "新", "office": "Fuling", "region": "CN"}, ["N-new2"]),
    ],
)
def test_a_list_is_narrowed_by_a_search_a_region_and_an_office(three, narrow, found):
    narrowed = page(three, **narrow)
    assert sorted(ids(narrowed)) == found
    assert narrowed.total == len(found)
    assert sorted(item.need_id for item in export(three, **narrow)) == found


@pytest.fixture
def three(service):
    """Two needs of one enterprise that no product suits, one of them dispatched, and one that both declined."""
    unsuited(service, "N-new1")
    dispatch(service, unsuited(service, "N-new2"))
    declined(service)
    return service


def export(service, actor=COMMISSION, **wanted):
    with service.store.reading() as session:
        return list(unplaced.export(session, actor, service.today(), Wanted(**wanted)))


def test_a_narrowed_list_is_read_page_by_page(three):
    first = page(three, size=1, search="新")
    rest = page(three, size=1, search="新", cursor=first.after)
    assert ids(first) + ids(rest) == ["N-new1", "N-new2"]
    assert (first.total, rest.total, rest.after) == (2, 2, None)


@pytest.mark.parametrize("show", list(Unplaced))
def test_an_export_has_what_the_pages_have_in_their_order_however_it_is_read(service, hands, monkeypatch, show):
    monkeypatch.setattr(unplaced, "EXPORTED_AT_ONCE", 2)
    for number in range(5):
        need_id = unsuited(service, f"N-new{number % 3}{number}")
        dispatch(service, need_id, until=service.today())
        hands.move(hours=number % 2)
        if show is Unplaced.SETTLED:
            settle(service, need_id, 2)
    hands.move(hours=24)
    lines = export(service, show=show)
    assert lines == list(page(service, show).items)
    assert len(lines) == 5


def test_offices_are_those_that_needs_of_the_list_were_dispatched_to(service):
    for number, office in enumerate(("Wushan", "Fuling", "Fuling")):
        dispatch(service, unsuited(service, f"N-new{number}"), office=office)
    unsuited(service, "N-new3")
    settle(service, "N-new0", 2)
    with service.store.reading() as session:
        found = {show: unplaced.offices(session, service.today(), show) for show in Unplaced}
    assert found == {Unplaced.OPEN: ["Fuling"], Unplaced.OVERDUE: [], Unplaced.SETTLED: ["Wushan"]}


@pytest.mark.parametrize("actor", [officer("I1"), BOUND, ADMINISTRATOR], ids=["officer", "bound", "administrator"])
def test_who_does_not_see_all_cases_exports_none_of_it(service, actor):
    with pytest.raises(ForbiddenError, match="this is for the commission, and for a key that is bound to no"):
        export(service, actor)


def test_needs_listed_before_they_could_be_searched_are_found_after_the_update(three):
    """As the record of each says it; one that another version kept is found by its ids alone."""
    with three.store.writing() as session:
        kept = select(ListingRow.recommendation_id).where(ListingRow.need_id == "N-new1").scalar_subquery()
        unread = update(RecommendationRow).where(RecommendationRow.recommendation_id == kept)
        session.execute(unread.values(request={"other": 1}))
    columns = select(ListingRow.need_id, ListingRow.search, ListingRow.region).order_by(ListingRow.need_id)
    with three.store.reading() as session:
        before = {row.need_id: (row.search, row.region) for row in session.execute(columns)}
    for move, revision in ((command.downgrade, "0008"), (command.upgrade, "head")):
        with three.store.writing() as session:
            move(migrations(session.connection()), revision)
    with three.store.reading() as session:
        after_it = {row.need_id: (row.search, row.region) for row in session.execute(columns)}
    assert before["N-new2"] == ("e-new 重庆“新”厂 n-new2", "CN/500000/500106")
    assert after_it == before | {"N-new1": ("e-new n-new1", None)}


def test_what_a_replica_of_an_older_version_lists_during_an_update_is_found_once_the_clocks_are_looked_at(three):
    """That one writes none of the columns that a search, a region and the coverage of a month go by."""
    columns = select(ListingRow.need_id, ListingRow.enterprise_id, ListingRow.search, ListingRow.region)
    with three.store.writing() as session:
        before = session.execute(columns.order_by(ListingRow.need_id)).all()
        session.execute(update(ListingRow).values(enterprise_id="", search="", region=None))
    assert ids(page(three, search="n")) == []
    sweep(three, three.now())
    with three.store.reading() as session:
        assert session.execute(columns.order_by(ListingRow.need_id)).all() == before
    assert belated.complete(three) == 0


def test_more_needs_than_are_read_at_once_are_all_found_after_the_update(three, monkeypatch):
    monkeypatch.setattr(m0009_searched_needs, "AT_ONCE", 1)
    for move, revision in ((command.downgrade, "0008"), (command.upgrade, "head")):
        with three.store.writing() as session:
            move(migrations(session.connection()), revision)
    assert len(ids(page(three, search="n"))) == 3


def test_settled_ones_are_listed_latest_first_page_by_page(service, hands):
    for number in range(3):
        unsuited(service, f"N-new{number}")
        settle(service, f"N-new{number}")
        hands.move(minutes=1)
    first = page(service, Unplaced.SETTLED, size=2)
    assert (ids(first), first.total) == (["N-new2", "N-new1"], 3)
    assert ids(page(service, Unplaced.SETTLED, size=2, cursor=first.after)) == ["N-new0"]
    assert page(service, Unplaced.SETTLED, size=3).after is None
    assert ids(page(service)) == []


def test_what_was_settled_at_one_moment_is_once_on_the_pages_too(service):
    for number in range(3):
        unsuited(service, f"N-new{number}")
        settle(service, f"N-new{number}")
    first = page(service, Unplaced.SETTLED, size=2)
    rest = page(service, Unplaced.SETTLED, size=2, cursor=first.after)
    assert ids(first) + ids(rest) == ["N-new2", "N-new1", "N-new0"]


@pytest.mark.parametrize("cursor", ["nonsense", "WyJvcGVuIiwgZmFsc2UsIDEsICJOIl0="])
def test_a_cursor_of_no_page_is_refused(service, cursor):
    with pytest.raises(InputError, match="cursor: is one that a page of this order gave"):
        page(service, cursor=cursor)


@pytest.mark.parametrize("need_id", ["", "N\0", "N/1", "N|1", "N" * (128 + 1)])
@pytest.mark.parametrize("show", list(Unplaced))
def test_a_cursor_of_what_can_be_no_need_s_id_is_refused(show, need_id):
    moment = NOON.replace(tzinfo=None)
    longest = Place(False, moment, "需求 1" + "N" * 124)
    assert unpack(pack(longest, show), show) == longest
    with pytest.raises(InputError, match="cursor: is one that a page of this order gave"):
        unpack(pack(Place(False, moment, need_id), show), show)


def test_a_cursor_with_half_a_character_is_refused_before_the_store_is_asked(service):
    told = b'["open", false, "2025-01-10T12:00:00", "N\\ud800"]'
    with pytest.raises(InputError, match="cursor: is one that a page of this order gave"):
        page(service, cursor=urlsafe_b64encode(told).decode())


def test_a_cursor_of_another_list_is_refused(service):
    for number in range(2):
        unsuited(service, f"N-new{number}")
    with pytest.raises(InputError, match="cursor: is one that a page of this order gave"):
        page(service, Unplaced.SETTLED, cursor=page(service, size=1).after)


def test_a_need_s_page_has_who_had_it_what_they_said_and_what_would_help(service):
    found = unplaced.need(service, COMMISSION, declined(service))
    assert [one.item.institution_id for one in found.tried] == ["I1", "I2"]
    assert [(one.ended.step, one.ended.reasons, one.ended.text) for one in found.tried] == [
        (Step.DECLINE, ("tax",), "as discussed")
    ] * 2
    assert found.legal == (DISPATCH, SETTLE)
    assert (found.item.need_id, found.need.need_id, found.events) == ("N3", "N3", ())
    assert found.enterprise.enterprise_id == found.item.enterprise_id


@pytest.fixture
def short(service, tmp_path):
    """A service in which no product runs for more than a year until next year, when some run for three."""
    market = bundles.market()
    market.products["max_term"] = 12
    longer = market.products.iloc[:1].assign(max_term=36, valid_from=pd.Timestamp("2026-01-01"))
    changed = replace(market, products=pd.concat([market.products, longer], ignore_index=True))
    tables.write(changed, tmp_path / "short")
    load(service.store, tmp_path / "short", NOON)
    return service


def test_what_to_fix_is_of_all_institutions_products_and_needs_a_model(short):
    need_id = unsuited(short, kinds=None)
    fixes = unplaced.need(short, COMMISSION, need_id).fixes
    assert {fix.institution_id for fix in fixes} == {"I1", "I2"}
    assert all("from 24 to 12" in fix.changes[0].text_en for fix in fixes)
    without = replace(short, serving=Serving(short.store, short.settings.models / "none"))
    assert unplaced.need(without, COMMISSION, need_id).fixes is None


def test_what_to_fix_goes_by_the_products_of_today_and_not_of_the_day_of_the_listing(short, hands):
    need_id = unsuited(short, kinds=None, term_months=48)
    before = unplaced.need(short, COMMISSION, need_id).fixes
    hands.move(days=365)
    now = {fix.product_id: fix.changes[0].text_en for fix in unplaced.need(short, COMMISSION, need_id).fixes}
    assert "from 48 to 12" in next(fix for fix in before if fix.product_id == "P0").changes[0].text_en
    assert "from 48 to 36" in now["P0"]


def test_a_need_is_dispatched_dispatched_again_and_settled(service, hands):
    need_id = unsuited(service)
    first = dispatch(service, need_id, until=TODAY + timedelta(days=7), text="ask for invoices")
    hands.move(days=1)
    second = dispatch(service, need_id, first.version, office=" Banan ")
    hands.move(days=1)
    last = settle(service, need_id, second.version, "relisted", text="as N-2")
    assert [(one.stage, one.version) for one in (first, second, last)] == [
        ("dispatched", 2), ("dispatched", 3), ("settled", 4),
    ]  # fmt: skip
    found = unplaced.need(service, COMMISSION, need_id)
    assert (found.item.office, found.item.until, found.item.result) == ("Banan", None, Settlement.RELISTED)
    assert (found.item.settled_at, found.legal) == (hands.at, ())
    told = [(e.step, e.office, e.until, e.result, e.text, e.actor) for e in found.events]
    assert told == [
        (DISPATCH, "Fuling", TODAY + timedelta(days=7), None, "ask for invoices", "li"),
        (DISPATCH, "Banan", None, None, "", "li"),
        (SETTLE, None, None, Settlement.RELISTED, "as N-2", "li"),
    ]
    assert [event.at for event in found.events] == [NOON + timedelta(days=days) for days in range(3)]
    with pytest.raises(ConflictError, match="'dispatch' is not legal for a need that is settled; no further step"):
        dispatch(service, need_id, last.version)


def test_a_text_is_kept_without_the_character_that_a_store_does_not_hold(service):
    need_id = unsuited(service)
    dispatch(service, need_id, text="a\0b")
    assert [event.text for event in unplaced.need(service, COMMISSION, need_id).events] == ["ab"]


@pytest.mark.parametrize("office", ["渝北区\u3000经信委", " 渝北区\xa0 经信委\u3000", "渝北区\t经信委"])
def test_a_blank_of_any_keyboard_is_one_blank_of_an_office(service, office):
    need_id = unsuited(service)
    dispatch(service, need_id, office=office, key="d-1")
    assert page(service).items[0].office == "渝北区 经信委"
    assert dispatch(service, need_id, office="渝北区 经信委", key="d-1").repeated


@pytest.mark.parametrize(("days", "overdue"), [(0, False), (1, True)])
def test_a_dispatch_is_overdue_from_the_day_after_and_no_longer_once_it_is_settled(service, hands, days, overdue):
    need_id = unsuited(service)
    dispatch(service, need_id, until=TODAY)
    hands.move(days=days)
    assert page(service).items[0].overdue is overdue
    settle(service, need_id, 2)
    assert not page(service, Unplaced.SETTLED).items[0].overdue


def test_who_saw_an_earlier_version_is_told_what_it_is_now(service):
    need_id = unsuited(service)
    dispatch(service, need_id)
    with pytest.raises(ConflictError, match="changed meanwhile: it is dispatched now, version 2") as refused:
        settle(service, need_id, 1)
    assert refused.value.legal == (DISPATCH, SETTLE)


def test_a_step_with_a_key_is_taken_once_and_told_again_whatever_came_later(service):
    need_id = unsuited(service)
    first = dispatch(service, need_id, key="d-1")
    settle(service, need_id, 2)
    again = dispatch(service, need_id, key="d-1")
    assert (again.repeated, again.event_id, again.version, again.stage) == (True, first.event_id, 2, "dispatched")
    assert count(service) == 2


@pytest.mark.parametrize("about", [{"office": "Banan"}, {"text": "more"}, {"until": TODAY}])
def test_a_key_of_another_step_is_refused(service, about):
    need_id = unsuited(service)
    dispatch(service, need_id, key="d-1")
    with pytest.raises(ConflictError, match="the key was used for another step"):
        dispatch(service, need_id, 2, **{"key": "d-1"} | about)


def test_a_key_of_a_settlement_with_another_result_is_refused(service):
    need_id = unsuited(service)
    settle(service, need_id, key="s-1")
    assert settle(service, need_id, key="s-1").repeated
    with pytest.raises(ConflictError, match="the key was used for another step"):
        settle(service, need_id, result="withdrawn", key="s-1")


def test_a_key_is_its_actor_s_own_and_one_need_s(service):
    first, second = unsuited(service, "N-new1"), unsuited(service, "N-new2")
    dispatch(service, first, key="d-1")
    with pytest.raises(ConflictError, match="the key was used for another step"):
        dispatch(service, second, key="d-1")
    assert not dispatch(service, second, actor=SYSTEM, key="d-1").repeated


@pytest.mark.parametrize("need_id", ["N0", "N-none"])
def test_a_need_that_an_institution_has_and_an_unknown_one_are_not_there(service, need_id):
    listed(service, "N0")
    for ask in (lambda: unplaced.need(service, COMMISSION, need_id), lambda: dispatch(service, need_id)):
        with pytest.raises(NotFoundError, match=f"need that nobody is left for '{need_id}' does not exist"):
            ask()


@pytest.mark.parametrize("actor", [officer("I1"), BOUND, ADMINISTRATOR], ids=["officer", "bound", "administrator"])
def test_who_does_not_see_all_cases_sees_none_of_it(service, actor):
    need_id = declined(service)
    with pytest.raises(NotFoundError):
        unplaced.need(service, actor, need_id)
    with pytest.raises(NotFoundError):
        dispatch(service, need_id, actor=actor)
    with pytest.raises(ForbiddenError, match="this is for the commission, and for a key that is bound to no"):
        page(service, actor=actor)
    with service.store.reading() as session:
        if actor.institution_id:
            assert figures(session, actor, service.settings, TODAY.replace(day=1), service.now()).coordination is None
    assert count(service) == 0


def test_a_key_that_only_reads_reads(service):
    need_id = unsuited(service)
    assert unplaced.need(service, READER, need_id).legal == ()
    with pytest.raises(ForbiddenError, match="the key has no scope 'outcomes'"):
        dispatch(service, need_id, actor=READER)


CHANGES = {
    "sqlite": ("UPDATE {} SET actor = 'x'", "DELETE FROM {}", "INSERT OR REPLACE INTO {0} SELECT * FROM {0}"),
    "postgresql": ("UPDATE {} SET actor = 'x'", "DELETE FROM {}", "TRUNCATE {}"),
}


@pytest.mark.parametrize("number", range(3))
def test_no_statement_changes_or_removes_a_step(service, number):
    dispatch(service, unsuited(service))
    statement = CHANGES[service.store.engine.dialect.name][number].format("coordination_events")
    with pytest.raises(DBAPIError, match="rows are only ever added"), service.store.writing() as session:
        session.execute(text(statement))
    assert count(service) == 1


def month(service, first):
    with service.store.reading() as session:
        return coordinated(session, first, service.now())


def test_a_month_counts_what_came_what_was_dispatched_and_how_needs_were_settled(service, hands):
    needs = [unsuited(service, f"N-new{number}") for number in range(4)]
    for need_id in needs[:3]:
        dispatch(service, need_id, until=TODAY)
    settle(service, needs[0], 2)
    hands.move(days=30)  # into February
    settle(service, needs[1], 2, "not_ready")
    settle(service, needs[3], 1, "funded")
    january, february = month(service, date(2025, 1, 1)), month(service, date(2025, 2, 1))
    assert (january.came, january.dispatched, january.settled) == (4, 3, {Settlement.FUNDED: 1})
    assert (february.came, february.dispatched) == (0, 0)
    assert february.settled == {Settlement.FUNDED: 1, Settlement.NOT_READY: 1}
    assert (january.open, january.overdue) == (february.open, february.overdue) == (1, 1)


def test_a_month_begins_with_its_first_midnight_and_ends_before_the_next(service, hands):
    hands.at = datetime(2025, 2, 1).astimezone()
    dispatched, settled = unsuited(service, "N-new1"), unsuited(service, "N-new2")
    dispatch(service, dispatched)
    settle(service, settled)
    january, february = month(service, date(2025, 1, 1)), month(service, date(2025, 2, 1))
    assert (january.came, january.dispatched, january.settled) == (0, 0, {})
    assert (february.came, february.dispatched, february.settled) == (2, 1, {Settlement.FUNDED: 1})


def test_a_day_is_over_and_a_month_begins_where_the_service_stands(chongqing, service, hands):
    hands.at = datetime(2025, 1, 31, 15, 59, tzinfo=UTC)
    need_id = unsuited(service)
    dispatch(service, need_id, until=date(2025, 1, 31))
    assert not page(service).items[0].overdue
    assert month(service, date(2025, 1, 1)).overdue == 0
    hands.move(minutes=1)
    assert page(service).items[0].overdue
    assert unplaced.need(service, COMMISSION, need_id).item.overdue
    assert month(service, date(2025, 1, 1)).overdue == 1
    with pytest.raises(InputError, match="until: is not before 2025-02-01, today"):
        dispatch(service, need_id, 2, until=date(2025, 1, 31))
    unsuited(service, "N-new2")
    assert [month(service, first).came for first in (date(2025, 1, 1), date(2025, 2, 1))] == [1, 1]


def test_the_month_of_all_has_it_and_that_of_one_institution_has_not(service):
    unsuited(service)
    with service.store.reading() as session:
        asked = (session, COMMISSION, service.settings, TODAY.replace(day=1), service.now())
        assert figures(*asked).coordination.came == 1
        assert figures(*asked, "I1").coordination is None


def test_the_enterprise_is_told_as_it_was_when_the_need_was_listed(service):
    found = unplaced.need(service, COMMISSION, unsuited(service))
    assert found.enterprise == Enterprise.model_validate(FIRM)


def statements(service, act):
    """What is asked of the table of listed needs, and how the database would answer: SQLite says which index."""
    found = []

    def seen(connection, cursor, statement, parameters, context, executemany):
        if "FROM listings" in statement.replace("\n", " "):
            found.append((statement, parameters))

    event.listen(service.store.engine, "before_cursor_execute", seen)
    try:
        act()
    finally:
        event.remove(service.store.engine, "before_cursor_execute", seen)
    return found


def test_lists_and_figures_pass_by_the_many_needs_that_are_with_an_institution(service):
    """An index that held them too would be taken for what is not settled, which nearly all of them are not."""
    needs = [unsuited(service, f"N-new{number}") for number in range(2)]
    settle(service, needs[0])
    acts = [partial(page, service, show) for show in Unplaced] + [partial(month, service, date(2025, 1, 1))]
    asked = [statement for act in acts for statement in statements(service, act)]
    assert len(asked) == 2 * len(Unplaced) + 4
    sqlite = service.store.engine.dialect.name == "sqlite"
    with service.store.reading() as session:
        connection = session.connection()
        if not sqlite:
            session.execute(text("SET LOCAL enable_seqscan = off"))
        explain = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
        plans = [str(connection.exec_driver_sql(explain + one, about).fetchall()) for one, about in asked]
    assert [plan for plan in plans if "ix_listings_" not in plan] == []
    assert [plan for plan in plans if "ix_listings_settled_at (settled_at=?)" in plan] == []


def test_the_schema_before_coordination_and_back_keeps_every_listed_need(service):
    settled, other = unsuited(service, "N-new1"), declined(service)
    settle(service, settled, text="kept no longer")
    for move, revision in ((command.downgrade, "0006"), (command.upgrade, "head")):
        with service.store.writing() as session:
            move(migrations(session.connection()), revision)
    found = page(service)
    assert sorted(ids(found)) == sorted([settled, other])
    assert {(item.stage, item.version, item.office) for item in found.items} == {(CoordinationStage.WAITING, 1, None)}
    assert count(service) == 0
    assert settle(service, settled).version == 2

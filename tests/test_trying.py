"""Something to try: a filled desk, accounts and a key, on the simulated market alone, and once."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select

from api import trying
from api.desk import keys, queue
from api.desk.identity import Role, Scope, sign_in
from api.desk.reading import screen_of
from api.store.desk_models import CaseRow, CoordinationRow, EventRow, ListingRow
from api.store.models import LoadRow, NeedRow
from api.trying import district, try_out
from matching.errors import InputError
from tests.desks import COMMISSION, NOON, listed


def count(service, row, *where):
    with service.store.reading() as session:
        return session.scalar(select(func.count()).select_from(row).where(*where))


def test_each_role_gets_an_account_and_the_desk_is_filled(service):
    made = try_out(service)
    roles = {role: sign_in(service, name, password).actor for role, name, password in made.accounts}
    assert set(roles) == {Role.OFFICER, Role.COMMISSION, Role.ADMINISTRATOR}
    assert made.institution.startswith(roles[Role.OFFICER].institution_id)
    assert made.cases == count(service, CaseRow) >= 24
    with service.store.reading() as session:
        assert keys.actor_of(session, made.key).scopes == frozenset(Scope)
        waiting = queue.page(session, roles[Role.OFFICER], service.now(), queue.Filters(), queue.Sort.DUE, 50)
        every = queue.page(session, COMMISSION, service.now(), queue.Filters(), queue.Sort.DUE, 50)
        open_cases = select(CaseRow.institution_id, func.count()).where(CaseRow.closed_at.is_(None))
        held = dict(session.execute(open_cases.group_by(CaseRow.institution_id)).all())
    assert 0 < waiting.total < every.total
    assert waiting.total == max(held.values()) > min(held.values())


def test_only_needs_that_are_posted_and_that_nobody_listed_are_listed(service, hands):
    listed(service)
    with service.store.reading() as session:
        posted = dict(session.execute(select(NeedRow.need_id, NeedRow.posted_at)).all())
        hands.at = datetime.combine(sorted(posted.values())[len(posted) // 2], NOON.time(), UTC)
        found = trying._latest_needs(session, service)
    assert set(found) == {need_id for need_id, day in posted.items() if day <= hands.at.date()} - {"N3"}
    assert 0 < len(found) < len(posted) - 1


def test_made_up_steps_are_marked_as_such_and_none_is_in_the_future(service):
    try_out(service)
    with service.store.reading() as session:
        events = list(session.scalars(select(EventRow)))
    assert {event.actor for event in events} == {"simulated", "system"}
    assert max(event.at for event in events) <= service.now().replace(tzinfo=None)
    assert {"accept", "contact", "apply", "decline"} <= {event.step for event in events}


def test_what_is_granted_has_an_amount_within_the_need_and_a_rate(service):
    try_out(service)
    with service.store.reading() as session:
        granted = select(EventRow.detail, CaseRow.amount).join(CaseRow, CaseRow.case_id == EventRow.case_id)
        found = session.execute(granted.where(EventRow.step == "grant")).all()
    assert found
    assert all(0.5 * needed < detail["amount"] <= needed and 300 < detail["rate_bp"] < 520 for detail, needed in found)


def test_what_nobody_is_left_for_goes_to_its_district_and_some_of_it_is_settled(service, monkeypatch):
    monkeypatch.setattr(trying, "COORDINATED", 2)
    try_out(service)
    with service.store.reading() as session:
        rows = list(session.scalars(select(ListingRow).where(ListingRow.office.isnot(None))))
        steps = list(session.scalars(select(CoordinationRow)))
    assert {row.office for row in rows} == {"渝中区"}
    assert {row.result for row in rows} == {None, "not_ready"}
    assert all((row.until - row.exhausted_at.date()).days == 2 for row in rows)
    assert {step.actor for step in steps} == {"simulated"}
    assert max(step.at for step in steps) <= service.now().replace(tzinfo=None)


def test_nothing_is_settled_before_its_district_s_time_is_over(service, monkeypatch):
    monkeypatch.setattr(trying, "COORDINATED", 3650)
    try_out(service)
    assert count(service, ListingRow, ListingRow.office.isnot(None))
    assert not count(service, ListingRow, ListingRow.result.isnot(None))


@pytest.mark.parametrize(("hours", "dispatched"), [(23, False), (25, True)])
def test_what_nobody_is_left_for_is_dispatched_after_a_day(service, monkeypatch, hours, dispatched):
    coordinate = trying._coordinate
    monkeypatch.setattr(trying, "_coordinate", lambda *_: None)
    try_out(service)
    with service.store.reading() as session:
        first = session.scalar(select(func.min(ListingRow.exhausted_at)))
    coordinate(service, first.replace(tzinfo=UTC) + timedelta(hours=hours))
    assert (count(service, ListingRow, ListingRow.office.isnot(None)) > 0) is dispatched


def test_a_case_that_takes_too_long_ends_with_its_clock(service, monkeypatch):
    monkeypatch.setattr(trying, "SLOWEST", 100)
    try_out(service)
    assert count(service, CaseRow, CaseRow.stage == "expired")


def test_every_need_comes_with_a_screen_of_its_district_and_some_leave_one_standard_open(service, monkeypatch):
    monkeypatch.setattr(trying, "UNCHECKED", 4)
    try_out(service)
    with service.store.reading() as session:
        rows = list(session.scalars(select(ListingRow)))
    screens = [screen_of(row) for row in rows]
    assert {screen.by for screen in screens} == {"渝中区"}
    assert all(screen.on <= row.listed_at.date() for screen, row in zip(screens, rows, strict=True))
    unchecked = [screen.unchecked for screen in screens]
    assert {len(standards) for standards in unchecked} == {0, 1}
    assert sum(map(len, unchecked)) == len(rows) // 4
    assert len(set(unchecked)) > 2


def test_a_need_that_somebody_listed_is_left_as_it_is(service):
    made = listed(service)
    trying.fill(service, ["N3"], lambda _done, _all: None)
    with service.store.reading() as session:
        assert session.get_one(CaseRow, made.case_id).version == 1
        assert session.get_one(ListingRow, "N3").screen is None


@pytest.mark.parametrize(
    ("region", "office"),
    [
        ("CN/500000/500102", "涪陵区"),
        ("CN/500000/500112/001", "两江新区"),
        ("CN/500000", "市经济和信息化委员会"),
        ("US/CA/Fresno", "市经济和信息化委员会"),
        (None, "市经济和信息化委员会"),
    ],
)
def test_the_district_is_called_as_it_is_on_the_day_and_elsewhere_the_city_s_commission_sees_to_it(region, office):
    assert district(region, date(2026, 1, 1)) == office


def test_it_is_done_once(service):
    try_out(service)
    before = count(service, EventRow)
    assert try_out(service) is None
    assert count(service, EventRow) == before


def test_a_real_market_is_left_alone(service):
    with service.store.writing() as session:
        session.scalars(select(LoadRow)).one().simulated = False
    with pytest.raises(InputError, match="simulated: is true: this is for the simulated market alone"):
        try_out(service)
    assert count(service, CaseRow) == 0

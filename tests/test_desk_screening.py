"""The screen before the white list, on both databases: what it asks, what it keeps off, where it is kept and shown."""

from datetime import UTC, date, datetime

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import func, select, text

from api.desk import reading, unplaced
from api.desk.identity import SYSTEM, Actor, Role, Scope
from api.desk.listing import list_need
from api.desk.overview import figures
from api.desk.screening import Screen, Standard, check_complete, check_met
from api.desk.views import ListingMonth
from api.messages import ListingRequest
from api.refusals import ConflictError
from api.store import queries
from api.store.desk_models import CaseRow, ListingRow
from api.store.migrations.versions import m0008_screens
from api.store.models import EnterpriseRow, NeedRow, RecommendationRow
from matching.errors import InputError
from tests.desks import COMMISSION, desk, listed, models_of, officer

FIRM = {"enterprise_id": "E-new", "region": "CN/500000/500106", "employees": 50, "as_of": "2025-01-01"}
NEED = {"need_id": "N-new", "amount": 3_000_000, "term_months": 24, "posted_at": "2025-01-09"}
ALL = dict.fromkeys((one.value for one in Standard), True)
SCREEN = ALL | {"by": "渝北区经信委", "on": "2025-01-09"}
PARTLY = {name: value for name, value in SCREEN.items() if name != "good_credit"}


@pytest.fixture
def strict(market_database, tmp_path, bundle, hands):
    """A desk that lists nothing without a whole screen."""
    service = desk(market_database, models_of(tmp_path, bundle), hands, screen="required")
    yield service
    service.store.close()


def screened(service, screen=SCREEN, need_id="N3"):
    return list_need(service, SYSTEM, ListingRequest.model_validate({"need_id": need_id, "screen": screen}))


def by_value(service, screen=None, need_id="N-new", **about):
    given = {"enterprise": FIRM, "need": NEED | {"need_id": need_id} | about, "screen": screen}
    return list_need(service, SYSTEM, ListingRequest.model_validate(given))


def count(service, row, *where):
    with service.store.reading() as session:
        return session.scalar(select(func.count()).select_from(row).where(*where))


def untouched(service):
    """Whether nothing was written: no listing with what goes with it, no need and no enterprise."""
    kept = [count(service, row) for row in (ListingRow, CaseRow, RecommendationRow)]
    kept += [count(service, EnterpriseRow, EnterpriseRow.enterprise_id == "E-new")]
    return [*kept, count(service, NeedRow, NeedRow.need_id == "N-new")] == [0] * 5


def faults(refused):
    return [(fault.field, fault.rule) for fault in refused.value.faults]


def rule(standard, found):
    return (f"screen.{standard.value}", f"is true for a need on the white list ({standard.en}), not {found}")


def test_a_screen_has_a_field_for_each_standard_in_both_languages():
    told = {name: info.json_schema_extra for name, info in Screen.model_fields.items() if name not in ("by", "on")}
    assert told == {one.value: {"zh": one.zh, "en": one.en} for one in Standard}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"by": "  "}, "by\n.*at least 1 character"),
        ({"by": "x" * 101}, "by\n.*at most 100 characters"),
        ({"by": "a\nb"}, "by\n.*pattern"),
        ({"by": None}, "by\n.*valid string"),
        ({"on": None}, "on\n.*valid date"),
        ({"solvency": True}, "solvency\n.*not permitted"),
    ],
)
def test_a_screen_says_by_whom_and_when_and_knows_no_other_standard(change, message):
    with pytest.raises(ValueError, match=message):
        Screen.model_validate(SCREEN | change)


@pytest.mark.parametrize("standard", Standard)
def test_a_standard_that_is_not_met_keeps_a_need_off_and_nothing_is_written(service, standard):
    with pytest.raises(InputError, match=rf"screen\.{standard}: is true for a need on the white list") as refused:
        by_value(service, PARTLY | {standard.value: False})
    assert faults(refused) == [rule(standard, "false")]
    assert untouched(service)


def test_all_standards_that_are_not_met_are_named_at_once():
    with pytest.raises(InputError) as refused:
        check_met(Screen.model_validate(SCREEN | {"real_need": False, "lawful_use": False}))
    assert faults(refused) == [rule(Standard.REAL_NEED, "false"), rule(Standard.LAWFUL_USE, "false")]


def test_a_screen_that_looked_at_nothing_is_none(service):
    with pytest.raises(InputError, match="screen: says of one standard at least that it is met"):
        by_value(service, {"by": "渝北区经信委", "on": "2025-01-09"})
    assert untouched(service)


def test_nobody_has_screened_on_a_day_to_come(service):
    with pytest.raises(InputError, match=r"screen\.on: is not after today \(2025-01-10\), not 2025-01-11"):
        by_value(service, SCREEN | {"on": "2025-01-11"})
    assert untouched(service)
    assert by_value(service, SCREEN | {"on": "2025-01-10"}).new


@pytest.mark.parametrize(
    ("screen", "unchecked"), [(None, list(Standard)), (PARTLY, [Standard.GOOD_CREDIT]), (SCREEN, [])]
)
def test_a_screen_is_asked_for_where_the_settings_say_so_each_standard_by_name(screen, unchecked):
    given = screen and Screen.model_validate(screen)
    check_complete(given, "optional")
    if not unchecked:
        check_complete(given, "required")
        return
    with pytest.raises(InputError) as refused:
        check_complete(given, "required")
    assert faults(refused) == [rule(one, "missing") for one in unchecked]


def test_a_desk_that_asks_for_a_screen_lists_no_need_without_and_answers_for_one_that_it_has(strict):
    for screen in (None, PARTLY):
        with pytest.raises(InputError, match=r"screen\.good_credit: .*, not missing"):
            by_value(strict, screen)
    assert untouched(strict)
    assert by_value(strict, SCREEN).new
    assert not by_value(strict).new


@pytest.mark.parametrize("screen", [SCREEN, PARTLY])
def test_a_screen_is_kept_and_shown_with_the_case_to_the_institution_whose_it_is(service, screen):
    made = screened(service, screen)
    item = reading.case(service, SYSTEM, made.case_id).item
    shown = reading.case(service, officer(item.institution_id), made.case_id).screen
    assert shown == Screen.model_validate(screen)
    assert shown.unchecked == (() if screen is SCREEN else (Standard.GOOD_CREDIT,))


def test_a_need_without_a_screen_has_none(service):
    assert reading.case(service, SYSTEM, listed(service).case_id).screen is None
    assert count(service, ListingRow, ListingRow.screen.is_(None)) == 1


def test_a_need_that_nobody_is_left_for_is_shown_with_its_screen(service):
    assert by_value(service, PARTLY, kinds=["bond"]).case_id is None
    assert by_value(service, None, need_id="N-other", kinds=["bond"]).case_id is None
    assert unplaced.need(service, COMMISSION, "N-new").screen == Screen.model_validate(PARTLY)
    assert unplaced.need(service, COMMISSION, "N-other").screen is None


def test_the_same_screen_again_or_none_answers_what_there_is(service):
    made = screened(service)
    for again in (screened(service), screened(service, SCREEN | {"by": " 渝北区经信委 "}), screened(service, None)):
        assert (again.new, again.recommendation_id, again.case_id) == (False, made.recommendation_id, made.case_id)


@pytest.mark.parametrize("change", [{"by": "合川区经信委"}, {"on": "2025-01-08"}, {"good_credit": None}])
def test_another_screen_of_a_listed_need_is_a_conflict(service, change):
    made = screened(service)
    with pytest.raises(ConflictError, match="need 'N3' is listed already, with another screen or none"):
        screened(service, SCREEN | change)
    assert reading.case(service, SYSTEM, made.case_id).screen == Screen.model_validate(SCREEN)


def test_a_need_that_was_listed_without_a_screen_gets_none_later(service):
    made = listed(service)
    with pytest.raises(ConflictError, match="need 'N3' is listed already, with another screen or none"):
        screened(service)
    assert reading.case(service, SYSTEM, made.case_id).screen is None


def test_a_screen_touches_no_feature_and_no_score(service):
    by_value(service)
    by_value(service, SCREEN, need_id="N-screened")
    with service.store.reading() as session:
        query = select(RecommendationRow.recommendation_id, RecommendationRow.need_id)
        rows = {need_id: queries.recommendation(session, one, features=True) for one, need_id in session.execute(query)}
    plain, other = rows["N-new"], rows["N-screened"]
    assert {**other.answer, "id": "", "need_id": ""} == {**plain.answer, "id": "", "need_id": ""}
    assert "screen" not in other.request
    parts = ("product_ids", "scores", "feature_names", "features")
    assert [getattr(other, name) for name in parts] == [getattr(plain, name) for name in parts]


def test_a_month_counts_the_needs_that_were_listed_in_it_and_those_with_a_screen(service, hands):
    screened(service)
    by_value(service, PARTLY, kinds=["bond"])
    listed(service, "N0")
    hands.at = datetime(2025, 2, 3, tzinfo=UTC)
    listed(service, "N1")
    bank = Actor("key:bank", Role.PLATFORM, "I1", frozenset(Scope))
    with service.store.reading() as session:
        about = (session, COMMISSION, service.settings)
        months = [figures(*about, date(2025, month, 1), hands.at).listings for month in (1, 2)]
        of_one = figures(*about, date(2025, 1, 1), hands.at, "I1").listings
        of_bank = figures(session, bank, service.settings, date(2025, 1, 1), hands.at).listings
    assert months == [ListingMonth(3, 2), ListingMonth(1, 0)]
    assert (of_one, of_bank) == (None, None)


def test_needs_that_were_listed_by_an_earlier_version_have_no_screen(service):
    made = screened(service)
    with service.store.writing() as session, Operations.context(MigrationContext.configure(session.connection())):
        m0008_screens.downgrade()
        assert session.scalar(text("SELECT count(*) FROM listings")) == 1
        m0008_screens.upgrade()
    assert reading.case(service, SYSTEM, made.case_id).screen is None

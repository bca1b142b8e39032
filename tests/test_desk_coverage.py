"""How far the white list reaches, on both databases: active enterprises, those with needs listed, those with grants."""

from datetime import date, datetime

import pytest
from sqlalchemy import delete, select, update

from api.desk.coverage import coverage
from api.desk.overview import figures
from api.desk.stages import Step
from api.desk.views import Coverage
from api.store import queries
from api.store.desk_models import CaseRow, ListingRow
from api.store.models import EnterpriseRow
from matching.domain import Enterprise
from tests.desks import COMMISSION, listed, officer, walk

JANUARY = date(2025, 1, 1)
GRANT = (Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT)


def of(service, first=JANUARY):
    with service.store.reading() as session:
        return coverage(session, first)


@pytest.fixture
def three(service):
    """A store of three enterprises: E3 and E4, whose needs are N3 and N4, and one that never asks."""
    with service.store.writing() as session:
        session.execute(delete(EnterpriseRow))
        for name in ("E3", "E4", "E-quiet"):
            queries.upsert(session, [Enterprise(enterprise_id=name, as_of=JANUARY)])
    return service


def facts(service, enterprise_id, *days):
    """What is known of an enterprise is of these days, and no others."""
    with service.store.writing() as session:
        session.execute(delete(EnterpriseRow).where(EnterpriseRow.enterprise_id == enterprise_id))
        queries.upsert(session, [Enterprise(enterprise_id=enterprise_id, as_of=day) for day in days])


def granted(service, need_id):
    case_id = listed(service, need_id).case_id
    with service.store.reading() as session:
        owner = session.scalars(select(CaseRow.institution_id).where(CaseRow.case_id == case_id)).one()
    walk(service, officer(owner), case_id, *GRANT, amount=1_000_000)


def test_an_enterprise_counts_once_however_many_dates_its_figures_are_of(three):
    facts(three, "E3", date(2023, 6, 1), date(2024, 6, 1), date(2025, 1, 1))
    assert of(three) == Coverage(enterprises=3, listed=0, granted=0)


def test_those_with_a_need_listed_and_those_with_a_grant_are_of_them(three):
    listed(three, "N3")
    assert of(three) == Coverage(3, 1, 0)
    granted(three, "N4")
    assert of(three) == Coverage(3, 2, 1)


@pytest.mark.parametrize(
    ("day", "active"),
    [(date(2023, 1, 31), 2), (date(2023, 2, 1), 3), (date(2025, 1, 31), 3), (date(2025, 2, 1), 2)],
)
def test_active_is_of_which_there_are_figures_of_the_two_years_until_the_month_was_over(three, day, active):
    listed(three, "N3")
    facts(three, "E3", day)
    assert of(three) == Coverage(active, active - 2, 0)


def test_what_an_enterprise_that_is_no_longer_active_was_granted_is_of_none_of_them(three):
    granted(three, "N3")
    facts(three, "E3", date(2020, 1, 1))
    assert of(three) == Coverage(2, 0, 0)


@pytest.mark.parametrize(
    ("first", "reached"),
    [(date(2024, 12, 1), 0), (JANUARY, 1), (date(2025, 12, 1), 1), (date(2026, 1, 1), 0)],
)
def test_a_listing_and_a_grant_count_from_their_month_on_for_a_year(three, first, reached):
    facts(three, "E3", date(2024, 6, 1))
    granted(three, "N3")
    found = of(three, first)
    assert (found.listed, found.granted) == (reached, reached)


@pytest.mark.parametrize(
    ("moment", "reached"),
    [
        (datetime(2024, 1, 31, 23, 59, 59), 0),
        (datetime(2024, 2, 1), 1),
        (datetime(2025, 1, 31, 23, 59, 59), 1),
        (datetime(2025, 2, 1), 0),
    ],
)
def test_the_year_begins_and_ends_at_midnight(three, moment, reached):
    listed(three, "N3")
    with three.store.writing() as session:
        session.execute(update(ListingRow).values(listed_at=moment))
    assert of(three).listed == reached


def test_the_month_of_all_has_it_and_that_of_one_institution_has_not(three):
    listed(three, "N3")
    with three.store.reading() as session:
        about = (session, COMMISSION, three.settings, JANUARY, three.now())
        assert figures(*about).coverage == Coverage(3, 1, 0)
        assert figures(*about, "I1").coverage is None
        assert figures(session, officer("I1"), *about[2:]).coverage is None


def test_a_store_without_an_enterprise_has_none_to_reach(service):
    with service.store.writing() as session:
        session.execute(delete(EnterpriseRow))
    assert of(service) == Coverage(0, 0, 0)

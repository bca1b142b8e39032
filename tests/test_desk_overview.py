"""All institutions side by side: what waits at each, what each did in a month, for who may see them."""

from datetime import UTC, date, datetime

import pytest

from api.desk.cases import sweep
from api.desk.month import month, span
from api.desk.overview import overview
from api.desk.reading import case
from api.desk.stages import CaseStage, Step
from tests.desks import ADMINISTRATOR, COMMISSION, listed, officer, walk

JANUARY = date(2025, 1, 1)


def lines(service, actor=COMMISSION, first=JANUARY):
    with service.store.reading() as session:
        return {line.institution_id: line for line in overview(session, actor, first, service.now())}


def whole(service):
    """The month of all institutions."""
    with service.store.reading() as session:
        return month(session, COMMISSION, service.settings, JANUARY, service.now())


def came(line):
    """The stages that cases came to."""
    return {stage: count for stage, count in line.reached.items() if count}


def opened(service, need_id="N3"):
    """A case and an officer of its institution."""
    case_id = listed(service, need_id).case_id
    return case_id, officer(case(service, COMMISSION, case_id).item.institution_id)


def test_what_waits_is_counted_by_institution(service, hands):
    _, one = opened(service)
    opened(service, "N4")
    found = lines(service)
    assert sum(line.open for line in found.values()) == 2
    assert found[one.institution_id].overdue == 0
    hands.move(days=1)  # the very moment that it is due
    assert sum(line.overdue for line in lines(service).values()) == whole(service).overdue == 0
    hands.move(seconds=1)
    assert sum(line.overdue for line in lines(service).values()) == whole(service).overdue == 2


def test_a_month_s_steps_are_counted_and_answers_in_time_apart_from_late_ones(service, hands):
    case_id, actor = opened(service)
    walk(service, actor, case_id, Step.ACCEPT)
    hands.move(days=4)
    walk(service, actor, case_id, Step.CONTACT, version=2)
    line = lines(service)[actor.institution_id]
    assert came(line) == {CaseStage.SUGGESTED: 1, CaseStage.ACCEPTED: 1, CaseStage.CONTACTED: 1}
    assert (line.answers, line.in_time) == (2, 1)


def test_a_withdrawal_is_no_answer(service):
    case_id, actor = opened(service)
    walk(service, actor, case_id, Step.WITHDRAW)
    line = lines(service)[actor.institution_id]
    assert (line.open, line.overdue, line.answers, line.reached[CaseStage.WITHDRAWN]) == (0, 0, 0, 1)


def test_a_case_that_expired_was_answered_late(service, hands):
    case_id, actor = opened(service)
    hands.move(days=2)
    assert sweep(service, hands.at).expired == (case_id,)
    line = lines(service)[actor.institution_id]
    assert (line.answers, line.in_time, line.reached[CaseStage.EXPIRED]) == (1, 0, 1)
    clock = whole(service).clocks[0]
    assert (clock.stage, clock.steps, clock.in_time, clock.median_hours) == (CaseStage.SUGGESTED, 1, 0, 48)


def test_another_month_counts_nothing_but_what_waits(service):
    _, actor = opened(service)
    line = lines(service, first=date(2024, 12, 1))[actor.institution_id]
    assert (line.open, line.answers, came(line)) == (1, 0, {})


def test_an_institution_s_line_is_that_of_its_month(service, hands):
    for need_id in ("N4", "N6"):
        case_id, actor = opened(service, need_id)
        walk(service, actor, case_id, Step.DECLINE, reasons=["debt"])
    case_id, actor = opened(service)
    other = next(one.product.product_id for one in case(service, actor, case_id).products if not one.current)
    walk(service, actor, case_id, Step.SUGGEST, product_id=other, reasons=["faster"], text="sooner")
    walk(service, actor, case_id, Step.ACCEPT, version=2)
    hands.move(days=4)
    walk(service, actor, case_id, Step.CONTACT, version=3)
    walk(service, actor, case_id, Step.APPLY, version=4)
    found = lines(service)
    assert sum(line.reached[CaseStage.SUGGESTED] for line in found.values()) == 5  # another product is no new case
    for name, line in found.items():
        with service.store.reading() as session:
            told = month(session, COMMISSION, service.settings, JANUARY, service.now(), name)
        assert (told.institution_id, told.open, told.overdue) == (name, line.open, line.overdue)
        assert told.reached == line.reached
        steps = [(clock.steps, clock.in_time) for clock in told.clocks]
        assert tuple(map(sum, zip(*steps, strict=True))) == (line.answers, line.in_time)
    assert sum(line.answers - line.in_time for line in found.values()) == 1


def test_a_grant_that_states_no_amount_counts_what_was_asked_for_and_two_times_have_their_mean(service, hands):
    case_id, actor = opened(service)
    hands.move(hours=2)
    walk(service, actor, case_id, Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT)
    case_id, actor = opened(service, "N4")
    hands.move(hours=4)
    walk(service, actor, case_id, Step.ACCEPT)
    found = whole(service)
    assert found.granted_amount == 4_000_000
    assert next(clock.median_hours for clock in found.clocks if clock.stage is CaseStage.SUGGESTED) == (2 + 4) / 2


def test_who_is_bound_to_an_institution_sees_its_line_alone(service):
    _, actor = opened(service)
    other = "I2" if actor.institution_id == "I1" else "I1"
    assert set(lines(service, actor)) == {actor.institution_id}
    assert lines(service, officer(other)) == {}
    assert lines(service, ADMINISTRATOR) == {}


def test_the_most_overdue_institution_comes_first(service, hands):
    case_id, actor = opened(service)
    walk(service, actor, case_id, Step.DECLINE, reasons=["debt"])
    hands.move(days=1, seconds=1)
    with service.store.reading() as session:
        found = overview(session, COMMISSION, JANUARY, service.now())
    assert [line.overdue for line in found] == sorted((line.overdue for line in found), reverse=True)
    assert found[0].institution_id != actor.institution_id
    assert found[-1].reached[CaseStage.DECLINED] == 1


def test_reasons_are_counted_apart_by_step_the_commonest_first_and_equals_by_code_whichever_day_names_the_month(
    service,
):
    for need_id, reasons in (("N4", ["tax", "debt", "capacity"]), ("N6", ["tax"])):
        case_id, actor = opened(service, need_id)
        walk(service, actor, case_id, Step.DECLINE, reasons=reasons)
    case_id, actor = opened(service)
    other = next(one.product.product_id for one in case(service, actor, case_id).products if not one.current)
    walk(service, actor, case_id, Step.SUGGEST, product_id=other, reasons=["faster"], text="sooner")
    with service.store.reading() as session:
        found, late = (
            month(session, COMMISSION, service.settings, JANUARY.replace(day=day), service.now()) for day in (1, 31)
        )
    assert [(str(reason), n) for reason, n in found.declines.items()] == [("tax", 2), ("capacity", 1), ("debt", 1)]
    assert [(str(reason), n) for reason, n in found.overrides.items()] == [("faster", 1)]
    assert (found.month, late) == (JANUARY, found)


@pytest.mark.parametrize("hour", [16, 17])  # midnight, and an hour later
@pytest.mark.usefixtures("chongqing")
def test_a_month_is_that_of_where_the_service_stands(service, hands, hour):
    hands.at = datetime(2025, 1, 31, hour, tzinfo=UTC)
    listed(service)
    assert hands.at.astimezone().date() == service.today() == date(2025, 2, 1)
    with service.store.reading() as session:
        for first, count in ((JANUARY, 0), (date(2025, 2, 1), 1)):
            assert month(session, COMMISSION, service.settings, first, hands.at).reached["suggested"] == count
            assert sum(line.reached["suggested"] for line in overview(session, COMMISSION, first, hands.at)) == count


@pytest.mark.usefixtures("chongqing")
def test_a_month_ends_where_the_next_begins_and_so_does_a_year():
    firsts = [date(2024, 11, 1), date(2024, 12, 1), date(2025, 1, 1), date(2025, 2, 1)]
    assert [span(first)[1] for first in firsts[:-1]] == [span(first)[0] for first in firsts[1:]]
    assert span(date(2025, 1, 1))[0] == datetime(2024, 12, 31, 16)

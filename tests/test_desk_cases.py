"""A need's way through the desk, on both databases: opened, decided on, handed on when declined or overdue."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError

from api.desk import cases, listing, reading, retention
from api.desk.cases import decide, sweep
from api.desk.identity import SYSTEM, Actor, Role, Scope, plain
from api.desk.listing import list_need
from api.desk.outcomes import report
from api.desk.retention import forget
from api.desk.stages import CaseStage, Step
from api.messages import ListingRequest, OutcomeRequest, RecommendationRequest
from api.recommending import make, recall
from api.refusals import ConflictError, ForbiddenError
from api.store import queries
from api.store.desk_models import CaseRow, EventRow, ListingRow, OutcomeRow
from api.store.models import EnterpriseRow, NeedRow, ProductRow, RecommendationRow
from api.store.outages import StoreError
from matching.codes import Stage
from matching.domain import MAX_MONEY
from matching.errors import BundleError, InputError, NotFoundError
from tests.desks import ADMINISTRATOR, COMMISSION, NOON, answered, listed, officer, plan, walk

FIRM = {
    "enterprise_id": "E-new",
    "name": "重庆“新”厂",
    "region": "CN/500000/500106",
    "employees": 50,
    "as_of": "2025-01-01",
}
NEED = {"need_id": "N-new", "amount": 3_000_000, "term_months": 24, "posted_at": "2025-01-09"}


@pytest.fixture
def case(service):
    """A case as the desk shows it, just opened; its institution ranks first."""
    return reading.case(service, SYSTEM, listed(service).case_id)


@pytest.fixture
def own(case):
    return officer(case.item.institution_id)


def count(service, row, *where):
    with service.store.reading() as session:
        return session.scalar(select(func.count()).select_from(row).where(*where))


def open_case(service, need_id="N3"):
    with service.store.reading() as session:
        return session.scalars(select(CaseRow).where(CaseRow.need_id == need_id, CaseRow.closed_at.is_(None))).one()


def test_a_listed_need_goes_to_the_institution_of_its_best_product(service, hands, case):
    assert (case.item.rank, case.item.stage, case.item.version) == (1, "suggested", 1)
    assert case.item.product_id == case.record.matches[0].product_id
    assert case.item.due_at == hands.at + timedelta(days=1)
    assert (case.item.enterprise_id, case.item.amount, case.item.purpose) == ("E3", 4_000_000, "working_capital")
    assert [(event.step, event.actor, event.detail["turn"]) for event in case.events] == [("open", "system", 1)]


def test_a_case_shows_reasons_stacks_and_only_its_own_institutions_matches(case):
    assert case.match.reasons
    assert case.match.stack is not None
    assert {match.institution_id for match in case.record.matches} == {case.item.institution_id}
    assert {one.product.institution_id for one in case.products} == {case.item.institution_id}
    assert [one.rank for one in case.products] == sorted(one.rank for one in case.products)
    assert [one.product.product_id for one in case.products if one.current] == [case.item.product_id]


def test_listing_a_need_again_changes_nothing(service):
    first, again = listed(service), listed(service)
    assert (first.new, again.new) == (True, False)
    assert (first.case_id, first.recommendation_id) == (again.case_id, again.recommendation_id)
    assert count(service, CaseRow) == count(service, ListingRow) == 1


def test_a_need_that_was_handed_on_is_listed_again_with_the_case_that_is_open(service, case, own):
    walk(service, own, case.item.case_id, Step.DECLINE, reasons=["debt"])
    again = listed(service)
    assert (again.case_id, again.new) == (open_case(service).case_id, False)


def test_a_need_by_value_brings_its_enterprise_along(service):
    request = ListingRequest.model_validate({"enterprise": FIRM, "need": NEED})
    made = list_need(service, SYSTEM, request)
    assert made.new
    assert count(service, EnterpriseRow, EnterpriseRow.enterprise_id == "E-new") == 1
    assert count(service, NeedRow, NeedRow.need_id == "N-new") == 1
    with pytest.raises(ConflictError, match="need 'N-new' is known already, with other facts"):
        list_need(service, SYSTEM, ListingRequest.model_validate({"enterprise": FIRM, "need": NEED | {"amount": 1}}))


@pytest.mark.parametrize(
    ("facts", "size"),
    [
        ({"revenue": 5_000_000}, "small"),
        ({"revenue": 5_000_000, "size": "large"}, "small"),
        ({"size": "large"}, "large"),
        ({"revenue": 5_000_000, "region": "US/CA"}, None),
    ],
)
def test_a_case_has_the_size_that_rules_judge_the_enterprise_by(service, facts, size):
    made = list_need(service, SYSTEM, ListingRequest.model_validate({"enterprise": FIRM | facts, "need": NEED}))
    assert reading.case(service, SYSTEM, made.case_id).item.size == size


@pytest.mark.parametrize(
    ("given", "change"),
    [
        ({"enterprise": FIRM, "need": NEED}, {"enterprise": FIRM | {"enterprise_id": "E-other"}}),
        ({"enterprise": FIRM, "need": NEED}, {"enterprise": None, "enterprise_id": "E2"}),
        ({"enterprise": FIRM, "need": NEED}, {"need": NEED | {"enterprise_id": "E2"}}),
        ({"enterprise": FIRM, "need": NEED}, {"need": NEED | {"purpose": "research"}}),
    ],
)
def test_a_listed_need_is_no_other_enterprise_s_and_has_no_other_facts(service, given, change):
    assert list_need(service, SYSTEM, ListingRequest.model_validate(given)).new
    assert not list_need(service, SYSTEM, ListingRequest.model_validate(given)).new
    with pytest.raises(ConflictError, match="need 'N-new' is known already, with other facts"):
        list_need(service, SYSTEM, ListingRequest.model_validate(given | change))


def test_a_need_listed_by_its_id_is_found_again_whatever_a_load_has_made_of_it(service):
    made = listed(service)
    with service.store.writing() as session:
        queries.upsert(session, [queries.need(session, "N3").model_copy(update={"amount": 5})])
    assert listed(service) == replace(made, new=False)
    given = {"enterprise_id": "E3", "need": {"need_id": "N3", "amount": 4_000_000}}
    assert list_need(service, SYSTEM, ListingRequest.model_validate(given)) == replace(made, new=False)


def document(service, row, key):
    with service.store.reading() as session:
        return session.get_one(row, key).document


@pytest.mark.parametrize(
    "given",
    [
        {"enterprise_id": "E2", "need": {"need_id": "N3", "amount": 7}},
        {"enterprise_id": "E2", "need": {"need_id": "N3", "amount": 4_000_000}},
        {"enterprise_id": "E3", "need": {"need_id": "N3", "amount": 7}},
        {"enterprise": FIRM, "need": {"need_id": "N3", "amount": 4_000_000}},
    ],
)
def test_a_need_that_is_known_otherwise_cannot_be_listed_by_value(service, given):
    before = document(service, NeedRow, "N3")
    with pytest.raises(ConflictError, match="need 'N3' is known already, with other facts"):
        list_need(service, SYSTEM, ListingRequest.model_validate(given))
    assert document(service, NeedRow, "N3") == before
    assert count(service, ListingRow) == count(service, RecommendationRow) == 0


def test_a_known_need_by_value_is_listed_with_all_that_is_known_of_it(service):
    given = {"enterprise_id": "E3", "need": {"need_id": "N3", "amount": 4_000_000}}
    made = list_need(service, SYSTEM, ListingRequest.model_validate(given))
    assert made.new
    need = reading.case(service, SYSTEM, made.case_id).need
    assert need.model_dump(mode="json", exclude_none=True) == document(service, NeedRow, "N3")


def test_a_need_that_becomes_known_while_it_is_recommended_for_is_not_overwritten(service, monkeypatch):
    def beaten(*given):
        made = make(*given)
        with service.store.writing() as session:
            queries.upsert(session, [made.asked.need.model_copy(update={"amount": 5})])
        return made

    monkeypatch.setattr(listing, "make", beaten)
    with pytest.raises(ConflictError, match="need 'N-new' is known already, with other facts"):
        list_need(service, SYSTEM, ListingRequest.model_validate({"enterprise": FIRM, "need": NEED}))
    assert document(service, NeedRow, "N-new")["amount"] == 5


def test_an_enterprise_that_is_known_keeps_its_facts_and_the_record_has_those_given(service):
    key = ("E3", date(2022, 12, 31))
    before = document(service, EnterpriseRow, key)
    given = {"enterprise": before | {"employees": 1}, "need": NEED}
    made = list_need(service, SYSTEM, ListingRequest.model_validate(given))
    assert document(service, EnterpriseRow, key) == before
    assert reading.case(service, SYSTEM, made.case_id).enterprise.employees == 1


def test_less_that_is_said_later_of_a_known_enterprise_hides_nothing_of_what_is_known(service):
    before = document(service, EnterpriseRow, ("E3", date(2022, 12, 31)))
    made = list_need(
        service, SYSTEM, ListingRequest.model_validate({"enterprise": {"enterprise_id": "E3"}, "need": NEED})
    )
    assert reading.case(service, SYSTEM, made.case_id).enterprise.as_of == date(2025, 1, 9)
    with service.store.reading() as session:
        known = queries.enterprise(session, "E3", NOON.date())
    assert known.model_dump(mode="json", exclude_none=True) == before


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({}, "need.need_id: is present, or need_id is"),
        ({"enterprise_id": "E1", "need": {"amount": 1}}, "need.need_id: is present, or need_id is"),
        ({"need_id": "N3", "enterprise_id": "E1"}, "enterprise_id: is absent where need_id is given"),
    ],
)
def test_a_listing_names_one_need(service, request_, message):
    with pytest.raises(InputError, match=message):
        list_need(service, SYSTEM, ListingRequest.model_validate(request_))


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"need_id": "N3", "as_of": "2025-01-11"}, "as_of"),
        ({"enterprise_id": "E3", "need": NEED, "as_of": "2025-01-11"}, "as_of"),
        ({"enterprise_id": "E3", "need": NEED | {"posted_at": "2025-01-11"}}, "need.posted_at"),
        ({"enterprise": FIRM | {"as_of": "2025-01-11"}, "need": NEED}, "enterprise.as_of"),
    ],
)
def test_nothing_is_listed_of_a_day_to_come(service, request_, field):
    with pytest.raises(InputError, match=rf"{field}: is not after today \(2025-01-10\), not 2025-01-11"):
        list_need(service, SYSTEM, ListingRequest.model_validate(request_))
    assert count(service, ListingRow) == 0


def test_an_unknown_need_is_not_found(service):
    with pytest.raises(NotFoundError, match="need 'N-none' does not exist"):
        listed(service, "N-none")


def test_a_need_that_nothing_suits_is_listed_and_exhausted(service):
    given = {"enterprise": FIRM, "need": NEED | {"kinds": ["bond"]}}
    assert list_need(service, SYSTEM, ListingRequest.model_validate(given)).case_id is None
    assert count(service, ListingRow, ListingRow.exhausted_at.isnot(None)) == 1


def test_a_case_walks_from_suggestion_to_drawdown(service, hands, case, own):
    steps = (Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT, Step.DRAW)
    done = walk(service, own, case.item.case_id, *steps, amount=3_500_000, rate_bp=385.0)
    found = reading.case(service, own, case.item.case_id)
    assert (done.stage, done.version) == (CaseStage.DRAWN, 1 + len(steps))
    assert (found.item.closed_at, found.item.due_at, found.legal) == (hands.at, None, ())
    assert [event.to_stage for event in found.events] == [
        "suggested", "accepted", "contacted", "applied", "granted", "drawn",
    ]  # fmt: skip
    assert found.events[-1].detail == {"amount": 3_500_000, "rate_bp": 385.0}
    assert [event.actor for event in found.events[1:]] == ["wang"] * len(steps)


def test_each_step_starts_the_next_clock_and_says_how_long_the_last_took(service, hands, case, own):
    hands.move(hours=30)
    walk(service, own, case.item.case_id, Step.ACCEPT)
    found = reading.case(service, own, case.item.case_id)
    assert (found.events[-1].took, found.events[-1].late) == (30 * 3600, True)
    assert found.item.due_at == hands.at + timedelta(days=3)
    hands.move(days=2)
    walk(service, own, case.item.case_id, Step.CONTACT, version=2)
    found = reading.case(service, own, case.item.case_id)
    assert (found.events[-1].took, found.events[-1].late) == (2 * 86400, False)
    assert found.item.due_at == hands.at + timedelta(days=30)


def test_an_illegal_step_is_refused_with_the_legal_ones_named_and_leaves_no_trace(service, case, own):
    with pytest.raises(ConflictError, match="'draw' is not legal for a case that is suggested") as refused:
        walk(service, own, case.item.case_id, Step.DRAW)
    assert refused.value.legal == ("accept", "suggest", "decline", "withdraw")
    assert count(service, EventRow) == 1
    assert open_case(service).version == 1


@pytest.mark.parametrize("step", [Step.EXPIRE, Step.OPEN])
def test_the_clocks_step_is_no_institutions(service, case, own, step):
    key = Actor("key:bank", Role.PLATFORM, own.institution_id, frozenset(Scope))
    for actor in (own, key):
        with pytest.raises(ForbiddenError, match=f"'{step}' is the clock's step, not an institution's"):
            walk(service, actor, case.item.case_id, step)
    assert open_case(service).version == 1


@pytest.mark.parametrize("product_id", ["P0", "P1"])
def test_an_institution_tells_of_no_expiry(service, case, own, product_id):
    key = Actor("key:bank", Role.PLATFORM, own.institution_id, frozenset(Scope))
    outcome = OutcomeRequest(need_id="N3", product_id=product_id, stage="expired", at=NOON.date())
    with pytest.raises(ForbiddenError, match="'expire' is the clock's step, not an institution's"):
        report(service, key, outcome, "o-1")
    assert count(service, OutcomeRow) == 0
    assert open_case(service).version == 1
    assert report(service, SYSTEM, outcome, "o-1").outcome_id


def test_a_declined_case_goes_to_the_next_products_institution(service, case, own):
    done = walk(service, own, case.item.case_id, Step.DECLINE, reasons=["debt", "other"], text="负债过高")
    following = open_case(service)
    assert done.handed_on
    assert following.institution_id != case.item.institution_id
    assert (following.stage, following.rank > 1) == ("suggested", True)
    event = reading.case(service, own, case.item.case_id).events[-1]
    assert ([str(reason) for reason in event.reasons], event.text) == (["debt", "other"], "负债过高")


def test_a_case_that_is_handed_on_begins_anew_as_its_match_was_ranked(service, hands, case, own):
    hands.move(hours=7)
    walk(service, own, case.item.case_id, Step.DECLINE, reasons=["tax"])
    found = reading.case(service, SYSTEM, open_case(service).case_id)
    match = next(m for m in recommended(service, case) if m.institution_id != case.item.institution_id)
    item = found.item
    ranked = (match.product_id, match.rank, match.score, match.chance, match.kind)
    assert (item.product_id, item.rank, item.score, item.chance, item.kind) == ranked
    assert (item.product_zh, item.product_en) == (match.name_zh, match.name_en)
    assert (item.version, item.opened_at, item.changed_at) == (1, hands.at, hands.at)
    assert (item.due_at, item.closed_at) == (hands.at + timedelta(days=1), None)
    (opened,) = found.events
    assert (opened.step, opened.to_stage, opened.actor, opened.at) == ("open", "suggested", "system", hands.at)
    assert (opened.reasons, opened.text, opened.took, opened.late) == ((), "", 0, False)
    assert opened.detail == {"product_id": match.product_id, "rank": match.rank, "turn": 2}


@pytest.mark.parametrize(
    ("change", "purpose", "search"),
    [
        ({"purpose": "equipment"}, "equipment", "e-new 重庆“新”厂 n-new"),
        ({}, None, "e-new 重庆“新”厂 n-new"),
        ({"name": None}, None, "e-new n-new"),
    ],
)
def test_a_case_is_found_and_read_by_what_its_need_says(service, change, purpose, search):
    firm = FIRM | {name: value for name, value in change.items() if name in FIRM}
    asked = NEED | {name: value for name, value in change.items() if name not in FIRM}
    list_need(service, SYSTEM, ListingRequest.model_validate({"enterprise": firm, "need": asked}))
    row = open_case(service, "N-new")
    assert (row.enterprise_name, row.region, row.search) == (firm["name"], firm["region"], search)
    assert (row.amount, row.term_months, row.purpose) == (3_000_000, 24, purpose)


def test_a_need_goes_to_each_institution_once_and_then_is_exhausted(service, case, own):
    walk(service, own, case.item.case_id, Step.DECLINE, reasons=["tax"])
    second = open_case(service)
    done = walk(service, officer(second.institution_id), second.case_id, Step.DECLINE, reasons=["tax"])
    assert not done.handed_on
    assert count(service, CaseRow, CaseRow.closed_at.is_(None)) == 0
    assert count(service, ListingRow, ListingRow.exhausted_at.isnot(None)) == 1


def end(service, product_id, day):
    """The product ends on a day, as a load says it."""
    with service.store.writing() as session:
        known = queries.product(session, product_id, day)
        queries.upsert(session, [known.model_copy(update={"valid_to": day})])


@pytest.mark.parametrize(("days", "goes_on"), [(0, False), (1, True)])
def test_a_need_goes_to_no_institution_whose_product_has_ended_meanwhile(service, case, own, days, goes_on):
    left = [m for m in recommended(service, case) if m.institution_id != case.item.institution_id]
    for match in left:
        end(service, match.product_id, NOON.date() + timedelta(days))
    done = walk(service, own, case.item.case_id, Step.DECLINE, reasons=["tax"])
    assert left
    assert done.handed_on is goes_on
    assert count(service, ListingRow, ListingRow.exhausted_at.is_(None)) == goes_on


def recommended(service, case):
    """All matches that a case's need was ranked for; the case itself shows those of its institution alone."""
    return recall(service, case.record.id, features=False).matches


def test_a_withdrawn_case_goes_to_nobody(service, case, own):
    assert not walk(service, own, case.item.case_id, Step.WITHDRAW).handed_on
    assert count(service, CaseRow) == 1


def test_declined_since_it_withdrew_a_case_has_withdrawn_by_a_step_as_by_an_outcome(service, case, own):
    told = listed(service, "N4")
    product_id = reading.case(service, SYSTEM, told.case_id).item.product_id
    outcome = {"need_id": "N4", "product_id": product_id, "stage": "declined", "at": NOON.date()}
    assert report(service, SYSTEM, OutcomeRequest(**outcome, reason_code="withdrawn"), "o-1").stage == "withdrawn"
    about = {"reasons": ["withdrawn"], "text": "改用自有资金", "key": "form-1"}
    done = walk(service, own, case.item.case_id, Step.DECLINE, **about)
    assert (done.stage, done.handed_on) == (CaseStage.WITHDRAWN, False)
    assert walk(service, own, case.item.case_id, Step.DECLINE, **about).repeated
    assert count(service, CaseRow) == 2
    event = reading.case(service, own, case.item.case_id).events[-1]
    assert (event.step, event.reasons, event.text) == ("withdraw", (), "改用自有资金")


def test_who_withdrew_was_not_declined_for_another_reason(service, case, own):
    with pytest.raises(InputError, match=r"reasons \(row 2\): is one of debt, .*, not 'withdrawn'"):
        walk(service, own, case.item.case_id, Step.DECLINE, reasons=["debt", "withdrawn"])


def test_an_overdue_case_is_shown_as_such_and_handed_on_after_the_days_of_grace(service, hands, case):
    hands.move(days=1, hours=1)
    assert sweep(service, hands.at).expired == ()
    assert reading.case(service, SYSTEM, case.item.case_id).item.overdue
    hands.move(days=1)
    done = sweep(service, hands.at)
    assert done.expired == (case.item.case_id,)
    assert done.opened == (open_case(service).case_id,)
    last = reading.case(service, SYSTEM, case.item.case_id).events[-1]
    assert (last.step, last.actor, last.late) == ("expire", "system", True)
    assert sweep(service, hands.at).expired == ()


def test_a_case_whose_officer_acts_after_it_was_found_overdue_does_not_expire(service, hands, case, own):
    hands.move(days=3)
    walk(service, own, case.item.case_id, Step.ACCEPT)
    assert cases.expire(service, case.item.case_id, hands.at) is None
    assert reading.case(service, SYSTEM, case.item.case_id).item.stage == CaseStage.ACCEPTED


def test_a_step_at_the_very_moment_it_is_due_is_in_time_and_one_before_its_case_was_opened_took_no_time(
    service, hands, case, own
):
    hands.at = case.item.due_at
    walk(service, own, case.item.case_id, Step.ACCEPT)
    hands.move(hours=-1)  # as where another machine's clock is behind
    walk(service, own, case.item.case_id, Step.CONTACT, version=2)
    told = reading.case(service, own, case.item.case_id).events
    assert [(event.late, event.took) for event in told[1:]] == [(False, 24 * 3600), (False, 0)]


@pytest.mark.parametrize(("amount", "rate_bp"), [(1, 0), (MAX_MONEY, 10_000)])
def test_a_grant_states_the_least_and_the_most_that_there_is_and_all_of_it_is_drawn(
    service, case, own, amount, rate_bp
):
    steps = (Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT)
    done = walk(service, own, case.item.case_id, *steps, amount=amount, rate_bp=rate_bp)
    walk(service, own, case.item.case_id, Step.DRAW, version=done.version, amount=amount)
    told = reading.case(service, own, case.item.case_id).events[-2:]
    assert [event.detail for event in told] == [{"amount": amount, "rate_bp": rate_bp}, {"amount": amount}]


def test_what_was_reported_before_a_need_was_listed_bounds_no_drawdown_of_what_its_case_was_granted(service, hands):
    told = {"need_id": "N3", "product_id": "P0", "stage": "granted", "at": NOON.date(), "amount": 1_000_000}
    report(service, SYSTEM, OutcomeRequest(**told), "grant-1")
    hands.move(hours=1)
    item = reading.case(service, SYSTEM, listed(service).case_id).item
    assert item.product_id == "P0"
    steps = (Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT)
    done = walk(service, SYSTEM, item.case_id, *steps, amount=2_000_000)
    drawn = walk(service, SYSTEM, item.case_id, Step.DRAW, version=done.version, amount=2_000_000)
    assert drawn.stage == CaseStage.DRAWN


@pytest.mark.parametrize(("need_id", "product_id"), [("N3", "P1"), ("N4", "P0")])
def test_what_is_reported_of_another_match_bounds_no_drawdown(service, case, own, need_id, product_id):
    assert (case.item.need_id, case.item.product_id) == ("N3", "P0")
    steps = (Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT)
    done = walk(service, own, case.item.case_id, *steps, amount=2_000_000)
    told = {"need_id": need_id, "product_id": product_id, "stage": "granted", "at": NOON.date(), "amount": 1_000_000}
    report(service, SYSTEM, OutcomeRequest(**told), "grant-1")
    drawn = walk(service, own, case.item.case_id, Step.DRAW, version=done.version, amount=2_000_000)
    assert drawn.stage == CaseStage.DRAWN


def test_an_outcome_of_a_product_that_has_a_newer_version_since_is_kept(service):
    with service.store.writing() as session:
        (first,) = queries.versions(session, "P1")
        queries.upsert(session, [first.model_copy(update={"valid_from": NOON.date()})])
    told = {"need_id": "N3", "product_id": "P1", "stage": "shown", "at": NOON.date() - timedelta(days=1)}
    assert not report(service, SYSTEM, OutcomeRequest(**told), "shown-1").repeated


def test_of_two_reports_of_a_grant_the_later_one_bounds_what_is_drawn(service, hands, case, own):
    done = walk(service, own, case.item.case_id, Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT, amount=2_000_000)
    told = {"need_id": "N3", "product_id": "P0", "stage": "granted", "at": NOON.date()}
    for amount in (1_000_000, 3_000_000):
        hands.move(hours=1)
        report(service, SYSTEM, OutcomeRequest(**told, amount=amount), f"grant-{amount}")
    drawn = walk(service, own, case.item.case_id, Step.DRAW, version=done.version, amount=3_000_000)
    assert drawn.stage == CaseStage.DRAWN


def test_what_another_case_was_granted_bounds_no_drawdown(service, case, own):
    steps = (Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT)
    walk(service, SYSTEM, listed(service, "N4").case_id, *steps, amount=1_000_000)
    done = walk(service, own, case.item.case_id, *steps, amount=2_000_000)
    drawn = walk(service, own, case.item.case_id, Step.DRAW, version=done.version, amount=2_000_000)
    assert drawn.stage == CaseStage.DRAWN


def test_what_another_case_has_drawn_bounds_no_grant_that_is_reported(service, case):
    steps = (Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT, Step.DRAW)
    for case_id, amount in ((listed(service, "N4").case_id, 3_000_000), (case.item.case_id, 1_000_000)):
        walk(service, SYSTEM, case_id, *steps, amount=amount)
    told = {"need_id": "N3", "product_id": "P0", "stage": "granted", "at": NOON.date(), "amount": 2_000_000}
    assert report(service, SYSTEM, OutcomeRequest(**told), "grant-1").case_id == case.item.case_id


def test_another_product_does_not_stop_the_clock(service, hands, case, own):
    hands.move(hours=1)
    other = next(one.product.product_id for one in case.products if not one.current)
    walk(service, own, case.item.case_id, Step.SUGGEST, product_id=other, reasons=["faster"], text="sooner")
    item = reading.case(service, own, case.item.case_id).item
    assert (item.product_id, item.version) == (other, 2)
    assert (item.due_at, item.changed_at) == (case.item.due_at, case.item.changed_at)


def test_what_has_been_overdue_for_longest_expires_first_where_a_look_cannot_take_all(
    service, hands, case, monkeypatch
):
    monkeypatch.setattr(cases, "MOST_SWEPT", 1)
    hands.move(minutes=-5)
    earlier = listed(service, "N4").case_id
    hands.move(days=3)
    expired = [sweep(service, hands.at).expired for _ in range(3)]
    assert expired[:2] == [(earlier,), (case.item.case_id,)]


def test_a_case_that_expires_with_nobody_left_is_told_as_expired(service, hands, case):
    with service.store.writing() as session:
        session.execute(update(ProductRow).values(valid_to=NOON.date()))
    hands.move(days=3)
    done = sweep(service, hands.at)
    assert (done.expired, done.opened) == ((case.item.case_id,), ())


def test_a_case_that_expires_at_the_moment_it_is_due_is_late(service, hands, case):
    hands.at = case.item.due_at
    at_once = replace(service, settings=service.settings.model_copy(update={"grace_days": 0}))
    assert sweep(at_once, hands.at).expired == (case.item.case_id,)
    assert reading.case(service, SYSTEM, case.item.case_id).events[-1].late


def test_a_case_whose_record_cannot_be_read_stops_no_other_s_clock(service, hands, case, caplog):
    second = listed(service, "N4")
    with service.store.writing() as session:
        session.get_one(RecommendationRow, case.record.id).answer = {"matches": "lost"}
    hands.move(days=3)
    assert sweep(service, hands.at).expired == (second.case_id,)
    assert f"case {case.item.case_id} is overdue and could not be handed on" in caplog.text


def test_a_store_that_is_gone_ends_a_look_at_the_clocks_and_is_no_fault_of_a_case(
    service, hands, case, monkeypatch, caplog
):
    def gone(*_):
        raise StoreError("gone for a moment")

    monkeypatch.setattr(cases, "hand_on", gone)
    hands.move(days=3)
    with pytest.raises(StoreError, match="gone for a moment"):
        sweep(service, hands.at)
    assert reading.case(service, SYSTEM, case.item.case_id).item.stage is CaseStage.SUGGESTED
    assert "could not be handed on" not in caplog.text


def test_a_grant_that_is_never_drawn_expires_and_goes_to_nobody(service, hands, case, own):
    walk(service, own, case.item.case_id, Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT)
    hands.move(days=92)
    assert sweep(service, hands.at).opened == ()
    assert reading.case(service, own, case.item.case_id).item.stage is CaseStage.EXPIRED
    assert count(service, CaseRow) == 1


def test_an_officer_suggests_another_own_product_with_a_coded_reason(service, case, own):
    other = next(one for one in case.products if not one.current)
    chosen = other.product.product_id
    done = walk(
        service, own, case.item.case_id, Step.SUGGEST, product_id=chosen, reasons=["lower_price"], text="sooner"
    )
    found = reading.case(service, own, case.item.case_id)
    assert (done.stage, done.version) == (CaseStage.SUGGESTED, 2)
    assert (found.item.product_id, found.item.rank) == (chosen, other.rank)
    assert found.item.due_at == case.item.due_at
    assert found.match.product_id == chosen
    first = case.item.product_id
    assert found.events[-1].detail == {"from": first, "from_rank": 1, "to": chosen, "to_rank": other.rank}


def lease(service):
    """A case of `I2`, whose other product `P5` takes no such amount."""
    given = {"enterprise": FIRM, "need": NEED | {"kinds": ["leasing"]}}
    case_id = list_need(service, SYSTEM, ListingRequest.model_validate(given)).case_id
    return reading.case(service, officer("I2"), case_id)


def test_a_case_says_which_rules_keep_an_own_product_out_and_judges_no_other_s(service):
    case = lease(service)
    failing = {one.product.product_id: [verdict.rule for verdict in one.failing] for one in case.products}
    assert failing == {"P4": [], "P5": ["amount"]}
    assert case.verdicts == case.match.verdicts


def test_a_case_of_a_product_that_was_suggested_by_hand_says_what_its_rules_find(service):
    case_id = lease(service).item.case_id
    walk(service, officer("I2"), case_id, Step.SUGGEST, product_id="P5", reasons=["asked"], text="sooner")
    found = reading.case(service, officer("I2"), case_id)
    assert found.match is None
    assert [verdict.rule for verdict in found.verdicts if verdict.result == "fail"] == ["amount"]
    assert {"dates", "region"} <= {verdict.rule for verdict in found.verdicts}


def test_without_a_model_in_service_no_own_product_is_judged(service, monkeypatch):
    def none():
        raise BundleError("no model is in service")

    case_id = lease(service).item.case_id
    monkeypatch.setattr(service.serving, "matcher", none)
    found = reading.case(service, officer("I2"), case_id)
    assert [one.failing for one in found.products] == [(), ()]
    assert found.verdicts == found.match.verdicts != ()


def test_another_product_is_not_suggested_without_words_for_why(service, case, own):
    other = next(one.product.product_id for one in case.products if not one.current)
    with pytest.raises(InputError, match="text: is present: suggest needs words beside its coded reason"):
        walk(service, own, case.item.case_id, Step.SUGGEST, product_id=other, reasons=["lower_price"], text=" ")
    assert reading.case(service, own, case.item.case_id).item == case.item


@pytest.mark.parametrize("product_id", [None, "P-none", "same", "P4"])
def test_only_another_own_product_can_be_suggested(service, case, own, product_id):
    named = case.item.product_id if product_id == "same" else product_id
    with pytest.raises(InputError, match="product_id: is another product that the institution offers today"):
        walk(service, own, case.item.case_id, Step.SUGGEST, product_id=named, reasons=["faster"], text="sooner")
    assert open_case(service).version == 1


@pytest.mark.parametrize(
    ("step", "about", "message"),
    [
        (Step.ACCEPT, {"amount": 5}, "amount: is left out: it is for grant and draw"),
        (Step.ACCEPT, {"product_id": "P1"}, "product_id: is left out: it is for suggest"),
        (Step.DECLINE, {"product_id": "P1", "reasons": ["debt"]}, "product_id: is left out: it is for suggest"),
        (Step.GRANT, {"amount": 0}, "amount: is above 0"),
        (Step.GRANT, {"rate_bp": 20_000.0}, "rate_bp: is at least 0 and at most 10000"),
        (Step.ACCEPT, {"key": "k" * 121}, "key: has at most 120 characters"),
    ],
)
def test_what_a_step_says_is_checked(service, case, own, step, about, message):
    with pytest.raises(InputError, match=message):
        walk(service, own, case.item.case_id, step, **about)


def test_another_institutions_case_is_not_found(service, case):
    for actor in (officer("I-other"), ADMINISTRATOR):
        with pytest.raises(NotFoundError, match=f"case '{case.item.case_id}' does not exist"):
            reading.case(service, actor, case.item.case_id)
        with pytest.raises(NotFoundError, match=f"case '{case.item.case_id}' does not exist"):
            walk(service, actor, case.item.case_id, Step.ACCEPT)


def test_the_commission_may_look_and_not_decide(service, case):
    assert reading.case(service, COMMISSION, case.item.case_id).legal == ()
    with pytest.raises(ForbiddenError, match="a step is for the institution's officer, not for commission"):
        walk(service, COMMISSION, case.item.case_id, Step.ACCEPT)


def test_a_step_on_a_case_that_was_changed_meanwhile_is_refused(service, case, own):
    walk(service, own, case.item.case_id, Step.ACCEPT)
    with pytest.raises(ConflictError, match="changed meanwhile: it is accepted now, version 2") as refused:
        walk(service, own, case.item.case_id, Step.ACCEPT)
    assert "contact" in refused.value.legal


def test_a_repeated_key_is_one_step(service, case, own):
    first, again = (decide(service, own, case.item.case_id, Step.ACCEPT, 1, key="form-1") for _ in range(2))
    assert (first.repeated, again.repeated) == (False, True)
    assert (first.event_id, first.stage, first.version) == (again.event_id, again.stage, again.version)
    assert count(service, EventRow) == 2


def test_a_repeated_key_answers_the_same_whatever_came_later(service, case, own):
    other = officer(case.item.institution_id, "zhao")
    first = decide(service, own, case.item.case_id, Step.ACCEPT, 1, key="form-1")
    suggested = {"reasons": ["faster"], "text": "sooner", "product_id": "P1", "key": "form-2"}
    second = decide(service, own, case.item.case_id, Step.SUGGEST, 2, **suggested)
    listed(service, "N4")
    decide(service, other, case.item.case_id, Step.CONTACT, 3)
    assert decide(service, own, case.item.case_id, Step.ACCEPT, 1, key="form-1") == replace(first, repeated=True)
    assert decide(service, own, case.item.case_id, Step.SUGGEST, 2, **suggested) == replace(second, repeated=True)


def test_a_step_that_handed_nothing_on_is_not_told_to_have_when_it_is_repeated_however_fast_all_was(service, case, own):
    declined = decide(service, own, case.item.case_id, Step.DECLINE, 1, reasons=["debt", "debt"], key="form-1")
    following = open_case(service)
    second = officer(following.institution_id, "zhao")
    accepted = decide(service, second, following.case_id, Step.ACCEPT, 1, key="form-1")
    again = decide(service, own, case.item.case_id, Step.DECLINE, 1, reasons=["debt", "debt"], key="form-1")
    assert again == replace(declined, repeated=True, handed_on=True)
    again = decide(service, second, following.case_id, Step.ACCEPT, 1, key="form-1")
    assert again == replace(accepted, repeated=True, handed_on=False)


def test_a_decline_that_left_nobody_is_not_told_to_have_handed_on_when_it_is_repeated(service, case, own):
    with service.store.writing() as session:
        session.execute(update(ProductRow).values(valid_to=NOON.date() - timedelta(days=1)))
    first, again = (
        decide(service, own, case.item.case_id, Step.DECLINE, 1, reasons=["debt"], key="form-1") for _ in range(2)
    )
    assert (first.handed_on, again.handed_on, again.repeated) == (False, False, True)


def test_a_key_names_a_step_of_one_case_alone(service, case):
    platform = Actor("key:A", Role.PLATFORM, scopes=frozenset(Scope))
    decide(service, platform, case.item.case_id, Step.ACCEPT, 1, key="form-1")
    with pytest.raises(ConflictError, match="the key was used for another step"):
        decide(service, platform, listed(service, "N4").case_id, Step.ACCEPT, 1, key="form-1")


def test_a_step_with_the_longest_key_and_with_what_no_store_holds_in_its_text_is_repeated(service, case, own):
    first, again = (
        decide(service, own, case.item.case_id, Step.ACCEPT, 1, text="a\0b", key="k" * 120) for _ in range(2)
    )
    assert again == replace(first, repeated=True)


def test_a_key_without_the_scope_takes_no_step_by_whatever_way(service, case):
    reader = Actor("key:A", Role.PLATFORM, scopes=frozenset({Scope.READ}))
    with pytest.raises(ForbiddenError, match="the key has no scope 'outcomes'"):
        decide(service, reader, case.item.case_id, Step.ACCEPT, 1)


def test_a_key_of_another_step_is_refused_and_actors_have_keys_of_their_own(service, case, own):
    decide(service, own, case.item.case_id, Step.ACCEPT, 1, key="form-1")
    with pytest.raises(ConflictError, match="the key was used for another step"):
        decide(service, own, case.item.case_id, Step.CONTACT, 2, key="form-1")
    colleague = officer(case.item.institution_id, "zhao")
    assert not decide(service, colleague, case.item.case_id, Step.CONTACT, 2, key="form-1").repeated


def test_two_actors_whose_names_and_keys_run_into_one_another_have_keys_of_their_own(service, case, own):
    one, other = (Actor(f"key:{label}", Role.PLATFORM, own.institution_id, frozenset(Scope)) for label in ("A", "A B"))
    assert not decide(service, one, case.item.case_id, Step.ACCEPT, 1, key="B 1").repeated
    assert not decide(service, other, case.item.case_id, Step.CONTACT, 2, key="1").repeated
    outcome = OutcomeRequest(need_id="N3", product_id="P0", stage="shown", at=NOON.date())
    assert not report(service, one, outcome, "B 1").repeated
    assert not report(service, other, outcome.model_copy(update={"position": 2}), "1").repeated


def test_a_key_that_an_earlier_version_kept_is_known_to_its_own_actor_alone(service, case, own, monkeypatch):
    one, other = (Actor(f"key:{label}", Role.PLATFORM, own.institution_id, frozenset(Scope)) for label in ("A", "A B"))
    outcome = OutcomeRequest(need_id="N3", product_id="P0", stage="shown", at=NOON.date())
    with monkeypatch.context() as patch:
        patch.setattr(cases, "_BETWEEN", " ")
        decide(service, one, case.item.case_id, Step.ACCEPT, 1, key="B 1")
        report(service, one, outcome, "B 1")
    assert decide(service, one, case.item.case_id, Step.ACCEPT, 1, key="B 1").repeated
    assert report(service, one, outcome, "B 1").repeated
    assert not decide(service, other, case.item.case_id, Step.CONTACT, 2, key="1").repeated
    assert not report(service, other, outcome, "1").repeated


@pytest.mark.parametrize(
    ("step", "about", "change"),
    [
        (Step.ACCEPT, {}, {"text": "a word more"}),
        (Step.DECLINE, {"reasons": ["debt"]}, {"reasons": ["tax"]}),
        (Step.SUGGEST, {"reasons": ["faster"], "text": "sooner", "product_id": "P1"}, {"product_id": "P2"}),
    ],
)
def test_a_key_that_comes_again_with_something_else_is_refused(service, case, own, step, about, change):
    named = about | {"key": "form-1"}
    assert not decide(service, own, case.item.case_id, step, 1, **named).repeated
    assert decide(service, own, case.item.case_id, step, 1, **named).repeated
    with pytest.raises(ConflictError, match="the key was used for another step"):
        decide(service, own, case.item.case_id, step, 1, **named | change)


def test_a_grant_that_comes_again_with_another_amount_is_refused(service, case, own):
    walk(service, own, case.item.case_id, Step.ACCEPT, Step.CONTACT, Step.APPLY)
    grant = {"amount": 5_000_000, "rate_bp": 385.0, "key": "grant-1"}
    assert not decide(service, own, case.item.case_id, Step.GRANT, 4, **grant).repeated
    assert decide(service, own, case.item.case_id, Step.GRANT, 4, **grant).repeated
    for change in ({"amount": 6_000_000}, {"rate_bp": 390.0}, {"rate_bp": None}):
        with pytest.raises(ConflictError, match="the key was used for another step"):
            decide(service, own, case.item.case_id, Step.GRANT, 4, **grant | change)


CHANGES = {
    "sqlite": ("UPDATE {} SET actor = 'x'", "DELETE FROM {}", "INSERT OR REPLACE INTO {0} SELECT * FROM {0}"),
    "postgresql": ("UPDATE {} SET actor = 'x'", "DELETE FROM {}", "TRUNCATE {}"),
}


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("row", [EventRow, OutcomeRow])
def test_no_statement_changes_or_removes_an_event_or_an_outcome(service, case, number, row):
    outcome = OutcomeRequest(need_id="N3", product_id="P0", stage="shown", at=NOON.date())
    report(service, SYSTEM, outcome, "shown-1")
    statement = CHANGES[service.store.engine.dialect.name][number].format(row.__tablename__)
    with pytest.raises(DBAPIError, match="rows are only ever added"), service.store.writing() as session:
        session.execute(text(statement))
    assert count(service, row) == 1


def test_a_need_has_one_open_case_whatever_is_tried(service, case):
    row = {column.name: getattr(open_case(service), column.name) for column in CaseRow.__table__.columns}
    with pytest.raises(DBAPIError, match=r"(?i)unique"), service.store.writing() as session:
        session.add(CaseRow(**row | {"case_id": "another", "institution_id": "I2"}))


def test_old_recommendations_are_forgotten_but_never_those_of_cases(service, hands, case):
    request = RecommendationRequest.model_validate({"enterprise_id": "E1", "need": {"amount": 1_000_000}})
    answered(service, request)
    keeping = service.settings.model_copy(update={"retain_days": 30})
    forgetful = type(service)(keeping, service.store, service.serving, hands)
    assert forget(forgetful, (hands.at + timedelta(days=30)).replace(tzinfo=None)) == 0
    assert forget(service, (hands.at + timedelta(days=99)).replace(tzinfo=None)) == 0
    assert forget(forgetful, (hands.at + timedelta(days=31)).replace(tzinfo=None)) == 1
    assert count(service, RecommendationRow) == 1


def test_the_recommendation_of_a_listed_need_that_no_product_suits_is_never_forgotten(service, hands):
    given = {"enterprise": FIRM, "need": NEED | {"kinds": ["bond"]}}
    assert list_need(service, SYSTEM, ListingRequest.model_validate(given)).case_id is None
    keeping = service.settings.model_copy(update={"retain_days": 30})
    assert forget(replace(service, settings=keeping), (hands.at + timedelta(days=31)).replace(tzinfo=None)) == 0
    assert count(service, RecommendationRow) == 1


def test_a_look_at_the_clocks_forgets_what_is_kept_no_longer(service, hands):
    request = RecommendationRequest.model_validate({"enterprise_id": "E1", "need": {"amount": 1_000_000}})
    answered(service, request)
    keeping = replace(service, settings=service.settings.model_copy(update={"retain_days": 30}))
    assert sweep(keeping, hands.at + timedelta(days=31)).forgotten == 1
    assert count(service, RecommendationRow) == 0


def test_what_is_kept_no_longer_is_looked_for_among_old_recommendations_alone(service):
    with service.store.reading() as session:
        found = plan(session, retention.query_of(plain(NOON)))
    assert "ix_recommendations_created_at" in found
    assert "SCAN recommendations" not in found


def test_who_writes_while_much_is_forgotten_waits_for_a_part_of_it_alone(service, hands, monkeypatch):
    asked = RecommendationRequest.model_validate({"enterprise_id": "E1", "need": {"amount": 1_000_000}})
    for _ in range(5):
        answered(service, asked)
    write, left = service.store.writing, []

    def writing():
        left.append(count(service, RecommendationRow))
        return write()

    monkeypatch.setattr(retention, "AT_ONCE", 2)
    monkeypatch.setattr(service.store, "writing", writing)
    keeping = service.settings.model_copy(update={"retain_days": 30})
    assert forget(replace(service, settings=keeping), (hands.at + timedelta(days=31)).replace(tzinfo=None)) == 5
    assert left == [5, 5, 3, 1]  # as each transaction begins, that of the sessions first


def test_a_recommendation_whose_need_has_an_outcome_is_never_forgotten(service, hands):
    asked = RecommendationRequest.model_validate({"enterprise_id": "E1", "need": {"amount": 1_000_000}})
    told, untold = answered(service, asked), answered(service, asked)
    outcome = OutcomeRequest(need_id=told.need_id, product_id="P0", stage="shown", at=NOON.date())
    report(service, SYSTEM, outcome, "shown-1")
    keeping = service.settings.model_copy(update={"retain_days": 30})
    assert forget(replace(service, settings=keeping), (hands.at + timedelta(days=31)).replace(tzinfo=None)) == 1
    hands.move(days=31)
    later = outcome.model_copy(update={"stage": Stage.CONTACTED, "at": hands.at.date()})
    assert not report(service, SYSTEM, later, "contacted-1").repeated
    with pytest.raises(NotFoundError, match=f"need '{untold.need_id}' does not exist"):
        report(service, SYSTEM, later.model_copy(update={"need_id": untold.need_id}), "contacted-2")


def test_what_a_platform_reports_as_expired_goes_on_unless_it_was_granted(service, case):
    assert walk(service, SYSTEM, case.item.case_id, Step.EXPIRE).handed_on
    other = listed(service, "N4")
    steps = (Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT, Step.EXPIRE)
    assert not walk(service, SYSTEM, other.case_id, *steps).handed_on

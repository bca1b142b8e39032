"""What the grants of a month were like: means, shares of what is known, groups; nobody else's are counted."""

from datetime import date, datetime
from fractions import Fraction

from api.desk.grants import Decided, Offered, granted_amount, grants
from api.desk.identity import SYSTEM
from api.desk.listing import list_need
from api.desk.month import month
from api.desk.reading import case
from api.desk.stages import Step
from api.desk.views import Group, Share
from api.messages import ListingRequest
from api.store import queries
from matching import reference
from matching.domain import Benchmark
from tests import factories as make
from tests.desks import ADMINISTRATOR, COMMISSION, officer, walk

JANUARY = date(2025, 1, 1)
DAY = date(2025, 1, 20)
PATH = (Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT)
LPR = reference.lpr(Benchmark.LPR_1Y, DAY)
VERSIONS = {
    "P1": [(date(2020, 1, 1), Offered("working_capital", None)), (DAY, Offered("unsecured", Benchmark.LPR_1Y))],
    "P2": [(date(2020, 1, 1), Offered("working_capital", Benchmark.LPR_1Y))],
}


def step(step="grant", **facts):
    """A grant of `P1` to `E1`, of two million for a year; nothing else is known."""
    defaults = {
        "at": datetime(2025, 1, 20, 12), "detail": {}, "product_id": "P1", "kind": "credit", "enterprise_id": "E1",
        "asked": 2_000_000, "term_months": 12, "size": None, "region": None, "as_of": DAY, "first_loan": None,
        "cluster": None,
    }  # fmt: skip
    return Decided(step, **defaults | facts)


def found(service, actor=COMMISSION, institution_id=None):
    """The month's grants as the desk finds them, and their sum."""
    with service.store.reading() as session:
        view = month(session, actor, service.settings, JANUARY, service.now(), institution_id)
    return view.grants, view.granted_amount


def opened(service, need_id, term=12, **facts):
    """A case of two million of an enterprise of its own, of which this is known, and an officer of its institution."""
    firm = make.enterprise(enterprise_id=f"E-{need_id}", **facts).model_dump(mode="json", exclude_none=True)
    need = {"need_id": need_id, "amount": 2_000_000, "term_months": term, "kinds": ["credit"]}
    request = ListingRequest.model_validate({"enterprise": firm, "need": need})
    case_id = list_need(service, SYSTEM, request).case_id
    return case_id, officer(case(service, COMMISSION, case_id).item.institution_id)


def test_means_are_of_what_was_granted_else_of_what_was_asked_for_to_the_whole_yuan():
    steps = [
        step(detail={"amount": 1_000_000}),
        step(asked=4_000_001),
        step(enterprise_id="E2", detail={"amount": 500_000}),
        step(kind="leasing", detail={"amount": 90_000_000}),
        step("apply", asked=7),
    ]
    told = grants(steps, VERSIONS)
    loans = 1_000_000 + 4_000_001 + 500_000
    assert granted_amount(steps) == loans + 90_000_000
    assert (told.count, told.mean_ticket) == (4, round(Fraction(loans + 90_000_000, 4)))
    assert told.mean_loan == loans // 2 + 1  # two enterprises; the half goes up


def test_a_first_loan_is_of_any_kind_and_what_is_not_known_is_in_no_share():
    known = [True, False, False, None]
    told = grants([step(first_loan=one, kind="bond") for one in known], {})
    assert told.first_loan == Share(1, 3, 1)
    assert told.unsecured == told.long_term == Share(0, 0, 0)


def test_a_loan_is_unsecured_by_the_product_as_offered_on_the_day_of_the_grant():
    steps = [step(), step(detail={"at": "2025-01-19"}), step(product_id="P2"), step(product_id="P9")]
    assert grants(steps, VERSIONS).unsecured == Share(1, 3, 1)


def test_a_loan_of_more_than_a_year_is_medium_or_long_term():
    assert grants([step(term_months=one) for one in (12, 13, 60, None)], {}).long_term == Share(2, 3, 1)


def test_the_spread_is_the_mean_over_the_product_s_lpr_of_the_day_where_a_rate_is_stated():
    rates = [LPR + 45, LPR - 20]
    steps = [step(product_id="P2", detail={"rate_bp": rate}) for rate in rates]
    steps += [
        step(product_id="P2"),  # states no rate
        step(detail={"rate_bp": 400.0, "at": "2025-01-19"}),  # its product has no benchmark on that day
        step(kind="leasing", detail={"rate_bp": 800.0}),
    ]
    told = grants(steps, VERSIONS)
    assert (told.spread_bp, told.spread_of) == ((45 - 20) / 2, 2)
    before = step(product_id="P2", detail={"rate_bp": 300.0, "at": "2019-08-01"})  # no day of the table's
    early = {"P2": [(date(2019, 1, 1), Offered("unsecured", Benchmark.LPR_1Y))]}
    assert (grants([before], early).spread_bp, grants([before], early).spread_of) == (None, 0)


def test_groups_are_all_classes_then_what_else_there_is_and_last_the_unknown():
    steps = [
        step("apply", size="small", region="CN/500000/500103", first_loan=True, cluster="software"),
        step(size="small", region="CN/500000/500103", first_loan=True, cluster="software"),
        step("apply", size="micro", region="CN/500000/500242", first_loan=False, cluster="food"),
        step("apply", region="CN/510000/510100"),
        step(region="CN/500000"),
        step(),
    ]
    told = grants(steps, {})
    assert told.by_size == (
        Group("large", 0, 0), Group("medium", 0, 0), Group("small", 1, 1), Group("micro", 1, 0), Group(None, 1, 2),
    )  # fmt: skip
    assert told.by_zone == (
        Group("central_city", 1, 1), Group("new_urban", 0, 0), Group("north_east", 0, 0), Group("south_east", 1, 0),
        Group("elsewhere", 1, 0), Group(None, 0, 2),
    )  # fmt: skip
    assert told.by_first_loan == (Group(True, 1, 1), Group(False, 1, 0), Group(None, 1, 2))
    assert told.by_cluster == (Group("food", 1, 0), Group("software", 1, 1), Group(None, 1, 2))


def test_without_grants_there_are_no_means_and_no_shares():
    told = grants([step("apply", first_loan=True)], {})
    assert (told.count, told.mean_ticket, told.mean_loan, told.spread_bp, told.spread_of) == (0, None, None, None, 0)
    assert told.first_loan == told.unsecured == told.long_term == Share(0, 0, 0)
    assert told.by_first_loan == (Group(True, 1, 0), Group(False, 0, 0))


def test_facts_are_those_of_the_recommendation_and_not_what_is_learned_later(service):
    known = [
        {"first_loan": True, "cluster": "software"},
        {"first_loan": False, "region": "CN/510000"},
        {"region": None},
    ]
    for number, facts in enumerate(known):
        case_id, actor = opened(service, f"N-{number}", term=12 + number, **facts)
        walk(service, actor, case_id, *PATH, amount=1_500_000 + number)
    with service.store.writing() as session:
        later = make.enterprise(enterprise_id="E-N-0", as_of=date(2025, 1, 9), first_loan=False, cluster="food")
        queries.upsert(session, [later])
    told, amount = found(service)
    assert amount == 3 * 1_500_000 + 1 + 2
    assert (told.count, told.mean_ticket) == (3, 1_500_001)
    assert told.first_loan == Share(1, 2, 1)
    assert told.by_first_loan == (Group(True, 1, 1), Group(False, 1, 1), Group(None, 1, 1))
    assert told.by_cluster == (Group("software", 1, 1), Group(None, 2, 2))
    zones = [(str(one.group), one.applied, one.granted) for one in told.by_zone if one.applied]
    assert zones == [("central_city", 1, 1), ("elsewhere", 1, 1), ("None", 1, 1)]
    assert [one for one in told.by_size if one.applied] == [Group("small", 3, 3)]
    assert (told.long_term, told.unsecured) == (Share(2, 3, 0), Share(0, 3, 0))


def test_a_product_s_type_and_benchmark_are_read_from_its_version(service):
    case_id, actor = opened(service, "N-1")
    product = case(service, COMMISSION, case_id).item.product_id
    sold = {"product_id": product, "institution_id": actor.institution_id, "valid_from": date(2025, 1, 2)}
    with service.store.writing() as session:
        queries.upsert(session, [make.product(**sold, type="unsecured", benchmark="lpr_1y")])
    walk(service, actor, case_id, *PATH, rate_bp=LPR + 12.5)
    told, _ = found(service)
    assert told.unsecured == Share(1, 1, 0)
    assert (told.spread_bp, told.spread_of) == (12.5, 1)


def test_another_institution_s_grants_are_never_counted(service):
    case_id, actor = opened(service, "N-1", first_loan=True)
    walk(service, actor, case_id, *PATH, amount=1_000_000)
    other = "I2" if actor.institution_id == "I1" else "I1"
    mine = found(service)
    assert (mine[0].count, mine[1]) == (1, 1_000_000)
    assert found(service, actor) == found(service, COMMISSION, actor.institution_id) == mine
    for unseen in (found(service, officer(other)), found(service, COMMISSION, other), found(service, ADMINISTRATOR)):
        assert unseen == (grants([], {}), 0)


def test_another_month_s_grants_are_not_counted(service, hands):
    hands.move(days=-31)
    case_id, actor = opened(service, "N-1", as_of=date(2024, 12, 1))
    walk(service, actor, case_id, *PATH[:-1])
    hands.move(days=31)
    walk(service, actor, case_id, Step.GRANT, version=4)
    told, _ = found(service)
    assert (told.count, sum(one.applied for one in told.by_size), sum(one.granted for one in told.by_size)) == (1, 0, 1)

"""The stack: limits at the threshold itself, who bears a loss, what lifts the chance most for its cost, by the day."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching import financing as module
from matching.catalogue import Catalogue
from matching.codes import Bearer, CostPart, Size, StackOrder
from matching.domain import Benchmark, Kind, Result
from matching.financing import Financing, Stacks
from matching.reference import lpr
from tests.factories import enterprise, institution, need, product

DAY = date(2026, 1, 10)
MILLION = 1_000_000
RATE = 360.0
GUARANTEE, INSURANCE = "government_guarantee", "loan_insurance"
SMALL_POOL, MICRO_POOL = "risk_pool_small", "risk_pool_micro"
UPGRADE = {"purpose": "technical_upgrade", "includes_land": False}


def financing(amount=2 * MILLION, as_of=DAY, asked=None, **facts):
    who = {"size": "small", "employees": None, "reserve_list": False} | facts
    return Financing(enterprise(**who), need(amount=amount, **(asked or {})), as_of)


def stacks(amount=2 * MILLION, as_of=DAY, chance=None, rate=RATE, offered=None, asked=None, **facts):
    return financing(amount, as_of, asked, **facts).of(offered or product(), rate, chance)


def every(found):
    return {one.enhancements: one for one in (found.best, *found.others)}


def results(one):
    return {enhancement.enhancement: enhancement.result for enhancement in one.basis.enhancements}


@pytest.mark.parametrize(
    ("enhancement", "size", "limit"),
    [
        (GUARANTEE, "small", 10 * MILLION),
        (INSURANCE, "small", 3 * MILLION),
        (SMALL_POOL, "small", 10 * MILLION),
        (MICRO_POOL, "micro", MILLION // 2),
    ],
)
def test_a_limit_holds_up_to_the_yuan(enhancement, size, limit):
    assert results(financing(limit, size=size))[enhancement] is Result.PASS
    assert results(financing(limit + 1, size=size))[enhancement] is Result.FAIL


@pytest.mark.parametrize(
    ("size", "guarantee", "small", "micro"),
    [
        ("micro", "pass", "fail", "pass"),
        ("small", "pass", "pass", "fail"),
        ("medium", "review", "fail", "fail"),
        (None, "review", "review", "review"),
    ],
)
def test_size_decides_what_is_open(size, guarantee, small, micro):
    found = results(financing(MILLION // 2, size=size))
    assert (found[GUARANTEE], found[SMALL_POOL], found[MICRO_POOL]) == (guarantee, small, micro)


@pytest.mark.parametrize(
    ("region", "open_"),
    [("CN/500000/500103", [GUARANTEE, INSURANCE, SMALL_POOL]), ("CN/110000", [GUARANTEE]), ("US/CA", [])],
)
def test_a_programme_ends_at_its_border(region, open_):
    assert [code for code, result in results(financing(region=region)).items() if result is Result.PASS] == open_


def test_a_stack_is_nothing_a_cover_or_a_cover_with_a_pool_never_two_covers():
    assert set(every(stacks())) == {(), (GUARANTEE,), (GUARANTEE, SMALL_POOL), (INSURANCE,)}


def test_a_cover_to_be_reviewed_makes_its_stack_one_to_be_reviewed():
    found = every(stacks(size="medium"))
    assert found[GUARANTEE,].result is Result.REVIEW
    assert found[INSURANCE,].result is Result.PASS
    assert found[()].result is Result.PASS


@pytest.mark.parametrize(
    ("stack", "borne"),
    [
        ((), {"lender": "1"}),
        ((GUARANTEE,), {"lender": "0.2", "guarantor": "0.8"}),
        ((INSURANCE,), {"lender": "0.3", "insurer": "0.7"}),
        ((GUARANTEE, SMALL_POOL), {"lender": "0.2", "guarantor": "0.5", "city": "0.15", "district": "0.15"}),
    ],
)
def test_each_bears_its_share_of_a_loss(stack, borne):
    losses = every(stacks())[stack].losses
    assert {one.bearer: one.share for one in losses} == {Bearer(who): Decimal(share) for who, share in borne.items()}
    assert sum(one.share for one in losses) == 1


def test_an_upgrade_on_the_reserve_list_gets_its_subsidies_and_those_of_its_cover():
    found = every(stacks(offered=product(type="technical_upgrade"), asked=UPGRADE, reserve_list=True))
    assert found["upgrade_interest_subsidy",].percent == Decimal("3.6") / 2
    covered = found[GUARANTEE, "upgrade_interest_subsidy", "guarantee_fee_subsidy"]
    assert covered.percent == Decimal("3.6") / 2 + Decimal("1.0") / 2
    insured = found[INSURANCE, "upgrade_interest_subsidy", "premium_subsidy"]
    assert insured.percent == Decimal("3.6") / 2 + Decimal("2.7") / 2


@pytest.mark.parametrize("facts", [{"reserve_list": False}, {"reserve_list": None}])
def test_a_subsidy_counts_only_where_it_passes(facts):
    found = every(stacks(offered=product(type="technical_upgrade"), asked=UPGRADE, **facts))
    assert set(found) == {(), (GUARANTEE,), (GUARANTEE, SMALL_POOL), (INSURANCE,)}
    assert found[()].percent == Decimal("3.6")


def test_a_lease_of_new_equipment_gets_its_own_subsidy_and_no_cover():
    lease = product(kind="leasing", type="direct_lease")
    found = stacks(offered=lease, asked={"purpose": "equipment", "new_equipment": True}, reserve_list=True)
    assert found.others == ()
    assert found.best.enhancements == ("leasing_interest_subsidy",)
    assert found.best.percent == Decimal("3.6") / 2


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        ({"type": "working_capital"}, UPGRADE),
        ({"kind": "leasing", "type": "sale_leaseback"}, {"purpose": "equipment", "new_equipment": True}),
    ],
)
def test_a_subsidy_is_for_the_types_of_product_that_it_names(offered, asked):
    found = every(stacks(offered=product(**offered), asked=asked, reserve_list=True))
    assert () in found
    assert not any("interest_subsidy" in part for stack in found for part in stack)


def test_the_best_stack_gains_most_chance_for_its_cost():
    found = stacks(chance=0.4)
    assert found.order is StackOrder.LIFT
    assert [one.enhancements for one in (found.best, *found.others)] == [
        (GUARANTEE,),
        (GUARANTEE, SMALL_POOL),
        (INSURANCE,),
        (),
    ]
    assert found.best.lift == pytest.approx((1 - 0.4) * 0.5 * (1 - 0.2))
    assert found.best.chance == pytest.approx(0.4 + found.best.lift)
    assert found.others[-1].lift == 0


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ((0.3, "2"), (0.1, "1")),  # 0.15 a point of cost, dearer as it is, before 0.1
        ((0.1, "0"), (0.3, "0.1")),  # for nothing before whatever costs anything
        ((0.1, "-0.5"), (0.3, "0.1")),  # as where its subsidy is more than its fee
        ((0.1, "1"), (0.0, "0")),  # and what gains nothing last, for all that it costs nothing
    ],
)
def test_what_a_stack_gains_is_held_against_what_it_costs_beyond_none(better, worse):
    base, alone = every(stacks(chance=0.4))[()], Decimal(3)
    made = [
        base.model_copy(update={"lift": lift, "costs": (base.costs[0].model_copy(update={"percent": alone + extra}),)})
        for lift, extra in ((lift, Decimal(extra)) for lift, extra in (better, worse))
    ]
    assert module._place(made[0], alone) < module._place(made[1], alone)


def test_without_a_chance_the_cheapest_comes_first_and_none_is_made_up():
    found = stacks()
    assert found.order is StackOrder.COST
    assert [one.percent for one in (found.best, *found.others)] == sorted(one.percent for one in every(found).values())
    assert {(one.chance, one.lift) for one in every(found).values()} == {(None, None)}


@pytest.mark.parametrize("rate", [None, float("nan")])
def test_without_a_rate_no_all_in_cost_is_stated_but_that_of_the_cover_is(rate):
    found = stacks(rate=rate, chance=0.4)
    assert found.best.enhancements == (GUARANTEE,)
    assert (found.best.percent, found.best.yuan) == (None, None)
    assert [(one.part, one.yuan) for one in found.best.costs] == [(CostPart.GUARANTEE_FEE, 2 * MILLION // 100)]


def test_what_is_assumed_of_the_chance_is_said_with_its_trust():
    basis = financing().basis
    assert "Half of all refusals are assumed" in basis.assumption_en
    assert "假定" in basis.assumption_zh
    assert basis.trust == "C"


def test_where_nothing_is_assumed_no_stack_gains_a_chance_and_none_is_explained(monkeypatch):
    monkeypatch.setattr(module.dated, "assumption", lambda *_: None)
    made = financing()
    assert (made.basis.assumption_zh, made.basis.assumption_en, made.basis.trust) == ("", "", None)
    found = every(made.of(product(), RATE, 0.4))
    assert {(one.chance, one.lift) for one in found.values()} == {(0.4, 0.0)}
    assert len(found) == 4


@given(st.floats(0, 1))
def test_a_stack_s_chance_is_what_is_gained_beside_that_of_the_product_alone(chance):
    for one in every(stacks(chance=chance)).values():
        assert one.losses[0].bearer is Bearer.LENDER
        assert one.lift == pytest.approx((1 - chance) * 0.5 * float(1 - one.losses[0].share))
        assert one.chance == chance + one.lift <= 1


@pytest.mark.parametrize(
    ("as_of", "admitted"),
    [
        (date(2023, 12, 31), {()}),
        (date(2024, 1, 1), {(), (INSURANCE,)}),
        (date(2025, 2, 28), {(), (INSURANCE,)}),
        (date(2025, 3, 1), {(), (INSURANCE,), (GUARANTEE,), (GUARANTEE, SMALL_POOL)}),
    ],
)
def test_a_past_day_is_financed_by_its_own_rules(as_of, admitted):
    assert set(every(stacks(as_of=as_of))) == admitted


@pytest.mark.parametrize(("as_of", "bp"), [(date(2025, 5, 19), 310), (date(2025, 5, 20), 300)])
def test_the_interest_follows_the_prime_rate_of_the_day(as_of, bp):
    offered = product(benchmark="lpr_1y", spread_bp=50.0)
    rate = Catalogue.of([offered], [institution()]).rate_bp(as_of)[0]
    assert lpr(Benchmark.LPR_1Y, as_of) == bp
    assert every(stacks(as_of=as_of, rate=float(rate)))[()].percent == (Decimal(bp) + 50) / 100


@given(
    amount=st.integers(1, 20 * MILLION),
    size=st.none() | st.sampled_from(Size),
    kind=st.sampled_from(Kind),
    type_=st.sampled_from(["technical_upgrade", "direct_lease", "working_capital"]),
    listed=st.none() | st.booleans(),
    chance=st.none() | st.floats(0, 1),
    as_of=st.dates(date(2019, 9, 1), date(2030, 1, 1)),
)
def test_whatever_is_stacked_adds_up_and_survives_the_wire(amount, size, kind, type_, listed, chance, as_of):
    offered = product(kind=kind, type=type_)
    found = stacks(amount, as_of, chance, offered=offered, asked=UPGRADE, size=size, reserve_list=listed)
    assert Stacks.model_validate_json(found.model_dump_json()) == found
    for one in every(found).values():
        assert sum(loss.share for loss in one.losses) == 1
        assert one.percent == sum(part.percent for part in one.costs)
        assert one.yuan == sum(part.yuan for part in one.costs)
        assert one.result is not Result.FAIL
        assert chance is None or one.chance >= chance

"""The dated tables of enhancements and of the ladder: every row can be judged, and days choose among them."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest

from matching.clauses import condition
from matching.codes import Bearer, Tier, Trust
from matching.domain import Enterprise
from matching.errors import InputError
from matching.facts import own_facts
from matching.reference import programmes
from matching.sizing import MONTHS
from tests.factories import enterprise

DAY = date(2026, 4, 1)
TABLES = ("enhancement_rules", "ladder_rules")
ROWS = [pytest.param(row, id=row.code) for table in TABLES for row in programmes.every_criterion(table)]


def turns():
    """Every day on which a row of the tables begins or ends."""
    days = {DAY}
    for table in TABLES:
        for row in programmes.every_criterion(table):
            days |= {row.valid_from} | ({row.valid_to} if row.valid_to else set())
    return sorted(days)


@pytest.mark.parametrize("row", ROWS)
def test_every_rule_can_be_judged_and_names_its_source(row):
    assert condition(row.rule).field == row.rule.field
    assert row.rule.source
    assert row.trust in Trust


def test_the_ladder_asks_of_the_enterprise_alone():
    known = own_facts(enterprise(), DAY)
    assert {row.rule.field for row in programmes.every_criterion("ladder_rules")} <= known.keys()


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("day", turns(), ids=str)
def test_no_rule_is_there_twice_on_a_day(table, day):
    rows = [row for of in {row.of for row in programmes.every_criterion(table)} for row in criteria(table, of, day)]
    assert len({row.code for row in rows}) == len(rows)


def criteria(table, of, day):
    return programmes.criteria(table, of, day)


def test_every_enhancement_in_force_has_rules_and_stands_on_one_that_is_there():
    offered = {one.code: one for one in programmes.programmes(DAY)}
    assert all(criteria("enhancement_rules", code, DAY) for code in offered)
    assert {one.upon for one in offered.values()} - {None} <= offered.keys()
    assert {row.of for row in programmes.every_criterion("enhancement_rules")} == offered.keys()


@pytest.mark.parametrize("day", turns(), ids=str)
def test_the_shares_of_a_loss_sum_to_one_exactly_and_the_lender_always_bears_some(day):
    shares = defaultdict(dict)
    for row in programmes.loss_shares(day):
        shares[row.enhancement][row.bearer] = row.share
    assert {sum(borne.values()) for borne in shares.values()} <= {Decimal(1)}
    assert all(borne[Bearer.LENDER] > 0 for borne in shares.values())


def test_the_ladder_has_its_five_rungs_in_order():
    assert [rung.tier for rung in programmes.rungs(DAY)] == [
        Tier.INNOVATIVE,
        Tier.SPECIALISED,
        Tier.LITTLE_GIANT,
        Tier.OTC_BOARD,
        Tier.LISTED,
    ]


@pytest.mark.parametrize("day", [day for day in turns() if day >= programmes.ladder_begins()], ids=str)
def test_every_rung_has_rules_on_each_day_that_it_is_there(day):
    assert all(criteria("ladder_rules", rung.code, day) for rung in programmes.rungs(day))


@pytest.mark.parametrize("day", [day for day in turns() if day >= programmes.ladder_begins()], ids=str)
def test_all_rules_of_a_rung_come_from_one_source_that_began_on_one_day(day):
    for rung in programmes.rungs(day):
        rows = criteria("ladder_rules", rung.code, day)
        assert len({(row.rule.source, row.valid_from) for row in rows}) == 1, (
            "as a step of the ladder names one of each"
        )


def test_there_is_no_ladder_before_its_first_day():
    assert programmes.ladder_begins() == date(2022, 8, 1)
    with pytest.raises(InputError, match=r"reference/rungs: as_of: is at least 2022-08-01, the table's first day"):
        programmes.rungs(date(2022, 7, 31))


@pytest.mark.parametrize(("day", "there"), [(date(2025, 2, 28), False), (date(2025, 3, 1), True)])
def test_the_guarantee_begins_on_its_day(day, there):
    assert ("government_guarantee" in {one.code for one in programmes.programmes(day)}) is there


@pytest.mark.parametrize(("day", "there"), [(date(2027, 12, 31), True), (date(2028, 1, 1), False)])
def test_the_subsidies_end_with_the_action_plan(day, there):
    assert ("premium_subsidy" in {one.code for one in programmes.programmes(day)}) is there


def test_nothing_is_in_force_before_the_tables_begin():
    assert programmes.programmes(date(2020, 1, 1)) == ()
    assert programmes.loss_shares(date(2020, 1, 1)) == ()


@pytest.mark.parametrize(
    ("code", "day", "value"),
    [
        ("refusals_for_loss", DAY, Decimal("0.5")),
        ("working_capital_term", date(2024, 7, 1), Decimal(36)),
        ("long_cycle_months", DAY, Decimal(MONTHS)),
    ],
)
def test_an_assumption_is_said_with_its_value(code, day, value):
    assert programmes.assumption(code, day).value == value


@pytest.mark.parametrize(("code", "day"), [("working_capital_term", date(2024, 6, 30)), ("unknown", DAY)])
def test_nothing_is_assumed_without_a_row_in_force(code, day):
    assert programmes.assumption(code, day) is None


def test_the_ladder_s_facts_are_fields_of_the_enterprise_or_follow_from_them():
    asked = {row.rule.field for row in programmes.every_criterion("ladder_rules")}
    derived = {"size", "debt_ratio", "equity", "return_on_equity", "revenue_mean"}
    derived |= {"rd_intensity", "rd_intensity_prior", "rd_intensity_two_years", "rd_two_years"}
    assert asked - set(Enterprise.model_fields) <= derived

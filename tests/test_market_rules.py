"""The simulated catalogue's own rules: every product type's, each at its threshold, beyond it and without the fact."""

from datetime import date, timedelta

import numpy as np
import pytest

from matching.catalogue import Catalogue
from matching.domain import Benchmark, Enterprise, Result
from matching.facts import FACTS
from matching.reference import lpr
from matching.rules import Rulebook
from tests.factories import enterprise, institution, need, product
from training.market.types import TYPES

DAY = date(2025, 6, 30)
MILLION = 1_000_000
SPREAD = 50.0
RATE = (lpr(Benchmark.LPR_1Y, DAY) + SPREAD) / 10_000
BY_TYPE = {kind.name: kind for kind in TYPES}
# Of one hundred million of revenue at cost: days 90 + 36 - 54 + 9 - 9 = 72, a fifth of 360, so turns are 5.
CYCLE = {
    "revenue": 100 * MILLION,
    "profit": 0,
    "growth": 0.0,
    "inventory": 25 * MILLION,
    "receivables": 10 * MILLION,
    "payables": 15 * MILLION,
    "prepayments": 2_500_000,
    "advances": 2_500_000,
    "own_funds": 6 * MILLION,
    "working_loans": 4 * MILLION,
}
NEEDED = 100 * MILLION // 5 - 6 * MILLION - 4 * MILLION

# (type, rule): facts that just meet the rule, facts that just fail it.
AT = {
    ("working_capital", "min_revenue"): ({"revenue": 3 * MILLION}, {"revenue": 3 * MILLION - 1}),
    ("working_capital", "working_capital_need"): (CYCLE | {"amount": NEEDED}, CYCLE | {"amount": NEEDED + 1}),
    ("working_capital", "working_capital_term"): (CYCLE | {"term_months": 36}, CYCLE | {"term_months": 37}),
    ("fixed_asset", "max_debt_ratio"): (
        {"assets": 100, "liabilities": 75},
        {"assets": 100, "liabilities": 76},
    ),
    ("technical_upgrade", "reserve_list"): ({"reserve_list": True}, {"reserve_list": False}),
    ("technical_upgrade", "includes_land"): ({"includes_land": False}, {"includes_land": True}),
    ("ip_pledge", "min_age_years"): ({"founded": date(2023, 6, 30)}, {"founded": date(2023, 7, 1)}),
    ("ip_pledge", "min_patents"): ({"patents": 2}, {"patents": 1}),
    ("ip_pledge", "patent_life"): ({"patent_life": 5.1}, {"patent_life": 5.0}),
    ("ip_pledge", "max_amount_to_patents"): (
        {"amount": 6 * MILLION, "patent_value": 10 * MILLION},
        {"amount": 6 * MILLION + 1, "patent_value": 10 * MILLION},
    ),
    ("ip_pledge", "usual_amount_to_patents"): (
        {"amount": 4 * MILLION, "patent_value": 10 * MILLION},
        {"amount": 4 * MILLION + 1, "patent_value": 10 * MILLION},
    ),
    ("ip_pledge", "pledge_term"): (
        {"term_months": 60, "cluster": "smart_equipment"},
        {"term_months": 61, "cluster": "smart_equipment"},
    ),
    ("receivables", "max_amount_to_confirmed"): (
        {"amount": 9 * MILLION, "confirmed_receivables": 10 * MILLION},
        {"amount": 9 * MILLION + 1, "confirmed_receivables": 10 * MILLION},
    ),
    ("receivables", "usual_amount_to_confirmed"): (
        {"amount": 7 * MILLION, "confirmed_receivables": 10 * MILLION},
        {"amount": 7 * MILLION + 1, "confirmed_receivables": 10 * MILLION},
    ),
    ("orders", "min_revenue"): ({"revenue": 5 * MILLION}, {"revenue": 5 * MILLION - 1}),
    ("orders", "max_amount_to_orders"): (
        {"amount": 9 * MILLION, "order_value": 10 * MILLION},
        {"amount": 9 * MILLION + 1, "order_value": 10 * MILLION},
    ),
    ("unsecured", "tax_grade"): ({"tax_grade": "M"}, {"tax_grade": "C"}),
    ("unsecured", "max_amount_to_invoices"): (
        {"amount": 5 * MILLION, "invoices": 10 * MILLION},
        {"amount": 5 * MILLION + 1, "invoices": 10 * MILLION},
    ),
    ("first_loan", "first_loan"): ({"first_loan": True}, {"first_loan": False}),
    ("bridge", "renewal_agreed"): ({"renewal_agreed": True}, {"renewal_agreed": False}),
    ("bridge", "max_amount_to_renewal"): (
        {"amount": 9_500_000, "renewal_amount": 10 * MILLION},
        {"amount": 9_500_001, "renewal_amount": 10 * MILLION},
    ),
    ("bridge", "max_bridge_days"): ({"bridge_days": 10}, {"bridge_days": 11}),
    ("corporate_bond", "interest_cover"): (
        {"amount": 100 * MILLION, "distributable_profit": round(100 * MILLION * RATE)},
        {"amount": 100 * MILLION, "distributable_profit": round(100 * MILLION * RATE) - 1},
    ),
    ("corporate_bond", "max_debt_ratio"): (
        {"assets": 100, "liabilities": 70},
        {"assets": 100, "liabilities": 71},
    ),
    ("corporate_bond", "min_cash_flow"): ({"cash_flow": 0}, {"cash_flow": -1}),
    ("corporate_bond", "misused"): ({"misused": False}, {"misused": True}),
    ("private_placement", "min_assets"): ({"assets": 60 * MILLION}, {"assets": 60 * MILLION - 1}),
    ("ppn", "min_assets"): ({"assets": 80 * MILLION}, {"assets": 80 * MILLION - 1}),
    ("commercial_paper", "min_revenue"): ({"revenue": 150 * MILLION}, {"revenue": 150 * MILLION - 1}),
    ("commercial_paper", "min_profit"): ({"profit": 0}, {"profit": -1}),
    ("commercial_paper", "max_term_months"): ({"term_months": 12}, {"term_months": 13}),
    ("medium_term_note", "min_assets"): ({"assets": 150 * MILLION}, {"assets": 150 * MILLION - 1}),
    ("medium_term_note", "max_debt_ratio"): (
        {"assets": 100, "liabilities": 75},
        {"assets": 100, "liabilities": 76},
    ),
    ("medium_term_note", "min_term_months"): ({"term_months": 24}, {"term_months": 23}),
    ("sci_tech_bond", "high_tech"): ({"tiers": ["high_tech", "innovative"]}, {"tiers": ["innovative"]}),
    ("sci_tech_bond", "min_revenue"): ({"revenue": 60 * MILLION}, {"revenue": 60 * MILLION - 1}),
    ("direct_lease", "min_age_years"): ({"founded": date(2024, 6, 30)}, {"founded": date(2024, 7, 1)}),
    ("direct_lease", "new_equipment"): ({"new_equipment": True}, {"new_equipment": False}),
    ("direct_lease", "max_amount_to_price"): (
        {"amount": 10, "purchase_price": 10},
        {"amount": 11, "purchase_price": 10},
    ),
    ("sale_leaseback", "min_age_years"): ({"founded": date(2022, 6, 30)}, {"founded": date(2022, 7, 1)}),
    ("sale_leaseback", "min_equipment"): ({"equipment": 2 * MILLION}, {"equipment": 2 * MILLION - 1}),
    ("sale_leaseback", "equipment_invoiced"): ({"equipment_invoiced": True}, {"equipment_invoiced": False}),
    ("sale_leaseback", "equipment_pledged"): ({"equipment_pledged": False}, {"equipment_pledged": True}),
    ("vendor_lease", "min_revenue"): ({"revenue": 2 * MILLION}, {"revenue": 2 * MILLION - 1}),
    ("vendor_lease", "min_down_payment_share"): (
        {"down_payment": 20, "purchase_price": 100},
        {"down_payment": 19, "purchase_price": 100},
    ),
    ("vendor_lease", "max_amount_to_price"): (
        {"amount": 80, "purchase_price": 100},
        {"amount": 81, "purchase_price": 100},
    ),
}
for lease in ("direct_lease", "vendor_lease"):
    AT[lease, "purchase_contract"] = ({"purchase_contract": True}, {"purchase_contract": False})
for placed in ("private_placement", "ppn", "sci_tech_bond"):
    AT[placed, "state_owned"] = ({"ownership": "state"}, {"ownership": "private"})
    AT[placed, "professional_investors"] = ({"professional_investors": True}, {"professional_investors": False})
for issue in ("corporate_bond", "private_placement", "ppn", "commercial_paper", "medium_term_note", "sci_tech_bond"):
    AT[issue, "defaulted"] = ({"defaulted": False}, {"defaulted": True})
KEPT = {"working_capital_term": set(CYCLE)}  # up to three years a term passes whatever the cycle
RULES = {(kind.name, rule.rule_id): rule for kind in TYPES for rule in kind.rules}


def said(kind, facts, as_of=DAY):
    """What each rule of a type says of these facts; all others are missing."""
    offered = product(rules=BY_TYPE[kind].rules, benchmark="lpr_1y", spread_bp=SPREAD, kind=BY_TYPE[kind].kind)
    unknown = {"region": None, "industry": None, "founded": None, "employees": None, "revenue": None}
    mine = {name: value for name, value in facts.items() if name in Enterprise.model_fields}
    asked = {name: value for name, value in facts.items() if name not in mine}
    book = Rulebook(Catalogue.of([offered], [institution()]))
    verdicts = book.judge(
        enterprise(**unknown | mine), need(**{"purpose": None, "term_months": None} | asked), as_of, np.array([0])
    )
    return {verdict.rule: verdict for verdict in verdicts.of(0)}


def test_every_rule_of_every_type_is_tested_here():
    assert set(AT) == set(RULES)
    assert all(kind.rules for kind in TYPES)


@pytest.mark.parametrize(("kind", "rule"), AT)
def test_a_rule_passes_on_its_threshold(kind, rule):
    assert said(kind, AT[kind, rule][0])[rule].result is Result.PASS


@pytest.mark.parametrize(("kind", "rule"), AT)
def test_a_rule_is_not_met_just_beyond_its_threshold(kind, rule):
    assert said(kind, AT[kind, rule][1])[rule].result is RULES[kind, rule].severity


@pytest.mark.parametrize(("kind", "rule"), AT)
def test_a_rule_is_to_be_reviewed_while_a_fact_is_missing(kind, rule):
    facts = AT[kind, rule][0]
    for gone in facts.keys() - {"amount"} - KEPT.get(rule, set()):
        assert said(kind, {name: value for name, value in facts.items() if name != gone})[rule].result is Result.REVIEW


def test_the_three_years_limit_is_asked_from_the_day_of_the_new_measures_on():
    begun, long = date(2024, 7, 1), {"term_months": 61}
    assert "working_capital_term" not in said("working_capital", long, begun - timedelta(1))
    assert said("working_capital", long, begun)["working_capital_term"].result is Result.FAIL


LONG_CYCLE = {"inventory": 110 * MILLION}  # days 396 + 36 - 54 + 9 - 9 = 378: more than twelve months


@pytest.mark.parametrize(
    ("inventory", "term", "result"), [(0, 37, "fail"), (1, 37, "pass"), (1, 60, "pass"), (1, 61, "fail")]
)
def test_a_working_capital_loan_may_run_for_five_years_where_the_cash_cycle_is_long(inventory, term, result):
    facts = CYCLE | {"term_months": term} | (LONG_CYCLE if inventory else {})
    assert said("working_capital", facts)["working_capital_term"].result == result


@pytest.mark.parametrize(
    ("cluster", "term", "result"),
    [
        ("smart_equipment", 60, "pass"),
        ("smart_equipment", 61, "fail"),
        ("no_cluster", 36, "pass"),
        ("no_cluster", 37, "fail"),
        (None, 36, "pass"),
        (None, 37, "review"),
        (None, 60, "review"),
        (None, 61, "fail"),
    ],
)
def test_an_ip_pledge_runs_for_three_years_and_for_five_in_a_key_cluster(cluster, term, result):
    assert said("ip_pledge", {"cluster": cluster, "term_months": term})["pledge_term"].result == result


def test_there_were_no_key_clusters_before_they_were_named():
    facts, named = {"cluster": "smart_equipment", "term_months": 60}, date(2023, 6, 5)
    assert said("ip_pledge", facts, named)["pledge_term"].result is Result.PASS
    assert said("ip_pledge", facts, named - timedelta(1))["pledge_term"].result is Result.FAIL


LIMITS = [(kind.name, part) for kind in TYPES for part in ("amount", "term")]


@pytest.mark.parametrize(("kind", "part"), LIMITS)
def test_the_limits_of_every_type_hold_to_the_yuan_and_the_month(kind, part):
    low, high = BY_TYPE[kind].amounts if part == "amount" else BY_TYPE[kind].terms
    low, high = (round(low * MILLION), round(high * MILLION)) if part == "amount" else (max(low, 1), high)
    names = ("min_amount", "max_amount") if part == "amount" else ("min_term", "max_term")
    offered = product(kind=BY_TYPE[kind].kind, **dict(zip(names, (low, high), strict=True)))
    book, field = Rulebook(Catalogue.of([offered], [institution()])), "amount" if part == "amount" else "term_months"

    def result(value):
        return [v.result for v in book.judge(enterprise(), need(**{field: value}), DAY).of(0) if v.rule == part]

    assert result(low) == result(high) == [Result.PASS]
    assert result(high + 1) == [Result.FAIL]
    assert low == 1 or result(low - 1) == [Result.FAIL]
    if part == "term":
        assert result(None) == [Result.REVIEW]


@pytest.mark.parametrize(("day", "rate_bp"), [(date(2024, 7, 21), 345 + SPREAD), (date(2024, 7, 22), 335 + SPREAD)])
def test_interest_cover_is_measured_by_the_rate_of_the_day(day, rate_bp):
    just = {"amount": 100 * MILLION, "distributable_profit": round(100 * MILLION * rate_bp / 10_000)}
    assert said("corporate_bond", just, day)["interest_cover"].result is Result.PASS
    short = just | {"distributable_profit": just["distributable_profit"] - 1}
    assert said("corporate_bond", short, day)["interest_cover"].result is Result.FAIL


@pytest.mark.parametrize(("kind", "rule"), RULES)
def test_every_rule_has_its_words_and_its_source(kind, rule):
    one = RULES[kind, rule]
    assert one.message_zh
    assert one.message_en
    assert one.message_zh != one.message_en
    assert one.clause
    assert one.source
    assert one.unit in (FACTS[one.field].unit, "rate")

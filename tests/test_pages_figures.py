"""The plots of a case and of a month: shares of one scale, what is unknown left out."""

from datetime import date
from decimal import Decimal

import pytest

from api.desk.stages import CaseStage
from api.desk.views import Clock, MonthView
from api.pages import figures
from api.pages.languages import language
from api.pages.reviewing import shown
from matching.codes import CostPart, DeclineReason
from matching.costs import Cost
from matching.domain import Enterprise, Reason
from matching.financing import Loss, Stack
from tests import factories as make

EN = language("en")
KNOWN = {
    "revenue": 30_000_000,
    "revenue_prior": 24_000_000,
    "growth": 0.25,
    "profit": -1_500_000,
    "rd_spend": 600_000,
    "assets": 20_000_000,
    "liabilities": 12_000_000,
    "inventory": 3_000_000,
    "payables": 1_500_000,
}


def plots(**facts):
    return {plot.title: plot for plot in figures.plots(make.enterprise(**facts), make.need(), EN, "CNY")}


def test_bars_of_a_plot_share_one_scale():
    revenue = plots(**KNOWN)["Revenue"]
    assert [(bar.label, bar.share, bar.text) for bar in revenue.bars] == [
        ("The year before", 24 / 30, "CN¥24M"),
        ("Last year", 1, "CN¥30M"),
    ]
    assert revenue.note == "Growth 25.0%"


def test_a_balance_is_the_parts_of_its_assets():
    balance = plots(**KNOWN)["Balance sheet"]
    assert [(part.label, part.start, part.share) for part in balance.parts] == [
        ("Liabilities", 0, 12 / 20),
        ("Equity", 12 / 20, 8 / 20),
    ]
    assert balance.note == "Debt ratio 60.0% of CN¥20M"


def test_debts_above_the_assets_fill_the_whole():
    balance = plots(**KNOWN | {"liabilities": 30_000_000})["Balance sheet"]
    assert [part.share for part in balance.parts] == [1, 0]
    assert [part.text for part in balance.parts] == ["CN¥30M", "-CN¥10M"]


def test_a_loss_is_a_bar_below_zero():
    bars = plots(**KNOWN)["Of the revenue"].bars
    assert [(bar.label, bar.share, bar.note) for bar in bars] == [
        ("Net profit", -1, "-5.0%"),
        ("R&D", 6 / 15, "2.0%"),
    ]


def test_what_is_unknown_is_left_out():
    bare = Enterprise(enterprise_id="E1", as_of=date(2024, 12, 31))
    assert figures.plots(bare, make.need(), EN, "CNY") == []
    assert set(plots(**KNOWN | {"revenue_prior": None, "assets": None})) == {
        "Of the revenue", "Bound in trade", "The need beside size",
    }  # fmt: skip


def test_reasons_are_shares_of_the_weightiest():
    reasons = [
        Reason(code="c", effect=effect, weight=weight, feature="f", value=0, usual=0, text_zh="", text_en="")
        for effect, weight in (("raises", 2.0), ("lowers", -4.0))
    ]
    assert [bar.share for bar in figures.reason_bars(reasons)] == [0.5, -1]
    assert figures.reason_bars([]) == []


def test_a_stack_s_costs_and_losses_are_bars():
    costs = [
        Cost(part=CostPart.INTEREST, name_zh="利息", name_en="Interest", percent=Decimal("4"), yuan=40),
        Cost(part=CostPart.SUBSIDY, name_zh="补贴", name_en="Subsidy", percent=Decimal("-1"), yuan=-10),
    ]
    losses = [
        Loss(bearer="lender", share=Decimal("0.2"), trust="A"),
        Loss(bearer="guarantor", share=Decimal("0.8"), trust="A"),
    ]
    stack = Stack(enhancements=("x",), result="pass", costs=tuple(costs), losses=tuple(losses))
    view = figures.stack_view(stack, None, EN)
    assert [(bar.label, bar.share, bar.text) for bar in view.costs] == [
        ("Interest", 1, "4%"),
        ("Subsidy", -0.25, "-1%"),
    ]
    assert [(part.start, part.share, part.text) for part in view.losses] == [(0, 0.2, "20%"), (0.2, 0.8, "80%")]
    assert view.names == ["x"]


def month(**facts):
    defaults = {
        "month": date(2025, 1, 1), "institution_id": "I1", "reached": {}, "clocks": (), "declines": {},
        "overrides": {}, "open": 0, "overdue": 0, "granted_amount": 0,
    }  # fmt: skip
    return shown(MonthView(**defaults | facts), EN)


def test_the_funnel_is_beside_its_largest_stage_and_the_one_before():
    reached = {CaseStage.SUGGESTED: 8, CaseStage.ACCEPTED: 4, CaseStage.CONTACTED: 3, CaseStage.DECLINED: 2}
    told = month(reached=reached)
    assert [(bar.share, bar.text, bar.note) for bar in told["funnel"][:4]] == [
        (1, "8", ""), (4 / 8, "4", "50%"), (3 / 8, "3", "75%"), (0, "0", "0%"),
    ]  # fmt: skip
    assert [(bar.label, bar.text) for bar in told["out"]] == [("Declined", "2")]
    assert told["acquisition"] is None


def test_acquisition_is_granted_of_applied():
    assert month(reached={CaseStage.APPLIED: 4, CaseStage.GRANTED: 1})["acquisition"] == 1 / 4


def test_acquisition_has_the_supervisors_own_term_in_chinese():
    assert language("zh-CN").say("granted of applied") == "申贷获得率"


@pytest.mark.parametrize(
    ("hours", "share", "limit", "late"), [(12.0, 0.5, 1, False), (48.0, 1, 0.5, True), (None, 0, 1, False)]
)
def test_a_clock_s_median_stands_beside_what_is_allowed(hours, share, limit, late):
    (told,) = month(clocks=(Clock(CaseStage.SUGGESTED, 1, 4, hours, 3),))["clocks"]
    assert (told["median_share"], told["limit"], told["late"]) == (share, limit, late)
    assert told["share"] == 3 / 4
    assert told["name"] == "Until accepted"


def test_decline_reasons_are_beside_the_commonest():
    declines = month(declines={DeclineReason.DEBT: 4, DeclineReason.TAX: 1})["declines"]
    assert [(bar.label, bar.share) for bar in declines] == [("Debt too high", 1), ("Tax grade too low", 1 / 4)]

"""The plots of a case and of a month: shares of one scale, what is unknown left out."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from api.desk.grants import grants
from api.desk.stages import CaseStage
from api.desk.views import Clock, Group, MonthView, Share
from api.pages import figures, granting
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
        "overrides": {}, "open": 0, "overdue": 0, "granted_amount": 0, "grants": grants([], {}),
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


def granted(code="en", **facts):
    """The card of a month of twelve grants; a bar by its title and label."""
    nothing = grants([], {})
    defaults = {"count": 12, "mean_ticket": 2_500_000, "mean_loan": 2_400_000, "spread_bp": -4.25, "spread_of": 7}
    made = granting.card(replace(nothing, **defaults | facts), date(2025, 1, 1), language(code), "CNY")
    return dict(made["granted"]), {title: {bar.label: bar for bar in bars} for title, bars in made["parted"] if bars}


def test_a_share_has_its_counts_and_of_fewer_than_five_nothing_else():
    _, parted = granted(first_loan=Share(3, 5, 7), unsecured=Share(1, 1, 0), long_term=Share(0, 0, 2))
    bars = parted["Of the grants"].values()
    assert [(bar.label, bar.share, bar.text, bar.note) for bar in bars] == [
        ("First loans", 3 / 5, "60%", "3 of 5, 7 not known"),
        ("Unsecured loans", 1, "1 of 1", ""),
        ("Medium and long-term loans", 0, "2 not known", ""),
    ]


def test_grants_are_told_with_their_means_and_what_has_none_is_a_dash():
    assert granted()[0] == {
        "Grants": "12", "Mean ticket": "CN¥2.5M", "Mean loan by enterprise": "CN¥2.4M",
        "Mean spread over the LPR": "-4 bp, 7 rates",
    }  # fmt: skip
    bare = granted(mean_loan=None, spread_bp=None, spread_of=0)[0]
    assert (bare["Mean loan by enterprise"], bare["Mean spread over the LPR"]) == ("–", "–")
    assert granted(count=0) == ({}, {})


def test_groups_have_their_names_and_are_left_out_where_nothing_happened():
    _, parted = granted(
        by_size=(Group("large", 0, 0), Group("small", 8, 12), Group(None, 0, 1)),
        by_zone=(Group("north_east", 4, 1), Group("elsewhere", 6, 0)),
        by_first_loan=(Group(True, 5, 1), Group(False, 0, 0)),
        by_cluster=(Group("software", 5, 5), Group("gone", 1, 0)),
    )
    size = [(bar.label, bar.share, bar.text, bar.note) for bar in parted["By size class"].values()]
    assert size == [("Small", 1, "150%", "12 of 8"), ("Not known", 0, "1 of 0", "")]
    told = [(bar.label, bar.text) for title in list(parted)[-3:] for bar in parted[title].values()]
    assert told == [
        ("North-east", "1 of 4"), ("Outside Chongqing", "0%"), ("First loan", "20%"), ("Software", "100%"),
        ("gone", "0 of 1"),
    ]  # fmt: skip


def test_the_grants_figures_have_the_supervisors_own_terms_in_chinese():
    named, parted = granted("zh-CN")
    assert list(named) == ["授信笔数", "笔均授信金额", "户均贷款金额", "较 LPR 平均加点"]
    assert list(parted["授信结构"]) == ["首贷占比", "信用贷款占比", "中长期贷款占比"]

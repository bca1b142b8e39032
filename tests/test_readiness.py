"""The ladder: each threshold itself, by the rule of the day, and the step that comes next."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.codes import Tier
from matching.domain import Result
from matching.errors import InputError
from matching.readiness import readiness
from tests.factories import enterprise

OLD, NEW = date(2026, 3, 31), date(2026, 4, 1)
MILLION = 1_000_000
GIANT = {
    "tiers": ["innovative", "specialised"],
    "revenue": 100 * MILLION,
    "revenue_prior": 90 * MILLION,
    "rd_spend": 7 * MILLION,
    "rd_spend_prior": 5 * MILLION,
    "growth_two_years": 0.05,
    "assets": 100 * MILLION,
    "liabilities": 70 * MILLION,
    "main_business_share": 0.9,
    "niche_years": 3,
    "niche_share": 0.1,
    "niche_rank": 4,
    "key_link": True,
    "class_one_ip": 4,
    "specialisation_score": 60,
}
SPECIALISED = {
    "tiers": ["innovative"],
    "niche_years": 2,
    "revenue": 10 * MILLION,
    "rd_spend": MILLION,
    "new_equity": 0,
    "specialisation_score": 60,
    "fast_track": False,
}
EXCHANGE = {
    "neeq_months": 12,
    "assets": 90 * MILLION,
    "liabilities": 40 * MILLION,
    "profit": 25 * MILLION,
    "market_value": 200 * MILLION,
    "revenue": 60 * MILLION,
    "revenue_prior": 60 * MILLION,
    "growth": 0.0,
    "cash_flow": 0,
    "rd_spend": 0,
    "rd_spend_prior": 0,
}


def step(tier, as_of=NEW, **facts):
    return next(one for one in readiness(enterprise(**facts), as_of).ladder if one.tier == tier)


def requirement(tier, name, as_of=NEW, **facts):
    return next(one for one in step(tier, as_of, **facts).requirements if one.requirement == name).result


def at_and_below(tier, name, base, at, below, as_of):
    assert requirement(tier, name, as_of, **base | at) is Result.PASS
    assert requirement(tier, name, as_of, **base | below) is Result.FAIL


@pytest.mark.parametrize("as_of", [OLD, NEW])
def test_who_just_meets_every_rule_is_ready_for_a_little_giant(as_of):
    found = step("little_giant", as_of, **GIANT)
    assert (found.result, found.lacking, found.unknown) == (Result.PASS, (), ())


@pytest.mark.parametrize(
    ("name", "at", "below"),
    [
        ("niche_years", {}, {"niche_years": 2.9}),
        ("main_business", {"main_business_share": 0.7}, {"main_business_share": 0.69}),
        ("growth", {}, {"growth_two_years": 0.049}),
        ("debt_ratio", {}, {"liabilities": 70 * MILLION + 1}),
        ("niche_share", {}, {"niche_share": 0.099}),
        ("ip", {"class_one_ip": 2}, {"class_one_ip": 1}),
        ("tier", {}, {"tiers": ["innovative"]}),
        ("chain", {}, {"key_link": False}),
    ],
)
def test_the_rule_of_2022_at_its_thresholds(name, at, below):
    at_and_below("little_giant", name, GIANT, at, below, OLD)


@pytest.mark.parametrize(
    ("revenue", "rd", "result"),
    [
        (100 * MILLION, 3 * MILLION, Result.PASS),
        (100 * MILLION, 3 * MILLION - 1, Result.FAIL),
        (100 * MILLION - 100, 3 * MILLION, Result.FAIL),
        (50 * MILLION, 3 * MILLION, Result.PASS),
        (50 * MILLION, 3 * MILLION - 1, Result.FAIL),
        (50 * MILLION - 100, 10 * MILLION, Result.FAIL),
    ],
)
def test_in_2022_a_smaller_revenue_asked_for_more_research(revenue, rd, result):
    facts = GIANT | {"revenue": revenue, "rd_spend": rd, "new_equity": 0}
    assert requirement("little_giant", "rd", OLD, **facts) is result


def test_in_2022_new_equity_stood_in_for_revenue():
    small = GIANT | {"revenue": MILLION, "rd_spend": 30 * MILLION, "new_equity": 80 * MILLION, "rd_staff_share": 0.5}
    assert requirement("little_giant", "rd", OLD, **small) is Result.PASS
    assert requirement("little_giant", "rd", OLD, **small | {"new_equity": 80 * MILLION - 1}) is Result.FAIL


@pytest.mark.parametrize(("revenue", "lacking"), [(50 * MILLION - 1, True), (50 * MILLION, False)])
def test_in_2022_only_a_revenue_below_50_million_was_stood_in_for(revenue, lacking):
    large = GIANT | {"revenue": 2000 * MILLION, "rd_spend": 30 * MILLION, "new_equity": 80 * MILLION}
    assert requirement("little_giant", "rd", OLD, **large, rd_staff_share=0.5) is Result.FAIL
    step = readiness(enterprise(**GIANT | {"revenue": revenue, "rd_spend": None}), OLD).step_en
    assert ("R&D staff of at least 50%" in step) is lacking


@pytest.mark.parametrize(
    ("name", "at", "below"),
    [
        ("revenue", {"revenue": 50 * MILLION}, {"revenue": 50 * MILLION - 1}),
        ("main_business", {}, {"main_business_share": 0.899}),
        ("growth", {}, {"growth_two_years": 0.049}),
        ("debt_ratio", {"liabilities": 75 * MILLION}, {"liabilities": 75 * MILLION + 1}),
        ("rd_two_years", {}, {"rd_spend": 7 * MILLION - 1}),
        ("rd_intensity", {"rd_spend": 3 * MILLION}, {"rd_spend": 3 * MILLION - 1}),
        ("rd_intensity", {"rd_spend_prior": 2_700_000}, {"rd_spend_prior": 2_700_000 - 1}),
        ("ip", {}, {"class_one_ip": 3}),
        ("niche", {}, {"niche_share": 0.099}),
        ("niche", {"niche_share": 0, "niche_rank": 3}, {"niche_share": 0, "niche_rank": 4}),
        ("score", {}, {"specialisation_score": 59.9}),
    ],
)
def test_the_round_of_2026_at_its_thresholds(name, at, below):
    at_and_below("little_giant", name, GIANT, at, below, NEW)


def test_a_past_day_is_judged_by_the_rule_of_its_day():
    between = GIANT | {"class_one_ip": 2, "main_business_share": 0.7}
    assert step("little_giant", OLD, **between).lacking == ()
    assert step("little_giant", NEW, **between).lacking == ("main_business", "ip")
    indebted = GIANT | {"liabilities": 75 * MILLION}
    assert step("little_giant", OLD, **indebted).lacking == ("debt_ratio",)
    assert step("little_giant", NEW, **indebted).lacking == ()
    assert [step("little_giant", day, **GIANT).valid_from for day in (OLD, NEW)] == [date(2022, 8, 1), NEW]
    assert [step("little_giant", day, **GIANT).trust for day in (OLD, NEW)] == ["C", "C"]


@pytest.mark.parametrize(
    ("name", "at", "below"),
    [
        ("niche_years", {}, {"niche_years": 1.9}),
        ("rd_spend", {}, {"rd_spend": MILLION - 1}),
        (
            "rd_intensity",
            {"revenue": 30 * MILLION, "rd_spend": 900_000},
            {"revenue": 30 * MILLION, "rd_spend": 899_999},
        ),
        ("revenue", {}, {"revenue": 10 * MILLION - 1}),
        ("revenue", {"revenue": 1, "new_equity": 20 * MILLION}, {"revenue": 1, "new_equity": 20 * MILLION - 1}),
        ("score", {}, {"specialisation_score": 59.9}),
        ("score", {"specialisation_score": 0, "fast_track": True}, {"specialisation_score": 0}),
    ],
)
def test_the_specialised_rule_at_its_thresholds(name, at, below):
    at_and_below("specialised", name, SPECIALISED, at, below, NEW)


@pytest.mark.parametrize(
    ("at", "below"),
    [
        ({}, {"profit": 25 * MILLION - 1}),
        ({}, {"market_value": 200 * MILLION - 1}),
        (
            {"market_value": 400 * MILLION, "revenue": 140 * MILLION, "growth": 0.3, "cash_flow": 1, "profit": 0},
            {"market_value": 400 * MILLION, "revenue": 140 * MILLION, "growth": 0.3, "cash_flow": 0, "profit": 0},
        ),
        (
            {"market_value": 800 * MILLION, "revenue": 200 * MILLION, "rd_spend": 20_800_000, "profit": 0},
            {"market_value": 800 * MILLION, "revenue": 200 * MILLION, "rd_spend": 20_799_999, "profit": 0},
        ),
        (
            {"market_value": 1500 * MILLION, "rd_spend": 50 * MILLION, "profit": 0},
            {"market_value": 1500 * MILLION, "rd_spend": 50 * MILLION - 1, "profit": 0},
        ),
    ],
)
def test_any_one_standard_opens_the_exchange(at, below):
    at_and_below("listed", "standard", EXCHANGE, at, below, NEW)


@pytest.mark.parametrize(
    ("tiers", "reached", "following"),
    [
        (None, None, "innovative"),
        ([], None, "innovative"),
        (["high_tech"], None, "innovative"),
        (["innovative"], "innovative", "specialised"),
        (["innovative", "specialised"], "specialised", "little_giant"),
        (["little_giant"], "little_giant", "otc_board"),
        (["innovative", "otc_board"], "otc_board", "listed"),
        (["listed"], "listed", None),
    ],
)
def test_the_next_rung_is_the_one_above_the_highest_held(tiers, reached, following):
    found = readiness(enterprise(tiers=tiers), NEW)
    assert (found.reached, found.next) == (reached, following)
    assert [one.held for one in found.ladder] == [
        None if tiers is None else rung.tier in tiers for rung in found.ladder
    ]


def test_the_next_step_says_what_to_reach_and_what_to_state_first():
    found = readiness(enterprise(**GIANT | {"class_one_ip": 3, "specialisation_score": None}), NEW)
    assert found.step_en == (
        "reach first: at least 4 class I IP rights. Then state first: a specialised-and-new score of at least 60."
        " Then apply in the year's round of little giants"
    )
    assert found.step_zh.startswith("须达到：Ⅰ类知识产权不少于4项。须补充资料：专精特新评价得分不低于60分。")


@pytest.mark.parametrize("as_of", [OLD, NEW])
@pytest.mark.parametrize(("tier", "base"), [("specialised", SPECIALISED), ("little_giant", GIANT)])
def test_who_grew_large_on_a_lower_rung_enters_no_tier_of_smes(tier, base, as_of):
    large = base | {"employees": 1000, "revenue": 400 * MILLION, "rd_spend": 40 * MILLION}
    assert step(tier, as_of, **large).lacking == ("size",)
    assert step(tier, as_of, **large | {"employees": 999}).lacking == ()
    assert step(tier, as_of, **large | {"employees": None}).unknown == ("size",)
    assert readiness(enterprise(**large), as_of).step_en.startswith("reach first: a medium, small or micro enterprise.")


def test_research_of_the_year_before_says_what_it_asks_for_where_it_stands_alone():
    found = readiness(enterprise(**GIANT | {"rd_spend_prior": None, "rd_spend": 12 * MILLION}), NEW)
    assert "; R&D of at least 3% of revenue the year before. Then" in found.step_en
    assert "；上上年度研发费用占比不低于3%。" in found.step_zh


def test_the_next_step_asks_for_no_figure_that_is_known_and_fails():
    found = readiness(enterprise(tiers=None, innovation_score=59.3, size="small"), NEW)
    assert ". Then state first: a high-tech enterprise; or new equity of at least 5 million yuan. Then" in found.step_en
    assert "。须补充资料：高新技术企业；或新增股权融资不低于500万元。" in found.step_zh


def test_who_did_not_state_its_tiers_is_asked_for_them_before_it_is_sent_to_the_lowest():
    facts = {"innovation_score": 60, "size": "small"}
    unstated, none = (readiness(enterprise(tiers=tiers, **facts), NEW) for tiers in (None, []))
    apply = "apply as an innovative SME with the district's office of economy and information"
    assert none.step_en == apply
    assert unstated.step_en == f"state which tiers are held (not known: this begins at the lowest). Then {apply}"
    assert unstated.step_zh.startswith("须先说明已具备的梯度（目前未知，以下从最低一级说起）。")


def test_an_option_that_a_known_figure_has_settled_is_not_asked_for_the_rest_of_it():
    facts = {"revenue": 80 * MILLION, "rd_spend": None, "new_equity": 0, "rd_staff_share": None}
    found = readiness(enterprise(**GIANT | facts), OLD)
    assert found.step_en.startswith("state first: ")
    assert "R&D of at least 6% of revenue" in found.step_en
    assert "R&D staff" not in found.step_en
    assert "R&D of at least 30 million yuan" not in found.step_en
    assert "revenue of at least" not in found.step_en


def test_who_is_ready_is_told_to_apply_and_who_is_listed_that_the_ladder_ends():
    assert readiness(enterprise(**GIANT), NEW).step_en == "apply in the year's round of little giants"
    assert readiness(enterprise(tiers=["listed"]), NEW).step_en == "the ladder is climbed"


def test_the_board_came_after_the_tiers():
    assert [one.tier for one in readiness(enterprise(), date(2022, 8, 1)).ladder] == [
        Tier.INNOVATIVE,
        Tier.SPECIALISED,
        Tier.LITTLE_GIANT,
        Tier.LISTED,
    ]


def test_there_is_no_readiness_before_the_ladder():
    with pytest.raises(InputError, match="as_of: is at least 2022-08-01, the table's first day, not 2022-07-31"):
        readiness(enterprise(), date(2022, 7, 31))


@pytest.mark.parametrize("region", ["US/CA", "BR/SP"])
def test_no_rung_is_open_abroad(region):
    found = readiness(enterprise(**GIANT | {"region": region}), NEW)
    assert {one.result for one in found.ladder} == {Result.FAIL}


@given(
    st.sets(st.sampled_from(sorted(GIANT.keys() | EXCHANGE.keys()))),
    st.booleans(),
    st.dates(date(2022, 8, 1), date(2030, 1, 1)),
)
def test_every_requirement_is_met_lacking_or_unknown_and_a_missing_fact_fails_nothing(missing, known, as_of):
    facts = (EXCHANGE | GIANT if known else dict.fromkeys(EXCHANGE | GIANT)) | dict.fromkeys(missing)
    whole = readiness(enterprise(**EXCHANGE | GIANT), as_of)
    found = readiness(enterprise(**facts), as_of)
    for one, full in zip(found.ladder, whole.ladder, strict=True):
        named = [*one.met, *one.lacking, *one.unknown]
        assert sorted(named) == sorted(requirement.requirement for requirement in one.requirements)
        assert set(one.lacking) <= set(full.lacking)

"""The ladder of tiers and boards on the pages of a case and of a need to coordinate: what is held, what comes next."""

from datetime import date

import pytest

from api.pages.ladder import ladder
from api.pages.languages import language
from matching.codes import Tier
from matching.domain import Enterprise
from matching.readiness import readiness
from matching.reference.programmes import rungs

DAY = date(2026, 11, 1)
TIERS = tuple(rung.tier for rung in rungs(DAY))


def firm(*tiers):
    return Enterprise(enterprise_id="E1", as_of=DAY, region="CN/500000/500106", tiers=tiers)


def states(*tiers):
    return [rung.state for rung in ladder(firm(*tiers), DAY, language("en")).rungs]


@pytest.mark.parametrize("held", range(len(TIERS)))
def test_the_rung_above_the_highest_that_is_held_is_the_next(held):
    assert states(*TIERS[:held]) == ["done"] * held + ["next"] + ["ahead"] * (len(TIERS) - held - 1)


def test_a_rung_that_was_passed_over_is_neither_held_nor_the_next():
    assert states(TIERS[1]) == ["ahead", "done", "next", "ahead", "ahead"]


def test_once_the_ladder_is_climbed_no_rung_is_the_next():
    assert states(*TIERS) == ["done"] * len(TIERS)


@pytest.mark.parametrize("tag", ["zh-CN", "en"])
def test_names_and_the_next_step_are_in_the_page_s_language(tag):
    found, standing = ladder(firm(), DAY, language(tag)), readiness(firm(), DAY)
    assert found.step == (standing.step_zh if tag == "zh-CN" else standing.step_en)
    assert [rung.name for rung in found.rungs] == [tier.zh if tag == "zh-CN" else tier.en for tier in TIERS]


def test_before_the_ladder_had_rules_there_is_none():
    assert ladder(firm(), date(2022, 7, 31), language("en")) is None
    assert ladder(firm(), date(2022, 8, 1), language("en"))


def test_a_case_s_page_has_the_rungs_and_what_the_next_one_takes(officer):
    case_id = officer.cases()[0]
    officer.get(f"/desk/cases/{case_id}?lang=en")
    assert officer.says("Tiers and boards")
    assert officer.says(Tier.LITTLE_GIANT.en)
    assert officer.says("Next step: state which tiers are held")
    officer.get(f"/desk/cases/{case_id}?lang=zh-CN")
    assert officer.says("下一步：须先说明已具备的梯度")

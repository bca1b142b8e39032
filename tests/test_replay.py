"""Replay: a past day is ranked, judged and advised by that day's rules, prices and districts, whatever came later."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.catalogue import Catalogue
from matching.domain import Benchmark, Result
from matching.features import FEATURES
from matching.matcher import Matcher
from matching.readiness import readiness
from matching.reference import lpr
from tests import bundles
from tests.factories import enterprise, institution, need, product

REFORM = date(2025, 11, 6)
CUT = date(2024, 7, 22)  # the one-year rate fell
TIERS = date(2026, 4, 1)
DAY = timedelta(1)
RATE = FEATURES.index("rate_bp")


def rule(**more):
    return {"rule_id": "debt", "field": "debt_ratio", "operator": "<=", "value": 0.7, "clause": "", **more}


@pytest.fixture(scope="module")
def ranked():
    """Ranks these products as of a day."""
    ranker = bundles.ranker()

    def call(offered, as_of, who=None, asked=None):
        served = Matcher(Catalogue.of(offered, [institution()]), ranker)
        return served.rank(who or enterprise(), asked or need(posted_at=date(2024, 1, 1)), as_of=as_of)

    return call


@pytest.mark.parametrize(("as_of", "served"), [(REFORM - DAY, []), (REFORM, ["P1"])])
def test_an_abolished_district_is_served_as_its_successor_from_the_reform_on(ranked, as_of, served):
    found = ranked([product(regions=["CN/500000/5001LJ"])], as_of, enterprise(region="CN/500000/500112"))
    assert [match.product_id for match in found.matches] == served
    assert found.failed == ({} if served else {"region": 1})


@pytest.mark.parametrize("as_of", [CUT - DAY, CUT])
def test_a_price_stands_over_the_prime_rate_of_its_day(ranked, as_of):
    found = ranked([product(benchmark="lpr_1y", spread_bp=80.0)], as_of)
    assert found.features[:, RATE].tolist() == [lpr(Benchmark.LPR_1Y, as_of) + 80]


def test_the_prime_rate_did_change_on_that_day():
    assert lpr(Benchmark.LPR_1Y, CUT) < lpr(Benchmark.LPR_1Y, CUT - DAY)


@pytest.mark.parametrize(("as_of", "begun"), [(TIERS - DAY, date(2022, 8, 1)), (TIERS, TIERS)])
def test_a_tier_is_judged_by_the_rule_of_its_year(as_of, begun):
    ladder = readiness(enterprise(), as_of).ladder
    assert [step.valid_from for step in ladder if step.tier == "little_giant"] == [begun]


@settings(max_examples=25)
@given(before=st.integers(0, 400), value=st.floats(0, 1), spread=st.integers(0, 500))
def test_what_is_changed_from_a_later_day_on_leaves_an_earlier_replay_as_it_was(ranked, before, value, spread):
    changed = date(2026, 2, 1)
    who, as_of = enterprise(assets=100, liabilities=65), changed - DAY - timedelta(before)
    plain = [product(benchmark="lpr_1y", spread_bp=80.0, rules=[rule()])]
    ended = product(benchmark="lpr_1y", spread_bp=80.0, rules=[rule(valid_to=changed), later(value, changed)])
    version = product(valid_from=changed, benchmark="lpr_1y", spread_bp=float(spread))
    now, then = (
        ranked(plain, as_of, who),
        ranked([ended, version, product(product_id="P9", valid_from=changed)], as_of, who),
    )
    assert said(then) == said(now)
    assert {one.result for match in then.matches for one in match.verdicts if one.rule == "debt"} == {Result.PASS}
    assert now.scores.size == 1
    assert np.array_equal(then.features, now.features, equal_nan=True)
    assert then.scores.tolist() == now.scores.tolist()


def said(ranking):
    """All verdicts but that on the dates, which tells until when a version was offered."""
    return [[one for one in match.verdicts if one.rule != "dates"] for match in ranking.matches]


def later(value, changed):
    return rule(rule_id="stricter", value=value, valid_from=changed)

"""The baselines: each by arithmetic on a handful of outcomes, none of them touched by the future."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from matching.history import CODES, NUMBERS, Codes, Context, History
from training import baselines
from training.baselines import BackOff, Baseline, OwnThenRegion, Popularity, Random, RecentInRegion, Rung
from training.metrics import Floats, ndcg

TODAY = 20_000
EVERY = (Random, Popularity, RecentInRegion, OwnThenRegion, BackOff)
A, B, C, UNKNOWN = 0, 1, 2, -1


@dataclass(frozen=True)
class Asked:
    """A query as the baselines see it."""

    need_id: str
    context: Context
    candidates: Codes
    gains: Floats


def coded(facts):
    """Facts by name as a row of `CODES`, missing where not given."""
    return np.array([facts.get(name, -1) for name in CODES], np.int32)


def numbered(amount=np.nan):
    return np.array([amount if name == "amount" else np.nan for name in NUMBERS])


def deal(age, product=A, taken=True, amount=np.nan, **facts):
    """A product taken so many days before `TODAY` by someone of these facts."""
    return TODAY - age, product, taken, coded(facts), numbered(amount)


def market(*deals, products="ABC"):
    """The history of deals."""
    day, product, taken, codes, numbers = zip(*sorted(deals, key=lambda deal: deal[0]), strict=True)
    none, alone = np.zeros(len(products), np.int32), np.array(["any"])
    return History(
        day=np.array(day, np.int32),
        product=np.array(product, np.int32),
        taken=np.array(taken),
        position=np.zeros(len(day), np.int32),
        codes=np.stack(codes),
        numbers=np.stack(numbers),
        products=np.array(list(products)),
        institution_of=none,
        type_of=none,
        institutions=alone,
        types=alone,
        vocabulary=(alone,) * len(CODES),
    )


def ask(history, took=None, age=0, candidates=(A, B, C), need_id="N", amount=np.nan, **facts):
    """What someone of these facts asks so many days before `TODAY`, and the product taken."""
    day = TODAY - age
    context = Context(coded(facts), numbered(amount), day, history.until(day))
    return Asked(need_id, context, np.array(candidates, np.int32), np.array([float(c == took) for c in candidates]))


def scored(system: Baseline, history, query):
    return system.fit(history, []).scores(query)


# what all have in common


@pytest.mark.parametrize("system", EVERY)
def test_what_happened_from_the_cutoff_on_changes_nothing(system):
    past = [deal(1, A, enterprise=1, region_1=1), deal(40, B, enterprise=2, region_1=1)]
    future = [deal(0, C, enterprise=1, region_1=1), deal(-30, C, enterprise=2, region_1=1)]
    fitted = [system().fit(known, [ask(known, B, 20, region_1=1)]) for known in (market(*past), market(*past, *future))]
    before, after = (of.scores(ask(market(*past), enterprise=1, region_1=1)) for of in fitted)
    assert before.tolist() == after.tolist()


@pytest.mark.parametrize("system", EVERY[1:])
def test_a_product_without_a_past_scores_nothing(system):
    history = market(deal(9, C, enterprise=1, region_1=1))
    scores = scored(system(), history, ask(history, candidates=(A, UNKNOWN, C), enterprise=1, region_1=1))
    assert scores[2] > scores[0] == scores[1] == 0


@pytest.mark.parametrize("system", EVERY[1:])
def test_before_the_first_outcome_all_candidates_are_equal(system):
    history = market(deal(0, enterprise=1, region_1=1))
    assert scored(system(), history, ask(history, enterprise=1, region_1=1)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("system", EVERY[1:])
def test_the_order_of_the_candidates_changes_no_score(system):
    history = market(deal(9, B, enterprise=1, region_1=1), deal(50, A, region_1=1), deal(3, A))
    forth = scored(system(), history, ask(history, enterprise=1, region_1=1))
    back = scored(system(), history, ask(history, candidates=(C, B, A), enterprise=1, region_1=1))
    assert forth.tolist() == back[::-1].tolist()


@pytest.mark.parametrize("system", EVERY[1:])
def test_what_was_only_shown_or_declined_is_no_outcome(system):
    history = market(deal(9, A, taken=False, enterprise=1, region_1=1), deal(9, B, enterprise=1, region_1=1))
    scores = scored(system(), history, ask(history, enterprise=1, region_1=1))
    assert scores[1] > scores[0] == scores[2] == 0


def test_every_baseline_has_a_name_of_its_own():
    assert len({system.name for system in EVERY}) == len(EVERY)


# the simple ones


def test_chance_is_the_same_for_a_seed_and_a_need():
    history = market(deal(9))
    one, other = ask(history, need_id="N1"), ask(history, need_id="N2")
    draw = Random(seed=3).fit(history, []).scores
    assert draw(one).tolist() == scored(Random(seed=3), history, one).tolist() == draw(one).tolist()
    assert draw(one).tolist() != draw(other).tolist()
    assert draw(one).tolist() != scored(Random(seed=4), history, one).tolist()


def test_popularity_is_the_share_of_all_outcomes():
    history = market(deal(9, A), deal(90, A), deal(900, B), deal(9000, A))
    assert scored(Popularity(), history, ask(history)).tolist() == [3 / 4, 1 / 4, 0]


def test_recent_popularity_is_the_last_year_s_in_the_region_with_ties_broken_by_the_rest():
    history = market(
        deal(366, A, region_1=1), deal(365, B, region_1=1), deal(1, B, region_1=1, region_2=1), deal(1, C, region_1=2)
    )
    scores = scored(RecentInRegion(), history, ask(history, region_1=1))
    assert scores == pytest.approx([0, 2 / 2 + 1e-3 * 2 / 3, 1e-3 * 1 / 3])


def test_an_unknown_region_gets_what_is_popular_anywhere():
    history = market(deal(9, A), deal(9, B, region_1=1))
    assert scored(RecentInRegion(), history, ask(history)) == pytest.approx([1e-3 / 2, 1e-3 / 2, 0])


def test_an_enterprise_s_own_products_come_first_the_latest_before_the_earlier():
    others = [deal(age, C, enterprise=2, region_1=1) for age in range(1, 9)]
    own = [deal(5000, A, enterprise=1), deal(4000, B, enterprise=1), deal(6000, B, enterprise=1)]
    history = market(*own, *others, products="ABCD")
    scores = scored(OwnThenRegion(), history, ask(history, candidates=(A, B, C, 3), enterprise=1, region_1=1))
    region = 1 + 1e-3
    assert scores == pytest.approx([2 * 2, 2 * 3, region, 0])


# back-off shares


def test_a_lone_outcome_counts_in_each_rung_whose_context_it_shares():
    half_life = baselines.HALF_LIVES[Rung().fading]
    history = market(deal(half_life, B, enterprise=7, region_1=1, region_2=5, size=2))
    shared = [("region_1",), ("size",), ("region_1", "size"), ()]
    assert set(shared) < set(baselines.LADDER)
    scores = scored(BackOff(), history, ask(history, enterprise=8, region_1=1, region_2=6, size=2, purpose=0))
    assert scores == pytest.approx([0, len(shared) * 0.5 / (0.5 + Rung().strength), 0])


def test_an_outcome_of_more_than_fifty_years_ago_counts_as_one_of_fifty():
    history = market(deal(90 * baselines.YEAR, A))
    faded = 0.5 ** ((50 * baselines.YEAR - 1) / baselines.HALF_LIVES[-1])
    system = BackOff().fit(history, [])
    system.rungs = [Rung(fading=len(baselines.HALF_LIVES) - 1) for _ in baselines.LADDER]
    assert system.scores(ask(history)) == pytest.approx([faded / (faded + Rung().strength), 0, 0])


def test_amounts_are_alike_within_a_band():
    history = market(deal(9, A, amount=np.log(1.1e6)), deal(9, B, amount=np.log(4e7)))
    scores = scored(BackOff(), history, ask(history, amount=np.log(1.2e6)))
    assert scores[0] > scores[1] > scores[2] == 0


def test_the_later_outcome_counts_more():
    history = market(deal(1500, A), deal(15, B))
    scores = scored(BackOff(), history, ask(history))
    assert scores[1] > scores[0] > scores[2] == 0


def industrial(deals=150, seed=5):
    """A market where the industry decides the product and the region nothing; and the later half's queries."""
    random = np.random.default_rng(seed)
    facts = [{"industry_2": i, "region_1": r} for i, r in random.integers(3, size=(deals, 2)).tolist()]
    ages = [4 * (deals - i) for i in range(deals)]
    history = market(*(deal(age, of["industry_2"], **of) for age, of in zip(ages, facts, strict=True)))
    asked = [ask(history, of["industry_2"], age, enterprise=age, **of) for age, of in zip(ages, facts, strict=True)]
    return history, asked[deals // 2 :]


def test_tuning_finds_what_decides():
    history, asked = industrial()
    fitted = BackOff().fit(history, asked[:40])
    weight = {rung: found.weight for rung, found in zip(baselines.LADDER, fitted.rungs, strict=True)}
    assert weight[("region_1",)] == weight[()] == 0 < weight[("industry_2",)]
    assert np.mean([ndcg(fitted.scores(query), query.gains) for query in asked[40:]]) == 1


def test_tuning_raises_the_likelihood_of_what_was_taken():
    history, asked = industrial(seed=6)

    def likelihood(system):
        pairs = [(query.gains, system.scores(query)) for query in asked]
        return sum(np.log(gains @ scores / scores.sum()) for gains, scores in pairs)

    assert likelihood(BackOff().fit(history, asked)) > likelihood(BackOff().fit(history, []))


def test_each_enterprise_weighs_the_same_in_tuning_however_often_it_asks():
    history = market(deal(30, A, region_1=1), deal(30, B, size=1), deal(30, C))
    one, other = ask(history, A, enterprise=1, region_1=1, size=1), ask(history, B, enterprise=2, region_1=1, size=1)
    once = BackOff().fit(history, [one, other])
    assert BackOff().fit(history, [one] * 4 + [other]).scores(one) == pytest.approx(once.scores(one))


def test_the_same_seed_finds_the_same_weights():
    history, asked = industrial(80)
    assert BackOff(seed=2).fit(history, asked).rungs == BackOff(seed=2).fit(history, asked).rungs


def test_only_the_last_year_s_queries_that_took_a_candidate_are_learnt_from():
    history, asked = industrial(80)
    newest = max(query.context.day for query in asked)
    old = replace(asked[0], context=replace(asked[0].context, day=newest - baselines.YEAR))
    lost = ask(history, took=9)
    assert BackOff().fit(history, [old, *asked]).rungs == BackOff().fit(history, asked).rungs
    assert BackOff().fit(history, [lost]).rungs == [Rung()] * len(baselines.LADDER)


def test_of_many_queries_the_seed_draws_a_few(monkeypatch):
    monkeypatch.setattr(baselines, "MOST", 8)
    _, asked = industrial(80)
    drawn = [[query.context.day for query in baselines._recent(asked, seed)] for seed in (1, 1, 2)]
    assert len(drawn[0]) == 8
    assert drawn[0] == drawn[1] == sorted(drawn[1]) != drawn[2]

"""Reasons: few, true to what ranked, in two languages, and none from what is not known."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.appetite import PARTS, SLOPES
from matching.codes import Effect
from matching.errors import BundleError, NotFoundError
from matching.features import FEATURES, SPECIFICATION
from matching.leanings import LEANINGS
from matching.levels import LEVELS
from matching.matcher import Matcher
from matching.ranker import APPETITE_WEIGHT, Ranker
from matching.reasons import _CANDIDATES, LEAST, MOST, _tellable, _Teller, explained, reference_rows, why
from matching.sides import Side
from matching.tables import catalogue_of
from matching.topics import SAID
from tests import bundles, forests
from tests import factories as make

TODAY = date(2025, 1, 10)
TOLD = {**SAID, **LEANINGS}
COMMON = [i for i, feature in enumerate(SPECIFICATION) if feature.side is Side.ENTERPRISE]


@pytest.fixture(scope="module")
def ranker(bundle):
    return Ranker.load(bundle)


@pytest.fixture(scope="module")
def matcher(ranker):
    tables = bundles.market()
    catalogue = catalogue_of(tables)
    return Matcher(catalogue, ranker)


@pytest.fixture(scope="module")
def leaning(matcher):
    """The same market, ranked with made-up appetites too."""
    return Matcher(matcher.catalogue, bundles.ranker(appetites=bundles.leaning()))


def rank(matcher, enterprise=None, need=None, **options):
    enterprise, need = enterprise or make.enterprise(), need or make.need()
    return explained(matcher, matcher.rank(enterprise, need, as_of=TODAY, **options), enterprise, need)


def reasons(matcher, **options):
    return [reason for match in rank(matcher, **options).matches for reason in match.reasons]


def rows(n, seed=0):
    """Made-up candidates of one enterprise: its own columns are the same in all, a tenth of the others is missing."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(n, len(FEATURES)))
    found[rng.random(found.shape) < 0.1] = np.nan
    found[:, COMMON] = found[0, COMMON]
    found[:, [i for i, name in enumerate(FEATURES) if name.startswith("appetite")]] = rng.normal(size=(n, 2))
    return found


# contributions


@given(seed=st.integers(0, 10**6), count=st.integers(1, 70))
def test_contributions_sum_to_the_score_less_the_mean_of_the_references(ranker, seed, count):
    features = rows(count + 3, seed)
    added = ranker.contributions(features, 3)
    expected = ranker.score(features[:3]) - ranker.score(features[3:]).mean()
    np.testing.assert_allclose(added.sum(axis=1), expected, rtol=0, atol=1e-9)


@given(seed=st.integers(0, 10**6))
def test_what_is_the_enterprises_alone_contributes_exactly_nothing(ranker, seed):
    assert (ranker.contributions(rows(20, seed), 5)[:, COMMON] == 0).all()


def test_a_columns_contribution_to_the_choice_and_the_appetites_is_its_difference(ranker):
    features = np.zeros((2, len(FEATURES)))
    features[0, FEATURES.index("appetite_granted")] = 0.25
    features[0, FEATURES.index("rate_gap")] = 0.5
    added = dict(zip(PARTS, ranker.contributions(features, 1)[0], strict=True))
    step = ranker.score(features)[0] - ranker.score(features)[1]
    assert added["appetite_granted"] == pytest.approx(APPETITE_WEIGHT * 0.25)
    assert added["rate_gap"] == pytest.approx(step - APPETITE_WEIGHT * 0.25)
    assert sum(map(abs, added.values())) == pytest.approx(abs(added["rate_gap"]) + APPETITE_WEIGHT * 0.25)


def unfolded(matcher, enterprise=None, need=None):
    """A ranking, and what each part of its candidates' scores adds over all of them."""
    asked = enterprise or make.enterprise(), need or make.need()
    ranking = matcher.rank(*asked, as_of=TODAY)
    context = matcher.ranker.history.context(*asked, TODAY)
    levels = [getattr(matcher.builder.roster, level)[ranking.rows] for level in LEVELS]
    odds = [np.tile(bound.parts(context, ranking.features, levels), (2, 1)) for bound in matcher.appetites]
    return ranking, matcher.ranker.contributions(np.tile(ranking.features, (2, 1)), len(ranking.rows), odds)


@given(amount=st.integers(10_000, 10**9), age=st.integers(2000, 2024), region=st.booleans(), employees=st.booleans())
def test_with_the_appetites_unfolded_contributions_still_sum_to_the_score_less_the_mean(
    leaning, amount, age, region, employees
):
    lacking = {name: None for name, known in (("region", region), ("employees", employees)) if not known}
    firm = make.enterprise(founded=date(age, 1, 1), **lacking)
    ranking, added = unfolded(leaning, firm, make.need(amount=amount))
    np.testing.assert_allclose(added.sum(axis=1), ranking.scores - ranking.scores.mean(), rtol=0, atol=1e-9)
    assert (added[:, COMMON] == 0).all()


def test_unfolded_appetites_leave_nothing_in_their_own_columns(leaning):
    _, added = unfolded(leaning)
    columns = [FEATURES.index(name) for name in ("appetite_applied", "appetite_granted")]
    assert (added[:, columns] == 0).all()
    assert (added[:, len(FEATURES) :] != 0).any(axis=0).reshape(2, len(SLOPES)).any(axis=1).all()


def test_reasons_break_the_appetites_down(leaning):
    codes = {reason.code for reason in reasons(leaning)}
    assert codes.isdisjoint({"applied", "granted"})
    assert codes & {LEANINGS[name].topic.code for name in LEANINGS}


def test_a_reason_from_an_appetite_states_the_odds_beside_the_candidates_mean(leaning):
    said = [reason for reason in reasons(leaning) if reason.feature in LEANINGS]
    assert said
    for reason in said:
        (zh, en), words = LEANINGS[reason.feature].shown(reason.value), LEANINGS[reason.feature]
        assert en == f"× {np.exp(reason.value):.3g}"
        assert reason.text_en.startswith(f"{words.topic.en}; {words.en}: {en} (mean of the candidates: ")
        assert reason.text_zh.startswith(f"{words.topic.zh}；{words.zh}：{zh}（候选产品平均：")


@pytest.mark.parametrize("level", ["product", "institution", "type"])
def test_what_was_never_learned_of_a_product_is_in_no_reason(leaning, level):
    forgotten = tuple(replace(appetite, slopes={**appetite.slopes, level: {}}) for appetite in leaning.ranker.appetites)
    found = reasons(Matcher(leaning.catalogue, replace(leaning.ranker, appetites=forgotten)))
    assert found
    assert not [r for r in found if r.feature in LEANINGS and r.feature.split("_")[1] == level]


def test_a_fact_that_the_enterprise_did_not_state_leans_nowhere(leaning):
    firm = make.enterprise(region=None, industry=None, employees=None, size=None, revenue=None, founded=None)
    spoken = {
        reason.feature.split("_", 2)[2] for reason in reasons(leaning, enterprise=firm) if reason.feature in LEANINGS
    }
    assert spoken
    assert spoken <= {"level", "purpose", "amount", "term", "place", "place_squared"}


def test_a_forest_that_lightgbm_scores_itself_is_not_explained(matcher):
    stock = forests.forest(objective="poisson", whole=True, width=len(FEATURES))
    unfit = Matcher(matcher.catalogue, replace(matcher.ranker, booster=stock))
    with pytest.raises(BundleError, match="its forest cannot be explained; train it with trees that can"):
        rank(unfit)


# references


@given(n=st.integers(1, 300))
def test_references_go_in_even_steps_from_the_best_to_the_worst(n):
    scores = np.random.default_rng(n).permutation(n).astype(float)
    chosen = scores[reference_rows(scores)]
    assert len(chosen) == min(n, 64)
    assert (chosen[0], chosen[-1]) == (n - 1, 0 if n > 1 else n - 1)
    assert (np.diff(chosen) < 0).all()
    assert n == 1 or np.ptp(np.diff(chosen)) <= 1


# reasons


def test_each_match_has_at_most_four_reasons_the_weightiest_first(matcher):
    ranking = rank(matcher)
    for match in ranking.matches:
        assert 1 <= len(match.reasons) <= MOST
        weights = [abs(reason.weight) for reason in match.reasons]
        assert weights == sorted(weights, reverse=True)
        assert len({reason.code for reason in match.reasons}) == len(match.reasons)


def by_hand(matcher, features, references):
    """The code, feature, value, usual value and weight of each reason, one after the other: slow and obvious."""
    added = matcher.ranker.contributions(np.concatenate([[features], references]), 1)[0]
    known = np.flatnonzero(np.isfinite(features) & np.isfinite(references).any(axis=0))
    said = {int(i): SAID[FEATURES[i]] for i in known if FEATURES[i] in SAID}
    usual = {i: float(np.nanmedian(references[:, i])) for i in said}
    weights = dict.fromkeys(sorted({words.topic.code for words in SAID.values()}), 0.0)
    for i, words in said.items():
        weights[words.topic.code] += added[i]
    for code in sorted(weights, key=lambda code: -abs(weights[code]))[:MOST]:
        way = np.copysign(1, weights[code]) * added
        falling = sorted((i for i in said if said[i].topic.code == code and way[i] > 0), key=lambda i: -way[i])
        telling = [i for i in falling if said[i].shown(features[i]) != said[i].shown(usual[i])]
        if abs(weights[code]) >= LEAST:
            i = (telling or falling)[0]
            yield code, FEATURES[i], features[i], usual[i], pytest.approx(weights[code])


@given(seed=st.integers(0, 10**6))
def test_reasons_are_the_weightiest_topics_each_by_what_moves_most_and_shows_a_difference(matcher, seed):
    ranking = matcher.rank(make.enterprise(), make.need(), as_of=TODAY)
    drawn = rows(len(ranking.rows), seed)
    drawn[:, ::3] = drawn[:, ::3].round() + 0.0  # values that are usual, none of them -0
    ranking = replace(ranking, features=drawn, scores=matcher.ranker.score(drawn))
    references = drawn[reference_rows(ranking.scores)]
    told = explained(matcher, ranking, make.enterprise(), make.need())
    for place, match in zip(ranking.first, told.matches, strict=True):
        found = [(one.code, one.feature, one.value, one.usual, one.weight) for one in match.reasons]
        assert found == list(by_hand(matcher, drawn[place], references))


def test_a_reasons_effect_is_its_weights_sign(matcher):
    found = reasons(matcher)
    assert {reason.effect for reason in found} == set(Effect)
    assert all((reason.weight > 0) == (reason.effect is Effect.RAISES) for reason in found)


def test_a_reasons_weight_is_the_sum_over_its_topics_known_features(matcher):
    ranking = rank(matcher)
    references = ranking.features[reference_rows(ranking.scores)]
    place = matcher.catalogue.ids[ranking.rows].tolist().index(ranking.matches[0].product_id)
    added = matcher.ranker.contributions(np.concatenate([ranking.features[[place]], references]), 1)[0]
    for reason in ranking.matches[0].reasons:
        members = [name for name in SAID if SAID[name].topic.code == reason.code]
        known = [i for i in map(FEATURES.index, members) if np.isfinite(ranking.features[place, i])]
        known = [i for i in known if np.isfinite(references[:, i]).any()]
        assert reason.weight == pytest.approx(added[known].sum(), abs=1e-12)


def test_explaining_changes_nothing_but_the_reasons(matcher):
    plain, told = matcher.rank(make.enterprise(), make.need(), as_of=TODAY), rank(matcher)
    assert [match.model_copy(update={"reasons": None}) for match in told.matches] == list(plain.matches)
    assert all(match.reasons is None for match in plain.matches)


def test_no_reason_rests_on_a_missing_value(matcher):
    ranking = rank(matcher)
    places = dict(zip(matcher.catalogue.ids[ranking.rows].tolist(), ranking.features, strict=True))
    for match in ranking.matches:
        for reason in match.reasons:
            assert reason.value == places[match.product_id][FEATURES.index(reason.feature)]
            assert np.isfinite([reason.value, reason.usual]).all()


def blanked(matcher, features):
    """A ranking in which these features are missing."""
    ranking = matcher.rank(make.enterprise(), make.need(), as_of=TODAY)
    blank = ranking.features.copy()
    blank[:, [FEATURES.index(one) for one in features]] = np.nan
    return replace(ranking, features=blank, scores=matcher.ranker.score(blank))


def test_a_feature_that_is_missing_is_in_no_reason(matcher):
    said = {reason.feature for reason in reasons(matcher)}
    ranking = blanked(matcher, said)
    again = explained(matcher, ranking, make.enterprise(), make.need())
    assert said.isdisjoint({reason.feature for match in again.matches for reason in match.reasons})


def test_a_feature_that_no_other_candidate_knows_is_in_no_reason(matcher):
    ranking = matcher.rank(make.enterprise(), make.need(), as_of=TODAY)
    lone = FEATURES.index("home_km")
    features = ranking.features.copy()
    features[:, lone] = np.nan
    features[0, lone] = 1.0
    alone = replace(ranking, features=features)
    told = [why(matcher, alone, make.enterprise(), make.need(), "P0", other) for other in ("P1", "P2", "P3", "P4")]
    assert "home_km" not in {reason.feature for found in told for reason in found}
    assert all(found for found in told)


VALUES = st.sampled_from([np.nan, 0.0, 0.5])


@given(own=VALUES, others=st.lists(VALUES, min_size=1, max_size=6), unstated=st.booleans(), slope=st.booleans())
def test_a_part_counts_where_it_is_known_of_the_row_and_of_any_other_and_a_slope_where_it_was_learned(
    own, others, unstated, slope
):
    values = np.full((1 + len(others), len(PARTS)), np.nan)
    part = len(FEATURES) if slope else len(FEATURES) - 1
    values[:, part] = own, *others
    told = _tellable(np.full((1, len(PARTS)), 2.0), values, np.full(len(PARTS), unstated))
    counts = np.isfinite(own) and np.isfinite(others).any() and not unstated and not (slope and own == 0)
    assert told[0, part] == (2.0 if counts else 0.0)
    assert told.sum() == told[0, part]


@pytest.mark.parametrize(
    ("lacking", "needs"),
    [({"region": None}, "region"), ({"industry": None}, "industry"), ({"employees": None, "size": None}, "size")],
)
def test_no_reason_speaks_of_a_fact_that_the_enterprise_did_not_state(matcher, lacking, needs):
    found = reasons(matcher, enterprise=make.enterprise(**lacking))
    assert found
    assert needs not in {SAID[reason.feature].needs for reason in found}


def test_a_single_candidate_has_no_reasons_and_no_candidate_no_matches(matcher):
    one = rank(matcher, need=make.need(kinds=("leasing",)))
    assert [match.reasons for match in one.matches] == [()]
    assert rank(matcher, need=make.need(kinds=("bond",))).matches == ()


def test_the_text_states_the_fact_beside_the_candidates_median_where_that_is_another(matcher):
    found = reasons(matcher)
    for reason in found:
        said = TOLD[reason.feature]
        (zh, en), (usual_zh, usual_en) = said.shown(reason.value), said.shown(reason.usual)
        if zh != usual_zh:
            assert reason.text_zh == f"{said.topic.zh}；{said.zh}：{zh}（候选产品中位数：{usual_zh}）"
            assert reason.text_en == f"{said.topic.en}; {said.en}: {en} (median of the candidates: {usual_en})"
    assert 0 < sum("中位数" in reason.text_zh for reason in found) < len(found)


def told(value, others):
    """How the texts of a reason end that rests on `product_own_count` alone."""
    values, part = np.full((1 + len(others), len(PARTS)), np.nan), PARTS.index("product_own_count")
    values[:, part] = value, *others
    weights, parts = np.zeros((1, MOST)), np.full((1, MOST, 2), part)
    weights[0, 0] = -0.5
    ((reason,),) = _Teller(values, 1, _CANDIDATES).reasons(weights, parts)
    return reason.text_zh.partition("企业过往成交次数：")[2], reason.text_en.partition("took it: ")[2]


@pytest.mark.parametrize(
    ("value", "others", "zh", "en"),
    [
        (0.0, [0.0, 0.0, 3.0], "0（候选产品：0至3）", "0 (the candidates: 0 to 3)"),
        (2.0, [0.0, 2.0, np.nan, 3.0], "2（候选产品：0至3）", "2 (the candidates: 0 to 3)"),
        (1.0, [0.0, 0.0, 3.0], "1（候选产品中位数：0）", "1 (median of the candidates: 0)"),
        (0.0, [0.0, np.nan], "0（候选产品中位数：0）", "0 (median of the candidates: 0)"),
    ],
)
def test_what_looks_like_the_median_is_told_beside_the_least_and_the_most(value, others, zh, en):
    assert told(value, others) == (zh, en)


# why one above another


def test_why_one_above_another_holds_one_against_the_other_alone(matcher):
    ranking = matcher.rank(make.enterprise(), make.need(), as_of=TODAY)
    first, last = ranking.matches[0], ranking.matches[-1]
    found = why(matcher, ranking, make.enterprise(), make.need(), first.product_id, last.product_id)
    back = why(matcher, ranking, make.enterprise(), make.need(), last.product_id, first.product_id)
    assert 1 <= len(found) <= MOST
    assert sum(reason.weight for reason in found) > 0
    assert sum(reason.weight for reason in back) < 0
    other = ranking.features[matcher.catalogue.ids[ranking.rows].tolist().index(last.product_id)]
    assert all(reason.usual == other[FEATURES.index(reason.feature)] for reason in found)
    assert all("the other product: " in reason.text_en and "对比产品：" in reason.text_zh for reason in found)


def test_a_product_that_is_no_candidate_cannot_be_held_against_one(matcher):
    ranking = matcher.rank(make.enterprise(), make.need(), as_of=TODAY)
    with pytest.raises(NotFoundError, match="candidate 'P5' does not exist"):
        why(matcher, ranking, make.enterprise(), make.need(), "P0", "P5")

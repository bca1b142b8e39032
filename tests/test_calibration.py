"""The chance of a grant: frequencies, never falling with the score, and silent where too little was refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from matching.calibration import FEWEST, SILENT, Calibration, _in_order_of_rows, enough, fit_calibration
from matching.catalogue import KINDS
from matching.domain import Kind
from matching.features import APPETITE_COLUMNS, FEATURES

CREDIT, BOND, LEASING = (KINDS.index(kind) for kind in (Kind.CREDIT, Kind.BOND, Kind.LEASING))
APPLIED, GRANTED = APPETITE_COLUMNS


def by_hand(slope=1.0, **intercepts):
    return Calibration(slope, intercepts or {"credit": 0.0})


def logistic(odds):
    return 1 / (1 + np.exp(-np.asarray(odds, float)))


def log_chances(odds):
    return -np.logaddexp(0.0, -np.asarray(odds, float))


def features_of(odds, applied=1.0):
    features = np.zeros((len(odds), len(FEATURES)))
    features[:, APPLIED] = np.log(applied)
    features[:, GRANTED] = log_chances(odds)
    return features


def stated(calibration, odds, scores, kinds=None, applied=1.0):
    codes = np.full(len(odds), CREDIT) if kinds is None else np.array(kinds)
    return calibration.chance(features_of(odds, applied), np.array(scores, float), codes)


def market(seed=0, n=4000, slope=1.0, bond=0.0, bonds=0.5):
    """Decided applications of credit and bonds whose appetites say the chance but for a slope and the bonds' level."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0.5, 1.5, n)
    kinds = np.where(rng.random(n) < bonds, BOND, CREDIT)
    chance = logistic(slope * odds + bond * (kinds == BOND))
    return log_chances(odds), kinds, (rng.random(n) < chance).astype(np.int32)


# what is stated


def test_a_line_turns_the_appetite_s_log_odds_into_the_chance():
    chances = stated(by_hand(slope=2.0, credit=0.5), [-1, 0, 3], scores=[1, 2, 3])
    assert chances == pytest.approx(logistic(2 * np.array([-1, 0, 3]) + 0.5))


def test_chances_rise_with_the_score_and_neighbours_in_the_wrong_order_share_their_mean():
    chances = stated(by_hand(), [-1, 2, 1, 3], scores=[1, 2, 3, 4])
    shared = (logistic(2) + logistic(1)) / 2
    assert chances == pytest.approx([logistic(-1), shared, shared, logistic(3)])


def test_what_is_applied_for_more_weighs_more_in_a_shared_chance():
    chances = stated(by_hand(), [2, 1], scores=[1, 2], applied=[0.6, 0.2])
    assert chances == pytest.approx((0.6 * logistic(2) + 0.2 * logistic(1)) / (0.6 + 0.2))


def test_equal_scores_have_the_same_chance():
    chances = stated(by_hand(), [0, 1, 2], scores=[5, 5, 9])
    shared = (logistic(0) + logistic(1)) / 2
    assert chances == pytest.approx([shared, shared, logistic(2)])


def test_each_kind_goes_by_its_own_candidates_and_its_own_level():
    calibration = by_hand(credit=1.0, leasing=-1.0)
    chances = stated(calibration, [2, 0, 1], scores=[1, 2, 3], kinds=[CREDIT, LEASING, CREDIT])
    shared = (logistic(2 + 1) + logistic(1 + 1)) / 2
    assert chances == pytest.approx([shared, logistic(0 - 1), shared])


def test_a_kind_without_a_level_has_no_chance():
    chances = stated(by_hand(credit=0.0), [0, 0], scores=[1, 2], kinds=[CREDIT, BOND])
    assert chances[0] == 1 / 2
    assert np.isnan(chances[1])
    assert np.isnan(stated(SILENT, [0.0], [1.0])).all()


def test_no_candidates_have_no_chances():
    assert stated(by_hand(), [], []).shape == (0,)


@given(
    st.lists(
        st.tuples(
            st.floats(-900, 900),
            st.integers(-3, 3),
            st.sampled_from([CREDIT, BOND, LEASING]),
            st.floats(0, 1, exclude_min=True),
        ),
        min_size=1,
        max_size=30,
    ),
    st.floats(0, 20),
)
def test_within_a_kind_no_higher_score_has_a_lower_chance(rows, slope):
    odds, scores, kinds, applied = (np.array(column) for column in zip(*rows, strict=True))
    chances = stated(by_hand(slope, credit=0.3, bond=-2.0), odds, scores, kinds, applied)
    assert np.isnan(chances).tolist() == (kinds == LEASING).tolist()
    for kind in (CREDIT, BOND):
        mine = chances[kinds == kind][np.argsort(scores[kinds == kind], kind="stable")]
        assert ((mine >= 0) & (mine <= 1)).all()
        assert (np.diff(mine) >= 0).all()


@given(st.integers(0, 10**6))
def test_the_order_of_the_rows_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    odds, scores, kinds = rng.normal(size=12), rng.integers(0, 6, 12), rng.choice([CREDIT, BOND], 12)
    applied, turned = rng.uniform(0.1, 1, 12), rng.permutation(12)
    calibration = by_hand(credit=0.0, bond=1.0)
    chances = stated(calibration, odds, scores, kinds, applied)
    again = stated(calibration, odds[turned], scores[turned], kinds[turned], applied[turned])
    assert again == pytest.approx(chances[turned])


@given(st.integers(0, 10**6))
def test_as_many_grants_are_promised_along_the_ranking_as_without_one(seed):
    rng = np.random.default_rng(seed)
    odds, applied = rng.normal(size=12), rng.uniform(0.1, 1, 12)
    chances = stated(by_hand(), odds, rng.integers(0, 6, 12), applied=applied)
    assert (applied * chances).sum() == pytest.approx((applied * logistic(odds)).sum())


def along(scores, chances, weight):
    """The slow and obvious way: SciPy's isotonic regression over the distinct scores, each the mean of its rows."""
    _, place = np.unique(scores, return_inverse=True)
    total = np.bincount(place, weight)
    rising = isotonic_regression(np.bincount(place, chances * weight) / total, weights=total).x[place]
    return np.clip(rising, chances.min(), chances.max())


@given(
    st.lists(st.tuples(st.floats(-9, 9), st.integers(0, 20), st.floats(0.001, 1)), min_size=1, max_size=40), st.data()
)
def test_chances_are_those_of_isotonic_regression_to_the_last_bit(rows, data):
    odds, scores, applied = (np.array(column, float) for column in zip(*rows, strict=True))
    scores = data.draw(st.sampled_from([scores, odds + scores]))  # with ties, and without
    alone = np.concatenate([stated(by_hand(), odds[[i]], scores[[i]]) for i in range(len(rows))])
    weight = np.exp(features_of(odds, applied)[:, APPLIED])
    assert stated(by_hand(), odds, scores, applied=applied).tolist() == along(scores, alone, weight).tolist()


@given(st.lists(st.integers(0, 9), max_size=60))
def test_scores_are_gone_through_as_a_stable_sort_would(scores):
    upwards = np.argsort(np.array(scores, float))
    _in_order_of_rows(upwards, np.array(scores, float))
    assert upwards.tolist() == sorted(range(len(scores)), key=scores.__getitem__)


# what it is learned from


@pytest.mark.parametrize(("slope", "bond"), [(1.0, 0.0), (0.5, 0.4), (1.5, -0.4)])
def test_the_line_that_was_planted_is_found(slope, bond):
    found = fit_calibration(*market(slope=slope, bond=bond))
    assert found.slope == pytest.approx(slope, abs=0.1)
    assert found.intercepts["credit"] == pytest.approx(0.0, abs=0.15)
    assert found.intercepts["bond"] == pytest.approx(bond, abs=0.15)


def test_a_small_kind_s_level_is_drawn_to_the_others():
    few, many = (fit_calibration(*market(n=n, bond=1.0, bonds=bonds)) for n, bonds in ((4000, 0.08), (40000, 0.5)))
    apart = [found.intercepts["bond"] - found.intercepts["credit"] for found in (few, many)]
    assert 0.3 < apart[0] < 0.9 < apart[1] < 1.1


def test_the_line_is_where_the_penalised_likelihood_is_flat():
    said, kinds, granted = market(n=900, bond=1.0, bonds=0.4)
    found = fit_calibration(said, kinds, granted)
    told = {kind: found.intercepts[KINDS[kind]] for kind in (CREDIT, BOND)}
    odds = said - np.log(-np.expm1(said))
    left = granted - logistic(found.slope * odds + np.vectorize(told.get)(kinds))
    # What the kinds have in common is drawn to 0 by 0.001, and each to that by 1 / 0.3².
    level = sum(told.values()) / (len(told) + 0.3**2 * 0.001)
    assert (left * odds).sum() == pytest.approx(0.001 * found.slope, abs=0.01)
    assert left.sum() == pytest.approx(0.001 * level, abs=0.01)
    for kind, intercept in told.items():
        assert left[kinds == kind].sum() == pytest.approx((intercept - level) / 0.3**2, abs=0.01)
    assert told[BOND] - told[CREDIT] > 1


def test_chances_that_tell_nothing_leave_one_chance_a_kind():
    _, kinds, granted = market(bond=-0.5)
    noise = np.random.default_rng(5).normal(size=len(kinds))
    calibration = fit_calibration(log_chances(noise), kinds, granted)
    for kind in (CREDIT, BOND):
        chances = stated(calibration, noise[:6], noise[:6], [kind] * 6)
        assert chances == pytest.approx(granted[kinds == kind].mean(), abs=0.06)


def test_chances_against_the_outcomes_turn_nothing_round():
    said, kinds, granted = market()
    assert fit_calibration(said, kinds, 1 - granted).slope == 0


def test_a_kind_with_few_refusals_is_left_out():
    said, kinds, granted = market()
    refused = np.flatnonzero((kinds == BOND) & (granted == 0))
    few = np.delete(np.arange(len(kinds)), refused[FEWEST - 1 :])
    assert set(fit_calibration(said, kinds, granted).intercepts) == {"credit", "bond"}
    assert set(fit_calibration(said[few], kinds[few], granted[few]).intercepts) == {"credit"}


def test_a_kind_that_is_left_out_says_nothing_of_the_others():
    said, kinds, granted = market()
    rows = kinds == CREDIT
    alone = fit_calibration(said[rows], kinds[rows], granted[rows])
    assert fit_calibration(said, kinds, np.where(rows, granted, 1)).to_dict() == alone.to_dict()


@pytest.mark.parametrize(("granted", "refused", "is_enough"), [(50, 50, True), (49, 900, False), (900, 49, False)])
def test_both_grants_and_refusals_must_be_enough(granted, refused, is_enough):
    assert enough(granted, refused) is is_enough


def test_without_a_refusal_or_a_row_nothing_is_stated():
    said, kinds, granted = market(n=300)
    assert fit_calibration(said, kinds, np.ones_like(granted)) is SILENT
    assert fit_calibration(said[:0], kinds[:0], granted[:0]) is SILENT


# the bundle's part


def test_it_comes_back_from_json_as_it_was():
    calibration = fit_calibration(*market(n=600))
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())))
    rows = np.linspace(-2, 2, 9), np.arange(9.0)
    assert again.to_dict() == calibration.to_dict()
    assert stated(again, *rows).tobytes() == stated(calibration, *rows).tobytes()


def test_the_same_rows_give_the_same_calibration():
    assert fit_calibration(*market(n=600)).to_dict() == fit_calibration(*market(n=600)).to_dict()


def test_a_calibration_of_another_make_is_refused():
    with pytest.raises(ValueError, match="is a slope and intercepts, not slope, intercepts, features"):
        Calibration.from_dict({"slope": 1.0, "intercepts": {}, "features": {"moon": [1.0, 0.0, 1.0]}})

"""The chance of a grant: frequencies, never falling with the score, and silent where too little was refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.calibration import COLUMNS, FEWEST, SILENT, UNDECIDED, Calibration, Candidates, enough, fit_calibration
from matching.catalogue import KINDS
from matching.domain import Kind
from matching.features import FEATURES, SPECIFICATION, Side

CREDIT, BOND, LEASING = (KINDS.index(kind) for kind in (Kind.CREDIT, Kind.BOND, Kind.LEASING))
PULL, SPARSE = 1.5, 0.3


def by_hand(slope=1.0, **intercepts):
    """Log-odds are the first of the `COLUMNS` as it stands, plus the kind's intercept."""
    first = np.eye(1, COLUMNS.size)[0]
    return Calibration(first, np.zeros(COLUMNS.size), np.ones(COLUMNS.size), slope, intercepts or {"credit": 0.0})


def features_of(odds):
    features = np.zeros((len(odds), len(FEATURES)))
    features[:, COLUMNS[0]] = odds
    return features


def stated(calibration, odds, scores, kinds=None):
    codes = np.full(len(odds), CREDIT) if kinds is None else np.array(kinds)
    return calibration.chance(features_of(odds), np.array(scores, float), codes)


def logistic(odds):
    return 1 / (1 + np.exp(-np.asarray(odds, float)))


def market(seed=0, needs=400, size=6, level=0.5, blocks=4):
    """Needs of credit and bonds whose applications are granted by one feature, which the scores follow."""
    rng = np.random.default_rng(seed)
    n = needs * size
    odds = rng.normal(size=n)
    kinds = np.where(rng.random(n) < 0.5, CREDIT, BOND)
    chance = logistic(PULL * odds + level * (kinds == CREDIT))
    granted = np.where(rng.random(n) < SPARSE, rng.random(n) < chance, UNDECIDED).astype(np.int32)
    owner = np.repeat(np.arange(needs, dtype=np.int32), size)
    block = owner * blocks // needs
    return Candidates(features_of(odds), odds.copy(), kinds, owner, granted, block), chance


# what is stated


def test_log_odds_of_a_row_do_not_depend_on_the_rows_beside_it():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(6, len(FEATURES)))
    calibration = replace(by_hand(), weights=rng.normal(size=COLUMNS.size))
    scores, kinds = np.zeros(1), np.array([CREDIT])
    alone = [calibration.chance(features[i : i + 1], scores, kinds)[0] for i in range(6)]
    rising = np.argsort(alone)  # scores that agree with the log-odds, so that no two rows share their mean
    together = calibration.chance(features[rising], np.arange(6.0), np.full(6, CREDIT))
    assert together.tobytes() == np.array(alone)[rising].tobytes()


def test_log_odds_rise_with_the_score_and_neighbours_in_the_wrong_order_share_their_mean():
    chances = stated(by_hand(slope=2.0, credit=0.5), [0, 2, 1, 3], scores=[1, 2, 3, 4])
    assert chances == pytest.approx(logistic(2 * np.array([0, (2 + 1) / 2, (2 + 1) / 2, 3]) + 0.5))


def test_equal_scores_have_the_same_chance():
    chances = stated(by_hand(), [0, 1, 2], scores=[5, 5, 9])
    assert chances == pytest.approx(logistic([(0 + 1) / 2, (0 + 1) / 2, 2]))


def test_each_kind_goes_by_its_own_candidates_and_its_own_level():
    calibration = by_hand(credit=1.0, leasing=-1.0)
    chances = stated(calibration, [2, 0, 1], scores=[1, 2, 3], kinds=[CREDIT, LEASING, CREDIT])
    assert chances == pytest.approx(logistic([(2 + 1) / 2 + 1, 0 - 1, (2 + 1) / 2 + 1]))


def test_a_kind_without_a_level_has_no_chance():
    chances = stated(by_hand(credit=0.0), [0, 0], scores=[1, 2], kinds=[CREDIT, BOND])
    assert chances[0] == 1 / 2
    assert np.isnan(chances[1])
    assert np.isnan(stated(SILENT, [0.0], [1.0])).all()


def test_no_candidates_have_no_chances():
    assert stated(by_hand(), [], []).shape == (0,)


def test_a_missing_value_counts_as_an_average_one():
    calibration = replace(by_hand(), mean=np.full(COLUMNS.size, 0.7))
    assert stated(calibration, [np.nan], [1.0]) == pytest.approx(stated(calibration, [0.7], [1.0]))


@given(
    st.lists(
        st.tuples(st.floats(-50, 50), st.integers(-3, 3), st.sampled_from([CREDIT, BOND, LEASING])),
        min_size=1,
        max_size=30,
    ),
    st.floats(0, 20),
)
def test_within_a_kind_no_higher_score_has_a_lower_chance(rows, slope):
    odds, scores, kinds = (np.array(column) for column in zip(*rows, strict=True))
    chances = stated(by_hand(slope, credit=0.3, bond=-2.0), odds, scores, kinds)
    assert np.isnan(chances).tolist() == (kinds == LEASING).tolist()
    for kind in (CREDIT, BOND):
        mine = chances[kinds == kind][np.argsort(scores[kinds == kind], kind="stable")]
        assert ((mine >= 0) & (mine <= 1)).all()
        assert (np.diff(mine) >= -1e-12).all()


@given(st.integers(0, 10**6))
def test_the_order_of_the_rows_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    odds, scores, kinds = rng.normal(size=12), rng.integers(0, 6, 12), rng.choice([CREDIT, BOND], 12)
    turned = rng.permutation(12)
    chances = stated(by_hand(credit=0.0, bond=1.0), odds, scores, kinds)
    again = stated(by_hand(credit=0.0, bond=1.0), odds[turned], scores[turned], kinds[turned])
    assert again == pytest.approx(chances[turned])


# what it is learned from


def test_the_chances_fitted_are_the_true_ones():
    calibration = fit_calibration(market(needs=1500)[0])
    new, true = market(seed=1)
    errors = [
        np.abs(calibration.chance(new.features[rows], new.scores[rows], new.kinds[rows]) - true[rows])
        for rows in np.split(np.arange(len(true)), 400)
    ]
    assert np.concatenate(errors).mean() < 0.03


def test_scores_that_tell_nothing_leave_one_chance_for_all():
    of, _ = market()
    noise = np.random.default_rng(5).normal(size=len(of.scores))
    calibration = fit_calibration(replace(of, features=features_of(noise), scores=noise))
    rates = [of.granted[(of.kinds == kind) & (of.granted != UNDECIDED)].mean() for kind in (CREDIT, BOND)]
    for kind, rate in zip((CREDIT, BOND), rates, strict=True):
        chances = stated(calibration, noise[:6], noise[:6], [kind] * 6)
        assert chances == pytest.approx(rate, abs=0.05)


def test_a_score_against_the_chance_turns_nothing_round():
    of, _ = market()
    calibration = fit_calibration(replace(of, scores=-of.scores))
    assert np.ptp(stated(calibration, [-1, 0, 1], scores=[1, 0, -1])) == pytest.approx(0)


def test_a_kind_with_few_refusals_is_left_out():
    of, _ = market()
    decided = np.flatnonzero((of.kinds == BOND) & (of.granted == 0))
    rare = of.granted.copy()
    rare[decided[FEWEST - 1 :]] = UNDECIDED
    assert set(fit_calibration(of).intercepts) == {"credit", "bond"}
    assert set(fit_calibration(replace(of, granted=rare)).intercepts) == {"credit"}


@pytest.mark.parametrize(("granted", "refused", "is_enough"), [(50, 50, True), (49, 900, False), (900, 49, False)])
def test_both_grants_and_refusals_must_be_enough(granted, refused, is_enough):
    assert enough(granted, refused) is is_enough


def test_without_a_refusal_nothing_is_stated():
    of, _ = market()
    assert fit_calibration(replace(of, granted=np.maximum(of.granted, 1))) is SILENT


def test_without_a_second_block_no_row_could_be_held_back():
    assert fit_calibration(market(blocks=1)[0]) is SILENT


def test_what_was_never_decided_tells_nothing():
    of, _ = market()
    wild = of.features.copy()
    pending = of.granted == UNDECIDED
    alone = [need for need in np.unique(of.needs) if pending[of.needs == need].all()]
    wild[np.isin(of.needs, alone)] = 1e6
    assert alone
    assert fit_calibration(replace(of, features=wild)).to_dict() == fit_calibration(of).to_dict()


def test_what_grows_with_the_record_and_what_is_the_types_is_not_looked_at():
    left_out = {FEATURES[i] for i in set(range(len(FEATURES))) - set(COLUMNS.tolist())}
    assert {"product_life_years", "need_region_outcomes", "type_memory_type"} <= left_out
    assert {"product_memory_rate", "need_debt_ratio", "rate_bp"}.isdisjoint(left_out)
    assert any(SPECIFICATION[i].side is Side.ENTERPRISE for i in COLUMNS)


# the bundle's part


def test_it_comes_back_from_json_as_it_was():
    calibration = fit_calibration(market()[0])
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())))
    of, _ = market(seed=2, needs=1)
    assert again.to_dict() == calibration.to_dict()
    assert again.chance(of.features, of.scores, of.kinds).tobytes() == (
        calibration.chance(of.features, of.scores, of.kinds).tobytes()
    )


def test_the_same_candidates_give_the_same_calibration():
    assert fit_calibration(market()[0]).to_dict() == fit_calibration(market()[0]).to_dict()


def test_a_calibration_of_other_features_is_refused():
    with pytest.raises(KeyError):
        Calibration.from_dict({"slope": 1.0, "intercepts": {}, "features": {"moon": [1.0, 0.0, 1.0]}})

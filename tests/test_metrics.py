"""The metrics: conventions by arithmetic, properties by hypothesis."""

from math import inf, log2, nan

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.metrics import ndcg_score

from matching.errors import InputError
from training.metrics import (
    MEASURES,
    Interval,
    bootstrap,
    by_enterprise,
    mean_ranks,
    measures,
    mrr,
    ndcg,
    paired,
    pooled,
    recall,
)

LEVELS = st.integers(0, 4).map(float)
QUERIES = st.integers(1, 30).flatmap(
    lambda n: st.tuples(st.lists(LEVELS, min_size=n, max_size=n), st.lists(LEVELS, min_size=n, max_size=n))
)
RESULTS = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0, 1), min_size=n, max_size=n), st.lists(st.integers(0, 9), min_size=n, max_size=n)
    )
)

FEW = settings(max_examples=40)


def one_relevant(n, place=0):
    """Gains of `n` candidates of which the one at `place` was taken."""
    return np.arange(n) == place


# conventions


def test_equal_scores_share_the_mean_rank():
    assert mean_ranks([5, 7, 5, 9]).tolist() == [(3 + 4) / 2, 2, (3 + 4) / 2, 1]


def test_a_score_of_minus_infinity_is_never_shown():
    assert mean_ranks([1, -inf, 2, -inf]).tolist() == [2, inf, 1, inf]
    assert set(measures([-inf, 0], [1, 0]).values()) == {0.0}


def test_a_score_that_is_nan_is_refused_with_its_row():
    with pytest.raises(InputError, match=r"metrics: scores \(row 2\): is a number, not NaN"):
        mean_ranks([1, nan])


@pytest.mark.parametrize(("rank", "worth"), [(1, 1), (3, 1 / log2(4)), (10, 1 / log2(11)), (11, 0)])
def test_one_relevant_product_is_worth_the_discount_of_its_rank(rank, worth):
    scores = -np.arange(20.0)
    assert ndcg(scores, one_relevant(20, rank - 1)) == pytest.approx(worth)


@pytest.mark.parametrize(("n", "worth"), [(1, 1), (5, 1 / log2(1 + 3)), (19, 1 / log2(1 + 10)), (20, 0)])
def test_a_constant_scorer_is_worth_the_discount_of_the_middle_rank(n, worth):
    assert ndcg(np.zeros(n), one_relevant(n)) == pytest.approx(worth)
    assert mrr(np.zeros(n), one_relevant(n)) == pytest.approx(2 / (n + 1))


def test_graded_gains_are_discounted_each_at_its_own_mean_rank():
    worth = (1 / log2(2) + 3 / log2(1 + 2.5)) / (3 / log2(2) + 1 / log2(3))
    assert ndcg([9, 5, 5], [1, 3, 0]) == pytest.approx(worth)


def test_a_tie_that_lifts_more_gain_into_the_top_than_it_holds_is_cut_at_one():
    assert 3 / log2(1 + 2) > 1 / log2(2) + 1 / log2(3)
    assert ndcg([0, 0, 0], [1, 1, 1], k=2) == 1


def test_a_group_without_a_relevant_candidate_is_worth_nothing():
    assert set(measures([3, 2, 1], [0, 0, 0]).values()) == {0.0}
    assert set(measures([], []).values()) == {0.0}


def test_mrr_and_recall_by_arithmetic():
    scores, gains = [4, 3, 2, 1], [0, 1, 0, 2]
    assert mrr(scores, gains) == 1 / 2
    assert [recall(scores, gains, k) for k in (1, 2, 4)] == [0, 1 / 2, 1]


def test_measures_are_the_metrics_by_their_names():
    scores, gains = np.arange(12.0), one_relevant(12, 9)
    wanted = [ndcg(scores, gains), mrr(scores, gains), recall(scores, gains, 1), recall(scores, gains, 5)]
    assert list(measures(scores, gains)) == list(MEASURES) == ["ndcg@10", "mrr", "recall@1", "recall@5"]
    assert list(measures(scores, gains).values()) == wanted == [1 / log2(4), 1 / 3, 0, 1]


@pytest.mark.parametrize(("rank", "first", "five"), [(1, 1, 1), (2, 0, 1), (5, 0, 1), (6, 0, 0)])
def test_the_recall_of_the_report_is_that_of_the_first_and_of_the_first_five(rank, first, five):
    found = measures(-np.arange(12.0), one_relevant(12, rank - 1))
    assert (found["recall@1"], found["recall@5"]) == (first, five)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ndcg([1, 2], [1]), "gains: has 2 items, not 1"),
        (lambda: mrr([1, 2], [1, -1]), r"gains \(row 2\): is finite and at least 0"),
        (lambda: mrr([1, 2], [nan, 1]), r"gains \(row 1\): is finite and at least 0"),
        (lambda: recall([1], [1], 0), "k: is at least 1, not 0"),
        (lambda: by_enterprise([], []), "values: holds at least one query"),
        (lambda: by_enterprise([nan], [1]), "finite numbers only"),
        (lambda: bootstrap([1], [1, 2]), "enterprises: has 1 items, not 2"),
        (lambda: bootstrap([1], [1], n=0), "n: is at least 1, not 0"),
        (lambda: pooled([1], [1, 2]), "enterprises: has 1 items, not 2"),
        (lambda: paired([1], [1, 1], [1]), "values_b: has 1 items, not 2"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


# properties of a query


@FEW
@given(QUERIES, st.integers(1, 12))
def test_every_metric_is_a_share(query, k):
    for value in (ndcg(*query, k), mrr(*query), recall(*query, k), *measures(*query).values()):
        assert 0 <= value <= 1


@FEW
@given(QUERIES, st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_does_not_matter(query, random):
    scores, gains = map(np.array, query)
    order = random.sample(range(len(scores)), len(scores))
    assert measures(scores[order], gains[order]) == pytest.approx(measures(scores, gains))


@FEW
@given(QUERIES)
def test_a_monotone_change_of_the_scores_does_not_matter(query):
    scores, gains = map(np.array, query)
    assert measures(np.exp(scores) * 3 - 7, gains) == measures(scores, gains)


@FEW
@given(st.lists(st.integers(-3, 3).map(float) | st.floats(allow_nan=False)))
def test_a_rank_is_the_mean_place_of_all_that_score_the_same(scores):
    """As SciPy ranks them, to the last bit, and as one would count."""
    places = [[1 + sum(b > a for b in scores) + i for i in range(scores.count(a))] for a in scores]
    counted = [inf if a == -inf else sum(at) / len(at) for a, at in zip(scores, places, strict=True)]
    assert mean_ranks(scores).tolist() == counted
    finite = [score for score in scores if score > -inf]
    assert mean_ranks(finite).tolist() == rankdata([-score for score in finite]).tolist()


@FEW
@given(QUERIES, st.integers(1, 12))
def test_a_perfect_order_is_worth_one(query, k):
    gains = np.sort(query[1])[::-1]
    assume(gains[0] > 0)
    assert ndcg(-np.arange(len(gains)), gains, k) == pytest.approx(1)


@FEW
@given(QUERIES, st.integers(1, 40), st.randoms(use_true_random=False))
def test_ndcg_agrees_with_scikit_learn_where_nothing_is_tied(query, k, random):
    gains = np.array(query[1])
    assume(len(gains) > 1)
    scores = np.array(random.sample(range(len(gains)), len(gains)), dtype=float)
    assert ndcg(scores, gains, k) == pytest.approx(ndcg_score([gains], [scores], k=k))


@FEW
@given(QUERIES, st.integers(1, 12), st.data())
def test_giving_the_better_of_two_candidates_the_better_score_never_lowers(query, k, data):
    scores, gains = map(np.array, query)
    pair = data.draw(st.lists(st.integers(0, len(scores) - 1), min_size=2, max_size=2))
    better, worse = sorted(pair, key=lambda i: gains[i], reverse=True)
    after = scores.copy()
    after[[better, worse]] = max(scores[pair]), min(scores[pair])
    assert ndcg(after, gains, k) >= ndcg(scores, gains, k) - 1e-12
    assert mrr(after, gains) >= mrr(scores, gains)
    assert recall(after, gains, k) >= recall(scores, gains, k)


# averages and intervals


def test_each_enterprise_counts_once():
    assert by_enterprise([1, 1, 1, 0], ["a", "a", "a", "b"]) == (1 + 0) / 2


def test_the_interval_of_many_enterprises_is_that_of_the_normal_law():
    values = np.arange(1000) % 2
    found = bootstrap(values, np.arange(1000), n=4000)
    half = 1.96 * 0.5 / 1000**0.5
    assert found == pytest.approx(Interval(0.5, 0.5 - half, 0.5 + half), abs=0.002)


def test_more_queries_of_the_same_enterprises_do_not_narrow_the_interval():
    values, enterprises = np.array([0.1, 0.4, 0.9]), np.arange(3)
    assert bootstrap(np.repeat(values, 50), np.repeat(enterprises, 50)) == pytest.approx(bootstrap(values, enterprises))


@FEW
@given(RESULTS, st.integers(0, 2**32), st.integers(1, 200))
def test_the_interval_holds_the_value_and_is_the_same_for_a_seed(results, seed, n):
    found = bootstrap(*results, seed, n)
    assert found.low <= found.value <= found.high
    assert found.value == by_enterprise(*results)
    assert found == bootstrap(*results, seed, n)


@FEW
@given(RESULTS, st.integers(0, 2**32))
def test_pooled_values_count_once_each_and_their_enterprises_are_resampled(results, seed):
    values, enterprises = results
    found = pooled(values, enterprises, seed, 50)
    assert found.value == pytest.approx(np.mean(values))
    assert found.low <= found.value <= found.high
    assert pooled(values, range(len(values)), seed, 50) == pytest.approx(
        bootstrap(values, range(len(values)), seed, 50)
    )


def test_an_enterprise_of_many_queries_widens_a_pooled_interval():
    """Of two enterprises, with 0 thrice and 1 once, a resample holds one alone, or both."""
    found = pooled([0, 0, 0, 1], ["a", "a", "a", "b"])
    assert found == (1 / 4, 0, 1)
    assert pooled([0, 0, 0, 1], ["a", "b", "c", "d"]).high < 1


def test_a_pooled_interval_is_that_of_the_values_of_each_resample_together():
    values = {"a": [0.0], "b": [0.2, 0.6], "c": [0.9, 0.5, 0.1], "d": [1.0] * 6}
    drawn = np.random.default_rng(3).integers(0, 4, (200, 4), dtype=np.int32)
    means = [np.mean([value for i in one for value in list(values.values())[i]]) for one in drawn]
    found = pooled([one for all_ in values.values() for one in all_], list("abbcccdddddd"), seed=3, n=200)
    assert found == pytest.approx(((0 + 0.8 + 1.5 + 6) / 12, *np.quantile(means, [0.025, 0.975])))


def test_another_seed_draws_other_resamples():
    values = np.linspace(0, 1, 40) ** 2
    assert bootstrap(values, np.arange(40), seed=1) != bootstrap(values, np.arange(40), seed=2)


@FEW
@given(RESULTS, st.integers(0, 2**32))
def test_a_system_differs_from_itself_by_exactly_nothing(results, seed):
    values, enterprises = results
    assert paired(values, values, enterprises, seed) == Interval(0, 0, 0)


def test_a_constant_lead_is_a_lead_in_every_resample():
    values = np.linspace(0, 0.5, 30)
    assert paired(values + 0.25, values, np.arange(30)) == pytest.approx(Interval(0.25, 0.25, 0.25))

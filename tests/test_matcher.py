"""The use case: eligible products only, the best first, and everything that was known kept beside them."""

from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest

from matching.calibration import SILENT
from matching.codes import Order
from matching.domain import Kind
from matching.errors import InputError
from matching.exposure import Exposure
from matching.matcher import Matcher
from matching.ranker import Ranker
from matching.tables import catalogue_of
from tests import bundles
from tests import factories as make

TODAY = date(2025, 1, 10)
ELIGIBLE = ["P0", "P1", "P2", "P3", "P4"]


@pytest.fixture(scope="module")
def matcher(bundle):
    tables = bundles.market()
    catalogue = catalogue_of(tables)
    return Matcher(catalogue, Ranker.load(bundle))


class Scorer:
    """Stands in for a ranker's forest: scores by a rule of the test's own."""

    def __init__(self, scores):
        self.scores = scores

    def model_to_string(self):
        return "not one of LightGBM's"

    def predict(self, features, **_):
        return np.array(self.scores[: len(features)], dtype=np.float64)


def scoring(matcher, *scores):
    """A matcher whose candidates score so, in the catalogue's order."""
    choice = matcher.ranker.choice
    silent = replace(choice, weights=np.zeros_like(choice.weights))
    return Matcher(matcher.catalogue, replace(matcher.ranker, booster=Scorer(scores), choice=silent))


def rank(matcher, *, as_of=TODAY, enterprise=None, need=None, **options):
    return matcher.rank(enterprise or make.enterprise(), need or make.need(), as_of=as_of, **options)


def ids(ranking):
    return [match.product_id for match in ranking.matches]


def candidates(matcher, ranking):
    return matcher.catalogue.ids[ranking.rows].tolist()


def test_a_ranking_tells_where_its_matches_stand_among_the_candidates(matcher):
    ranking = rank(matcher, top_k=3)
    assert matcher.catalogue.ids[ranking.rows[ranking.first]].tolist() == ids(ranking)
    assert ranking.scores[ranking.first].tolist() == [match.score for match in ranking.matches]


def test_only_products_that_no_rule_fails_are_candidates(matcher):
    ranking = rank(matcher)
    assert candidates(matcher, ranking) == ELIGIBLE  # P5 lends one yuan at most, P6 is no longer offered
    assert set(ids(ranking)) == set(ELIGIBLE)
    assert all(verdict.result != "fail" for match in ranking.matches for verdict in match.verdicts)


def test_what_failed_is_counted_by_rule(matcher):
    assert rank(matcher).failed == {"dates": 1, "amount": 1}


def test_features_and_scores_stand_beside_the_rows(matcher):
    ranking = rank(matcher)
    built = matcher.builder.build(make.enterprise(), make.need(), TODAY, ranking.rows)
    assert ranking.features.tobytes() == built.tobytes()
    assert ranking.scores.tobytes() == matcher.ranker.score(built).tobytes()


def test_matches_descend_by_score_and_are_numbered_from_one(matcher):
    ranking = rank(scoring(matcher, 0.1, 0.5, -0.3, 0.9, 0.2))
    assert ids(ranking) == ["P3", "P1", "P4", "P0", "P2"]
    assert [match.rank for match in ranking.matches] == [1, 2, 3, 4, 5]
    assert [match.score for match in ranking.matches] == [0.9, 0.5, 0.2, 0.1, -0.3]


def test_equal_scores_rank_by_product_id(matcher):
    assert ids(rank(scoring(matcher, 0.1, 0.5, 0.1, 0.5, 0.1))) == ["P1", "P3", "P0", "P2", "P4"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            {"as_of": datetime(2025, 1, 10, 9)},
            r"as_of: is a datetime\.date, not datetime\.datetime\(2025, 1, 10, 9, 0\)",
        ),
        ({"as_of": pd.Timestamp("2025-01-10")}, r"as_of: is a datetime\.date, not Timestamp\('2025-01-10 00:00:00'\)"),
        ({"as_of": "2025-01-10"}, r"as_of: is a datetime\.date, not '2025-01-10'"),
        ({"top_k": -1}, "top_k: is at least 0, not -1"),
        ({"kinds": ["credit", "loan"]}, r"kinds: are of credit, bond, leasing, not \['credit', 'loan'\]"),
        ({"kinds": "credit"}, "kinds: are of credit, bond, leasing, not 'credit'"),
    ],
)
def test_what_cannot_be_asked_for_is_told_before_any_work(matcher, asked, told):
    with pytest.raises(InputError, match=f"^request: {told}$"):
        rank(matcher, **asked)


def test_kinds_may_be_asked_for_by_their_codes(matcher):
    assert ids(rank(matcher, kinds=["credit"])) == ids(rank(matcher, kinds=(Kind.CREDIT,)))


@pytest.mark.parametrize("top_k", [0, 1, 3, 5, 99])
def test_top_k_cuts_the_matches_and_nothing_else(matcher, top_k):
    whole, cut = rank(matcher), rank(matcher, top_k=top_k)
    assert cut.matches == whole.matches[:top_k]
    assert cut.scores.tobytes() == whole.scores.tobytes()


def test_under_a_cap_the_next_institution_gets_the_place(matcher):
    scores = scoring(matcher, 0.1, 0.5, -0.3, 0.9, 0.2)
    assert ids(rank(scores, top_k=3)) == ["P3", "P1", "P4"]
    ranking = rank(scores, top_k=3, exposure=Exposure(cap=1))
    assert ids(ranking) == ["P3", "P4"]
    assert [match.rank for match in ranking.matches] == [1, 2]
    assert ranking.scores.tobytes() == rank(scores).scores.tobytes()


def test_a_floor_is_for_those_small_in_the_rankers_history(matcher):
    scores = scoring(matcher, 0.4, 0.5, 0.3, 0.9, 0.2)  # P4 is the lessor's, who had under a fifth of what was taken
    assert ids(rank(scores, top_k=2, exposure=Exposure(floor=1, small_share=0.3))) == ["P3", "P4"]
    assert ids(rank(scores, top_k=2, exposure=Exposure(floor=1, small_share=0.1))) == ["P3"]


def test_no_constraint_lets_an_ineligible_product_in(matcher):
    ranking = rank(matcher, top_k=99, exposure=Exposure(floor=99, small_share=1.0))
    assert set(ids(ranking)) == set(ELIGIBLE)
    assert all(verdict.result != "fail" for match in ranking.matches for verdict in match.verdicts)


def test_kinds_asked_for_go_before_those_of_the_need(matcher):
    need = make.need(kinds=("credit",))
    assert candidates(matcher, rank(matcher, need=need)) == ELIGIBLE[:4]
    ranking = rank(matcher, need=need, kinds=[Kind.LEASING])
    assert candidates(matcher, ranking) == ["P4"]
    assert ranking.failed["kind"] == 4 + 1


def test_among_limits_what_is_considered_and_counted(matcher):
    rows = np.flatnonzero(np.isin(matcher.catalogue.ids, ["P1", "P4", "P5"]))
    ranking = rank(matcher, among=rows)
    assert candidates(matcher, ranking) == ["P1", "P4"]
    assert ranking.failed == {"amount": 1}


def test_without_an_eligible_product_the_ranking_is_empty(matcher):
    ranking = rank(matcher, kinds=[Kind.BOND])
    assert ranking.matches == ()
    assert len(ranking.rows) == len(ranking.scores) == len(ranking.features) == 0
    assert ranking.surprises == ()


def test_without_a_calibration_no_match_has_a_chance(matcher):
    ranking = rank(Matcher(matcher.catalogue, replace(matcher.ranker, calibration=SILENT)))
    assert np.isnan(ranking.chances).all()
    assert {match.chance for match in ranking.matches} == {None}


def test_each_match_carries_its_own_chance_where_its_kind_has_one(matcher):
    ranking = rank(matcher)
    kinds = matcher.catalogue.kind_code[ranking.rows]
    chances = matcher.ranker.chance(ranking.features, ranking.scores, kinds)
    assert ranking.chances.tobytes() == chances.tobytes()
    given = dict(zip(candidates(matcher, ranking), chances.tolist(), strict=True))
    for match in ranking.matches:
        assert match.chance == (None if match.product_id == "P4" else given[match.product_id])  # P4 is a lease


def test_verdicts_belong_to_their_product(matcher):
    kinds = {match.product_id: match.verdicts[1].threshold for match in rank(matcher).matches}
    assert kinds == dict.fromkeys(ELIGIBLE[:4], "credit") | {"P4": "leasing"}


def test_a_ranking_names_its_model_catalogue_and_day(matcher):
    ranking = rank(matcher)
    assert ranking.model_id == matcher.ranker.model_id
    assert ranking.catalogue_version == matcher.catalogue.version
    assert ranking.as_of == TODAY


def test_a_product_is_ranked_while_it_is_offered(matcher):
    assert "P6" in candidates(matcher, rank(matcher, as_of=date(2023, 12, 31)))
    assert "P6" not in candidates(matcher, rank(matcher, as_of=date(2024, 1, 1)))


def test_a_fact_that_never_lacked_in_training_and_lacks_now_is_named(matcher):
    bare = make.enterprise(founded=None, employees=None, revenue=None)
    assert rank(matcher).surprises == ()
    assert any("revenue" in name for name in rank(matcher, enterprise=bare).surprises)


def test_ranking_again_gives_the_same(matcher):
    one, other = rank(matcher), rank(matcher)
    assert one.matches == other.matches
    assert one.features.tobytes() == other.features.tobytes()


def test_in_the_neutral_order_no_model_has_a_say(matcher):
    one, other = (rank(scoring(matcher, *scores), order=Order.NEUTRAL) for scores in ((5, 4, 3, 2, 1), (1, 2, 3, 4, 5)))
    assert one.matches == other.matches
    assert {(match.score, match.chance) for match in one.matches} == {(None, None)}
    assert [match.rank for match in one.matches] == [1, 2, 3, 4, 5]
    assert (one.order, rank(matcher).order) == (Order.NEUTRAL, Order.MODEL)


def test_the_neutral_order_keeps_to_a_constraint_on_exposure(matcher):
    assert ids(rank(matcher, order=Order.NEUTRAL)) == ["P0", "P1", "P2", "P3", "P4"]  # alike but for their ids
    assert ids(rank(matcher, order=Order.NEUTRAL, exposure=Exposure(cap=1))) == ["P0", "P4"]


def test_untold_matches_are_the_same_without_verdicts_counts_and_surprises(matcher):
    bare = make.enterprise(founded=None, employees=None, revenue=None)
    told, untold = (rank(matcher, enterprise=bare, tell=tell) for tell in (True, False))
    assert [match.model_copy(update={"verdicts": ()}) for match in told.matches] == list(untold.matches)
    assert told.scores.tobytes() == untold.scores.tobytes()
    assert told.failed
    assert untold.failed == {}
    assert told.surprises
    assert untold.surprises == ()

"""One need read in depth: its matches, reasons and verdicts in words, what held back what was taken, what to fix."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from matching.domain import Stage, Verdict
from matching.errors import NotFoundError
from matching.matcher import Matcher
from matching.reasons import explained
from matching.tables import frame_of
from tests import bundles
from tests import factories as make
from training import reading
from training.dataset import World, queries
from training.evaluate import Evaluation, score

SINCE = date(2024, 5, 1)


@pytest.fixture(scope="module")
def found():
    """The small market, in which `P5`, which ends at one yuan, was taken once; `N20` was shown two products."""
    tables = bundles.market()
    needs = frame_of("needs", [make.need(need_id="N-tiny", enterprise_id="E0", amount=1, posted_at=date(2024, 2, 1))])
    shown = {"need_id": "N20", "stage": Stage.SHOWN, "at": date(2024, 5, 20)}
    outcomes = [
        make.outcome(need_id="N-tiny", product_id="P5", at=date(2024, 2, 2)),
        *(make.outcome(product_id=product_id, **shown) for product_id in ("P0", "P1")),
    ]
    joined = {
        "needs": pd.concat([tables.needs, needs], ignore_index=True),
        "outcomes": pd.concat([frame_of("outcomes", outcomes), tables.outcomes], ignore_index=True),
    }
    world = World.of(replace(tables, **joined))
    return Evaluation({}, score(world, bundles.ranker(), queries(world, SINCE), ()), world)


@pytest.fixture(scope="module")
def matcher(found):
    return Matcher(found.world.catalogue, replace(bundles.ranker(), history=found.world.history))


@pytest.fixture(scope="module")
def query(found):
    return reading.asked(found, "N20")


@pytest.fixture(scope="module")
def ranking(matcher, query):
    asked = (query.enterprise, query.need)
    return explained(matcher, matcher.rank(*asked, as_of=query.as_of, among=query.rows), *asked)


def test_a_need_that_was_not_measured_is_not_found(found):
    with pytest.raises(NotFoundError, match="need 'N1'"):
        reading.asked(found, "N1")


def test_a_match_has_its_product_its_chance_what_is_to_be_asked_and_what_came_of_it(found, ranking):
    frame = reading.matches(ranking, found.world, "N20")
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5]
    assert frame["chance"].dropna().tolist() == [match.chance for match in ranking.matches if match.chance]
    assert frame["chance"].isna().sum() == 1, "no chance is stated of the lease"
    came = dict(zip([match.product_id for match in ranking.matches], frame["came of it"], strict=True))
    assert came == {"P0": "shown, granted", "P1": "shown", "P2": "", "P3": "", "P4": ""}
    assert set(frame["to ask"]) == {""}
    assert set(frame["product"]) == {"Bank One: Working capital loan", "Lessor Two: Working capital loan"}


def test_what_no_fact_says_is_to_be_asked_under_its_rule_where_that_has_no_words(found, ranking):
    said = {"clause": "Product sheet", "threshold": "any", "actual": None}
    verdicts = (
        Verdict(rule="purpose", result="review", message_en="Purpose served", **said),
        Verdict(rule="old", result="review", **said),
        Verdict(rule="term", result="pass", message_en="Term", **said),
    )
    first = ranking.matches[0].model_copy(update={"verdicts": verdicts})
    frame = reading.matches(replace(ranking, matches=(first,), first=ranking.first[:1]), found.world, "N20")
    assert frame["to ask"].tolist() == ["Purpose served; old"]
    assert reading.verdicts(replace(ranking, matches=(first,)))["rule"].tolist() == ["Purpose served", "old", "Term"]


def test_the_reasons_of_the_first_matches_are_told_with_their_weights(ranking):
    frame = reading.reasons(ranking, most=2)
    told = [(match.rank, reason.text_en) for match in ranking.matches[:2] for reason in match.reasons]
    assert list(zip(frame["rank"], frame["reason"], strict=True)) == told
    assert set(frame["effect"]) <= {"raises", "lowers"}
    assert told


def test_without_reasons_or_matches_there_is_nothing_to_tell(ranking):
    bare = replace(ranking, matches=tuple(match.model_copy(update={"reasons": None}) for match in ranking.matches))
    assert reading.reasons(bare).empty
    assert reading.verdicts(replace(ranking, matches=())).empty


def test_every_rule_of_a_match_says_what_it_asks_and_what_is_known(ranking):
    frame = reading.verdicts(ranking, rank=2)
    assert len(frame) == len(ranking.matches[1].verdicts)
    assert set(frame["result"]) == {"pass"}
    assert "Amount within the product's limits" in set(frame["rule"])
    assert frame.notna().all(axis=None)


def test_what_was_taken_is_held_against_the_first_match(matcher, ranking, query):
    first = ranking.matches[0].product_id
    other = next(row for row in query.rows if matcher.catalogue.ids[row] != first)
    behind = replace(query, gains=(query.rows == other).astype(float))
    frame = reading.below(matcher, ranking, behind)
    assert len(frame) > 0
    assert frame["weight"].sum() < 0, "it scores below the first"
    ahead = replace(query, gains=(matcher.catalogue.ids[query.rows] == first).astype(float))
    assert reading.below(matcher, ranking, ahead).empty
    assert reading.below(matcher, ranking, replace(query, gains=query.gains * 0)).empty


def test_of_several_that_were_taken_the_best_is_held_against_the_first(matcher, ranking, query):
    ids = matcher.catalogue.ids[query.rows]
    second, last = (ranking.matches[place].product_id for place in (1, -1))
    both, one = (replace(query, gains=np.isin(ids, taken).astype(float)) for taken in ([second, last], [second]))
    pd.testing.assert_frame_equal(reading.below(matcher, ranking, both), reading.below(matcher, ranking, one))
    worse = replace(query, gains=(ids == last).astype(float))
    assert not reading.below(matcher, ranking, worse).equals(reading.below(matcher, ranking, one))


def test_what_would_make_a_product_eligible_is_told_with_the_rank_it_would_have(found, matcher, query):
    frame = reading.fixes(matcher, found.world, query)
    assert frame["product"].tolist() == ["Lessor Two: Working capital loan"]
    assert frame["days"].tolist() == [1]
    assert frame["rank then"].str.fullmatch(r"\d of 6").all()
    assert frame["changes"].str.contains("amount").all()

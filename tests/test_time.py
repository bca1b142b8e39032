"""Nothing learned later is known earlier: whatever is planted from a day on, what came before stays, bit for bit."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from matching.features import Builder
from matching.matcher import Matcher
from tests.conftest import FEW, ROUNDS, SPLIT
from tests.planting import altered, gone, joined, renewed, without_outcomes
from training import appetites, sources
from training.dataset import World, queries, query, with_enterprises
from training.train import train

BNDES = Path(__file__).parents[2] / "shared" / "data" / "bndes_pre_shipment.csv.gz"
LAST_YEAR = date(2012, 1, 1)
MOST = 15
PLANTED = {
    "joined by new ones": joined,
    "gone": gone,
    "other versions of the products, above the old ones": lambda tables, day: renewed(tables, day, above=True),
    "other versions of the products, below the old ones": lambda tables, day: renewed(tables, day, above=False),
    "all of it": lambda tables, day: joined(altered(tables, day), day),
}
OUTCOMES = {
    "altered": lambda tables, day: altered(tables, day, only=("outcomes",)),
    "gone": without_outcomes,
}


def months(day, count):
    return (pd.Timestamp(day) + pd.DateOffset(months=count)).date()


def posted(tables, since, until):
    """The needs of these days, some of them where there are many."""
    moments = tables.needs["posted_at"]
    found = tables.needs[(moments >= pd.Timestamp(since)) & (moments < pd.Timestamp(until))]
    return found.iloc[:: len(found) // MOST + 1]


def known(tables, ranker, since, until):
    """By need: its candidates, then their features and the eligible products' scores and chances, as bytes."""
    world = World.of(tables)
    ranker = replace(ranker, history=world.history)
    matcher = Matcher(world.catalogue, ranker)
    builder = Builder.of(world.history, ranker.kernels, world.catalogue)
    found = {}
    for need, firm in with_enterprises(tables, posted(tables, since, until)):
        asked = query(world, need, firm, {})
        features = builder.build(firm, need, asked.as_of, asked.rows)
        ranking = matcher.rank(firm, need, as_of=asked.as_of)
        eligible = world.catalogue.ids[ranking.rows].tolist()
        given = (ranking.scores.tobytes(), ranking.chances.tobytes())
        found[need.need_id] = (world.catalogue.ids[asked.rows].tolist(), features.tobytes(), eligible, *given)
    return found


def assert_same(before, after):
    """Part by part, so that a failure names what moved."""
    assert before.keys() == after.keys()
    assert any(candidates for candidates, *_ in before.values())
    for part, what in enumerate(("candidates", "features", "eligible products", "scores", "chances")):
        moved = [need_id for need_id in before if before[need_id][part] != after[need_id][part]]
        assert not moved, f"{what} of {len(moved)} of {len(before)} needs moved"


@pytest.fixture(scope="module")
def before(simulated, trained):
    return known(simulated, trained, months(SPLIT, -4), SPLIT)


@pytest.fixture(scope="module")
def rewritten(simulated):
    """All of the future altered and joined by new rows."""
    return joined(altered(simulated, SPLIT), SPLIT)


@pytest.mark.parametrize("how", PLANTED)
def test_rows_from_a_day_on_change_nothing_that_is_known_of_earlier_needs(simulated, trained, before, how):
    planted = PLANTED[how](simulated, SPLIT)
    assert not all(frame.equals(getattr(planted, name)) for name, frame in simulated)
    assert_same(before, known(planted, trained, months(SPLIT, -4), SPLIT))


@pytest.mark.parametrize("how", OUTCOMES)
def test_outcomes_of_a_needs_own_month_change_nothing_that_is_known_of_it(simulated, trained, how):
    planted, end = OUTCOMES[how](simulated, SPLIT), months(SPLIT, 1)
    assert not planted.outcomes.equals(simulated.outcomes)
    assert_same(known(simulated, trained, SPLIT, end), known(planted, trained, SPLIT, end))


def test_outcomes_of_the_month_before_do_change_it(simulated, trained):
    planted, end = without_outcomes(simulated, months(SPLIT, -1)), months(SPLIT, 1)
    before, after = (known(of, trained, SPLIT, end) for of in (simulated, planted))
    assert all(before[need_id][1] != after[need_id][1] for need_id in before)


def test_queries_ask_the_same_of_the_same_candidates_whatever_came_later(world, rewritten):
    planted = World.of(rewritten)
    asked = {q.need_id: q for q in queries(world, months(SPLIT, -3), SPLIT)}
    later = {q.need_id: q for q in queries(planted, months(SPLIT, -3), SPLIT)}
    both = asked.keys() & later.keys()
    assert both
    for need_id in both:
        one, other = asked[need_id], later[need_id]
        assert world.catalogue.ids[one.rows].tolist() == planted.catalogue.ids[other.rows].tolist()
        assert (one.context.day, one.context.until) == (other.context.day, other.context.until)
        assert one.context.numbers.tobytes() == other.context.numbers.tobytes()


def test_a_model_trained_until_a_day_is_the_same_whatever_comes_from_that_day_on(
    rewritten, trained_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(appetites, "FEWEST_GRANTED", FEW)
    assert train(rewritten, tmp_path, SPLIT, rounds=ROUNDS).model_id == trained_folder.name
    for path in trained_folder.iterdir():
        assert (tmp_path / trained_folder.name / path.name).read_bytes() == path.read_bytes()


@pytest.mark.skipif(not BNDES.exists(), reason="../shared/data/bndes_pre_shipment.csv.gz is not here")
def test_on_real_deals_too(trained):
    tables, _ = sources.read("bndes", BNDES)
    since = months(LAST_YEAR, -2)
    planted = joined(altered(tables, LAST_YEAR), LAST_YEAR)
    assert_same(known(tables, trained, since, LAST_YEAR), known(planted, trained, since, LAST_YEAR))

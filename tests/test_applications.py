"""Applications: what counts as decided, whose candidates they are, and that each need is built once."""

from datetime import date

import pandas as pd
import pytest

from matching.calibration import FEWEST, SILENT
from matching.features import Builder
from matching.shown import UNDECIDED
from tests import factories as make
from tests.conftest import SPLIT
from training.applications import Kept, applied, counts, decisions
from training.dataset import World, queries

SINCE = date(2024, 6, 1)


def outcomes(*rows):
    """(product, stage, reason), the day and the number of the need, where they matter."""
    days = [row[3] if len(row) > 3 else "2024-03-01" for row in rows]
    frame = pd.DataFrame([row[:3] for row in rows], columns=["product_id", "stage", "reason_code"])
    return frame.assign(need_id=[f"N{row[4]}" if len(row) > 4 else "N1" for row in rows], at=pd.to_datetime(days))


def decided(*rows):
    return decisions(outcomes(*rows)).get("N1", {})


@pytest.fixture(scope="module")
def known(simulated):
    """What was on record on the day of the split."""
    return World.of(simulated.before(SPLIT))


@pytest.fixture(scope="module")
def asked(known):
    return applied(known, SINCE)


# what counts as decided


def test_granted_or_drawn_is_granted_and_declined_is_refused():
    rows = [("P1", "applied", None), ("P1", "granted", None), ("P2", "drawn", None), ("P3", "declined", "debt")]
    assert decided(*rows) == {"P1": True, "P2": True, "P3": False}


def test_what_is_shown_contacted_or_pending_is_not_decided():
    assert decided(("P1", "shown", None), ("P2", "contacted", None), ("P3", "applied", None)) == {}


@pytest.mark.parametrize("reason", ["withdrawn", "unreachable"])
def test_a_decline_that_says_nothing_of_the_match_is_no_refusal(reason):
    assert decided(("P1", "declined", reason), ("P2", "declined", None)) == {"P2": False}


def test_once_a_product_s_amount_runs_short_nothing_of_it_counts_until_the_year_ends():
    """Who would have been granted is declined then, so that refusals alone would be left."""
    found = decisions(
        outcomes(
            ("P1", "granted", None, "2024-02-01", 1),
            ("P1", "declined", "capacity", "2024-06-01", 2),
            ("P1", "declined", "debt", "2024-06-01", 3),
            ("P1", "granted", None, "2024-12-31", 4),
            ("P1", "declined", "debt", "2025-01-01", 5),
            ("P2", "declined", "debt", "2024-06-02", 6),
        )
    )
    assert found == {"N1": {"P1": True}, "N5": {"P1": False}, "N6": {"P2": False}}


def test_a_grant_after_a_decline_is_a_grant():
    assert decided(("P1", "granted", None), ("P1", "declined", "debt")) == {"P1": True}


def test_grants_and_refusals_are_counted_by_kind():
    lease = make.product(product_id="L1", kind="leasing", type="direct_lease")
    needs = [make.need(need_id=f"N{i}") for i in range(3)]
    found = [make.outcome(need_id=n.need_id) for n in needs]
    found.append(make.outcome(product_id="L1", stage="declined"))
    world = World.of(make.tables([make.enterprise()], products=[make.product(), lease], needs=needs, outcomes=found))
    assert counts(world) == {
        "credit": {"granted": 3, "refused": 0, "enough": False},
        "leasing": {"granted": 0, "refused": 1, "enough": False},
    }


# their candidates


def test_each_decision_stands_beside_its_product(known, asked):
    decided = decisions(known.tables.outcomes)
    for item in asked:
        ids = known.catalogue.ids[item.query.rows].tolist()
        mine = decided[item.query.need_id]
        assert item.granted.tolist() == [int(mine.get(product_id, UNDECIDED)) for product_id in ids]
        assert (item.granted != UNDECIDED).any()


def test_needs_that_were_only_refused_count_too(known, asked):
    refused = {item.query.need_id for item in asked if not (item.granted == 1).any()}
    assert refused
    assert refused.isdisjoint(query.need_id for query in queries(known, SINCE))


def test_needs_are_of_the_window_and_the_latest_where_there_are_most(known, asked):
    assert all(item.query.as_of >= SINCE for item in asked)
    latest = applied(known, SINCE, most=5)
    assert {item.query.need_id for item in latest} <= {item.query.need_id for item in asked[-5:]}
    assert applied(known, SINCE, SINCE) == []


# building once


@pytest.fixture(scope="module")
def builder(known, trained):
    return Builder(known.history, trained.kernels, known.catalogue, known.roster)


def test_a_builder_keeps_what_it_built_for_the_needs_it_is_told(builder, asked):
    one, other = asked[0].query, asked[1].query
    kept = Kept(builder, {one.need_id})
    first, again = (kept.build(one.enterprise, one.need, one.as_of, one.rows) for _ in range(2))
    assert first is again
    assert first.tobytes() == builder.build(one.enterprise, one.need, one.as_of, one.rows).tobytes()
    kept.build(other.enterprise, other.need, other.as_of, other.rows)
    assert set(kept.built) == {one.need_id}


# the trained model


def test_a_model_states_a_chance_for_kinds_that_were_refused_often_enough(known, trained):
    assert trained.manifest["applications"] == counts(known)
    assert set(trained.calibration.intercepts) == {"credit"}
    assert counts(known)["bond"]["refused"] < FEWEST


def test_a_model_of_deals_alone_states_none(loyal_ranker):
    assert loyal_ranker.calibration.to_dict() == SILENT.to_dict()
    assert loyal_ranker.manifest["applications"]["credit"]["refused"] == 0

"""What appetites are fitted on: candidates that were shown, ripe needs, decided applications, nothing from later."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from matching.appetite import COLUMNS
from matching.calibration import FEWEST, SILENT
from matching.features import APPETITE_COLUMNS, APPETITES, Builder
from matching.levels import HEADS, LEVELS
from matching.matcher import Matcher
from matching.memory import PARAMETERS, Kernel
from matching.ranker import APPETITE_WEIGHT
from matching.shown import UNDECIDED, fit_appetites
from matching.tables import check
from tests import factories as make
from tests.conftest import SPLIT
from tests.planting import altered, joined
from training import appetites as module
from training.appetites import RIPE_DAYS, SEEN_DAYS, applications, calibrate, looked_at, positions, record, shown
from training.applications import decisions
from training.dataset import World
from training.train import silent

LATER = date(2025, 6, 1)  # when the need of the factories is ripe
KERNELS = tuple(Kernel(head, np.zeros(len(PARAMETERS))) for head in HEADS)


def building(world):
    return Builder(world.history, KERNELS, world.catalogue, world.roster)


def looked(world, until=SPLIT, all_industries=False, progress=silent):
    return looked_at(world, building(world), until, all_industries, progress)


def fitted(world, until=SPLIT):
    found = record(world, building(world), until, all_industries=False, progress=silent)
    return fit_appetites(found, world.history) if found else ()


def without(tables, **dropped):
    """The tables without the outcomes of these stages."""
    kept = ~tables.outcomes["stage"].isin(dropped["stages"])
    return replace(tables, outcomes=tables.outcomes[kept].reset_index(drop=True))


def renamed(tables, kind, day):
    """The tables with every product of `kind` under another type from `day` on."""
    products = tables.products
    offered = products[(products["kind"] == kind) & (products["valid_from"] < pd.Timestamp(day))]
    latest = offered.sort_values("valid_from").drop_duplicates("product_id", keep="last")
    later = latest.assign(type="renamed", valid_from=pd.Timestamp(day).as_unit("ns"), valid_to=pd.NaT)
    return check(replace(tables, products=pd.concat([products, later], ignore_index=True)))


@pytest.fixture(scope="module")
def known(simulated):
    """What was on record on the day of the split."""
    return World.of(simulated.before(SPLIT))


@pytest.fixture(scope="module")
def rows(known):
    return looked(known)


@pytest.fixture
def few(monkeypatch):
    """So few grants are enough that the small market has them."""
    monkeypatch.setattr(module, "FEWEST_GRANTED", 50)


def ended(ends, industry="C/34"):
    """One need of `E1` with these stages of each product, and one before that was granted all of them."""
    reasons = {"P4": "capacity", "P5": "debt"}
    products = [make.product(product_id=name) for name in ends]
    needs = [make.need(), make.need(need_id="N0", posted_at=date(2024, 6, 1))]
    outcomes = [make.outcome(need_id="N0", product_id=name, at=date(2024, 7, 1)) for name in ends]
    outcomes += [
        make.outcome(product_id=name, stage=stage, reason_code=reasons[name] if stage == "declined" else None)
        for name, stages in ends.items()
        for stage in stages
    ]
    enterprises = [make.enterprise(as_of=date(2024, 1, 1), industry=industry)]
    return World.of(make.tables(enterprises, products=products, needs=needs, outcomes=outcomes))


# rows


def test_rows_are_the_candidates_that_were_shown_with_their_positions(known, rows):
    places = positions(known.tables.outcomes)
    assert rows
    for item in rows:
        mine = places[item.query.need_id]
        ids = known.catalogue.ids[item.query.rows]
        assert ids[item.kept].tolist() == [product_id for product_id in ids.tolist() if product_id in mine]
        assert item.position.tolist() == [mine[product_id] for product_id in ids[item.kept].tolist()]
    assert any(len(item.kept) < len(item.query.rows) for item in rows)


def test_positions_are_those_on_record_and_0_where_there_is_none():
    columns = {"need_id": "N1", "product_id": ["P1", "P2", "P3"], "stage": ["shown", "shown", "granted"]}
    assert positions(pd.DataFrame(columns | {"position": [3, None, 1]})) == {"N1": {"P1": 3, "P2": 0}}


def test_a_row_s_features_are_its_candidate_s(known, rows):
    query = rows[-1].query
    built = building(known).build(query.enterprise, query.need, query.as_of, query.rows)
    assert rows[-1].features.tobytes() == built[rows[-1].kept].tobytes()


def test_needs_too_young_to_have_led_to_an_application_are_left_out(known, rows):
    ripe = SPLIT - timedelta(days=RIPE_DAYS)
    days = [item.query.as_of for item in rows]
    assert days == sorted(days)
    assert days[-1] < ripe
    later = {item.query.need_id for item in looked(known, SPLIT + timedelta(days=RIPE_DAYS))}
    posted = known.tables.needs.set_index("need_id")["posted_at"]
    young = later - {item.query.need_id for item in rows}
    assert young
    assert (posted[list(young)] >= pd.Timestamp(ripe)).all()


@pytest.mark.parametrize(("industry", "count"), [("C/34", 1), ("F/51", 0)])
def test_only_manufacturing_enterprises_count_unless_all_may(industry, count):
    world = ended({"P0": ["shown"]}, industry=industry)
    assert len(looked(world, LATER)) == count
    assert len(looked(world, LATER, all_industries=True)) == 1


def test_of_too_many_needs_the_latest_stay(known, rows, monkeypatch):
    monkeypatch.setattr(module, "MOST_NEEDS", 10)
    latest = [item.query.need_id for item in looked(known)]
    assert latest == [item.query.need_id for item in rows][-len(latest) :]
    assert len(latest) <= 10


def test_progress_goes_up_to_the_whole(known):
    told = []
    looked(known, progress=lambda step, share: told.append((step, share)))
    assert told == sorted(told)
    assert told[-1] == ("appetite", 1.0)


# what came of them


def test_each_row_says_whether_it_was_applied_for_and_what_was_decided():
    ends = {
        "P0": ["granted"],
        "P1": ["shown"],
        "P2": ["shown", "contacted"],
        "P3": ["shown", "applied"],
        "P4": ["shown", "applied", "declined"],
        "P5": ["shown", "declined"],
        "P6": ["shown", "applied", "granted"],
        "P7": ["shown", "granted", "drawn"],
    }
    world = ended(ends)
    found = shown(world, looked(world, LATER), decisions(world.tables.outcomes), LATER)
    ids = [str(world.history.products[code]) for code in found.levels[:, LEVELS.index("product")]]
    said = dict(zip(ids, zip(found.applied.tolist(), found.granted.tolist(), strict=True), strict=True))
    neither = UNDECIDED
    assert said == {
        "P1": (0, neither),
        "P2": (0, neither),
        "P3": (1, neither),
        "P4": (1, neither),
        "P5": (neither, 0),  # refused before anybody applied
        "P6": (1, 1),
        "P7": (1, 1),
    }


@pytest.mark.parametrize(("days", "nothing_yet"), [(SEEN_DAYS, 0), (SEEN_DAYS - 1, UNDECIDED)])
def test_what_was_shown_lately_is_undecided_until_something_comes_of_it(days, nothing_yet):
    lately = LATER - timedelta(days=days)
    ends = {"P0": (), "P1": ("contacted",), "P2": ("applied",), "P3": ("contacted", "expired"), "P4": ("declined",)}
    outcomes = [
        make.outcome(product_id=name, stage=stage, at=lately, reason_code="debt" if stage == "declined" else None)
        for name, stages in ends.items()
        for stage in ("shown", *stages)
    ]
    tables = make.tables(products=[make.product(product_id=name) for name in ends], outcomes=outcomes)
    found = applications(tables.outcomes, LATER)
    assert [found.get(("N1", name), 0) for name in ends] == [nothing_yet, nothing_yet, 1, 0, UNDECIDED]


def test_a_need_shown_as_soon_as_it_was_posted_is_decided_once_it_is_ripe(known, rows):
    found = shown(known, rows, decisions(known.tables.outcomes), SPLIT)
    long_after = shown(known, rows, decisions(known.tables.outcomes), date(2030, 1, 1))
    assert found.applied.tobytes() == long_after.applied.tobytes()


def test_all_rows_stand_together_in_the_order_of_their_needs(known, rows):
    found = shown(known, rows, decisions(known.tables.outcomes), SPLIT)
    sizes = [len(item.kept) for item in rows]
    assert found.need.tolist() == np.repeat(np.arange(len(rows)), sizes).tolist()
    assert found.features.tobytes() == b"".join(item.features.tobytes() for item in rows)
    assert found.contexts == [item.query.context for item in rows]
    assert found.levels.shape == (sum(sizes), len(LEVELS))
    assert len(found.position) == len(found.applied) == len(found.granted) == sum(sizes)
    assert (found.applied[found.granted != UNDECIDED] == 1).all()


# fitting


def test_a_record_of_what_was_shown_gives_an_appetite_a_stage(known, few):
    found = fitted(known)
    assert [appetite.stage for appetite in found] == list(APPETITES)
    assert all(set(appetite.slopes["institution"]) <= set(known.history.institutions.tolist()) for appetite in found)


def test_too_few_grants_teach_nothing(known):
    granted = sum(sum(found.values()) for found in decisions(known.tables.outcomes).values())
    assert 50 <= granted < module.FEWEST_GRANTED
    assert fitted(known) == ()


@pytest.mark.parametrize("stages", [("shown",), ("declined",)])
def test_a_record_without_what_was_shown_or_refused_teaches_nothing(simulated, few, stages):
    assert fitted(World.of(without(simulated.before(SPLIT), stages=stages))) == ()


def test_where_no_need_is_ripe_nothing_is_taught(known, few):
    assert fitted(known, known.tables.needs["posted_at"].min().date()) == ()


def test_a_builder_writes_an_appetite_s_log_chances_into_their_columns(known, rows, few):
    plain, query = building(known), rows[-1].query
    bound = [appetite.bound(known.history) for appetite in fitted(known)]
    without, leaning = (
        builder.build(query.enterprise, query.need, query.as_of, query.rows)
        for builder in (plain, replace(plain, appetites=bound))
    )
    levels = [getattr(known.roster, level)[query.rows] for level in LEVELS]
    assert not without[:, APPETITE_COLUMNS].any()
    assert leaning[:, COLUMNS].tobytes() == without[:, COLUMNS].tobytes()
    for column, one in zip(APPETITE_COLUMNS, bound, strict=True):
        assert leaning[:, column].tobytes() == one.log_chance(query.context, without, levels).tobytes()
        assert np.ptp(leaning[:, column]) > 0
    again = replace(plain, appetites=bound).leaned(leaning.copy(), query.context, query.rows)
    assert again.tobytes() == leaning.tobytes()


def test_a_matcher_ranks_with_its_ranker_s_appetites(known, rows, trained, few):
    query = rows[-1].query
    plain, leaning = (
        Matcher(known.catalogue, ranker).rank(query.enterprise, query.need, as_of=query.as_of)
        for ranker in (replace(trained, appetites=()), trained)
    )
    chances = leaning.features[:, APPETITE_COLUMNS]
    assert (chances < 0).all()
    assert not plain.features[:, APPETITE_COLUMNS].any()
    assert leaning.scores == pytest.approx(plain.scores + APPETITE_WEIGHT * chances.sum(axis=1))


# the chance


def test_a_record_with_enough_refusals_of_a_kind_gives_its_chance_a_line(known, rows):
    found = shown(known, rows, decisions(known.tables.outcomes), SPLIT)
    calibration = calibrate(found, known.history)
    assert set(calibration.intercepts) == {"credit"}
    assert calibration.slope > 0


def test_a_kind_s_line_is_learned_from_its_own_types_alone(known, rows):
    found = shown(known, rows, decisions(known.tables.outcomes), SPLIT)
    credit = np.array([str(text).startswith("credit:") for text in known.history.types])[found.levels[:, 2]]
    others = replace(found, granted=np.where(credit, UNDECIDED, found.granted))
    assert (others.granted != UNDECIDED).any()
    assert calibrate(others, known.history) is SILENT


def test_products_of_a_type_that_none_began_with_teach_their_own_kind_alone(known):
    world = World.of(renamed(known.tables, "credit", date(2024, 3, 1)))
    found = shown(world, looked(world), decisions(world.tables.outcomes), SPLIT)
    nameless = found.levels[:, LEVELS.index("type")] == len(world.history.types)
    assert (found.granted[nameless] == 0).sum() >= FEWEST
    assert set(calibrate(found, world.history).intercepts) == {"credit"}


# time


@pytest.fixture(scope="module")
def rewritten(simulated):
    """All of the future altered and joined by new rows."""
    return joined(altered(simulated, SPLIT), SPLIT)


def test_rows_of_earlier_needs_are_the_same_whatever_came_later(world, rewritten):
    planted = World.of(rewritten)
    one, other = looked(world), looked(planted)
    assert [item.query.need_id for item in one] == [item.query.need_id for item in other]
    for before, after in zip(one, other, strict=True):
        assert before.features.tobytes() == after.features.tobytes()
        assert before.position.tobytes() == after.position.tobytes()


def test_appetites_before_a_day_are_the_same_whatever_comes_from_that_day_on(known, rewritten, few):
    before, after = fitted(known), fitted(World.of(rewritten.before(SPLIT)))
    assert before
    assert [appetite.to_dict() for appetite in before] == [appetite.to_dict() for appetite in after]

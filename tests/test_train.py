"""Training: the same for the same data and seed, on rows before a date, and clear about too little of them."""

import fcntl
import os
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from matching.errors import InputError
from matching.features import FEATURES, Builder
from matching.levels import HEADS
from matching.memory import YEAR
from matching.ranker import Ranker
from tests import bundles
from training.dataset import Group, World, queries
from training.train import HALF_LIFE_YEARS, build_groups, learnable, stacked, train

DEALS = {"product_id": [f"P{i}" for i in range(6)]}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def first(loyal, models):
    return train(loyal, models, rounds=2)


@pytest.mark.parametrize("change", [{"seed": 1}, {"all_industries": True}])
def test_another_choice_gives_another_model(loyal, first, tmp_path, change):
    assert train(loyal, tmp_path, **{"rounds": 2} | change).model_id != first.model_id


def test_the_same_data_and_seed_give_the_same_model_in_whatever_order_the_rows_come(loyal, first, tmp_path):
    turned = loyal.map(lambda _, frame: frame.iloc[::-1].reset_index(drop=True))
    assert train(turned, tmp_path, rounds=2).model_id == first.model_id


def test_a_model_is_saved_while_no_other_training_saves_in_the_same_folder(loyal, tmp_path, monkeypatch):
    found = []

    def save(_, models):
        folder = os.open(models, os.O_RDONLY)
        with pytest.raises(BlockingIOError, match="temporarily unavailable"):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(folder)
        found.append(models)

    monkeypatch.setattr(Ranker, "save", save)
    train(loyal, tmp_path / "new" / "models", rounds=2)
    assert found == [tmp_path / "new" / "models"]


def test_the_model_is_saved_under_its_id_and_scores_alike(first, models):
    loaded = Ranker.load(models / first.model_id)
    features = np.random.default_rng(0).normal(size=(4, len(FEATURES)))
    assert loaded.score(features).tobytes() == first.score(features).tobytes()
    assert [kernel.level for kernel in loaded.kernels] == list(HEADS)


def test_the_manifest_tells_what_the_model_was_trained_on(loyal, first):
    about = first.manifest
    assert about["until"] == str(loyal.outcomes["at"].max().date() + timedelta(days=1))
    assert about["until"].replace("-", "") == first.model_id[:8]
    assert about["source"] == "made up"
    assert about["events"] == len(loyal.outcomes)
    assert about["data"] == first.history.digest()
    assert date.fromisoformat(about["since"]) >= date(2023, 1, 1)  # a year of history first
    assert 20 <= about["queries"] < len(loyal.needs)


def test_nothing_from_the_date_on_is_read(loyal_ranker, loyal):
    early = (loyal.outcomes["at"] < "2025-01-01").sum()
    assert loyal_ranker.manifest["events"] == len(loyal_ranker.history) == early
    assert "P9" not in loyal_ranker.history.products


def test_tables_without_outcomes_are_refused(loyal, tmp_path):
    with pytest.raises(InputError, match="outcomes: has at least one row before the split"):
        train(replace(loyal, outcomes=loyal.outcomes.iloc[:0]), tmp_path)
    with pytest.raises(InputError, match="outcomes: has at least one row before the split"):
        train(loyal, tmp_path, date(2021, 1, 1))


def test_too_few_needs_are_refused_with_their_number(loyal, tmp_path):
    with pytest.raises(InputError, match=r"at least 20 needs with a taken candidate after a first year, not 0"):
        train(loyal, tmp_path, date(2022, 12, 1))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def told():
    """What `progress` was told while `narrowed` was trained."""
    return []


@pytest.fixture(scope="module")
def narrowed(loyal, models, told):
    return train(loyal, models, where=DEALS, rounds=2, progress=lambda step, share: told.append((step, share)))


def test_a_filter_leaves_other_products_out_of_the_history(narrowed):
    assert narrowed.history.products.tolist() == DEALS["product_id"]
    assert narrowed.manifest["where"] == DEALS


@pytest.mark.parametrize("until", [None, date(2099, 1, 1)])
def test_the_last_needs_have_had_no_more_time_where_the_date_lies_after_the_last_row(
    loyal, tmp_path, monkeypatch, until
):
    decided = []
    monkeypatch.setattr("training.train.record", lambda world, builder, end, *others: decided.append(end))
    last = max(loyal.outcomes["at"].max(), loyal.needs["posted_at"].max())
    train(loyal, tmp_path, until, rounds=1)
    assert decided == [last.date() + timedelta(days=1)]


def test_progress_goes_up_to_the_whole_of_each_step(narrowed, told):
    steps = list(dict.fromkeys(step for step, _ in told))
    assert steps == ["history", "memory", "features", "forest"]
    for step in steps:
        shares = [share for name, share in told if name == step]
        assert shares == sorted(shares)
        assert 0 <= shares[0] <= shares[-1] <= 1
    assert [share for step, share in told if step in ("features", "forest")][-1] == 1.0


def test_groups_stand_in_the_order_of_their_queries(loyal, loyal_ranker):
    world = World.of(loyal)
    asked = queries(world, date(2024, 10, 1), bundles.UNTIL)
    builder = Builder.of(world.history, loyal_ranker.kernels, world.catalogue)
    groups = build_groups(builder, asked, seed=0)
    assert [g.enterprise_id for g in groups] == [q.enterprise.enterprise_id for q in asked]
    assert all(g.grades.tolist() == q.grades.tolist() for g, q in zip(groups, asked, strict=True))


def shown_alone(tables, chosen):
    """The tables, each product of the outcomes chosen shown by itself."""
    shown = tables.outcomes[chosen].drop_duplicates("need_id").assign(stage="shown", position=1, amount=None)
    return replace(tables, outcomes=pd.concat([tables.outcomes, shown], ignore_index=True))


def test_needs_whose_products_were_shown_alone_are_not_learned_from_where_there_are_others(loyal):
    late = loyal.outcomes["at"] >= "2025-01-01"
    need_ids = set(loyal.outcomes.loc[late, "need_id"])
    every = [query.need_id for query in learnable(World.of(loyal), all_industries=False)]
    kept = learnable(World.of(shown_alone(loyal, late)), all_industries=False)
    assert need_ids & set(every)
    assert [query.need_id for query in kept] == [need_id for need_id in every if need_id not in need_ids]


def test_where_nothing_else_was_shown_they_are_learned_from_beside_all_their_candidates(loyal):
    every = learnable(World.of(loyal), all_industries=False)
    alone = learnable(World.of(shown_alone(loyal, slice(None))), all_industries=False)
    assert [query.need_id for query in alone] == [query.need_id for query in every]
    assert not any(query.shown.any() for query in alone)


def test_an_enterprise_counts_by_the_square_root_of_its_needs():
    sizes = {"A": 4, "B": 1}
    groups = [
        Group(firm, 20_000, np.full((2, len(FEATURES)), n), np.array([3, 0], np.int32))
        for firm, n in sizes.items()
        for _ in range(n)
    ]
    features, labels, rows, weights = stacked(groups)
    assert features.shape == (10, len(FEATURES))
    assert labels.tolist() == [3, 0] * 5
    assert rows.tolist() == [2] * 5
    assert weights[8] / weights[0] == pytest.approx(np.sqrt(4))
    assert weights.mean() == pytest.approx(1.0)


def test_a_need_counts_half_as_much_every_half_life():
    days = [20_000, 20_000 - int(YEAR * HALF_LIFE_YEARS), 20_000 - int(2 * YEAR * HALF_LIFE_YEARS)]
    groups = [Group(str(day), day, np.zeros((1, len(FEATURES))), np.array([3], np.int32)) for day in days]
    weights = stacked(groups)[3]
    assert weights / weights[0] == pytest.approx([1, 1 / 2, 1 / 4], rel=1e-3)

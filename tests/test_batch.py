"""The white list at once: every open need's best products, in one file."""

from datetime import date

import pandas as pd
import pytest

from matching.errors import InputError
from matching.ranker import Ranker
from matching.tables import frame_of
from tests import bundles
from tests import factories as make
from training.batch import COLUMNS, check_name, rank_open, write

LATER = date(2025, 1, 10)


@pytest.fixture(scope="module")
def market():
    """`bundles.market()` with four needs more: one open, one declined, one expired, one granted."""
    tables = bundles.market()
    needs = [
        make.need(need_id=name, enterprise_id="E1", posted_at=date(2025, 1, 5))
        for name in ("open", "declined", "expired", "granted")
    ]
    outcomes = [make.outcome(need_id=n.need_id, stage=n.need_id, at=date(2025, 1, 8)) for n in needs[1:]]
    more = {"needs": needs, "outcomes": outcomes}

    def join(name, frame):
        return pd.concat([frame, frame_of(name, more[name])], ignore_index=True) if name in more else frame

    return tables.map(join)


@pytest.fixture(scope="module")
def ranker(bundle):
    return Ranker.load(bundle)


@pytest.fixture(scope="module")
def ranked(market, ranker):
    return rank_open(market, ranker)


def test_only_needs_that_are_neither_granted_nor_expired_are_ranked(ranked):
    assert set(ranked["need_id"]) == {"open", "declined"}


def test_each_need_has_its_products_ranked_by_score(ranked, ranker):
    assert ranked.columns.tolist() == list(COLUMNS)
    for _, mine in ranked.groupby("need_id"):
        assert mine["rank"].tolist() == [1, 2, 3, 4, 5]
        assert mine["score"].tolist() == sorted(mine["score"], reverse=True)
        assert set(mine["product_id"]) == {"P0", "P1", "P2", "P3", "P4"}
    assert set(ranked["model_id"]) == {ranker.model_id}


def test_a_match_names_its_institution(ranked):
    owners = dict(zip(ranked["product_id"], ranked["institution_id"], strict=True))
    assert owners == {f"P{i}": "I1" for i in range(4)} | {"P4": "I2"}


def test_the_day_is_the_last_one_in_the_tables_unless_given(market, ranker, ranked):
    assert set(ranked["as_of"]) == {pd.Timestamp(2025, 1, 8)}
    assert set(rank_open(market, ranker, LATER)["as_of"]) == {pd.Timestamp(LATER)}


def test_a_need_posted_after_the_day_is_not_ranked(market, ranker):
    assert rank_open(market, ranker, date(2025, 1, 1)).empty
    assert set(rank_open(market, ranker, date(2025, 1, 5))["as_of"]) == {pd.Timestamp(2025, 1, 5)}


def test_top_k_limits_each_need(market, ranker):
    assert rank_open(market, ranker, top_k=2)["rank"].tolist() == [1, 2, 1, 2]


def test_progress_goes_up_to_the_whole(market, ranker):
    told = []
    rank_open(market, ranker, progress=lambda step, share: told.append((step, share)))
    assert told == [("ranking", 0.5), ("ranking", 1.0)]


def test_without_an_open_need_the_file_has_its_columns_and_no_row(ranker, tmp_path):
    ranked = rank_open(bundles.market(), ranker)
    write(ranked, tmp_path / "none.csv")
    assert pd.read_csv(tmp_path / "none.csv").columns.tolist() == list(COLUMNS)
    assert len(ranked) == 0


def test_csv_and_parquet_say_the_same(ranked, tmp_path):
    write(ranked, tmp_path / "out.csv")
    write(ranked, tmp_path / "out.parquet")
    kept = pd.read_parquet(tmp_path / "out.parquet")
    text = pd.read_csv(tmp_path / "out.csv", parse_dates=["as_of"])
    assert kept["score"].tolist() == text["score"].tolist() == ranked["score"].tolist()
    assert kept["as_of"].tolist() == text["as_of"].tolist()


@pytest.mark.parametrize("name", ["out.xlsx", "out", "out.csv.gz"])
def test_another_ending_is_refused(name, tmp_path):
    with pytest.raises(InputError, match=f"--out: ends in .parquet or .csv, not '{name}'"):
        check_name(tmp_path / name)

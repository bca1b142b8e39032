"""A ranked list assigned: rooms as they were on its day, a row a need, and how it is told."""

import json
import re
from datetime import date, datetime

import pandas as pd
import pytest

from matching import tables as gate
from matching.errors import InputError
from tests import factories as make
from training import assigning
from training.assigning import COLUMNS, assign_list
from training.batch.running import JOB
from training.terminal import print_assigned

DAY = date(2025, 3, 31)
WORTH = {1: 1.0, 2: 1 / 1.584962500721156}  # 1 / log2(1 + rank)


def a_folder(tmp_path, outcomes=(), needs=("N1", "N2"), amounts=(2_000_000, 2_000_000), **capacities):
    """Tables of these needs and of products with these capacities."""
    rows = {
        "needs": [make.need(need_id=n, amount=a) for n, a in zip(needs, amounts, strict=True)],
        "products": [make.product(product_id=p, capacity=c) for p, c in capacities.items()],
        "outcomes": list(outcomes),
    }
    gate.write(make.tables(**rows), tmp_path / "data")
    return tmp_path / "data"


def a_list(tmp_path, *matches, name="ranked.parquet", **columns):
    """A ranked list of (need, product, rank)."""
    rows = [
        dict.fromkeys(COLUMNS)
        | {"need_id": need, "product_id": product, "rank": rank, "enterprise_id": "E1", "institution_id": "I1"}
        | {"as_of": datetime(2025, 3, 31), "score": 0.5, "chance": 0.25, "model_id": "M"}
        for need, product, rank in matches
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS).assign(**columns)
    path = tmp_path / name
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    return path


BOTH = (("N1", "P1", 1), ("N1", "P2", 2), ("N2", "P1", 1), ("N2", "P2", 2))
MILLION = 10**6


def got(found):
    return dict(zip(found.rows["need_id"], found.rows["product_id"].fillna("-"), strict=True))


# what is assigned


def test_each_need_gets_its_first_where_there_is_room(tmp_path):
    found = assign_list(a_folder(tmp_path, P1=4 * MILLION, P2=4 * MILLION), a_list(tmp_path, *BOTH))
    assert got(found) == {"N1": "P1", "N2": "P1"}
    assert (found.worth, found.in_turn, found.products.empty) == (2.0, 2.0, True)


def test_a_product_gives_no_more_than_its_capacity(tmp_path):
    found = assign_list(a_folder(tmp_path, P1=4 * MILLION - 1, P2=4 * MILLION), a_list(tmp_path, *BOTH))
    assert sorted(got(found).values()) == ["P1", "P2"]
    assert found.worth == pytest.approx(WORTH[1] + WORTH[2])


def test_a_product_without_a_capacity_has_room_for_all(tmp_path):
    found = assign_list(a_folder(tmp_path, P1=None, P2=4 * MILLION), a_list(tmp_path, *BOTH))
    assert got(found) == {"N1": "P1", "N2": "P1"}


def test_who_has_another_choice_gives_way_to_who_has_none(tmp_path):
    ranked = a_list(tmp_path, ("N1", "P1", 1), ("N1", "P2", 2), ("N2", "P1", 1))
    found = assign_list(a_folder(tmp_path, P1=2 * MILLION, P2=2 * MILLION), ranked)
    assert got(found) == {"N1": "P2", "N2": "P1"}
    assert found.in_turn == WORTH[1]  # N1 takes P1, and nothing is left for N2
    assert found.worth == pytest.approx(WORTH[1] + WORTH[2])


def test_a_need_without_room_anywhere_has_a_row_without_a_product(tmp_path):
    found = assign_list(a_folder(tmp_path, P1=2 * MILLION, P2=1), a_list(tmp_path, *BOTH))
    (lost,) = found.rows[found.rows["product_id"].isna()].to_dict("records")
    assert (lost["enterprise_id"], lost["amount"], lost["model_id"]) == ("E1", 2 * MILLION, "M")
    assert [pd.isna(lost[name]) for name in ("institution_id", "rank", "score", "chance")] == [True] * 4


def test_fixes_of_a_list_which_have_no_rank_are_no_offers(tmp_path):
    ranked = a_list(tmp_path, ("N1", "P2", 1), ("N1", "P1", None))
    assert got(assign_list(a_folder(tmp_path, P1=9 * MILLION, P2=9 * MILLION), ranked)) == {"N1": "P2"}


def test_a_csv_and_a_folder_of_parts_are_assigned_as_a_parquet_file_is(tmp_path):
    data = a_folder(tmp_path, P1=2 * MILLION, P2=9 * MILLION)
    (tmp_path / "parts").mkdir()
    a_list(tmp_path, *BOTH[:2], name="parts/part-00000.parquet")
    a_list(tmp_path, *BOTH[2:], name="parts/part-00001.parquet")
    lists = (a_list(tmp_path, *BOTH), a_list(tmp_path, *BOTH, name="ranked.csv"), tmp_path / "parts")
    first, second, third = (assign_list(data, ranked).rows for ranked in lists)
    pd.testing.assert_frame_equal(first, second, check_dtype=False)
    pd.testing.assert_frame_equal(first, third, check_dtype=False)


def test_ids_that_spell_a_missing_value_are_ids_in_a_csv_as_in_a_parquet_file(tmp_path):
    data = a_folder(tmp_path, needs=("NA", "null"), P1=2 * MILLION, P2=9 * MILLION)
    pairs = (("NA", "P1", 1), ("NA", "P2", 2), ("null", "P1", 1))
    for name in ("ranked.parquet", "ranked.csv"):
        assert got(assign_list(data, a_list(tmp_path, *pairs, name=name))) == {"NA": "P2", "null": "P1"}


# what a product has left


def grant(day, amount=None, need_id="N3", stage="granted"):
    return make.outcome(need_id=need_id, stage=stage, at=day, amount=amount)


@pytest.mark.parametrize(
    ("outcomes", "takers"),
    [
        ([], 2),
        ([grant(date(2025, 1, 20), 1)], 1),  # one yuan is gone
        ([grant(date(2025, 1, 20))], 1),  # the two millions that were asked for
        ([grant(date(2025, 3, 31), 3 * MILLION)], 0),
        ([grant(date(2025, 4, 1), 3 * MILLION)], 2),  # after the list's day: not known yet
        ([grant(date(2025, 1, 20), 3 * MILLION, stage="drawn")], 2),  # a part of what was granted, not more
    ],
)
def test_what_was_granted_this_year_is_gone(tmp_path, outcomes, takers):
    data = a_folder(tmp_path, outcomes, ("N1", "N2", "N3"), [2 * MILLION] * 3, P1=4 * MILLION, P2=9 * MILLION)
    assert list(got(assign_list(data, a_list(tmp_path, *BOTH))).values()).count("P1") == takers


def test_a_year_begins_with_the_whole_capacity(tmp_path):
    needs = [make.need(need_id="N1"), make.need(need_id="N3", posted_at=date(2024, 3, 1))]
    rows = {
        "enterprises": [make.enterprise(as_of=date(2024, 1, 1))],
        "products": [make.product(capacity=2 * MILLION)],
        "needs": needs,
        "outcomes": [make.outcome(need_id="N3", at=date(2024, 12, 31), amount=2 * MILLION)],
    }
    gate.write(make.tables(**rows), tmp_path / "data")
    assert got(assign_list(tmp_path / "data", a_list(tmp_path, ("N1", "P1", 1)))) == {"N1": "P1"}


def test_the_capacity_is_that_of_the_version_of_the_lists_day(tmp_path):
    versions = [
        make.product(capacity=9 * MILLION, valid_to=date(2025, 3, 1)),
        make.product(valid_from=date(2025, 3, 1), capacity=MILLION, valid_to=date(2025, 4, 1)),
        make.product(valid_from=date(2025, 4, 1), capacity=9 * MILLION),
    ]
    gate.write(make.tables(products=versions, outcomes=[]), tmp_path / "data")
    assert got(assign_list(tmp_path / "data", a_list(tmp_path, ("N1", "P1", 1)))) == {"N1": "-"}


@pytest.mark.parametrize(("share", "takers"), [(1.0, 2), (0.5, 2), (0.499999, 1), (0.25, 1), (0.2499, 0), (0.0, 0)])
def test_a_list_gets_a_share_of_each_years_capacity(tmp_path, share, takers):
    found = assign_list(a_folder(tmp_path, P1=8 * MILLION, P2=None), a_list(tmp_path, *BOTH), share)
    assert list(got(found).values()).count("P1") == takers


def test_whose_room_is_short_is_told_with_what_more_of_it_is_worth(tmp_path):
    needs = tuple(f"N{i:02}" for i in range(20))
    data = a_folder(tmp_path, (), needs, [MILLION] * 20, P1=5 * MILLION + 5, P2=99 * MILLION)
    ranked = a_list(tmp_path, *((need, product, rank) for need in needs for product, rank in (("P1", 1), ("P2", 2))))
    (short,) = assign_list(data, ranked).products.to_dict("records")
    assert short["million"] == pytest.approx(WORTH[1] - WORTH[2], abs=0.02)
    assert {name: short[name] for name in ("product_id", "room", "first", "given")} == {
        "product_id": "P1",
        "room": 5 * MILLION + 5,
        "first": 20 * MILLION,
        "given": 5 * MILLION,
    }


def test_true_chances_add_up_over_who_gets_what(tmp_path):
    truth = pd.DataFrame({"need_id": ["N1", "N1", "N2"], "product_id": ["P1", "P2", "P1"], "chance": [0.5, 0.4, 0.3]})
    ranked = a_list(tmp_path, ("N1", "P1", 1), ("N1", "P2", 2), ("N2", "P1", 1))
    found = assign_list(a_folder(tmp_path, P1=2 * MILLION, P2=2 * MILLION), ranked, truth=truth)
    assert found.chances == pytest.approx(
        {"assigned": 0.4 + 0.3, "one after the other": 0.5, "each its first, without limits": 0.5 + 0.3}
    )


def test_an_offer_that_the_truth_does_not_know_is_told_and_one_of_another_market_is_refused(tmp_path, capsys):
    truth = pd.DataFrame({"need_id": ["N1", "N2"], "product_id": ["P1", "P3"], "chance": [0.5, 0.3]})
    data, ranked = a_folder(tmp_path, P1=4 * MILLION, P2=1), a_list(tmp_path, *BOTH)
    found = assign_list(data, ranked, truth=truth)
    assert (found.chances["assigned"], found.untold) == (0.5, 3)
    print_assigned(found)
    assert "3 of the offers have no true chance, as a product newer than its need: they" in capsys.readouterr().out
    told = assign_list(data, ranked, truth=pd.DataFrame(BOTH, columns=["need_id", "product_id", "chance"]))
    print_assigned(told)
    assert (told.untold, "has no chance" in capsys.readouterr().out) == (0, False)
    with pytest.raises(InputError, match="assign: --truth: has a chance for an offer of the list, not for none of 4"):
        assign_list(data, ranked, truth=truth.assign(need_id="N9"))


# what is written and said


@pytest.mark.parametrize("name", ["out.parquet", "out.csv"])
def test_the_table_is_written_as_its_name_ends(tmp_path, name):
    found = assign_list(a_folder(tmp_path, P1=2 * MILLION, P2=1), a_list(tmp_path, *BOTH))
    assigning.write(found, tmp_path / name)
    read = pd.read_csv if name.endswith("csv") else pd.read_parquet
    back = read(tmp_path / name)
    assert back["need_id"].tolist() == ["N1", "N2"]
    assert sorted(back["product_id"].fillna("-")) == ["-", "P1"]
    assert [path.name for path in tmp_path.glob(".*")] == []  # nothing is left aside


def test_the_summary_says_how_near_the_best_it_is_and_where_room_is_short(tmp_path, capsys):
    truth = pd.DataFrame({"need_id": ["N1"], "product_id": ["P1"], "chance": [0.5]})
    found = assign_list(a_folder(tmp_path, P1=2 * MILLION, P2=1), a_list(tmp_path, *BOTH), truth=truth)
    print_assigned(found)
    told = " ".join(capsys.readouterr().out.split())
    assert "1 of 2 needs assigned, 1 to the first of their list; worth 1.0, at most 1.0 can be reached" in told
    assert "true chances, one after the other: 0.5" in told
    assert re.search(r"P1 .* 2\.0 .* 4\.0 .* 2\.0 .* \+\d\.\d{3}", told)


def test_of_many_short_products_the_dearest_are_shown(tmp_path, capsys):
    names = [f"P{i:02}" for i in range(12)]
    data = a_folder(tmp_path, **dict.fromkeys(names, 3 * MILLION))
    offers = ((need, name, rank) for need in ("N1", "N2") for rank, name in enumerate(names, start=1))
    found = assign_list(data, a_list(tmp_path, *offers))
    print_assigned(assigning.Assigned(**vars(found) | {"products": pd.concat([found.products] * 12)}))
    assert f"and {12 * len(found.products) - 10} more" in capsys.readouterr().out


# what is refused


@pytest.mark.parametrize(
    ("matches", "columns", "words"),
    [
        ([("N9", "P1", 1)], {}, r"need_id \(row N9\): is a need of DATA by the list's day"),
        ([("N1", "P9", 1)], {}, r"product_id \(row P9\): is a product of DATA"),
        ([("N1", "P1", 0)], {}, r"rank \(row 1\): is a whole number, 1 or more"),
        (
            [("N1", "P1", 1), ("N1", "P2", 1)],
            {},
            r"rank \(row 2\): is a whole number, 1 or more, and another for each product of a need",
        ),
        (
            [("N1", "P1", 1), ("N1", "P1", 2)],
            {},
            r"rank \(row 2\): is a whole number, 1 or more, and another for each product",
        ),
        (BOTH[:2], {"rank": [1, 2.5]}, r"rank \(row 2\): is a whole number"),
        (BOTH[:2], {"rank": [1, float("inf")]}, r"rank \(row 2\): is a whole number"),
        (BOTH[:2], {"as_of": pd.NaT}, "as_of: is one day of all rows"),
        (BOTH[:2], {"as_of": [datetime(2025, 3, 31), pd.NaT]}, "as_of: is one day of all rows"),
        ([("N1", "P1", None)], {}, "--ranked: holds a match"),
        (BOTH[:2], {"as_of": [datetime(2025, 3, 30), datetime(2025, 3, 31)]}, "as_of: is one day of all rows"),
        (BOTH[:1], {"as_of": ["yesterday"]}, "--ranked: is a list that `rank` wrote"),
        (BOTH[:1], {"rank": ["first"]}, "--ranked: is a list that `rank` wrote"),
    ],
)
def test_a_list_that_is_none_is_refused_by_field_and_row(tmp_path, matches, columns, words):
    with pytest.raises(InputError, match=words):
        assign_list(a_folder(tmp_path, P1=1, P2=1), a_list(tmp_path, *matches, **columns))


@pytest.mark.parametrize("name", ["ranked.csv", "ranked.parquet"])
def test_a_file_of_something_else_is_refused(tmp_path, name):
    data, ranked = a_folder(tmp_path, P1=1), tmp_path / name
    with pytest.raises(InputError, match="--ranked: is a file or folder that exists"):
        assign_list(data, ranked)
    ranked.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="--ranked: is a list that `rank` wrote"):
        assign_list(data, ranked)


@pytest.mark.parametrize(("job", "whole"), [({}, False), ({"parts": 2}, False), ({"parts": 1}, True)])
def test_parts_of_a_list_that_was_not_ranked_to_its_end_are_refused(tmp_path, job, whole):
    data, parts = a_folder(tmp_path, P1=9 * MILLION, P2=9 * MILLION), tmp_path / "parts"
    parts.mkdir()
    (parts / JOB).write_text(json.dumps({"asked": {}} | job))
    a_list(tmp_path, *BOTH, name="parts/part-00000.parquet")
    if whole:
        assert len(assign_list(data, parts).rows) == 2
    else:
        with pytest.raises(InputError, match="--ranked: is a list that is whole: rank it to the end, by the same comm"):
            assign_list(data, parts)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.txt", "--out: ends in .parquet or .csv, not 'out.txt'"),
        ("ranked.parquet", "--out: is none of the files that are read"),
        ("data/needs.csv", "--out: is none of the files that are read"),
        ("nowhere/out.csv", "--out: lies in a folder that exists"),
    ],
)
def test_a_result_that_cannot_be_written_is_told_before_the_work(tmp_path, name, words):
    (tmp_path / "data").mkdir()
    with pytest.raises(InputError, match=words):
        assigning.check_names(tmp_path / "ranked.parquet", tmp_path / name, tmp_path / "data")


def test_nothing_is_written_among_the_parts_of_a_list_nor_over_a_truth(tmp_path):
    parts, data, truth = tmp_path / "parts", tmp_path / "data", tmp_path / "truth.parquet"
    parts.mkdir()
    with pytest.raises(InputError, match=r"--out: lies outside the list's folder, not beside its parts as .*/out\.csv"):
        assigning.check_names(parts, parts / "out.csv", data)
    with pytest.raises(InputError, match=r"--out: is none of the files that are read, as .*/truth\.parquet would be"):
        assigning.check_names(parts, truth, data, truth)
    assigning.check_names(parts, tmp_path / "out.parquet", data, truth)

"""The white list at once: every open need's best products, killed or not, on one machine or many, the same."""

import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from datetime import date
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from matching import tables as gate
from matching.domain import Benchmark
from matching.errors import InputError
from matching.financing import Financing
from matching.matcher import Matcher
from matching.ranker import Ranker
from matching.reasons import explained
from matching.reference import lpr
from matching.tables import frame_of
from tests import bundles
from tests import factories as make
from training.batch import Cluster, Local, Options, check_name, columns, rank_all, source, working
from training.batch.lock import alone
from training.batch.output import part_file
from training.batch.preparing import HISTORY, PLAN
from training.batch.running import JOB, PREPARED
from training.dataset import World

ROOT = Path(__file__).parent.parent
LATER = date(2025, 1, 10)
DAY = date(2025, 1, 8)


def joined(tables, needs, outcomes=()):
    more = {"needs": needs, "outcomes": list(outcomes)}

    def join(name, frame):
        return pd.concat([frame, frame_of(name, more[name])], ignore_index=True) if more.get(name) else frame

    return tables.map(join)


@pytest.fixture(scope="module")
def market():
    """`bundles.market()` with four needs more: one open, one declined, one expired, one granted."""
    needs = [
        make.need(need_id=name, enterprise_id="E1", posted_at=date(2025, 1, 5))
        for name in ("open", "declined", "expired", "granted")
    ]
    outcomes = [make.outcome(need_id=n.need_id, stage=n.need_id, at=DAY) for n in needs[1:]]
    return joined(bundles.market(), needs, outcomes)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """The market's tables with forty open needs, written in row groups of sixteen."""
    folder = tmp_path_factory.mktemp("crowd")
    needs = [make.need(need_id=f"X{i:02}", enterprise_id=f"E{i % 8}", amount=10_000 * (i + 1)) for i in range(40)]
    tables = joined(bundles.market(), needs)
    gate.write(tables, folder)
    pq.write_table(pq.read_table(folder / "needs.parquet"), folder / "needs.parquet", row_group_size=16)
    return folder


@pytest.fixture(scope="module")
def data(market, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    gate.write(market, folder)
    return folder


@pytest.fixture(scope="module")
def leaning(tmp_path_factory):
    """A bundle with appetites, so that there is something to say."""
    return bundles.ranker(appetites=bundles.leaning()).save(tmp_path_factory.mktemp("leaning"))


@pytest.fixture(scope="module")
def rank(bundle, data, tmp_path_factory):
    """Ranks in this process; gives the list."""

    def call(folder=data, name="out.parquet", model=bundle, **options):
        out = tmp_path_factory.mktemp("out") / name
        rank_all(folder, model, out, engine=Local(1), **options)
        return pd.read_csv(out, parse_dates=["as_of"]) if name.endswith("csv") else pd.read_parquet(out)

    return call


@pytest.fixture(scope="module")
def ranked(rank):
    return rank()


# the list


def test_only_needs_that_are_neither_granted_nor_expired_are_ranked(ranked):
    assert set(ranked["need_id"]) == {"open", "declined"}


def test_each_need_has_its_products_ranked_by_score(ranked, bundle):
    assert ranked.columns.tolist() == columns(Options()).names
    for _, mine in ranked.groupby("need_id"):
        assert mine["rank"].tolist() == [1, 2, 3, 4, 5]
        assert mine["score"].tolist() == sorted(mine["score"], reverse=True)
        assert set(mine["product_id"]) == {"P0", "P1", "P2", "P3", "P4"}
    assert set(ranked["model_id"]) == {bundle.name}


def test_a_match_names_its_institution_and_its_chance(ranked):
    owners = dict(zip(ranked["product_id"], ranked["institution_id"], strict=True))
    assert owners == {f"P{i}": "I1" for i in range(4)} | {"P4": "I2"}
    assert ranked["chance"].notna().tolist() == (ranked["product_id"] != "P4").tolist()  # no leasing was refused


def test_the_list_says_what_the_matcher_says_to_the_last_bit(crowd, rank, bundle):
    found, tables = rank(crowd), gate.read(crowd)
    world = World.of(tables)
    matcher = Matcher(world.catalogue, Ranker.load(bundle))
    day = found["as_of"].iloc[0].date()
    firms = {firm.enterprise_id: firm for firm in gate.entities("enterprises", tables.enterprises)}
    for need in gate.entities("needs", tables.needs[tables.needs["need_id"].str.startswith("X")]):
        matches = matcher.rank(firms[need.enterprise_id], need, as_of=day).matches
        mine = found[found["need_id"] == need.need_id]
        assert mine["product_id"].tolist() == [match.product_id for match in matches]
        assert mine["score"].tolist() == [match.score for match in matches]


def test_the_day_is_the_last_one_in_the_tables_unless_given(rank, ranked):
    assert set(ranked["as_of"]) == {pd.Timestamp(DAY)}
    assert set(rank(as_of=LATER)["as_of"]) == {pd.Timestamp(LATER)}


def test_a_need_posted_after_the_day_is_not_ranked(rank):
    assert rank(as_of=date(2025, 1, 1)).empty
    assert set(rank(as_of=date(2025, 1, 5))["as_of"]) == {pd.Timestamp(2025, 1, 5)}


def test_top_k_limits_each_need(rank):
    assert rank(options=Options(top_k=2))["rank"].tolist() == [1, 2, 1, 2]


def test_without_an_open_need_the_file_has_its_columns_and_no_row(rank, tmp_path):
    gate.write(bundles.market(), tmp_path)
    found = rank(tmp_path, "none.csv")
    assert found.columns.tolist() == columns(Options()).names
    assert len(found) == 0


def test_tables_without_a_need_say_no_day_and_are_ranked_as_of_one(rank, tmp_path):
    gate.write(make.tables(needs=[], outcomes=[]), tmp_path)
    with pytest.raises(InputError, match="--as-of: is given where tables have neither needs nor outcomes"):
        rank(tmp_path)
    assert rank(tmp_path, as_of=DAY).empty


def test_dates_of_which_none_can_be_read_are_named_rather_than_taken_for_none(market, rank, tmp_path):
    zoned = {"needs": "posted_at", "outcomes": "at"}
    gate.write(market, tmp_path)
    for name, field in zoned.items():
        frame = getattr(market, name)
        frame.assign(**{field: frame[field].dt.tz_localize("UTC")}).to_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(InputError, match=r"needs: posted_at \(row 1\): is a date \(YYYY-MM-DD\), not Timestamp\("):
        rank(tmp_path)


def test_a_table_that_breaks_a_rule_is_refused(crowd, rank, tmp_path):
    for file in crowd.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    needs = pd.read_parquet(tmp_path / "needs.parquet")
    needs["amount"] = np.where(needs["need_id"] == "X39", -1, needs["amount"])
    needs.to_parquet(tmp_path / "needs.parquet", row_group_size=16)
    with pytest.raises(InputError, match=r"needs: amount \(row 64\): is above 0"):
        rank(tmp_path)
    needs.assign(enterprise_id="nobody").to_parquet(tmp_path / "needs.parquet")
    with pytest.raises(InputError, match="exists in enterprises, not 'nobody'"):
        rank(tmp_path)
    (tmp_path / "needs.parquet").write_text("no parquet")
    with pytest.raises(InputError, match="needs: file is readable"):
        rank(tmp_path)


def test_an_id_of_two_needs_is_refused_in_whichever_parts_they_are_before_one_is_ranked(crowd, bundle, tmp_path):
    data, told = shutil.copytree(crowd, tmp_path / "data"), []
    needs = pd.read_parquet(data / "needs.parquet")
    needs["need_id"] = needs["need_id"].replace({"X39": "X01", "X38": "X02"})
    needs.to_parquet(data / "needs.parquet", row_group_size=16)
    with pytest.raises(InputError) as refused:
        rank_all(data, bundle, tmp_path / "parts", engine=Local(1), progress=lambda step, _share: told.append(step))
    assert str(refused.value) == (
        "needs: need_id (row 63): is unique, not X02 again; need_id (row 64): is unique, not X01 again"
    )
    assert told == ["tables"]


def test_ids_of_one_hash_and_needs_without_an_id_are_not_taken_for_one_given_twice(crowd, tmp_path, monkeypatch):
    needs = pd.read_parquet(crowd / "needs.parquet")
    needs["need_id"] = needs["need_id"].replace({"X01": None, "X39": None})
    needs.to_parquet(tmp_path / "needs.parquet")
    monkeypatch.setattr(pd.util, "hash_pandas_object", lambda ids, **_how: ids.map(lambda _id: 0).astype("uint64"))
    source.unique_needs(tmp_path)


# what is said of a match


def test_reasons_are_those_of_the_library_in_codes_and_both_languages(crowd, rank, leaning):
    found, tables = rank(crowd, model=leaning, options=Options(top_k=2, explain=True)), gate.read(crowd)
    world = World.of(tables)
    matcher = Matcher(world.catalogue, Ranker.load(leaning))
    firm = gate.entities("enterprises", tables.enterprises[tables.enterprises["enterprise_id"] == "E3"])[0]
    need = gate.entities("needs", tables.needs[tables.needs["need_id"] == "X03"])[0]
    day = found["as_of"].iloc[0].date()
    told = explained(matcher, matcher.rank(firm, need, as_of=day, top_k=2), firm, need)
    mine = found[found["need_id"] == "X03"]
    for row, match in zip(mine.itertuples(), told.matches, strict=True):
        assert row.reason_codes.tolist() == [reason.code for reason in match.reasons]
        assert row.reason_weights.tolist() == [reason.weight for reason in match.reasons]
        assert row.reasons_en.tolist() == [f"{r.effect.en}: {r.text_en}" for r in match.reasons]
        assert row.reasons_zh.tolist() == [f"{r.effect.zh}：{r.text_zh}" for r in match.reasons]


def test_the_best_stack_is_that_of_the_library_with_its_cost(market, rank, tmp_path):
    def priced(name, frame):
        return frame.assign(benchmark="lpr_1y") if name == "products" else frame

    gate.write(market.map(priced), tmp_path)
    found = rank(tmp_path, options=Options(stack=True))
    found = found[found["product_id"] == "P0"]
    financing = Financing(make.enterprise(), make.need(), DAY)
    best = financing.of(make.product(), lpr(Benchmark.LPR_1Y, DAY), found["chance"].iloc[0]).best
    assert found["stack"].map(tuple).tolist() == [best.enhancements] * 2
    assert found["stack_percent"].tolist() == [float(best.percent)] * 2
    assert found["stack_yuan"].tolist() == [best.yuan] * 2
    assert found["stack_chance"].tolist() == [best.chance] * 2


def test_fixes_follow_the_matches_without_a_rank(rank):
    found = rank(options=Options(top_k=1, fix=True))
    assert found["rank"].isna().tolist() == [False, True, False, True]
    fixed = found[found["rank"].isna()]
    assert set(fixed["product_id"]) == {"P5"}
    assert all(texts.tolist() == ["bring the amount needed from 2,000,000 to 1 yuan"] for texts in fixed["fixes_en"])
    assert all(fields.tolist() == ["amount"] for fields in fixed["fix_fields"])
    assert fixed["fix_days"].tolist() == [1, 1]
    assert fixed["fix_rank"].between(1, 6).all()


def cells(column):
    """A column's cells, lists as a csv has them, 0 for what is missing."""
    texts = ["|".join(map(str, cell)) if isinstance(cell, np.ndarray) else cell for cell in column]
    return [0 if cell in (None, "") or pd.isna(cell) else cell for cell in texts]


def test_csv_and_parquet_say_the_same(rank):
    options = Options(top_k=2, explain=True, stack=True, fix=True)
    kept, text = rank(options=options), rank(name="out.csv", options=options)
    assert text.columns.tolist() == kept.columns.tolist()
    assert all(cells(text[name]) == cells(kept[name]) for name in kept)


@pytest.mark.parametrize("name", ["out.xlsx", "out.csv.gz"])
def test_another_ending_is_refused(name, tmp_path):
    with pytest.raises(InputError, match=f"--out: ends in .parquet or .csv or names a folder, not '{name}'"):
        check_name(tmp_path / name, tmp_path)


def test_the_root_of_all_folders_is_no_place_for_a_list(tmp_path):
    with pytest.raises(InputError, match=r"--out: ends in .parquet or .csv or names a folder, not '/'$"):
        check_name(Path("/"), tmp_path)


def test_a_file_in_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"--out: lies in a folder that exists, not .*nowhere"):
        check_name(tmp_path / "nowhere" / "out.csv", tmp_path)


def test_a_folder_of_a_file_s_name_and_a_file_of_a_folder_s_are_refused(tmp_path):
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(InputError, match=r"--out: is a file, not the folder .*out\.csv"):
        check_name(tmp_path / "out.csv", tmp_path)
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match=r"--out: ends in .parquet or .csv or names a folder, not the file .*out"):
        check_name(tmp_path / "out", tmp_path)


@pytest.mark.parametrize("name", ["needs.parquet", "enterprises.csv"])
def test_a_table_of_the_market_itself_is_not_overwritten(name, tmp_path):
    (tmp_path / "sub").mkdir()
    with pytest.raises(InputError, match=f"--out: is none of the tables that are ranked, as .*{name} would be"):
        check_name(tmp_path / "sub" / ".." / name, tmp_path)
    check_name(tmp_path / "sub" / name, tmp_path)


# parts


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("part-*.parquet"))}


def test_parts_together_say_what_one_file_says(crowd, rank, bundle, tmp_path):
    done = rank_all(crowd, bundle, tmp_path / "parts", engine=Local(1), part_needs=10)
    assert len(files(tmp_path / "parts")) == 8  # four row groups of sixteen needs, ten and six of each
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "parts"), rank(crowd))
    assert (done.needs, done.matched, done.matches, done.resumed) == (40, 40, 200, 0)
    assert sorted(path.name for path in (tmp_path / "parts").iterdir() if "part" not in path.name) == [JOB]


def warned(words):
    """A part of work at which something is said."""
    warnings.warn(words, stacklevel=2)
    return words


def test_a_process_that_joblib_replaces_is_nothing_to_say_and_all_else_is():
    replaced = "A worker stopped while some jobs were given to the executor."
    assert list(Local(1).run(warned, [replaced])) == [replaced]
    with pytest.warns(UserWarning, match="^another$"):
        assert list(Local(1).run(warned, ["another"])) == ["another"]


def ended(_part):
    """A part of work during which the system ends the process."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_the_system_ends_is_said_in_words():
    with pytest.raises(InputError, match="rank: memory: suffices, which ended one of the processes: take fewer"):
        list(Local(2).run(ended, [0, 1]))


WAITS = """
import os, time
from training.batch import Local

def work(part):
    os.write(1, b"at work\\n")
    time.sleep(part)

list(Local(2).run(work, [100, 101]))
"""


def test_processes_end_with_the_batch_that_is_killed():
    with subprocess.Popen([sys.executable, "-c", WAITS], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert [process.stdout.readline() for _ in range(2)] == [b"at work\n"] * 2
        process.kill()
        assert process.communicate(timeout=60)[0] == b""  # read to its end, which comes when nobody holds it any more


def test_csv_tables_give_the_same_list(crowd, rank, tmp_path):
    gate.write(gate.read(crowd), tmp_path, "csv")
    pd.testing.assert_frame_equal(rank(tmp_path), rank(crowd))


def test_finished_parts_are_kept_and_skipped(crowd, bundle, tmp_path):
    out, told = tmp_path / "parts", []
    rank_all(crowd, bundle, out, engine=Local(1), part_needs=16)
    whole, first = files(out), part_file(out, 0).stat().st_mtime_ns
    part_file(out, 3).unlink()
    again = {"engine": Local(1), "part_needs": 16, "progress": lambda step, share: told.append((step, share))}
    done = rank_all(crowd, bundle, out, **again)
    assert files(out) == whole
    assert part_file(out, 0).stat().st_mtime_ns == first
    assert (done.resumed, done.matches) == (3, 200)
    assert told == [("tables", 0.0), ("ranking", 1.0)]
    assert rank_all(crowd, bundle, out, **again).resumed == 4
    assert len(told) == 2


def test_a_file_begins_anew_where_an_earlier_batch_was_another(crowd, bundle, tmp_path):
    def stopped(_step, _share):
        raise KeyboardInterrupt

    out = tmp_path / "list.csv"
    with pytest.raises(KeyboardInterrupt):
        rank_all(crowd, bundle, out, engine=Local(1), part_needs=40, progress=stopped)
    with pytest.raises(KeyboardInterrupt):
        rank_all(crowd, bundle, out, engine=Local(1), part_needs=40, progress=lambda s, x: x and stopped(s, x))
    assert rank_all(crowd, bundle, out, engine=Local(1), part_needs=40).resumed == 1
    assert rank_all(crowd, bundle, out, engine=Local(1), options=Options(top_k=1)).matches == 40
    assert [path.name for path in tmp_path.iterdir()] == ["list.csv"]


def test_parts_of_another_batch_are_not_mixed_in(crowd, bundle, tmp_path):
    out = tmp_path / "parts"
    rank_all(crowd, bundle, out, engine=Local(1))
    with pytest.raises(InputError, match=r"holds a batch of the same as_of, options: .* is of another one; remove it"):
        rank_all(crowd, bundle, out, LATER, Options(top_k=3))
    with pytest.raises(InputError, match=r"--out: is new, empty or holds a batch, which .* is not"):
        rank_all(crowd, bundle, crowd)


@pytest.mark.parametrize("earlier", [False, True])
def test_parts_of_tables_that_are_said_to_be_others_are_not_mixed_in(crowd, bundle, tmp_path, earlier):
    data, out = shutil.copytree(crowd, tmp_path / "data"), tmp_path / "parts"
    rank_all(data, bundle, out, engine=Local(1))
    if earlier:  # of a version that did not write down what the tables are
        job = json.loads((out / JOB).read_text())
        del job["asked"]["tables.json"]
        (out / JOB).write_text(json.dumps(job))
    else:
        about = json.loads((data / "tables.json").read_text())
        (data / "tables.json").write_text(json.dumps(about | {"currency": "USD"}))
    with pytest.raises(InputError, match=r"holds a batch of the same tables.json: .* is of another one; remove it"):
        rank_all(data, bundle, out, engine=Local(1))


@pytest.mark.parametrize("name", ["parts", "list.csv"])
def test_tables_that_change_while_they_are_ranked_leave_no_list(crowd, bundle, tmp_path, name):
    data = shutil.copytree(crowd, tmp_path / "data")

    def change(step, _share):
        if step == "ranking":
            os.utime(data / "needs.parquet", ns=(0, 0))

    with pytest.raises(InputError, match=r"rank: DATA: stays as it is while it is ranked, which .*data did not"):
        rank_all(data, bundle, tmp_path / name, engine=Local(1), progress=change)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_parts_of_another_version_are_not_mixed_in(crowd, bundle, tmp_path):
    rank_all(crowd, bundle, tmp_path, engine=Local(1))
    text = (tmp_path / JOB).read_text()
    (tmp_path / JOB).write_text(text.replace(f'"numpy": "{np.__version__}"', '"numpy": "1.0"'))
    with pytest.raises(InputError, match=r"holds a batch of the same versions: .* is of another one; remove it"):
        rank_all(crowd, bundle, tmp_path, engine=Local(1))


def test_a_batch_that_is_killed_goes_on_where_it_stopped(crowd, bundle, tmp_path):
    out = tmp_path / "killed"
    words = (
        "rank",
        crowd,
        "--models",
        bundle.parent,
        "--model",
        bundle.name,
        "--part",
        4,
        "--processes",
        2,
        "--out",
        out,
    )
    command = [sys.executable, "-m", "training", *map(str, words)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, **quiet) as process:
        deadline = monotonic() + 90
        while len(files(out)) < 3 and process.poll() is None and monotonic() < deadline:
            sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    survived = files(out)
    assert 3 <= len(survived) < 16
    assert "parts" not in json.loads((out / JOB).read_text())
    done = rank_all(crowd, bundle, out, engine=Local(1), part_needs=4)
    assert (done.resumed, done.needs, done.matches) == (len(survived), 40, 200)
    assert survived.items() <= files(out).items()
    rank_all(crowd, bundle, tmp_path / "whole", engine=Local(1), part_needs=4)
    assert files(out) == files(tmp_path / "whole")


@pytest.fixture
def killed(monkeypatch):
    """Whoever removes a folder is killed when one file is gone, or who moves a file to its place before it is there."""

    def removing(file):
        def stop(path, **_options):
            if (Path(path) / file).exists():
                (Path(path) / file).unlink()
                raise KeyboardInterrupt

        monkeypatch.setattr(shutil, "rmtree", stop)

    def moving(file):
        real = Path.replace

        def stop(path, target):
            if target.name == file:
                raise KeyboardInterrupt
            return real(path, target)

        monkeypatch.setattr(Path, "replace", stop)

    def ranks(tables, bundle, out):
        with pytest.raises(KeyboardInterrupt):
            rank_all(tables, bundle, out, engine=Local(1))
        monkeypatch.undo()

    return SimpleNamespace(removing=removing, moving=moving, ranks=ranks)


def test_a_batch_that_is_killed_while_it_clears_up_is_not_in_the_way_of_the_next(crowd, bundle, tmp_path, killed):
    out = tmp_path / "list.csv"
    killed.removing(JOB)
    killed.ranks(crowd, bundle, out)
    assert rank_all(crowd, bundle, out, engine=Local(1)).matches == 200
    assert [path.name for path in tmp_path.iterdir()] == ["list.csv"]


def test_a_process_that_outlives_its_batch_puts_no_part_into_the_next(data, bundle, tmp_path, monkeypatch):
    out, real, made = tmp_path / "parts", working.write_part, []

    def killed(*said):
        """The batch is killed before one of its processes has its part."""
        made.append(said)
        raise KeyboardInterrupt

    monkeypatch.setattr(working, "write_part", killed)
    with pytest.raises(KeyboardInterrupt):
        rank_all(data, bundle, out, options=Options(top_k=3), engine=Local(1))
    monkeypatch.setattr(working, "write_part", real)
    shutil.rmtree(out)
    rank_all(data, bundle, out, options=Options(top_k=1), engine=Local(1))
    with pytest.raises(OSError, match="_prepared"):
        real(*made[0])
    assert pd.read_parquet(out)["rank"].max() == 1


@pytest.mark.parametrize("name", ["parts", "list.csv"])
def test_two_commands_do_not_rank_to_one_place_at_once(crowd, bundle, tmp_path, name):
    out, refused = tmp_path / name, []

    def another(step, _share):
        if step == "ranking":
            with pytest.raises(
                InputError, match=rf"--out: is written by one command at a time: .* to .*{name}$"
            ) as one:
                rank_all(crowd, bundle, out, engine=Local(1))
            refused.append(one)

    assert rank_all(crowd, bundle, out, engine=Local(1), part_needs=16, progress=another).matches == 200
    assert len(refused) == 4
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_lock_that_its_owner_let_go_of_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    out, real, lost = tmp_path / "list.csv", os.open, []

    def opened(path, *how):
        """The first time the file is removed before it is locked."""
        file = real(path, *how)
        if not lost:
            lost.append(Path(path).unlink())
        return file

    monkeypatch.setattr(os, "open", opened)
    with alone(out):
        assert lost
        with pytest.raises(InputError, match="is written by one command at a time"), alone(out):
            pass


def test_a_batch_of_broken_tables_that_is_killed_while_it_clears_up_is_not_either(crowd, bundle, tmp_path, killed):
    broken, out = tmp_path / "broken", tmp_path / "parts"
    shutil.copytree(crowd, broken)
    (broken / "needs.parquet").write_text("no parquet")
    killed.removing(JOB)
    killed.ranks(broken, bundle, out)
    assert rank_all(crowd, bundle, out, engine=Local(1)).matches == 200
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "parts"]


def test_what_is_prepared_is_there_whole_or_not_at_all(crowd, bundle, tmp_path, killed):
    out = tmp_path / "parts"
    killed.removing(HISTORY)
    killed.ranks(crowd, bundle, out)
    assert not (out / PREPARED).exists()
    part_file(out, 0).unlink()
    assert rank_all(crowd, bundle, out, engine=Local(1)).matches == 200
    assert JOB in {path.name for path in out.iterdir()} <= {JOB, *files(out)}


@pytest.mark.parametrize("file", [JOB, PLAN])
def test_a_batch_that_is_killed_before_a_file_is_whole_goes_on(crowd, bundle, tmp_path, killed, file):
    killed.moving(file)
    killed.ranks(crowd, bundle, tmp_path / "parts")
    assert rank_all(crowd, bundle, tmp_path / "parts", engine=Local(1)).matches == 200


@pytest.mark.parametrize("text", ["", '{"asked": {', "[]"])
def test_a_folder_that_does_not_say_what_was_asked_is_no_batch_s(crowd, bundle, tmp_path, text):
    for folder in (tmp_path / "parts", tmp_path / ".list.csv.parts"):
        folder.mkdir()
        (folder / JOB).write_text(text)
    with pytest.raises(InputError, match=r"--out: is new, empty or holds a batch, which .* is not"):
        rank_all(crowd, bundle, tmp_path / "parts")
    assert rank_all(crowd, bundle, tmp_path / "list.csv", engine=Local(1)).matches == 200


def test_a_dask_cluster_gives_the_same_bytes_as_this_machine(crowd, bundle, tmp_path):
    distributed = pytest.importorskip("distributed")
    said = {"part_needs": 16, "options": Options(explain=True, fix=True, stack=True)}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        rank_all(crowd, bundle, tmp_path / "dask", engine=Cluster(cluster.scheduler_address), **said)
    rank_all(crowd, bundle, tmp_path / "local", engine=Local(1), **said)
    assert len(files(tmp_path / "dask")) == 4
    assert files(tmp_path / "dask") == files(tmp_path / "local")


def test_without_a_scheduler_there_is_no_cluster(crowd, bundle, tmp_path, monkeypatch):
    engine = Cluster("tcp://127.0.0.1:9", seconds=1)
    with pytest.raises(InputError, match=r"--scheduler: answers at tcp://127\.0\.0\.1:9"):
        rank_all(crowd, bundle, tmp_path / "none", engine=engine)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"--engine dask: has its library: pip install '.*\[cluster\]'"):
        rank_all(crowd, bundle, tmp_path / "lacking", engine=engine)

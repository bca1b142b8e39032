"""`python -m training …`: each command from end to end, and one line for whatever the caller can mend."""

import gzip
import json
import os
import re
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import get_args, get_type_hints

import pandas as pd
import pytest

from matching import tables
from matching.bundles import champion
from tests.releases import ROWS, release
from training import __main__ as commands
from training import ablation, drift, engines, outputs
from training.cluster import connected
from training.promote import LOG, promote
from training.train import train

NOON = datetime(2025, 1, 10, 12, tzinfo=UTC)
ID = re.compile(r"\d{8}-[0-9a-f]{12}")


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command line; gives its exit code, output lines and error lines."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["training", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            commands.main()
        out, err = capsys.readouterr()
        return left.value.code or 0, out.splitlines(), err.splitlines()

    return call


@pytest.fixture(scope="module")
def data(tmp_path_factory, loyal):
    """The loyal enterprises' tables as a folder; their last need is open, its grant taken out."""
    folder = tmp_path_factory.mktemp("data")
    last = loyal.needs.sort_values("posted_at")["need_id"].iloc[-1]

    def settle(name, frame):
        return frame[frame["need_id"] != last].reset_index(drop=True) if name == "outcomes" else frame

    tables.write(loyal.map(settle), folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory, loyal_ranker):
    folder = tmp_path_factory.mktemp("models")
    loyal_ranker.save(folder)
    return folder


@pytest.fixture
def rivals(tmp_path, bundle, loyal_ranker):
    """A folder of models: the champion knows none of the loyal enterprises, the other one knows them all."""
    folder = tmp_path / "rivals"
    shutil.copytree(bundle, folder / bundle.name)
    loyal_ranker.save(folder)
    promote(folder, bundle.name, NOON)
    return folder


def lines_of_log(models):
    return [json.loads(line) for line in (models / LOG).read_text().splitlines()]


# from end to end


def test_train_prints_the_models_id_last(run, data, tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "train", partial(train, rounds=2))
    code, out, _ = run("train", data, "--models", tmp_path, "--until", "2023-09-01", "--where", "kind=credit")
    assert code == 0
    assert ID.fullmatch(out[-1])
    manifest = json.loads((tmp_path / out[-1] / "manifest.json").read_text())
    assert manifest["until"] == "2023-09-01"
    assert manifest["where"] == {"kind": ["credit"]}


def test_evaluate_prints_the_table_and_writes_the_report(run, data, models, tmp_path):
    report = tmp_path / "report.json"
    code, out, _ = run("evaluate", data, "--models", models, "--from", "2025-01-01", "--to", "2025-06-01",
                       "--where", "product_id=P0", "--where", "product_id=P1, P2", "--json", report)  # fmt: skip
    assert code == 0
    found = json.loads(report.read_text())
    assert found["where"] == {"product_id": ["P0", "P1", "P2"]}
    assert found["to"] == "2025-06-01"
    assert any("ndcg@10" in line for line in out)
    for system in found["systems"]:
        assert any(system.split()[0] in line for line in out)


@pytest.mark.parametrize(("since", "warned"), [("2024-12-31", True), ("2025-01-01", False)])
def test_evaluate_says_where_the_model_has_seen_what_it_is_asked(run, data, models, tmp_path, since, warned):
    code, out, _ = run("evaluate", data, "--models", models, "--from", since, "--json", tmp_path / "report.json")
    assert code == 0
    assert json.loads((tmp_path / "report.json").read_text())["trained_until"] == "2025-01-01"
    assert any("trained on rows up to 2025-01-01" in line and "flatter" in line for line in out) is warned


def test_evaluate_takes_the_model_that_is_named(run, data, models, loyal_ranker, tmp_path):
    report = tmp_path / "report.json"
    run("evaluate", data, "--models", models, "--model", loyal_ranker.model_id, "--from", "2025-05-01",
        "--all-industries", "--json", report)  # fmt: skip
    found = json.loads(report.read_text())
    assert found["model_id"] == loyal_ranker.model_id
    assert found["all_industries"] is True


def test_evaluate_tells_the_price_of_a_constraint_on_exposure(run, data, models, tmp_path):
    report = tmp_path / "report.json"
    code, out, _ = run("evaluate", data, "--models", models, "--from", "2025-05-01", "--exposure-cap", 2,
                       "--exposure-floor", 1, "--small-share", 0.5, "--json", report)  # fmt: skip
    told = json.loads(report.read_text())["exposure"]
    assert code == 0
    assert (told["cap"], told["floor"], told["small_share"]) == (2, 1, 0.5)
    assert told["fewer"] == 1.0  # one institution offers all products
    assert any("Its price in NDCG@10: all " in line for line in out)
    assert any(line.startswith("│ model, constrained") for line in out)


def test_monitor_says_whether_the_model_holds_and_writes_the_report(run, data, models, tmp_path, loyal_ranker):
    report = tmp_path / "monitor.json"
    code, out, err = run("monitor", data, "--models", models, "--json", report)
    found = json.loads(report.read_text())
    assert code == 0
    assert (found["model_id"], found["from"]) == (loyal_ranker.model_id, "2025-01-01")
    assert any(line.startswith(f"{found['conclusion']['verdict']}: ") for line in out)
    assert err == ["history …", "ranking …", "drift …"]


def test_monitor_leaves_with_0_where_the_model_is_to_be_trained_again(
    run, data, models, tmp_path, loyal_ranker, monkeypatch
):
    """Whatever it finds: a scheduler reads the report's field. These enterprises were all founded on one day."""
    monkeypatch.setattr(drift, "FEWEST", 15)
    code, out, _ = run("monitor", data, "--models", models, "--model", loyal_ranker.model_id, "--to", "2025-12-01",
                       "--where", "kind=credit", "--all-industries", "--seed", 1,
                       "--json", tmp_path / "monitor.json")  # fmt: skip
    found = json.loads((tmp_path / "monitor.json").read_text())
    assert code == 0
    assert (found["where"], found["all_industries"]) == ({"kind": ["credit"]}, True)
    assert (found["to"], found["seed"]) == ("2025-12-01", 1)
    assert found["conclusion"]["verdict"] == "train again"
    assert any(line.startswith("train again: Age in years drifted, PSI ") for line in out)


def test_challenge_says_where_a_challenger_stands_and_writes_the_report(run, data, rivals, loyal_ranker, tmp_path):
    stranger = champion(rivals).name
    code, out, err = run("challenge", data, "--models", rivals, loyal_ranker.model_id, "--to", "2025-12-01",
                         "--where", "kind=credit", "--all-industries", "--seed", 1,
                         "--json", tmp_path / "challenge.json")  # fmt: skip
    found = json.loads((tmp_path / "challenge.json").read_text())
    assert code == 0
    assert [found[role]["model_id"] for role in ("challenger", "champion")] == [loyal_ranker.model_id, stranger]
    assert (found["from"], found["to"], found["seed"]) == ("2025-01-01", "2025-12-01", 1)
    assert (found["where"], found["all_industries"]) == ({"kind": ["credit"]}, True)
    assert out[0].startswith(f"challenger {loyal_ranker.model_id}, trained until 2025-01-01, against the champion ")
    assert out[-1].startswith("ahead: the lead over the champion is +")
    assert err == ["history …", "challenger …", "champion …"]


def test_challenge_leaves_with_0_where_the_challenger_is_behind_and_takes_another_for_the_champion(
    run, data, rivals, loyal_ranker
):
    stranger = champion(rivals).name
    told = ("challenge", data, "--models", rivals, stranger, "--from", "2025-02-01", "--against")
    code, out, _ = run(*told, loyal_ranker.model_id)
    assert code == 0
    assert any(line.startswith("behind: the lead over the champion is -") for line in out)
    code, out, _ = run(*told, stranger)
    assert code == 0
    assert out[-1] == "level: the lead over the champion is +0.000 [+0.000, +0.000], which may be chance"


def test_ablate_prints_the_table_and_writes_the_report(run, data, tmp_path, monkeypatch):
    monkeypatch.setattr(ablation, "ablate", partial(ablation.ablate, rounds=2))
    report = tmp_path / "ablation.json"
    code, out, _ = run("ablate", data, "--from", "2025-01-01", "--to", "2025-02-01", "--until", "2024-07-01",
                       "--where", "product_id=P0,P1,P2", "--all-industries", "--json", report)  # fmt: skip
    found = json.loads(report.read_text())
    assert code == 0
    assert (found["from"], found["to"], found["until"]) == ("2025-01-01", "2025-02-01", "2024-07-01")
    assert (found["where"], found["all_industries"]) == ({"product_id": ["P0", "P1", "P2"]}, True)
    for family in found["families"]:
        assert any(line.startswith(f"│ {family}") for line in out)


def test_rank_writes_every_open_needs_products(run, data, models, tmp_path):
    code, out, _ = run("rank", data, "--models", models, "--out", tmp_path / "top.csv", "--top-k", 3)
    ranked = pd.read_csv(tmp_path / "top.csv")
    assert code == 0
    assert ranked["rank"].tolist() == [1, 2, 3]
    assert out[-1].startswith("3 matches for 1 of 1 open needs in ")


def test_assign_gives_each_need_of_a_ranked_list_one_product_and_says_how_near_the_best_it_is(
    run, data, models, tmp_path
):
    run("rank", data, "--models", models, "--out", tmp_path / "parts", "--fix")
    for name in ("all.csv", "none.csv"):
        share = "0" if name == "none.csv" else "1"  # without a capacity there is room for all, whatever the share
        code, out, _ = run("assign", data, "--ranked", tmp_path / "parts", "--out", tmp_path / name, "--share", share)
        assert (code, out[0]) == (
            0,
            "1 of 1 needs assigned, 1 to the first of their list; "
            "worth 1.0, at most 1.0 can be reached; one after the other 1.0",
        )
        assert pd.read_csv(tmp_path / name)["rank"].tolist() == [1]


def test_rank_says_why_what_to_fix_and_what_all_costs_only_where_it_is_asked(run, data, models, tmp_path):
    run("rank", data, "--models", models, "--out", tmp_path / "plain")
    code, _, _ = run("rank", data, "--models", models, "--out", tmp_path / "all", "--explain", "--fix", "--stack")
    plain, told = (pd.read_parquet(tmp_path / name).columns.tolist() for name in ("plain", "all"))
    assert code == 0
    assert {"score", "chance"} <= set(plain)
    assert [name.split("_")[0] for name in told if name not in plain] == [
        *("reason", "reason", "reasons", "reasons"),
        *("stack", "stack", "stack", "stack"),
        *("fix", "fixes", "fixes", "fix", "fix"),
    ]


def test_an_interrupted_batch_says_in_one_line_that_it_can_go_on(run, data, models, tmp_path, monkeypatch):
    def interrupted(*_said):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands.batch, "rank_all", interrupted)
    code, out, err = run("rank", data, "--models", models, "--out", tmp_path / "top.csv")
    assert code == 130
    assert "interrupted: the same command goes on where it stopped" in err
    assert not out


@pytest.mark.parametrize("words", [["--engine", "dask"], ["--scheduler", "tcp://127.0.0.1:9"]])
def test_a_cluster_has_a_scheduler_and_this_machine_none(run, data, models, tmp_path, words):
    for command in (
        ["rank", data, "--models", models, "--out", tmp_path / "top.csv"],
        ["train", data, "--models", models],
    ):
        refused(run(*command, *words), "--scheduler: is given with --engine dask, and only then")


def test_training_says_when_no_scheduler_answers(run, data, models, monkeypatch):
    monkeypatch.setattr(engines, "connected", partial(connected, seconds=1))
    result = run("train", data, "--models", models, "--engine", "dask", "--scheduler", "tcp://127.0.0.1:9")
    refused(result, "--scheduler: answers at tcp://127.0.0.1:9")


def test_promote_makes_a_champion(run, models, loyal_ranker):
    code, out, _ = run("promote", loyal_ranker.model_id, "--models", models)
    assert (code, out) == (0, [f"{loyal_ranker.model_id} is the champion of {models}"])
    assert champion(models).name == loyal_ranker.model_id


def test_a_challenger_that_is_behind_is_not_promoted_which_leaves_with_1(run, data, rivals, loyal_ranker, tmp_path):
    stranger = champion(rivals).name
    promote(rivals, loyal_ranker.model_id, NOON)
    before = lines_of_log(rivals)
    code, out, err = run("promote", stranger, "--models", rivals, "--on", data, "--json", tmp_path / "told.json")
    assert code == 1
    assert re.search(
        rf"^error: {stranger} is behind {loyal_ranker.model_id} and was not promoted: the lead over the champion is "
        r"-0\.\d+ \[-0\.\d+, -0\.\d+\], below 0 by more than chance$",
        err[-1],
    ), err
    assert any(line.startswith("behind: ") for line in out)
    assert not any("is the champion of" in line for line in out)
    assert champion(rivals).name == loyal_ranker.model_id
    assert lines_of_log(rivals) == before
    assert json.loads((tmp_path / "told.json").read_text())["conclusion"]["verdict"] == "behind"
    assert run("promote", stranger, "--models", rivals)[0] == 0  # who does not ask is not refused
    assert champion(rivals).name == stranger


def test_a_promotion_after_a_comparison_has_it_on_record(run, data, rivals, loyal_ranker, tmp_path):
    stranger = champion(rivals).name
    code, out, _ = run("promote", loyal_ranker.model_id, "--models", rivals, "--on", data, "--from", "2025-02-01",
                       "--to", "2025-12-01", "--where", "kind=credit", "--all-industries", "--seed", 1,
                       "--json", tmp_path / "told.json")  # fmt: skip
    found = json.loads((tmp_path / "told.json").read_text())
    overall = found["slices"]["all"]
    assert (code, out[-1]) == (0, f"{loyal_ranker.model_id} is the champion of {rivals}")
    assert any(line.startswith("ahead: ") for line in out)
    line = lines_of_log(rivals)[-1]
    assert line.pop("at")
    assert line == {
        "champion": loyal_ranker.model_id,
        "against": stranger,
        "from": "2025-02-01",
        "to": "2025-12-01",
        "needs": overall["needs"],
        "lead": overall["lead"],
        "conclusion": "ahead",
    }


def test_a_level_challenger_is_promoted(run, data, rivals, loyal_ranker):
    again = ("--on", data, "--to", "2025-01-10")  # of whom too few ask by then
    code, out, _ = run("promote", loyal_ranker.model_id, "--models", rivals, *again)
    assert (code, out[-1]) == (0, f"{loyal_ranker.model_id} is the champion of {rivals}")
    line = lines_of_log(rivals)[-1]
    assert line["conclusion"] == "level"
    assert (line["lead"]["low"], line["lead"]["high"]) == (None, None)


def test_the_first_champion_and_the_champion_itself_are_promoted_without_a_comparison_and_it_is_said(
    run, data, rivals, loyal_ranker
):
    (rivals / "champion").unlink()
    words = ("promote", loyal_ranker.model_id, "--models", rivals, "--on", data)
    for why in (f"{rivals} has no champion yet", f"{loyal_ranker.model_id} is the champion already"):
        code, out, err = run(*words)
        assert (code, out) == (0, [f"{loyal_ranker.model_id} is the champion of {rivals}"])
        assert err == [f"not compared: {why}"]
        assert set(lines_of_log(rivals)[-1]) == {"at", "champion"}
    assert run(*words, "--against", loyal_ranker.model_id)[2] == [
        f"not compared: {loyal_ranker.model_id} is the one named to compare it with"
    ]


def test_check_says_that_the_champion_can_be_served(run, loyal_ranker, tmp_path):
    loyal_ranker.save(tmp_path)
    promote(tmp_path, loyal_ranker.model_id, NOON)
    code, out, _ = run("check", "--models", tmp_path)
    assert (code, out) == (0, [f"{loyal_ranker.model_id} can be served by this version"])


def test_simulate_writes_a_market_and_its_truth_apart(run, tmp_path):
    code, out, _ = run("simulate", "--out", tmp_path, "--seed", 3, "--enterprises", 10)
    assert code == 0
    needs, truth = tables.read(tmp_path).needs, pd.read_parquet(tmp_path / "truth.parquet")
    assert set(truth["need_id"]) <= set(needs["need_id"])
    assert f" {len(needs)} needs" in out[-1]


def test_import_turns_a_release_into_tables(run, tmp_path):
    file = release(tmp_path, [ROWS["bndes"]], gzipped=True, name="release.csv.gz")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "logged.parquet").touch()  # of an earlier import
    code, out, err = run("import", "bndes", file, "--out", tmp_path / "data")
    assert not (tmp_path / "data" / "logged.parquet").exists()
    assert code == 0
    assert len(tables.read(tmp_path / "data").needs) == 1
    assert any("1" in line for line in err)
    assert "1 needs" in out[-1]


# what the caller can mend


def refused(result, *texts):
    """Exit code 2, nothing on standard output, one line that says why."""
    code, out, err = result
    assert code == 2
    assert out == []
    lines = [line for line in err if not line.endswith("…")]  # the steps begun by then
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    for text in texts:
        assert text in lines[0]


@pytest.mark.parametrize("command", [["rank", "--out", "top.csv"], ["evaluate", "--from", "2025-01-01"]])
def test_an_unknown_model_is_named(run, data, models, command):
    name, *options = command
    refused(run(name, data, "--models", models, "--model", "20990101-none", *options), "'20990101-none'")


@pytest.mark.parametrize("command", ["evaluate", "monitor", "benchmark", "rank"])
def test_a_model_of_another_currency_is_refused(run, loyal, models, tmp_path, command):
    tables.write(replace(loyal, currency="USD"), tmp_path / "data")
    options = ["--out", tmp_path / "parts"] if command == "rank" else ["--from", "2025-01-01"]
    result = run(command, tmp_path / "data", "--models", models, *options)
    refused(result, f"{command}: currency: is CNY as the model's, not USD")
    assert not (tmp_path / "parts").exists()


def test_an_unknown_model_is_not_promoted(run, models):
    refused(run("promote", "20990101-none", "--models", models), "model '20990101-none' does not exist")


@pytest.mark.parametrize("name", ["challenge", "promote"])
def test_an_unknown_rival_is_named(run, data, rivals, loyal_ranker, name):
    on = [data] if name == "challenge" else ["--on", data]
    words = (name, *on, "--models", rivals)
    refused(run(*words, loyal_ranker.model_id, "--against", "20990101-none"), "model '20990101-none' does not exist")
    refused(run(*words, "20990101-none"), "model '20990101-none' does not exist")


def test_a_challenge_wants_a_champion_or_another_model(run, data, rivals, loyal_ranker):
    (rivals / "champion").unlink()
    result = run("challenge", data, "--models", rivals, loyal_ranker.model_id)
    refused(result, f"challenge: --against: is given where no champion was promoted yet, as in {rivals}")


@pytest.mark.parametrize("name", ["challenge", "promote"])
def test_a_comparison_on_what_a_model_was_trained_on_is_refused(run, data, rivals, loyal_ranker, name):
    on = [data] if name == "challenge" else ["--on", data]
    result = run(name, *on, "--models", rivals, loyal_ranker.model_id, "--from", "2024-12-31")
    refused(result, f"{name}: --from: is not before 2025-01-01, not 2024-12-31: ", " was trained on what came until ")
    assert champion(rivals).name != loyal_ranker.model_id


@pytest.mark.parametrize(
    "words",
    [("--against", "A"), ("--from", "2025-01-01"), ("--to", "2025-01-01"), ("--where", "kind=credit"),
     ("--all-industries",), ("--truth", "truth.parquet"), ("--json", "told.json")],
)  # fmt: skip
def test_what_belongs_to_a_comparison_is_refused_without_one(run, rivals, loyal_ranker, words):
    result = run("promote", loyal_ranker.model_id, "--models", rivals, *words)
    refused(result, f"promote: {words[0]}: is given with --on, and only then")
    assert champion(rivals).name != loyal_ranker.model_id


def test_check_refuses_a_champion_that_an_earlier_version_made(run, loyal_ranker, tmp_path):
    manifest = loyal_ranker.save(tmp_path) / "manifest.json"
    promote(tmp_path, loyal_ranker.model_id, NOON)
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "features": ["of_old"]}))
    refused(run("check", "--models", tmp_path), "made for other features than this version builds; train it again")


def test_check_wants_a_champion(run, tmp_path):
    refused(run("check", "--models", tmp_path), f"no champion in {tmp_path}: train one")


def test_a_folder_without_models_is_refused(run, data, tmp_path):
    result = run("rank", data, "--models", tmp_path, "--out", tmp_path / "top.csv")
    refused(result, "--models: holds at least one model")
    refused(run("track", tmp_path), "MODELS: holds at least one model")


@pytest.mark.parametrize("left", ["part", "damaged"])
def test_what_a_training_that_was_killed_left_is_not_the_newest_model(run, data, tmp_path, loyal_ranker, left):
    shutil.copytree(loyal_ranker.save(tmp_path), tmp_path / f".{loyal_ranker.model_id}.{left}")
    (tmp_path / f".{loyal_ranker.model_id}.{left}" / "forest.txt").write_text("half a fo")
    os.utime(tmp_path / loyal_ranker.model_id / "manifest.json", (0, 0))
    code, out, _ = run("rank", data, "--models", tmp_path, "--out", tmp_path / "top.csv", "--processes", "1")
    assert code == 0
    assert out[-1].endswith(f"in {tmp_path / 'top.csv'}")


def test_tracking_wants_its_extra(run, models, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    refused(run("track", models), "track: MLflow: is installed: pip install 'bank-enterprise-matching[tracking]'")


@pytest.mark.parametrize(
    ("option", "words"),
    [("--until", ["train"]), ("--from", ["evaluate"]), ("--to", ["evaluate", "--from", "2025-01-01"]),
     ("--from", ["monitor"]), ("--to", ["monitor"]), ("--as-of", ["rank", "--out", "top.csv"])],
)  # fmt: skip
@pytest.mark.parametrize("text", ["2025-13-01", "yesterday", "20250101", "0001-01-01", "9999-12-31"])
def test_a_bad_date_is_named_with_its_option(run, data, models, option, words, text):
    name, *options = words
    result = run(name, data, "--models", models, *options, option, text)
    refused(result, f"{option}: is a date (YYYY-MM-DD) of the years 1700 to 2200, not '{text}'")


@pytest.mark.parametrize("name", ["challenge", "promote"])
@pytest.mark.parametrize("option", ["--from", "--to"])
def test_a_bad_date_of_a_comparison_is_named_with_its_option(run, data, rivals, loyal_ranker, name, option):
    on = [data] if name == "challenge" else ["--on", data]
    result = run(name, *on, "--models", rivals, loyal_ranker.model_id, option, "2025-13-01")
    refused(result, f"{option}: is a date (YYYY-MM-DD) of the years 1700 to 2200, not '2025-13-01'")


@pytest.mark.parametrize("name", ["challenge", "promote"])
def test_a_comparison_that_cannot_be_written_is_refused_before_the_work(run, data, rivals, loyal_ranker, name):
    on = [data] if name == "challenge" else ["--on", data]
    result = run(name, *on, "--models", rivals, loyal_ranker.model_id, "--json", rivals)
    refused(result, f"{name}: --json: is a file, not the folder {rivals}")


def test_an_ablation_trained_on_its_own_test_is_refused(run, data):
    result = run("ablate", data, "--from", "2025-01-01", "--until", "2025-01-02")
    refused(result, "--until: is not after --from (2025-01-01), not 2025-01-02")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("kind", "is COLUMN=VALUE[,VALUE], not 'kind'"),
        ("kind=", "is COLUMN=VALUE[,VALUE], not 'kind='"),
        ("=credit", "is COLUMN=VALUE[,VALUE], not '=credit'"),
        ("colour=red", "colour: is a product column"),
        ("kind=gold", "kind: keeps at least one product"),
    ],
)
def test_a_bad_filter_is_named(run, data, tmp_path, text, why):
    refused(run("train", data, "--models", tmp_path, "--where", text), why)


@pytest.mark.parametrize("name", ["evaluate", "monitor", "benchmark", "ablate"])
def test_a_filter_s_value_that_no_product_has_is_refused_beside_others_that_one_has(run, data, models, name):
    given = [] if name == "ablate" else ["--models", models]
    told = run(name, data, *given, "--from", "2025-01-01", "--where", "kind=credit,bonds")
    refused(told, "--where: kind: is one that a product has, not 'bonds'")


def test_a_folder_that_is_missing_is_named(run, models, tmp_path):
    for words in (["train"], ["evaluate", "--from", "2025-01-01"], ["rank", "--out", "top.csv"]):
        name, *options = words
        refused(run(name, tmp_path / "nowhere", "--models", models, *options), "nowhere", "file is missing")


def test_a_damaged_model_is_refused(run, data, tmp_path, loyal_ranker):
    folder = loyal_ranker.save(tmp_path)
    (folder / "forest.txt").write_text("tree")
    refused(run("rank", data, "--models", tmp_path, "--out", "top.csv"), "forest.txt was altered since training")


def test_a_spreadsheet_is_refused_before_anything_is_ranked(run, tmp_path):
    result = run("rank", tmp_path / "nowhere", "--models", tmp_path, "--out", "top.xlsx")
    refused(result, "--out: ends in .parquet or .csv or names a folder, not 'top.xlsx'")


def test_a_file_that_cannot_be_written_is_refused(run, data, models, tmp_path):
    result = run("rank", data, "--models", models, "--out", tmp_path / "nowhere" / "top.csv")
    refused(result, "nowhere")


@pytest.mark.parametrize("command", ["evaluate", "monitor", "ablate", "benchmark"])
def test_a_report_that_cannot_be_written_is_refused_before_the_work(run, tmp_path, command):
    models = ["--models", tmp_path / "none"] if command in ("evaluate", "monitor") else []
    for place, why in ((tmp_path / "none" / "a.json", "lies in a folder that exists"), (tmp_path, "is a file, not")):
        refused(run(command, tmp_path / "none", *models, "--from", "2025-01-01", "--json", place), f"--json: {why}")


@pytest.mark.parametrize(
    "words", [("simulate", "--out"), ("import", "bndes", "none.csv", "--out"), ("train", "none", "--models")]
)
@pytest.mark.parametrize("place", ["file", "file/deep/er"])
def test_a_folder_that_cannot_be_made_is_refused_before_the_work(run, tmp_path, words, place):
    (tmp_path / "file").touch()
    why = f"{words[0]}: {words[-1]}: is a folder, or can be made one, which {tmp_path / place} is not"
    refused(run(*words, tmp_path / place), why)


def read_only(monkeypatch, folder):
    """Nobody can write into `folder`, not even who may do all; a disk can be read-only too."""
    monkeypatch.setattr(outputs.os, "access", lambda place, _: Path(place) != folder)


@pytest.mark.parametrize("command", ["evaluate", "monitor", "ablate", "benchmark"])
def test_a_report_into_a_read_only_folder_is_refused_before_the_work(run, tmp_path, command, monkeypatch):
    read_only(monkeypatch, tmp_path)
    models = ["--models", tmp_path / "none"] if command in ("evaluate", "monitor") else []
    result = run(command, tmp_path / "none", *models, "--from", "2025-01-01", "--json", tmp_path / "a.json")
    refused(result, f"{command}: --json: lies in a folder that can be written, not {tmp_path}")


@pytest.mark.parametrize("length", [240, 80])
def test_a_report_whose_name_is_too_long_is_refused_before_the_work(run, tmp_path, length):
    name = ("x" if length > 100 else "榜") * length + ".json"
    result = run("evaluate", tmp_path, "--models", tmp_path, "--from", "2025-01-01", "--json", tmp_path / name)
    refused(result, f"--json: has a name of at most 239 bytes, not 245: {name}")


@pytest.mark.parametrize(
    "words", [("simulate", "--out"), ("import", "bndes", "none.csv", "--out"), ("train", "none", "--models")]
)
def test_a_read_only_folder_is_refused_before_the_work(run, tmp_path, words, monkeypatch):
    read_only(monkeypatch, tmp_path)
    why = f"{words[0]}: {words[-1]}: is a folder that can be written, or lies in one, which {tmp_path} is not"
    refused(run(*words, tmp_path / "new" / "deep"), why)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--json", "report.html"], "--html: is another file than that of --json, not "),
        (["--json", "report.json", "--html", "report.json"], "--html: is another file than that of --json, not "),
        (["--html", "none/report.html"], "--html: lies in a folder that exists, not none"),
    ],
)
def test_a_page_has_a_file_of_its_own_in_a_folder_that_exists(run, tmp_path, options, why):
    refused(run("evaluate", tmp_path, "--models", tmp_path, "--from", "2025-01-01", *options), why)


def test_an_unknown_source_is_named_among_the_known(run, tmp_path):
    result = run("import", "ecb", tmp_path / "release.csv", "--out", tmp_path / "data")
    refused(result, "source: is one of sba504, us-exim, bndes, ssbci, service, not 'ecb'")


@pytest.mark.parametrize(
    "content", [b"", gzip.compress(b"cliente;uf\n" * 99)[:40], b"\x1f\x8bnot gzip"], ids=["empty", "cut", "no gzip"]
)
def test_a_release_that_cannot_be_read_is_refused(run, tmp_path, content):
    file = tmp_path / "release.csv.gz"
    file.write_bytes(content)
    refused(run("import", "bndes", file, "--out", tmp_path / "data"), "release.csv.gz")
    assert not (tmp_path / "data").exists()


def test_a_release_that_is_not_there_is_named(run, tmp_path):
    refused(run("import", "bndes", tmp_path / "none.csv", "--out", tmp_path / "data"), "none.csv")


def test_too_little_to_learn_from_is_said(run, data, tmp_path):
    refused(run("train", data, "--models", tmp_path, "--until", "2022-06-01"), "holds at least 20 needs")


def test_a_truth_that_is_not_there_is_named(run, data, models, tmp_path):
    truth = tmp_path / "truth.parquet"
    refused(
        run("evaluate", data, "--models", models, "--from", "2025-05-01", "--truth", truth),
        "--truth: is a file that exists",
    )


def test_a_truth_that_is_none_is_refused(run, data, models):
    truth = data / "needs.parquet"
    refused(
        run("evaluate", data, "--models", models, "--from", "2025-05-01", "--truth", truth), "needs.parquet: --truth"
    )


NUMBERS = [
    ("simulate --out .", "--seed", 0, 10**9),
    ("simulate --out .", "--enterprises", 10, 10**6),
    ("simulate --out .", "--position-bias", 0, 10),
    ("train . --models .", "--seed", 0, 10**9),
    ("evaluate . --models . --from 2025-01-01", "--seed", 0, 10**9),
    ("evaluate . --models . --from 2025-01-01", "--exposure-cap", 1, 10),
    ("evaluate . --models . --from 2025-01-01", "--exposure-floor", 0, 10),
    ("evaluate . --models . --from 2025-01-01", "--small-share", 0.000001, 1),
    ("monitor . --models .", "--seed", 0, 10**9),
    ("challenge . --models . ID", "--seed", 0, 10**9),
    ("promote ID --models .", "--seed", 0, 10**9),
    ("ablate . --from 2025-01-01", "--seed", 0, 10**9),
    ("ablate . --from 2025-01-01", "--seeds", 1, 100),
    ("benchmark . --from 2025-01-01", "--seed", 0, 10**9),
    ("benchmark . --from 2025-01-01", "--years", 1, 100),
    ("rank . --models . --out top.csv", "--top-k", 1, 1000),
    ("rank . --models . --out top.csv", "--processes", 1, 1024),
    ("rank . --models . --out top.csv", "--part", 1, 10**6),
    ("assign . --ranked top.csv --out list.csv", "--share", 0, 1),
]


@pytest.mark.parametrize(("words", "option", "low", "high"), NUMBERS)
def test_a_number_outside_its_range_is_refused_with_its_option_and_the_range_s_end(
    run, words, option, low, high, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    above, below = f"greater than or equal to {Decimal(str(low)):f}", f"less than or equal to {high}"
    no_number = "a valid integer|greater than or equal to|less than or equal to"
    wrong = {low - 1: above, high + 1: below, "9" * 40: below, "-inf": no_number, "inf": no_number, "nan": no_number}
    for text, why in wrong.items():
        code, out, err = run(*words.split(), f"{option}={text}")
        told = " ".join(line.strip("│ ") for line in err)
        assert (code, out) == (2, [])
        assert re.search(f"Invalid value for '{option}': Input should be ({why})", told), told


def test_every_number_has_a_range():
    found = []
    for command in commands.app.registered_commands:
        for name, hint in get_type_hints(command.callback, include_extras=True).items():
            kind, *about = get_args(hint) or [hint]
            if {int, float} & {kind, *get_args(kind)}:
                found.append((command.name, f"--{name.replace('_', '-')}", about[0].min, about[0].max))
    assert sorted(found) == sorted((words.partition(" ")[0], *rest) for words, *rest in NUMBERS)


def test_the_first_line_of_help_names_every_command():
    first = commands.__doc__.splitlines()[0].partition(": ")[2]
    assert first == ", ".join(command.name for command in commands.app.registered_commands) + "."


def test_an_option_that_does_not_exist_is_a_usage_error(run):
    code, out, err = run("train", "--speed", "9")
    assert (code, out) == (2, [])
    assert any("--speed" in line for line in err)

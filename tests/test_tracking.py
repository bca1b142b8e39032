"""Bundles in MLflow: a run and a version each, aliases where the pointer says, nothing half exported, nothing sent."""

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from matching.bundles import POINTER
from matching.errors import BundleError, InputError
from tests import bundles, evaluations
from training import tracking
from training.promote import LOG
from training.shelf import Shelf
from training.tracked import measures, parameters
from training.tracking import track

mlflow = pytest.importorskip("mlflow", reason="the extra `tracking` is not installed")
# MLflow's tables are mapped with a loader that SQLAlchemy 2.1 has deprecated: it is MLflow's to mend.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning")

ROOT = Path(__file__).parent.parent
OLD, NEW = "20250101-aaaaaaaaaaaa", "20250701-bbbbbbbbbbbb"
# Tracks with every way out closed; prints the telemetry's client and what was looked at besides.
CLOSED = """
import sys
found = []
def heard(event, args):
    if event in ("socket.connect", "socket.getaddrinfo") or (event == "subprocess.Popen" and "git" in str(args)):
        found.append((event, args))
sys.addaudithook(heard)
from training.__main__ import main
assert "mlflow" not in sys.modules, "only the command imports it"
sys.argv = ["training", "track", "models"]
try:
    main()
except SystemExit as left:
    assert not left.code
from mlflow.telemetry import get_telemetry_client
print(get_telemetry_client(), found, "git" in sys.modules)
"""


def client_of(models):
    uri = f"sqlite:///{models}/mlflow.db"
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A store with its tables and nothing else, to copy: to make them takes seconds."""
    folder = tmp_path_factory.mktemp("empty")
    client_of(folder)
    return folder / "mlflow.db"


@pytest.fixture
def models(tmp_path, empty):
    """Two bundles, the older one in service."""
    shutil.copy(empty, tmp_path)
    shelve(tmp_path, OLD, made=1000)
    shelve(tmp_path, NEW, made=2000)
    promote(tmp_path, OLD)
    return tmp_path


def shelve(models, model_id, made, until=None, **about):
    """A bundle that is whole as far as it goes: a manifest and one file that it vouches for."""
    folder = models / model_id
    folder.mkdir(parents=True)
    (folder / "forest.txt").write_text(model_id)
    day = until or f"{model_id[:4]}-{model_id[4:6]}-{model_id[6:8]}"
    hashes = {"forest.txt": sha256(model_id.encode()).hexdigest()}
    manifest = {"id": model_id, "until": day, "seed": 3, "features": ["a", "b"], "sha256": hashes, **about}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    os.utime(folder / "manifest.json", (made, made))


def promote(models, model_id, **evidence):
    bundles.promote(models, model_id)
    with (models / LOG).open("a") as log:
        log.write(json.dumps({"at": "2025-01-10T12:00:00+00:00", "champion": model_id, **evidence}) + "\n")


def report(path, model_id, written, **changes):
    path.write_text(json.dumps(evaluations.evaluation().report | {"model_id": model_id} | changes))
    os.utime(path, (written, written))


def tracked(models, into=None):
    return track(models, Shelf.of(models), into)


def run_of(models, model_id):
    experiment = client_of(models).get_experiment_by_name("matching").experiment_id
    (run,) = client_of(models).search_runs([experiment], f"tags.model_id = '{model_id}'")
    return run


def artifacts(models, model_id, part=None):
    run_id = run_of(models, model_id).info.run_id
    return sorted(one.path for one in client_of(models).list_artifacts(run_id, part))


def versions(models):
    """By number the model of each version."""
    found = client_of(models).search_model_versions("name='matching'")
    return {int(one.version): one.tags["model_id"] for one in found}


def aliases(models):
    found = client_of(models).get_registered_model("matching").aliases
    return {alias: versions(models)[int(version)] for alias, version in found.items()}


def test_a_bundle_gets_a_run_with_its_parameters_its_time_and_what_there_is_to_read(tmp_path, empty, bundle):
    shutil.copy(empty, tmp_path)
    shutil.copytree(bundle, tmp_path / bundle.name)
    os.utime(tmp_path / bundle.name / "manifest.json", (1500, 1500))
    (tmp_path / bundle.name / "gains.svg").write_text("<svg/>")
    tracked(tmp_path)
    run, manifest = run_of(tmp_path, bundle.name), json.loads((bundle / "manifest.json").read_text())
    assert (run.info.run_name, run.info.start_time, run.info.status) == (bundle.name, 1_500_000, "FINISHED")
    assert run.data.params["seed"] == "0"
    assert run.data.params["until"] == "2025-01-01"
    assert run.data.params["features"] == str(len(manifest["features"]))
    assert run.data.params["versions/numpy"] == manifest["versions"]["numpy"]
    assert run.data.metrics == {}
    assert artifacts(tmp_path, bundle.name) == ["card.md", "manifest.json", "plots"]  # and no model
    assert artifacts(tmp_path, bundle.name, "plots") == ["plots/gains.svg"]


def test_a_parameter_is_one_value_named_by_the_way_to_it():
    told = parameters({"where": {"kind": ["credit"]}, "all_industries": False, "attribution": "", "missing_rates": {}})
    assert told == {"where/kind": '["credit"]', "all_industries": "false", "attribution": "", "features": "0"}


def test_a_metric_is_any_number_of_a_report_named_as_mlflow_allows():
    ends = {"value": 0.5, "low": 0.4, "high": float("nan")}
    found = {"systems": {"model, constrained": {"cold": {"ndcg@10": ends}}}, "queries": 4, "all_industries": True}
    found["calibration"] = {"credit": {"ece": 0.02}, "bond": {"why": "too few"}}
    name = "model constrained/cold/ndcg_at_10"
    assert measures(found) == {name: 0.5, f"{name}/low": 0.4, "queries": 4.0, "calibration/credit/ece": 0.02}


def test_versions_stand_in_the_order_in_which_bundles_were_made(models):
    shelve(models, "20240101-cccccccccccc", made=1500)
    tracked(models)
    assert versions(models) == {1: OLD, 2: "20240101-cccccccccccc", 3: NEW}
    (last,) = (one for one in client_of(models).search_model_versions("name='matching'") if int(one.version) == 3)
    run = run_of(models, NEW)
    assert (last.run_id, last.source) == (run.info.run_id, run.info.artifact_uri)


def test_a_second_call_adds_only_what_is_new(models):
    first = tracked(models)
    assert (first.added, first.updated, first.there) == ([OLD, NEW], [], [])
    shelve(models, "20250801-cccccccccccc", made=3000)
    again = tracked(models)
    assert (again.added, again.updated, again.there) == (["20250801-cccccccccccc"], [], [OLD, NEW])
    assert len(versions(models)) == 3


@pytest.mark.parametrize("place", [NEW, "."])
def test_an_evaluation_written_beside_a_bundle_updates_its_metrics(models, place):
    tracked(models)
    report(models / place / "report.json", NEW, written=3000)
    (models / place / "report.html").write_text("<p>")
    again = tracked(models)
    assert (again.updated, again.there) == ([NEW], [OLD])
    overall = evaluations.evaluation().report["systems"]["model"]["all"]["ndcg@10"]
    run = run_of(models, NEW)
    assert run.data.metrics["model/all/ndcg_at_10"] == pytest.approx(overall["value"])
    assert run.data.metrics["model/all/ndcg_at_10/low"] == pytest.approx(overall["low"])
    assert run.data.tags["evaluated from"] == "2025-01-01"
    assert artifacts(models, NEW, "evaluation") == ["evaluation/report.html", "evaluation/report.json"]
    report(models / place / "later.json", NEW, written=4000, queries=99)
    tracked(models)
    assert run_of(models, NEW).data.metrics["queries"] == 99
    assert run_of(models, OLD).data.metrics == {}


def test_other_json_beside_a_bundle_is_no_evaluation(models):
    for name, text in (("challenge.json", '{"challenger": {}}'), ("list.json", "[1]"), ("cut.json", '{"model_id"')):
        (models / NEW / name).write_text(text)
    assert [one.reports for one in Shelf.of(models).bundles] == [(), ()]


def test_aliases_go_where_the_pointer_goes_and_the_log_stands_on_the_versions(models):
    assert tracked(models).aliases == {OLD: "champion", NEW: "challenger"}
    assert aliases(models) == {"champion": OLD, "challenger": NEW}
    promote(models, NEW, against=OLD, conclusion="ahead")
    tracked(models)
    assert aliases(models) == {"champion": NEW}
    found = {one.tags["model_id"]: one.tags for one in client_of(models).search_model_versions("name='matching'")}
    assert json.loads(found[OLD]["promotion 1"]) == {"at": "2025-01-10T12:00:00+00:00"}
    assert json.loads(found[NEW]["promotion 2"])["conclusion"] == "ahead"
    promote(models, OLD)
    tracked(models)
    assert aliases(models) == {"champion": OLD}  # who was the champion is no challenger again
    (models / POINTER).unlink()
    tracked(models)
    assert aliases(models) == {}


def test_the_challenger_was_trained_until_the_latest_day_and_never_was_the_champion(models):
    assert Shelf.of(models).challenger == NEW
    shelve(models, "20250601-cccccccccccc", made=3000)
    assert Shelf.of(models).challenger == NEW  # though it was made before the other
    shelve(models, "20250701-dddddddddddd", made=1500)
    assert Shelf.of(models).challenger == NEW  # of two of one day the one made last
    promote(models, NEW)
    assert Shelf.of(models).challenger == "20250701-dddddddddddd"
    shutil.rmtree(models / "20250701-dddddddddddd")
    assert Shelf.of(models).challenger is None  # the one left knows less than the champion
    (models / POINTER).unlink()
    assert Shelf.of(models).challenger is None


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("forest.txt", "tree", "forest.txt was altered since training"),
        ("forest.txt", None, "forest.txt is missing; copy the whole bundle again"),
        ("manifest.json", "{", "the manifest cannot be read: "),
        ("manifest.json", '{"id": "20250701-bbbbbbbbbbbb"}', "the manifest cannot be read: KeyError('until')"),
        ("manifest.json", '{"id": "x", "until": "2025-01-01", "sha256": {}}', "the manifest is that of x"),
        (
            "manifest.json",
            '{"id": "20250701-bbbbbbbbbbbb", "until": 20250701, "sha256": {}}',
            "the manifest is that of 20250701-bbbbbbbbbbbb, trained until 20250701",
        ),
    ],
)
def test_what_is_damaged_of_a_bundle_is_named(models, name, text, why):
    (models / NEW / name).unlink() if text is None else (models / NEW / name).write_text(text)
    shelf = Shelf.of(models)
    assert [one.model_id for one in shelf.bundles] == [OLD]
    assert [said.startswith(f"{NEW}: {why}") for said in shelf.damaged] == [True]


def test_a_damaged_bundle_is_passed_over_until_it_is_mended(models, capsys):
    (models / NEW / "forest.txt").write_text("tree")
    tracking.track_command(models)
    told = capsys.readouterr()
    assert told.err.startswith(f"passed over: {NEW}: forest.txt was altered since training")
    assert told.out.splitlines() == [f"{models}: 1 added, 0 updated, 0 there already", f"version 1: {OLD} champion"]
    assert versions(models) == {1: OLD}
    (models / NEW / "forest.txt").write_text(NEW)
    assert tracked(models).added == [NEW]


def test_a_bundle_of_an_earlier_version_is_whole_all_the_same(tmp_path, bundle):
    shutil.copytree(bundle, tmp_path / bundle.name)
    manifest = tmp_path / bundle.name / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "features": ["of_old"]}))
    assert [one.model_id for one in Shelf.of(tmp_path).bundles] == [bundle.name]


def test_what_was_cut_short_is_made_whole_by_the_next_call(models, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "log_artifact", killed)
        with pytest.raises(KeyboardInterrupt):
            tracked(models)
    assert tracked(models).added == [OLD, NEW]
    assert artifacts(models, OLD) == ["manifest.json"]
    assert run_of(models, OLD).info.status == "FINISHED"


def test_a_store_that_cannot_be_used_is_refused(models):
    (models / "text.db").write_text("no database" * 99)
    for uri, why in (("nonsense://x", "nonsense"), (f"sqlite:///{models}/text.db", "file is not a database"),
                     (f"sqlite:///{models}", "unable to open database file"), ("here", "URL")):  # fmt: skip
        with pytest.raises(InputError, match=f"track: --into: is a database or a server that MLflow can use: .*{why}"):
            tracked(models, uri)


def test_a_store_that_is_named_is_the_one_that_is_used(models, tmp_path):
    (models / "mlflow.db").rename(models / "other.db")
    tracked(models, f"sqlite:///{models}/other.db")
    assert not (models / "mlflow.db").exists()


def test_what_is_no_folder_of_models_is_refused(tmp_path):
    with pytest.raises(InputError, match="MODELS: holds at least one model"):
        Shelf.of(tmp_path)


def test_a_pointer_or_a_log_that_cannot_be_read_is_refused(models):
    (models / LOG).write_text('{"champion": "a"}\n{"at"')
    with pytest.raises(InputError, match=r"names a champion in each line, not so in line 2"):
        Shelf.of(models)
    (models / POINTER).write_bytes(b"\xff")
    with pytest.raises(BundleError, match="the pointer to the champion cannot be read"):
        Shelf.of(models)


def test_nothing_is_sent_and_nothing_is_written_but_the_store(tmp_path):
    """Not under pytest and not in continuous integration, where MLflow sends nothing anyway."""
    shelve(tmp_path / "models", NEW, made=1000)
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", CLOSED], cwd=tmp_path, env=bare, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "None [] False"
    assert {path.name for path in tmp_path.iterdir()} == {"models"}
    assert {path.name for path in (tmp_path / "models").iterdir()} == {NEW, "mlflow.db", "mlartifacts"}

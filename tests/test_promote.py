"""The champion moves in one step, every move is on record, and nothing that does not load is promoted."""

import fcntl
import json
import resource
import shutil
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime

import pytest

from matching.bundles import POINTER, champion
from matching.errors import BundleError, NotFoundError
from tests import bundles
from training import promote as module
from training.promote import LOG, promote
from training.standing import Standing

NOON = datetime(2025, 1, 10, 12, 0, 0, 999, tzinfo=UTC)


@pytest.fixture(scope="module")
def challenger(tmp_path_factory):
    return bundles.ranker(seed=1).save(tmp_path_factory.mktemp("challenger"))


@pytest.fixture
def models(bundle, challenger, tmp_path):
    for folder in (bundle, challenger):
        shutil.copytree(folder, tmp_path / folder.name)
    return tmp_path


def log(models):
    return [json.loads(line) for line in (models / LOG).read_text().splitlines()]


def test_the_promoted_model_is_the_champion(models, bundle):
    promote(models, bundle.name, NOON)
    assert champion(models) == models / bundle.name
    assert log(models) == [{"at": "2025-01-10T12:00:00+00:00", "champion": bundle.name}]


def test_to_roll_back_is_one_more_line_on_record(models, bundle, challenger):
    for model_id in (bundle.name, challenger.name, bundle.name):
        promote(models, model_id, NOON)
    assert champion(models).name == bundle.name
    assert [line["champion"] for line in log(models)] == [bundle.name, challenger.name, bundle.name]


def test_what_a_comparison_found_stands_beside_the_promotion_that_rests_on_it(models, bundle, challenger):
    lead = {"value": 0.02, "low": 0.01, "high": 0.03}
    found = {
        "champion": {"model_id": bundle.name},
        "from": "2025-01-01",
        "to": None,
        "slices": {"all": {"needs": 40, "lead": lead}, "cold": {"needs": 1, "lead": None}},
        "conclusion": {"verdict": Standing.AHEAD, "because": ["it is"]},
    }
    promote(models, bundle.name, NOON)
    promote(models, challenger.name, NOON, found)
    first, second = log(models)
    assert set(first) == {"at", "champion"}
    assert second == {
        **{"at": "2025-01-10T12:00:00+00:00", "champion": challenger.name, "against": bundle.name},
        **{"from": "2025-01-01", "to": None, "needs": 40, "lead": lead, "conclusion": "ahead"},
    }


def test_nothing_is_left_beside_pointer_and_log(models, bundle, challenger):
    promote(models, bundle.name, NOON)
    assert {path.name for path in models.iterdir()} == {bundle.name, challenger.name, POINTER, LOG}


def test_an_unknown_model_is_not_promoted(models, bundle):
    promote(models, bundle.name, NOON)
    with pytest.raises(NotFoundError, match="model '20990101-none' does not exist"):
        promote(models, "20990101-none", NOON)
    assert champion(models).name == bundle.name
    assert len(log(models)) == 1


def test_a_damaged_model_is_not_promoted(models, bundle, challenger):
    promote(models, bundle.name, NOON)
    (models / challenger.name / "forest.txt").write_text("tree")
    with pytest.raises(BundleError, match=r"forest\.txt was altered since training"):
        promote(models, challenger.name, NOON)
    assert champion(models).name == bundle.name
    assert len(log(models)) == 1


def test_until_the_new_pointer_is_whole_the_old_one_stands(models, bundle, challenger, monkeypatch):
    promote(models, bundle.name, NOON)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        promote(models, challenger.name, NOON)
    assert champion(models).name == bundle.name


def test_two_at_once_promote_one_after_the_other_and_the_last_line_is_the_champion_s(models, bundle, challenger):
    ids = [bundle.name, challenger.name] * 4
    with ThreadPoolExecutor(len(ids)) as threads:
        list(threads.map(lambda model_id: promote(models, model_id, NOON), ids))
    assert sorted(line["champion"] for line in log(models)) == sorted(ids)
    assert champion(models).name == log(models)[-1]["champion"]


def test_one_waits_for_another_that_is_at_the_log(models, bundle):
    with (models / LOG).open("a") as held, ThreadPoolExecutor(1) as threads:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = threads.submit(promote, models, bundle.name, NOON)
        assert not wait([waiting], timeout=1).done
        fcntl.flock(held, fcntl.LOCK_UN)
        waiting.result()
    assert champion(models).name == bundle.name


def test_a_promotion_that_fails_leaves_no_line_on_record(models, bundle, challenger, monkeypatch):
    promote(models, bundle.name, NOON)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "replace", full)
        with pytest.raises(OSError, match="No space left on device"):
            promote(models, challenger.name, NOON)
    assert [line["champion"] for line in log(models)] == [bundle.name]
    assert champion(models).name == bundle.name


def test_a_line_that_a_full_disk_cuts_is_taken_back_and_the_log_is_named(models, bundle, challenger):
    promote(models, bundle.name, NOON)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((models / LOG).stat().st_size + 10, hard))
    try:
        with pytest.raises(OSError, match=f"No space left on device: '{models / LOG}'"):
            promote(models, challenger.name, NOON)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [line["champion"] for line in log(models)] == [bundle.name]
    assert champion(models).name == bundle.name


def test_a_line_without_an_end_does_not_swallow_the_next_one(models, bundle):
    (models / LOG).write_text('{"champion": "by hand"}')
    promote(models, bundle.name, NOON)
    assert [line["champion"] for line in log(models)] == ["by hand", bundle.name]

"""The champion moves in one step, every move is on record, and nothing that does not load is promoted."""

import json
import shutil
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

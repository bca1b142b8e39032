"""The ranker and its bundle: the same bytes for the same data, whole or refused, and no code inside."""

import errno
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matching.boosting import fit, shuffled
from matching.calibration import SILENT
from matching.errors import BundleError
from matching.features import APPETITE_COLUMNS, FEATURES
from matching.ranker import (
    APPETITE,
    APPETITE_WEIGHT,
    CALIBRATION,
    CARD,
    CHOICE,
    FILES,
    FOREST,
    HISTORY,
    KERNELS,
    MANIFEST,
    Ranker,
)
from tests import bundles
from tests.test_appetite import fit as fit_appetites
from tests.test_appetite import market

PARAMS = {"min_data_in_leaf": 2, "num_leaves": 4}


@pytest.fixture
def copy(bundle, tmp_path):
    """A bundle of one's own to damage."""
    return shutil.copytree(bundle, tmp_path / bundle.name)


@pytest.fixture(scope="module")
def ranker(bundle):
    return Ranker.load(bundle)


@pytest.fixture(scope="module")
def appetites():
    """Both stages' of some market or other."""
    return fit_appetites(market(needs=60))


def rewrite(folder, **changes):
    """Changes entries of the manifest; None takes an entry out."""
    manifest = json.loads((folder / MANIFEST).read_text()) | changes
    kept = {name: value for name, value in manifest.items() if value is not None}
    (folder / MANIFEST).write_text(json.dumps(kept))


def rows(n=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, len(FEATURES)))


# identity


def test_the_same_data_and_seed_give_the_same_id_and_the_same_bytes(bundle, tmp_path):
    again = bundles.ranker().save(tmp_path)
    assert again.name == bundle.name
    for name in (*FILES, MANIFEST, CARD):
        assert (again / name).read_bytes() == (bundle / name).read_bytes()


def test_another_seed_gives_another_id(bundle):
    assert bundles.ranker(seed=1).model_id != bundle.name


def test_the_id_begins_with_the_end_of_the_training_window(bundle):
    assert bundle.name.startswith(f"{bundles.UNTIL:%Y%m%d}-")


def test_a_loaded_ranker_scores_as_the_one_that_was_saved(tmp_path):
    fitted = bundles.ranker()
    weights = [replace(kernel, weights=np.arange(len(kernel.weights)) / 7) for kernel in fitted.kernels]
    loaded = Ranker.load(replace(fitted, kernels=tuple(weights)).save(tmp_path))
    assert loaded.score(rows()).tobytes() == fitted.score(rows()).tobytes()
    assert loaded.history.digest() == fitted.history.digest()
    for one, other in zip(loaded.kernels, weights, strict=True):
        assert (one.level, one.weights.tobytes()) == (other.level, other.weights.tobytes())


def test_saving_again_leaves_the_bundle_as_it_is(ranker, bundle):
    before = (bundle / MANIFEST).stat().st_mtime_ns
    assert ranker.save(bundle.parent) == bundle
    assert (bundle / MANIFEST).stat().st_mtime_ns == before


@pytest.mark.parametrize("name", [FOREST, HISTORY, MANIFEST])
@pytest.mark.parametrize("left", [b"half a fi", None])
def test_saving_over_a_damaged_bundle_mends_it(ranker, copy, name, left):
    (copy / name).unlink() if left is None else (copy / name).write_bytes(left)
    aside = copy.parent / f".{copy.name}.damaged"
    aside.mkdir()
    (aside / name).write_bytes(b"of an earlier save")
    assert ranker.save(copy.parent) == copy
    assert Ranker.load(copy).model_id == ranker.model_id
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_a_save_over_a_damaged_bundle_that_is_killed_leaves_the_new_one_whole(ranker, copy, monkeypatch):
    (copy / FOREST).write_text("half a fo")
    aside = copy.parent / f".{copy.name}.part"
    move = Path.replace

    def killed(path, target):
        if path == aside:
            raise KeyboardInterrupt
        return move(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            ranker.save(copy.parent)
    assert Ranker.load(aside).model_id == ranker.model_id
    assert Ranker.load(ranker.save(copy.parent)).model_id == ranker.model_id
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_what_an_interrupted_save_left_does_no_harm(ranker, tmp_path):
    aside = tmp_path / f".{ranker.model_id}.part"
    aside.mkdir()
    (aside / FOREST).write_text("half a fo")
    assert Ranker.load(ranker.save(tmp_path)).model_id == ranker.model_id
    assert [path.name for path in tmp_path.iterdir()] == [ranker.model_id]


# the bundle


def test_a_bundle_holds_texts_and_arrays_and_nothing_that_could_run(bundle):
    held = {FOREST, CHOICE, APPETITE, CALIBRATION, HISTORY, KERNELS, MANIFEST, CARD}
    assert {path.name for path in bundle.iterdir()} == held
    with np.load(bundle / HISTORY, allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind in "ifbU" for name in arrays.files)


def test_the_manifest_says_what_the_bundle_expects(bundle, ranker):
    manifest = json.loads((bundle / MANIFEST).read_text())
    assert manifest["id"] == bundle.name == ranker.model_id
    assert manifest["features"] == list(FEATURES)
    assert set(manifest["missing_rates"]) == set(FEATURES)
    assert set(manifest["sha256"]) == set(FILES)
    assert {"lightgbm", "numpy"} <= set(manifest["versions"])


@pytest.mark.parametrize("name", FILES)
def test_an_altered_file_is_refused(copy, name):
    (copy / name).write_bytes((copy / name).read_bytes() + b"\n")
    with pytest.raises(BundleError, match=f"{copy.name}: {name} was altered since training"):
        Ranker.load(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing; copy the whole bundle again"):
        Ranker.load(copy)


def test_a_card_that_was_written_on_or_lost_does_no_harm(copy, ranker):
    (copy / CARD).write_text("Read by the risk department.")
    assert Ranker.load(copy).model_id == ranker.model_id
    (copy / CARD).unlink()
    assert Ranker.load(copy).model_id == ranker.model_id


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"null", b"[]", b'"text"'])
def test_a_damaged_manifest_is_refused(copy, content):
    (copy / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match=f"{copy.name}: the manifest cannot be read"):
        Ranker.load(copy)


@pytest.mark.parametrize("name", ["id", "sha256", "missing_rates"])
@pytest.mark.parametrize("value", [None, 7])
def test_a_manifest_without_what_serving_needs_is_refused(copy, name, value):
    rewrite(copy, **{name: value})
    with pytest.raises(BundleError, match=f"the manifest cannot be read: .*{name}"):
        Ranker.load(copy)


def test_a_manifest_without_the_missing_rate_of_a_feature_is_refused(copy, ranker):
    rates = ranker.manifest["missing_rates"]
    rewrite(copy, missing_rates={name: rate for name, rate in rates.items() if name != "rate_bp"})
    with pytest.raises(BundleError, match="the manifest cannot be read: it lacks the missing rate of rate_bp"):
        Ranker.load(copy)


def test_a_missing_manifest_is_refused(copy):
    (copy / MANIFEST).unlink()
    with pytest.raises(BundleError, match="the manifest cannot be read"):
        Ranker.load(copy)


def test_a_file_that_may_not_be_read_is_told_without_where_it_lies(copy, monkeypatch):
    def denied(path, encoding=None):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    for read, name in (("read_bytes", FOREST), ("read_text", "the manifest")):
        monkeypatch.setattr(Path, read, denied)
        with pytest.raises(BundleError) as caught:
            Ranker.load(copy)
        assert str(caught.value) == f"{copy.name}: {name} cannot be read: Permission denied"


def test_another_format_is_refused(copy):
    rewrite(copy, format=99)
    with pytest.raises(BundleError, match="bundle format 99, not 1; train it again"):
        Ranker.load(copy)


@pytest.mark.parametrize("features", [list(FEATURES[:-1]), [*FEATURES[1:], FEATURES[0]], []])
def test_other_features_or_another_order_are_refused(copy, features):
    rewrite(copy, features=features)
    with pytest.raises(BundleError, match="made for other features than this version builds"):
        Ranker.load(copy)


def forge(folder, name, content):
    """Replaces a file so that its hash is right."""
    (folder / name).write_text(json.dumps(content))
    hashes = json.loads((folder / MANIFEST).read_text())["sha256"]
    rewrite(folder, sha256=hashes | {name: hashlib.sha256((folder / name).read_bytes()).hexdigest()})


def test_another_memory_is_refused(copy):
    kernels = json.loads((copy / KERNELS).read_text())
    kernels[0]["weights"]["moon"] = 1.0
    forge(copy, KERNELS, kernels)
    with pytest.raises(BundleError, match="made for another memory than this version's"):
        Ranker.load(copy)


def test_another_calibration_is_refused(copy):
    forge(copy, CALIBRATION, {"slope": 1.0, "intercepts": {}, "features": {"moon": [1.0, 0.0, 1.0]}})
    with pytest.raises(BundleError, match="made for another calibration than this version's"):
        Ranker.load(copy)


def test_another_appetite_is_refused(tmp_path, appetites):
    folder = bundles.ranker(appetites=appetites).save(tmp_path)
    found = json.loads((folder / APPETITE).read_text())
    del found[1]["keys"]["size"]
    forge(folder, APPETITE, found)
    with pytest.raises(BundleError, match="made for another appetite than this version's"):
        Ranker.load(folder)


# scores, chances and surprises


def test_a_loaded_ranker_has_the_appetites_of_the_one_that_was_saved(tmp_path, appetites):
    loaded = Ranker.load(bundles.ranker(appetites=appetites).save(tmp_path))
    assert [one.to_dict() for one in loaded.appetites] == [one.to_dict() for one in appetites]


def test_other_appetites_give_another_id(ranker, appetites):
    ids = {bundles.ranker(appetites=some).model_id for some in ((), appetites, appetites[::-1])}
    assert ranker.model_id in ids
    assert len(ids) == 3


def test_log_chances_of_appetites_come_on_top_of_the_score(ranker):
    features = rows()
    features[:, APPETITE_COLUMNS] = 0.0
    leaning = features.copy()
    leaning[:, APPETITE_COLUMNS] = [[-0.5, -1.0], [-2.0, 0.0]] * 3
    more = ranker.score(leaning) - ranker.score(features)
    assert more == pytest.approx(APPETITE_WEIGHT * np.array([-0.5 - 1.0, -2.0 + 0.0] * 3))


def test_a_loaded_ranker_states_the_chances_of_the_one_that_was_saved(ranker):
    scores, kinds = np.arange(6.0), np.zeros(6, dtype=np.intp)
    chances = ranker.chance(rows(), scores, kinds)
    assert np.isfinite(chances).all()
    assert chances.tobytes() == bundles.ranker().chance(rows(), scores, kinds).tobytes()


def test_another_calibration_gives_another_id(ranker):
    for other in (SILENT, replace(bundles.STATING, intercepts={"credit": 0.2})):
        assert bundles.ranker(calibration=other).model_id != ranker.model_id


def test_no_candidates_get_no_scores(ranker):
    assert ranker.score(rows(0)).tolist() == []


def test_a_score_is_lightgbms_own_with_the_choice_and_the_appetites_on_top(ranker):
    features = rows(300)
    leaning = features[:, FEATURES.index("appetite_applied")] + features[:, FEATURES.index("appetite_granted")]
    expected = ranker.booster.predict(features) + ranker.choice.score(features) + APPETITE_WEIGHT * leaning
    assert ranker.score(features).tobytes() == expected.tobytes()


def test_a_row_scores_the_same_alone_and_among_others(ranker):
    features = rows()
    assert np.concatenate([ranker.score(features[i : i + 1]) for i in range(6)]).tobytes() == (
        ranker.score(features).tobytes()
    )


def test_a_value_that_never_lacked_in_training_and_lacks_now_is_a_surprise(ranker):
    features = rows()
    assert ranker.surprises(features) == []
    rates = ranker.manifest["missing_rates"]
    never = next(i for i, name in enumerate(FEATURES) if rates[name] == 0)
    often = next(i for i, name in enumerate(FEATURES) if rates[name] > 0)
    features[3, [never, often]] = np.nan
    assert ranker.surprises(features) == [FEATURES[never]]


def test_what_lacked_once_in_a_million_rows_in_training_is_no_surprise(ranker):
    rates = dict.fromkeys(FEATURES, 0.0) | {FEATURES[0]: 1e-7}
    known = replace(ranker, manifest={"missing_rates": rates})
    features = rows()
    features[0, :2] = np.nan
    assert known.surprises(features) == [FEATURES[1]]


# fitting


def teaching(groups=30, size=5):
    """Groups in which the first feature tells the one taken, which always stands first."""
    features = rows(groups * size)
    labels = np.tile(np.arange(size) == 0, groups).astype(np.int32)
    features[:, 0] = labels
    return features, labels, np.full(groups, size, np.int32)


def test_a_forest_learns_what_tells_the_taken_one():
    features, labels, groups = teaching()
    forest = fit(features, labels, groups, np.ones(len(labels)), rounds=20, params=PARAMS)
    scores = forest.predict(features).reshape(len(groups), -1)
    assert (scores.argmax(axis=1) == 0).mean() > 0.9


def test_the_place_of_a_row_in_its_group_teaches_nothing():
    features, labels, groups = teaching()
    features[:] = 0
    forest = fit(features, labels, groups, np.ones(len(labels)), rounds=5, params=PARAMS)
    assert np.ptp(forest.predict(features)) == 0


def test_rows_are_shuffled_within_their_groups_only():
    order = shuffled(np.array([3, 50, 1]), seed=0)
    assert sorted(order[:3]) == [0, 1, 2]
    assert sorted(order[3:53]) == list(range(3, 53))
    assert order[3:53].tolist() != list(range(3, 53))
    assert order[53] == 53

"""Where models live: by id, and the champion among them."""

import errno
from pathlib import Path

import pytest

from matching.bundles import POINTER, bundle, champion
from matching.errors import BundleError, NotFoundError


@pytest.fixture
def models(tmp_path):
    """A folder of one bundle, whose content does not matter here."""
    (tmp_path / "20250101-a").mkdir()
    (tmp_path / "20250101-a" / "manifest.json").write_text("{}")
    return tmp_path


def test_a_bundle_is_found_by_its_id(models):
    assert bundle(models, "20250101-a") == models / "20250101-a"


@pytest.mark.parametrize("name", ["20250101-b", "", ".", "..", "/", "../models/20250101-a", "20250101-a/", POINTER])
def test_an_id_that_is_none_is_not_found_wherever_it_points(models, name):
    (models / POINTER).write_text("20250101-a\n")
    with pytest.raises(NotFoundError, match=r"model .* does not exist"):
        bundle(models / "20250101-a" / "..", name)


def test_a_folder_without_a_manifest_is_no_bundle(models):
    (models / "20250101-a" / "manifest.json").unlink()
    with pytest.raises(NotFoundError, match="model '20250101-a' does not exist"):
        bundle(models, "20250101-a")


def test_the_champion_is_where_the_pointer_points(models):
    (models / POINTER).write_text("20250101-a\n")
    assert champion(models) == models / "20250101-a"


def test_without_a_pointer_the_error_says_how_to_promote(models):
    with pytest.raises(BundleError, match=f"no champion in {models}: train one, then `python -m training promote"):
        champion(models)


def test_a_champion_that_is_gone_is_named(models):
    (models / POINTER).write_text("20240101-b\n")
    with pytest.raises(BundleError, match=r"the champion '20240101-b' is not in .*: promote another"):
        champion(models)


def test_an_empty_pointer_points_at_nothing(models):
    (models / POINTER).write_text("")
    with pytest.raises(BundleError, match="the champion '' is not in"):
        champion(models)


def test_a_pointer_that_cannot_be_read_is_told(models):
    (models / POINTER).write_bytes(b"\xff")
    with pytest.raises(BundleError, match="the pointer to the champion cannot be read: 'utf-8' codec"):
        champion(models)
    (models / POINTER).unlink()
    (models / POINTER).mkdir()
    with pytest.raises(BundleError, match=r"the pointer to the champion cannot be read: .*Is a directory"):
        champion(models)


def test_a_champion_in_a_folder_that_may_not_be_entered_is_told(models, monkeypatch):
    def denied(_path):
        raise PermissionError(errno.EACCES, "Permission denied")

    (models / POINTER).write_text("20250101-a\n")
    monkeypatch.setattr(Path, "is_file", denied)
    with pytest.raises(BundleError, match=r"the champion '20250101-a' cannot be read: .*Permission denied"):
        champion(models)

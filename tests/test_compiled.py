"""Compiled kernels on disk: those of a module are forgotten when it or what it imports changes, and no others."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from matching.compiled import anything_compiled, forget_outdated, imported
from tests import test_architecture as house

MATCHING = Path(__file__).parent.parent / "matching"
SOURCES = {
    "plain": "ONE = 1\n",
    "middle": "from matching.plain import ONE\n",
    "kernel": "from matching.middle import ONE\n\n@njit(cache=True)\ndef one():\n    return ONE\n",
    "alone": "@njit(cache=True)\ndef two():\n    return 2\n",
}
PLACES = """
import numpy as np
from matching.appetite import places
from matching.features import FEATURES
row = np.zeros((1, len(FEATURES)))
row[0, FEATURES.index("amount_above_minimum")] = 3
row[0, FEATURES.index("amount_below_maximum")] = 1
print(len(FEATURES), places(row).tolist())
"""


@pytest.fixture
def package(tmp_path):
    """A package whose kernels have been compiled, each into an index and an object."""
    for name, text in SOURCES.items():
        (tmp_path / f"{name}.py").write_text(text)
    forget_outdated(tmp_path)
    for name in (
        "kernel.one-4.py311.nbi",
        "kernel.one-4.py311.1.nbc",
        "alone.two-2.py311.nbi",
        "alone.two-2.py311.1.nbc",
    ):
        (tmp_path / "__pycache__" / name).touch()
    return tmp_path


def compiled(package):
    return sorted({path.name.split(".")[0] for path in (package / "__pycache__").glob("*.nb*")})


def test_kernels_of_unchanged_sources_stay(package):
    forget_outdated(package)
    assert compiled(package) == ["alone", "kernel"]


@pytest.mark.parametrize("changed", ["plain", "middle", "kernel"])
def test_a_change_in_what_a_module_imports_forgets_its_kernels_and_no_others(package, changed):
    (package / f"{changed}.py").write_text(SOURCES[changed] + "TWO = 2\n")
    forget_outdated(package)
    assert compiled(package) == ["alone"]


def test_a_file_that_was_only_touched_changes_nothing(package):
    (package / "plain.py").touch()
    forget_outdated(package)
    assert compiled(package) == ["alone", "kernel"]


def test_after_an_installation_nothing_is_compiled(package):
    assert anything_compiled(package)
    shutil.rmtree(package / "__pycache__")
    assert not anything_compiled(package)


def test_kernels_that_no_note_speaks_of_are_forgotten(package):
    (package / "__pycache__" / "alone.sources").unlink()
    forget_outdated(package)
    assert compiled(package) == ["kernel"]


@pytest.mark.parametrize("name", [name for name in house.INSIDE if name.count(".") == 1])
def test_all_that_a_module_imports_is_found(name):
    path = Path(sys.modules[name].__file__) if name in sys.modules else MATCHING / f"{name.split('.')[1]}.py"
    used = {other.split(".")[1] for other in house.imports(name) if house.package(other) == "matching"}
    assert imported(path.read_bytes()) == used


def test_a_package_that_cannot_be_written_in_is_left_alone(package):
    shutil.rmtree(package / "__pycache__")
    (package / "__pycache__").write_text("no folder")
    forget_outdated(package)
    assert (package / "__pycache__").read_text() == "no folder"


def test_a_kernel_that_knows_a_features_place_follows_it_when_the_features_change(tmp_path):
    """With the library itself: what was compiled for more features would read others in their place."""
    shutil.copytree(MATCHING, tmp_path / "matching", ignore=shutil.ignore_patterns("__pycache__"))
    before = _places(tmp_path)
    levels = tmp_path / "matching" / "levels.py"
    text = levels.read_text(encoding="utf-8")
    line = '    ("own_seen", Side.PAIR, "own"),\n'
    assert text.count(line) == 1
    levels.write_text(text.replace(line, ""), encoding="utf-8")
    after = _places(tmp_path)
    assert int(before[0]) - int(after[0]) == 3
    assert before[1:] == after[1:] == ["[[0.25,", "0.25]]"]


def _places(folder):
    run = subprocess.run([sys.executable, "-c", PLACES], cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout.split()

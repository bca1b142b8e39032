"""`make serve`: for which Python, and after an update: a champion that this version cannot read is trained anew."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parent.parent / "Makefile"
CHECK = "-m training check --models var/models"
TRAIN = "-m training train var/data --models var/models"
PROMOTE = "-m training promote --models var/models NEW"
# Stands for the interpreter: writes down what it is asked, fails where a file names the command, `train` ends in an id.
PYTHON = """#!/bin/sh
echo "$@" >> asked
if [ "$3" = train ]; then echo NEW; fi
! [ -e "fails-$3" ]
"""
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A folder with everything that `make serve` makes but the stamp that says that the champion can be read."""
    monkeypatch.chdir(tmp_path)
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):  # of the `make test` that may be running this
        monkeypatch.delenv(name, raising=False)
    shutil.copy(MAKEFILE, tmp_path)
    for name in ("pyproject.toml", "requirements.lock", "matching/features.py", ".venv/installed"):
        touch(name, 1)
    for name in ("var/data/tables.json", "var/models/champion"):
        touch(name, 2)
    Path("python").write_text(PYTHON)
    Path("python").chmod(0o755)
    return tmp_path


def touch(name, at):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (at, at))


def make():
    """Makes the stamp; gives back whether that went well and what the interpreter was asked."""
    Path("asked").write_text("")
    done = subprocess.run(["make", "PY=./python", "PYTHON=./python", "var/readable"], capture_output=True, text=True)
    return done.returncode == 0, Path("asked").read_text().splitlines()


def test_a_champion_that_can_be_read_stays_and_is_not_looked_at_again(house):
    assert make() == (True, [CHECK])
    assert make() == (True, [])


def test_an_update_of_the_library_has_the_champion_looked_at_again(house):
    make()
    Path("matching/features.py").touch()
    os.utime("var/readable", (1, 1))
    assert make() == (True, [CHECK])


def test_a_champion_that_cannot_be_read_gives_way_to_one_trained_anew(house):
    Path("fails-check").touch()
    assert make() == (True, [CHECK, TRAIN, PROMOTE])
    assert make() == (True, [])


@pytest.mark.parametrize(("failing", "asked"), [("train", [CHECK, TRAIN]), ("promote", [CHECK, TRAIN, PROMOTE])])
def test_where_training_fails_the_champion_stays_and_the_next_run_tries_again(house, failing, asked):
    Path("fails-check").touch()
    Path(f"fails-{failing}").touch()
    for _ in range(2):
        assert make() == (False, asked)
        assert Path("var/models/champion").exists()


def test_where_there_is_no_champion_one_is_trained_then_looked_at(house):
    Path("var/models/champion").unlink()
    assert make() == (True, [TRAIN, PROMOTE, CHECK])


@pytest.mark.parametrize(
    ("version", "fits"), [((3, 10, 99), False), ((3, 11, 0), True), ((3, 14, 99), True), ((3, 15, 0), False)]
)
def test_a_python_that_the_locked_packages_are_not_built_for_is_refused_before_anything_is_installed(
    house, version, fits
):
    """Its version alone is made up: the interpreter that answers is this one."""
    Path(".venv/installed").unlink()
    Path("python").write_text(
        f"""#!/bin/sh
[ "$1" = -c ] || {{ echo "asked for $*"; exit 1; }}
exec "{sys.executable}" -c "import sys; sys.version_info = {version}; $2"
"""
    )
    done = subprocess.run(["make", "PYTHON=./python", ".venv/installed"], capture_output=True, text=True)
    refused = "Python 3.11, 3.12, 3.13 or 3.14 is needed; name it with PYTHON=/path/to/python3.11"
    assert done.stdout.splitlines()[-1] == ("asked for -m venv --clear .venv" if fits else refused)
    assert done.returncode != 0


def test_where_there_is_no_python_at_all_it_is_asked_for(house):
    Path(".venv/installed").unlink()
    done = subprocess.run(["make", "PYTHON=", ".venv/installed"], capture_output=True, text=True)
    assert done.stdout.startswith("Python 3.11, 3.12, 3.13 or 3.14 is needed; ")
    assert done.returncode != 0


@pytest.mark.parametrize("there", [True, False])
def test_where_lightgbm_lacks_its_runtime_the_installation_says_what_to_install(house, there):
    touch(".venv/bin/pip", 1)
    Path(".venv/bin/pip").chmod(0o755)
    Path(".venv/installed").unlink()
    loaded = "true" if there else "echo libgomp.so.1: cannot open >&2; exit 1"
    Path("python").write_text(f"""#!/bin/sh\ncase "$2" in *lightgbm) {loaded} ;; esac\n""")
    done = subprocess.run(["make", "PY=./python", "PYTHON=./python", ".venv/installed"], capture_output=True, text=True)
    said = "LightGBM needs its runtime: libgomp1 on Debian and Ubuntu, libgomp elsewhere"
    assert (said in done.stdout.splitlines()) is not there
    assert (done.returncode == 0, Path(".venv/installed").exists()) == (there, there)

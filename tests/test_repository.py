"""What is tracked: nothing of one machine, no registry's host, nothing large, no row of the real data."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-test.lock")
LARGEST = 2**20
# Written in pieces, so that this file does not find itself.
HOSTS = "|".join(["py" + "pi", "python" + "hosted", "ana" + "conda", "con" + "da-forge", "npm" + "js"])
HOST = re.compile(rf"({HOSTS})\.(org|com|io)|{'index' + '-url'}|--find" + "-links", re.IGNORECASE)
MACHINE = re.compile(r"(?<![\w.:/-])/(home|root|work|Users|farm|mnt)/|[A-Z]:\\\\Users")


def tracked():
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [path for path in listed.split("\0") if path and (ROOT / path).is_file()]


FILES = tracked()
pytestmark = pytest.mark.skipif(not FILES, reason="this is no git repository: what is tracked cannot be told")


def lock(name):
    return (ROOT / name).read_text(encoding="utf-8").splitlines()


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(name):
    return {canonical(line.split("==")[0]) for line in lock(name)}


def needed(requirements):
    return {canonical(re.match(r"[\w.-]+", one)[0]) for one in requirements}


def lines_that(pattern):
    found = []
    for path in FILES:
        text = (ROOT / path).read_bytes().decode("utf-8", errors="ignore")
        found += [f"{path}:{i}: {line[:100]}" for i, line in enumerate(text.splitlines(), 1) if pattern.search(line)]
    return found


def test_no_tracked_file_names_a_package_registry():
    assert lines_that(HOST) == []


def test_no_tracked_file_holds_a_path_of_one_machine():
    assert lines_that(MACHINE) == []


def test_no_tracked_file_is_larger_than_a_mebibyte():
    assert [path for path in FILES if (ROOT / path).stat().st_size > LARGEST] == []


def test_no_table_of_data_is_tracked():
    data = (".parquet", ".csv.gz", ".sqlite", ".db", ".pkl", ".pickle", ".joblib")
    assert [path for path in FILES if path.endswith(data)] == []


@pytest.mark.parametrize("text", ["see /" + "home/me/x", "cd /" + "work/main", 'open("/' + 'root/a")'])
def test_a_path_of_one_machine_is_recognised(text):
    assert MACHINE.search(text)


@pytest.mark.parametrize("text", ["https://example.org/work/x", "region/work/x", "./work/", "CN/root/1"])
def test_another_path_is_not_taken_for_one(text):
    assert not MACHINE.search(text)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_every_line_to_one_version(name):
    assert [line for line in lock(name) if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []


def test_what_only_tests_need_is_in_the_second_lock_and_nothing_is_in_both():
    first, second = (pinned(name) for name in LOCKS)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert needed(project["dependencies"]) <= first
    assert needed([*extras["dev"], *extras["notebooks"]]) - {canonical(project["name"])} <= second
    assert first.isdisjoint(second)

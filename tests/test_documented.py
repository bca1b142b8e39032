"""The README keeps up with the code: every setting, command, target, route and example."""

import re
import subprocess
from pathlib import Path

import pytest
import typer

import api.__main__
import training.__main__
from api.app import create_app
from api.messages import RecommendationRequest
from api.settings import Settings, variables
from training.sources import SOURCES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()
BODIES = re.findall(r"-d '(\{.*?\})'", README, re.DOTALL)


def commands(package):
    """The names of a package's commands, as its own command line knows them."""
    groups = [one.name for one in package.app.registered_groups]
    return sorted([one.name or one.callback.__name__ for one in package.app.registered_commands] + groups)


def row(cell):
    """The cells of the README's table row that starts with this one."""
    found = re.search(rf"^\| `{re.escape(cell)}` \|(.*)\|$", README, re.MULTILINE)
    assert found, f"the README has no row for {cell}"
    return [part.strip() for part in found[1].split("|")]


@pytest.mark.parametrize(("field", "variable"), sorted(variables().items()))
def test_every_setting_is_documented_with_its_default(field, variable):
    default, meaning = row(variable)
    assert default == f"`{Settings.model_fields[field].default}`"
    assert meaning


def test_no_setting_is_documented_that_is_none():
    assert set(re.findall(r"MATCHING_[A-Z_]+", README)) == set(variables().values())


@pytest.mark.parametrize("command", commands(training.__main__))
def test_every_training_command_is_documented(command):
    assert f"`python -m training {command} " in README


@pytest.mark.parametrize("command", commands(api.__main__))
def test_every_service_command_is_documented(command):
    assert re.search(rf"`python -m api {command}[ `]", README)


def test_no_command_is_documented_that_is_none():
    for package, module in (("training", training.__main__), ("api", api.__main__)):
        named = set(re.findall(rf"python -m {package} ([a-z]+)", README))
        assert named == set(commands(module))


@pytest.mark.parametrize("package", [training.__main__, api.__main__])
def test_every_option_says_what_it_is(package):
    for name, command in typer.main.get_command(package.app).commands.items():
        for one in [command, *getattr(command, "commands", {}).values()]:
            assert [f"{name} {p.name}: {p.help}" for p in one.params if not p.help or p.help == "YYYY-MM-DD."] == []


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_is_documented(target):
    assert row(f"make {target}")


def test_help_lists_every_target():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^make ([a-z]+) +\S", listed, re.MULTILINE) == TARGETS


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_every_source_is_documented(source):
    release, licence = row(source)
    assert release
    assert licence


def test_every_route_is_documented(tmp_path):
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path}/service.db", models=tmp_path))
    routes = {f"{verb.upper()} {path}" for path, verbs in app.openapi()["paths"].items() for verb in verbs}
    written = {re.sub(r"\{\w*id\}", "{id}", route) for route in routes}
    assert written == set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", README, re.MULTILINE))


def test_every_parameter_and_field_of_a_request_says_what_it_is(tmp_path):
    contract = create_app(Settings(database_url=f"sqlite:///{tmp_path}/service.db", models=tmp_path)).openapi()
    operations = [operation for verbs in contract["paths"].values() for operation in verbs.values()]
    asked = [one for operation in operations for one in operation.get("parameters", [])]
    assert [one["name"] for one in asked if not one.get("description")] == []
    for name in ("RecommendationRequest", "ListingRequest", "ReadinessRequest", "OutcomeRequest", "StepRequest"):
        fields = contract["components"]["schemas"][name]["properties"]
        assert [f"{name}.{field}" for field, one in fields.items() if not {"description", "en"} & set(one)] == []


def test_the_readme_s_requests_are_good_ones():
    assert len(BODIES) == 4
    assert all(RecommendationRequest.model_validate_json(body, strict=True) for body in BODIES)


def test_serving_suggests_the_readme_s_first_request():
    assert BODIES[0] in MAKEFILE


@pytest.mark.parametrize("path", re.findall(r"`((?:matching|training|api|tests)/[\w/]+\.\w+)`", README))
def test_a_file_that_the_readme_names_is_there(path):
    assert (ROOT / path).is_file()

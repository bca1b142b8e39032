"""What `import matching` offers: every name there, each explained, none by accident."""

import ast
import inspect
from pathlib import Path

import pytest

import matching

OFFERED = sorted(getattr(matching, "__all__", []))


def gathered():
    """The names that matching/__init__.py takes from its own modules to offer them."""
    tree = ast.parse(Path(matching.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    own = [node for node in imports if (node.module or "").split(".")[0] == "matching"]
    names = {alias.asname or alias.name for node in own for alias in node.names}
    return {name for name in names if not name.startswith("_")}


def test_all_offers_every_name_that_the_package_gathers():
    assert gathered() <= set(OFFERED)


def test_all_names_nothing_twice():
    given = list(getattr(matching, "__all__", []))
    assert len(given) == len(set(given))  # ruff holds their order


@pytest.mark.parametrize("name", OFFERED)
def test_an_offered_name_is_there(name):
    assert hasattr(matching, name)


@pytest.mark.parametrize("name", OFFERED)
def test_an_offered_class_or_function_says_what_it_is(name):
    offered = getattr(matching, name)
    if inspect.isclass(offered) or inspect.isroutine(offered):
        own = offered.__dict__.get("__doc__") if inspect.isclass(offered) else offered.__doc__
        assert own
        assert own.strip()


@pytest.mark.parametrize("name", OFFERED)
def test_the_methods_of_an_offered_class_say_what_they_do(name):
    offered = getattr(matching, name)
    methods = vars(offered) if inspect.isclass(offered) else {}
    silent = [
        key
        for key, value in methods.items()
        if not key.startswith("_") and inspect.isfunction(value) and not value.__doc__
    ]
    assert silent == []

"""The house: who may import whom, in which order, and who may look at the environment and the clock."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("matching", "training", "api")
ORDER = [
    "compiled",
    "errors",
    "faults",
    "codes",
    "domain",
    "asking",
    "reference",
    "catalogue",
    "sizing",
    "terms",
    "facts",
    "clauses",
    "lookup",
    "converting",
    "schemas",
    "files",
    "tables",
    "conditions",
    "verdicts",
    "rules",
    "requirements",
    "costs",
    "financing",
    "readiness",
    "fixes",
    "history",
    "fitting",
    "outcomes",
    "memory",
    "kernels",
    "events",
    "weighing",
    "recall",
    "sides",
    "contexts",
    "levels",
    "roster",
    "features",
    "scaling",
    "appetite",
    "shown",
    "choice",
    "calibration",
    "card",
    "bundles",
    "trees",
    "keys",
    "forest",
    "shapley",
    "boosting",
    "ranker",
    "exposure",
    "neutral",
    "assignment",
    "matcher",
    "topics",
    "leanings",
    "reasons",
    "advice",
]
WEB_AND_STORE = {
    "alembic",
    "fastapi",
    "http",
    "httpx2",
    "os",
    "psycopg",
    "requests",
    "socket",
    "sqlalchemy",
    "sqlite3",
    "starlette",
    "time",
    "urllib",
    "uvicorn",
}
CLOCKS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter"}
ENVIRONMENT = {"environ", "environb", "getenv"}
SWITCHES = {"training", "training.tracking"}  # set what a library alone looks at, before it is imported
TEXTS = {"read_text", "write_text", "TextIOWrapper"}


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    name_of(path): ast.parse(path.read_text(encoding="utf-8"))
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


def imports(name):
    """Every module that a module imports, at its top or inside a function, by full name."""
    found = set()
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports by a relative name"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = inner & MODULES.keys()
            found |= modules if len(modules) == len(inner) else modules | {node.module}
    return found


def package(name):
    return name.split(".")[0]


def room(name):
    """A module's place in matching: its name, or its folder's."""
    return name.split(".")[1]


def uses(name, attributes):
    """The attributes of these names that a module uses, or imports by themselves, with their lines."""
    nodes = list(ast.walk(MODULES[name]))
    found = [(node.attr, node) for node in nodes if isinstance(node, ast.Attribute)]
    found += [(alias.name, node) for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
    return [f"{attribute} (line {node.lineno})" for attribute, node in found if attribute in attributes]


def variables_set(name):
    """How many variables of the environment a module sets, where they are not set yet or all the same."""
    nodes = list(ast.walk(MODULES[name]))
    anyway = [node for node in nodes if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)]
    called = [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]
    return [ast.unparse(node.value) for node in anyway].count("os.environ") + called.count("os.environ.setdefault")


def in_bytes(call):
    """Whether a file is opened for its bytes, which have no encoding, or by the system's own call, which knows none."""
    system = ast.unparse(call.func) == "os.open"
    words = [word for word in (*call.args, *(given.value for given in call.keywords)) if isinstance(word, ast.Constant)]
    return system or any("b" in mode for mode in (str(word.value) for word in words) if set(mode) <= set("abrtwx+"))


def without_encoding(name):
    """The calls of a module that read or write text as the machine's locale has it, with their lines."""
    calls = [node for node in ast.walk(MODULES[name]) if isinstance(node, ast.Call)]
    named = [(ast.unparse(call.func).rpartition(".")[2], call) for call in calls]
    texts = [call for called, call in named if called in TEXTS or (called == "open" and not in_bytes(call))]
    found = [call for call in texts if "encoding" not in {given.arg for given in call.keywords}]
    return [f"{ast.unparse(call.func)} (line {call.lineno})" for call in found]


INSIDE = [name for name in MODULES if package(name) == "matching" and name != "matching"]


def test_the_house_has_its_three_packages():
    assert {package(name) for name in MODULES} == set(PACKAGES)


@pytest.mark.parametrize("name", INSIDE)
def test_matching_imports_neither_training_nor_api(name):
    assert {package(other) for other in imports(name)}.isdisjoint({"training", "api"})


@pytest.mark.parametrize("name", [name for name in MODULES if package(name) == "training"])
def test_training_does_not_import_api(name):
    assert "api" not in {package(other) for other in imports(name)}


@pytest.mark.parametrize("name", [name for name in MODULES if package(name) == "api"])
def test_api_does_not_import_training(name):
    assert "training" not in {package(other) for other in imports(name)}


def test_every_module_of_matching_has_its_place_in_the_order():
    assert {room(name) for name in INSIDE} == set(ORDER)


@pytest.mark.parametrize("name", INSIDE)
def test_a_module_of_matching_imports_only_those_above_it(name):
    above = ORDER[: ORDER.index(room(name))]
    rooms = {room(other) for other in imports(name) if other.startswith("matching.")} - {room(name)}
    assert rooms <= set(above)
    assert "matching" not in imports(name), "the package's own names are for its users"


def test_no_module_imports_itself_through_others():
    graph = {name: (imports(name) & MODULES.keys()) - {name} for name in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("name", INSIDE)
def test_matching_knows_no_web_and_no_store(name):
    assert {package(other) for other in imports(name)}.isdisjoint(WEB_AND_STORE)


@pytest.mark.parametrize("name", INSIDE)
def test_matching_knows_no_clock(name):
    assert uses(name, CLOCKS) == []


@pytest.mark.parametrize("name", [name for name in MODULES if name != "api.settings"])
def test_only_the_settings_read_the_environment(name):
    assert len(uses(name, ENVIRONMENT)) == (variables_set(name) if name in SWITCHES else 0)


def test_only_the_export_for_people_knows_mlflow():
    knowing = [name for name in MODULES if "mlflow" in {package(other) for other in imports(name)}]
    assert knowing == ["training.tracking"]


@pytest.mark.parametrize("name", MODULES)
def test_text_is_read_and_written_in_a_named_encoding(name):
    """Else the machine's locale decides, and Chinese names break where it is C."""
    assert without_encoding(name) == []


def test_no_module_unpickles():
    for name in MODULES:
        assert {package(other) for other in imports(name)}.isdisjoint(
            {"pickle", "dill", "cloudpickle", "marshal", "shelve"}
        )


def test_nothing_that_a_request_can_reach_reads_tables_of_pandas():
    """Not inside a function either: one table a request takes longer than its whole ranking."""
    reached = {"api.app"}
    while more := set().union(*(imports(name) & MODULES.keys() for name in reached)) - reached:
        reached |= more
    assert "matching.matcher" in reached
    assert [name for name in reached if {package(other) for other in imports(name)} & {"pandas", "pandera"}] == []


STATISTICS = ("scipy.optimize", "scipy.stats", "sklearn")


@pytest.mark.parametrize(
    ("begun", "heavy"),
    [
        ("api.app", ("altair", "joblib", "lightgbm", "pandas", "pandera", *STATISTICS)),
        ("training.__main__", ("altair", "dask", "lightgbm", "mlflow", *STATISTICS, "sqlalchemy")),
        ("training.batch", ("altair", "dask", "lightgbm", *STATISTICS, "sqlalchemy")),
    ],
)
def test_nothing_begins_by_importing_what_it_may_never_need(begun, heavy):
    """LightGBM and pandas take a second each to import, SciPy's statistics nearly one, its optimiser a quarter."""
    asked = f"import sys, {begun}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

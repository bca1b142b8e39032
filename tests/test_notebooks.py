"""The notebooks run from top to bottom on a small market and a release of deals; committed as one run left them."""

import ast
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest

from matching import tables
from matching.bundles import champion
from tests import bundles
from tests.books import FOLDER, NAMES, ROOT, execute, read
from tests.desks import models_of
from training import breakdown

LARGEST = 300_000  # bytes: pictures as SVG are small
# A kernel of another kind than asyncio's is reminded of the future as it shuts down: nothing of ours.
STRICT = """import warnings

warnings.simplefilter("error")
warnings.simplefilter("ignore", PendingDeprecationWarning)"""


def code(name):
    """The code cells."""
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


def charted(name):
    """The cells that draw where there is something to draw."""
    return {cell.id for cell in code(name) if re.search(r"^(?:charts|comparisons)\.", cell.source, re.MULTILINE)}


def given(name, parameters):
    """The notebook's cells, those of its parameters that are given set anew after their cell, warnings as errors.

    What is given under a notebook's name is for it alone. Their ids begin with that name, since several may be run as
    one.
    """
    cells = read(name).cells
    place = next(i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", []))
    mine = (parameters | parameters.get(name, {})).items()
    known = {key: value for key, value in mine if re.search(rf"^{key} = ", cells[place].source, re.M)}
    anew = "\n".join(f"{key} = {value!r}" for key, value in known.items())
    extra = [nbformat.v4.new_code_cell(text, id=f"given-{i}") for i, text in enumerate((anew, STRICT))]
    cells[place + 1 : place + 1] = extra
    for cell in cells:
        cell.id = f"{name}-{cell.id}"
    return cells


def run(home, *names, **parameters):
    """Notebooks run one after the other by one kernel in the folder `home`: what each cell said, by its id.

    One kernel, since a start takes as long as a notebook; that neither uses a name of the other is the linter's to see.
    """
    cells = [cell for name in names for cell in given(name, parameters)]
    book = nbformat.v4.new_notebook(cells=cells)
    with pytest.MonkeyPatch.context() as patch:  # connection files stay here, not in the home of whoever runs the tests
        patch.setenv("JUPYTER_RUNTIME_DIR", str(home / "runtime"))
        execute(book, home, IPYTHONDIR=str(home / "ipython"))
    outputs = {cell.id: cell.outputs for cell in cells if cell.cell_type == "code"}
    assert [one.text for each in outputs.values() for one in each if one.get("name") == "stderr"] == []
    return outputs


def said(outputs):
    """All that a cell printed or showed as text."""
    texts = [one.text if one.output_type == "stream" else one.data["text/plain"] for one in outputs]
    return "\n".join(texts)


def drawn(outputs):
    """The cells that showed a picture."""
    return {name for name, each in outputs.items() if any("image/svg+xml" in one.get("data", {}) for one in each)}


def pages(models):
    """The reports that lie in the bundles."""
    return [path.read_text(encoding="utf-8") for path in models.glob("*/report.html")]


# run: each run in one test, so that no worker repeats it


def test_on_a_simulated_market_they_draw_the_data_and_promote_a_model_where_it_pays(tmp_path):
    found = run(tmp_path, *NAMES, data="market", models="models", enterprises=150)
    assert tables.read(tmp_path / "market").simulated
    wanted = {f"{name}-{cell}" for name in NAMES for cell in charted(name)}
    may_lack = {
        "retrain-cold-systems",
        "evaluate-chances",
        "monitor-chances",
    }  # no cold enterprise, too few applications
    assert wanted - drawn(found) <= may_lack
    assert re.fullmatch(r"\d+% of [\d,]+ needs met were an enterprise's first\.\n", said(found["explore-cold"]))

    older, newer = (said(found[f"retrain-{cell}"]).split("'")[1] for cell in ("older", "newer"))
    lead, low, high = (float(number) for number in re.findall(r"[+-]\d\.\d+", said(found["retrain-lead"])))
    assert low <= lead <= high
    assert found["retrain-card-text"][0].data["text/markdown"].startswith(f"# Model card: {newer}")
    assert len(found["retrain-worst-needs"]) == 2 * 5
    assert ["oracle" in page for page in pages(tmp_path / "models")] == [True]
    assert champion(tmp_path / "models").name == (newer if low > 0 else older)
    assert champion(tmp_path / "models").name in said(found["retrain-promotion"])
    assert champion(tmp_path / "models").name in said(found["evaluate-serving"])
    assert {older, newer} == set(re.findall(r"\d{8}-\w+", said(found["evaluate-challenger"])))
    assert said(found["evaluate-conclusion"]).startswith(("ahead: ", "level: ", "behind: "))
    assert champion(tmp_path / "models").name in said(found["monitor-serving"])
    assert said(found["monitor-verdict"]).startswith(("holds: ", "watch: ", "train again: "))


def test_on_a_release_of_deals_they_say_what_it_does_not_hold_and_a_champion_stays_unless_it_pays(tmp_path, bundle):
    tables.write(bundles.loyal(), tmp_path / "deals")
    models_of(tmp_path, bundle)
    apart = {"evaluate": {"models": "fresh"}, "monitor": {"models": "none yet"}}
    found = run(tmp_path, *NAMES, data="deals", models="models", test_months=6, **apart)
    assert "No match on record was declined." in said(found["explore-reasons"])
    assert ["oracle" in page for page in pages(tmp_path / "models")] == [False]
    low = float(re.findall(r"[+-]\d\.\d+", said(found["retrain-lead"]))[1])
    assert low <= 0
    assert champion(tmp_path / "models").name == bundle.name
    assert bundle.name in said(found["retrain-promotion"])
    assert (champion(tmp_path / "fresh").name, "2024-05-01") == ast.literal_eval(said(found["evaluate-serving"]))
    assert said(found["evaluate-challenger"]).startswith("20241101-")
    assert said(found["evaluate-chances"]) == "'No chance is stated, or no refusal is on record.'"
    assert (champion(tmp_path / "none yet").name, "2024-11-01") == ast.literal_eval(said(found["monitor-serving"]))
    assert "not judged: the chance in " in said(found["monitor-verdict"])


def test_traders_alone_a_single_month_and_another_currency_are_no_hindrance(tmp_path):
    deals = bundles.loyal().before(date(2025, 2, 1))
    trading = replace(deals, enterprises=deals.enterprises.assign(industry="F/51"), currency="USD")
    tables.write(trading, tmp_path / "traders")
    models = {"retrain": {"models": "models"}, "monitor": {"models": "watched"}, "evaluate": {"models": "judged"}}
    one = {"data": "traders", "all_industries": True, "test_months": 1, "months": 1, "enterprises": 0}
    found = run(tmp_path, "retrain", "evaluate", "monitor", **one, **models)
    assert "need" in said(found["retrain-asked"])
    assert said(found["retrain-promotion"]).startswith("it does not pay: the champion is 20240701-")
    assert said(found["evaluate-serving"]).endswith("'2025-01-01')")
    (until,) = re.findall(r"^(\d{8})-", said(found["evaluate-challenger"]))
    assert "20250101" < until < "20250201"  # its six months more would end after the tables
    assert said(found["monitor-verdict"]).startswith(("holds: ", "watch: ", "train again: "))


def test_where_nothing_was_taken_explore_says_so(tmp_path):
    asked = replace(bundles.loyal(), outcomes=bundles.loyal().outcomes.iloc[:3].assign(stage="shown"))
    tables.write(asked, tmp_path / "asked")
    found = run(tmp_path, "explore", data="asked")
    assert said(found["explore-one-need"]) == "'Nothing on record was taken.'"
    assert said(found["explore-cold"]) == "No need on record was met.\n"


# what is promoted


def promotion(serving, lead, enterprises):
    """The champion after the cell that promotes, of the models `older`, `newer` and one of another training."""
    state = {"serving": serving}

    class Models:
        def __truediv__(self, _):
            return SimpleNamespace(exists=lambda: state["serving"] is not None)

    names = {
        "lead": SimpleNamespace(low=lead),
        "needs": pd.DataFrame({"enterprise_id": [f"E{i}" for i in range(enterprises)]}),
        "older": SimpleNamespace(model_id="older"),
        "newer": SimpleNamespace(model_id="newer"),
        "models": Models(),
        "champion": lambda _: SimpleNamespace(name=state["serving"]),
        "promote": lambda _, model_id, at: state.update(serving=model_id),
        "breakdown": breakdown,
        "datetime": datetime,
        "UTC": UTC,
    }
    (cell,) = (cell for cell in code("retrain") if cell.id == "promotion")
    exec(cell.source, names)
    return state["serving"]


@pytest.mark.parametrize(
    ("serving", "lead", "enterprises", "champion"),
    [
        (None, 0.01, 5, "newer"),
        (None, 0.01, 4, "older"),  # all resamples of very few are alike
        (None, 0.0, 5, "older"),
        ("older", 0.01, 5, "newer"),
        ("older", 0.01, 4, "older"),
        ("older", -0.01, 5, "older"),
        ("another", 0.01, 5, "another"),  # it was not compared, and may have read later months
        ("newer", -0.01, 5, "newer"),
    ],
)
def test_a_model_takes_only_the_place_of_the_one_it_was_compared_with(serving, lead, enterprises, champion, capsys):
    assert promotion(serving, lead, enterprises) == champion
    assert f"the champion is {champion}" in capsys.readouterr().out


# as committed


def test_what_explore_counts_as_declined_it_calls_matches_declined_for_not_all_were_applied_for():
    texts = [cell.source for cell in read("explore").cells]
    assert sum("matches declined" in text for text in texts) == 2
    assert not any("applications declined" in text for text in texts)


def test_the_monitor_shows_steady_facts_and_one_that_drifted_and_what_it_would_have_come_to():
    outputs = {cell.id: cell.outputs for cell in code("monitor")}
    steady, alarmed = (outputs[cell][0].data["image/svg+xml"] for cell in ("facts", "alarm-facts"))
    assert (">steady<" in steady, ">drifted<" in steady, ">drifted<" in alarmed) == (True, False, True)
    assert said(outputs["alarm-conclusion"]).startswith("train again: Amount needed drifted, PSI ")


def test_evaluate_shows_who_is_served_worse_beside_whom_chance_may_explain_and_where_a_challenger_stands():
    outputs = {cell.id: cell.outputs for cell in code("evaluate")}
    picture = outputs["served"][0].data["image/svg+xml"]
    assert (">worse<" in picture, ">may be chance<" in picture) == (True, True)
    assert "worse" in said(outputs["served-list"])
    assert ">worse<" not in outputs["blame"][0].data["image/svg+xml"], "as hard for plain counting"
    assert said(outputs["conclusion"]).startswith(("ahead: ", "level: ", "behind: "))


def test_a_notebook_points_to_those_that_are_there_and_retrain_to_the_one_that_judges():
    for name in NAMES:
        prose = "".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
        named = set(re.findall(r"`(\w+)\.ipynb`", prose))
        assert named <= {*NAMES} - {name}
        assert "evaluate" in named or name in ("explore", "evaluate")


def test_every_notebook_is_run():
    assert sorted(NAMES) == sorted(path.stem for path in FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_notebook_is_valid_and_small_and_tells_nothing_of_a_machine(name):
    nbformat.validate(read(name))
    assert set(read(name).metadata) == {"kernelspec", "language_info"}
    assert set(read(name).metadata.language_info) == {"name"}
    assert [cell.id for cell in read(name).cells if set(cell.metadata) - {"tags"}] == []
    assert (FOLDER / f"{name}.ipynb").stat().st_size < LARGEST


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_notebook_shows_what_one_run_from_top_to_bottom_left(name):
    assert [cell.execution_count for cell in code(name)] == list(range(1, len(code(name)) + 1))
    outputs = {cell.id: cell.outputs for cell in code(name)}
    assert drawn(outputs) == charted(name)
    kinds = {one.get("name", one.output_type) for each in outputs.values() for one in each}
    assert kinds <= {"stdout", "display_data", "execute_result"}


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_notebook_names_no_absolute_path(name):
    texts = [cell.source for cell in read(name).cells] + [said(cell.outputs) for cell in code(name)]
    assert [text for text in texts if re.search(r"""(?:^|(?<=["'(\s]))(?:/|~|[A-Z]:\\)\w""", text)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_defines_nothing(name):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    found = [node.lineno for cell in code(name) for node in ast.walk(ast.parse(cell.source)) if isinstance(node, kinds)]
    assert found == []


@pytest.mark.parametrize("name", NAMES)
def test_prose_stands_before_the_first_code_and_cells_are_short(name):
    assert read(name).cells[0].cell_type == "markdown"
    assert [cell.id for cell in code(name)[2:] if len(cell.source.splitlines()) > 6] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_says_how_to_run_a_notebook(name):
    assert f"notebooks/{name}.ipynb" in (ROOT / "README.md").read_text(encoding="utf-8")

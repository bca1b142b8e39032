"""The page: each section's figures as computed by hand, nothing loaded from elsewhere, no name taken for markup."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from typer.testing import CliRunner

from matching.exposure import Exposure
from tests.evaluations import BANK, LESSOR, SECOND, THIRD, evaluation
from training import charts
from training.__main__ import app
from training.fairness import constrained
from training.report import page, write_html

MODEL_MEAN = ((1 + 0) / 2 + (THIRD + SECOND) / 2) / 2
POPULARITY_MEAN = ((SECOND + 0) / 2 + (1 + SECOND) / 2) / 2
VOID = {"meta", "br", "link", "input", "img"}


class Outline(HTMLParser):
    """Every start tag with its attributes, the tables' rows, and the texts of each section."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.tables, self.sections, self.scripts = [], [], [], {}, 0
        self._section = "header"
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self._section = dict(attributes)["id"]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.sections[self._section] = self.sections.get(self._section, "") + data
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1].append(data)

    def attributes(self, tag):
        return [found for name, found in self.tags if name == tag]

    def text(self, section):
        return re.sub(r"\s+", " ", self.sections[section])

    def rows(self, head):
        """The rows of the first table whose head starts like this."""
        return next(table[1:] for table in self.tables if table[0][: len(head)] == head)


@pytest.fixture(scope="module")
def outline():
    """Makes the outline of a page about the tiny evaluation with changes; to save time, its charts are not drawn."""

    def make(report=None, **changes):
        found = evaluation(**changes)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(charts, "svg", lambda chart: "<svg></svg>")
            return Outline(page(replace(found, report=found.report | (report or {}))))

    return make


@pytest.fixture(scope="module")
def html():
    return page(evaluation())


@pytest.fixture(scope="module")
def found(html):
    return Outline(html)


def test_the_page_is_whole(found):
    assert found.open == []
    assert [name for name, _ in found.tags[:2]] == ["html", "head"]


def test_the_page_loads_nothing(html, found):
    assert re.findall(r"https?:|//\w|@import|url\(", html) == []
    assert found.scripts == 0
    loaders = {"link", "img", "iframe", "object", "embed", "base", "image", "use"}
    assert loaders.isdisjoint(name for name, _ in found.tags)
    assert {name for _, attributes in found.tags for name in attributes}.isdisjoint({"src", "srcset", "onload"})


def test_every_link_leads_to_a_place_on_the_page(found):
    places = {attributes["id"] for _, attributes in found.tags if "id" in attributes}
    links = [attributes["href"] for attributes in found.attributes("a")]
    assert len(links) == 7
    assert {link.removeprefix("#") for link in links} <= places


def test_no_id_is_given_twice(found):
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_names_are_text_not_markup(html, found):
    assert "<script" not in html
    assert "<i>hire" not in html
    assert f"{LESSOR}: Lease & <i>hire</i>" in found.text("worst")
    assert "<script>alert(1)</script>, never seen before" in found.text("worst")


def test_every_chart_says_what_it_shows_and_has_its_table(found):
    pictures = [a for a in found.attributes("div") if a.get("role") == "img"]
    assert len(pictures) == len(found.attributes("svg")) == len(found.tables) > 10
    assert (
        f"NDCG@10, all enterprises. popularity {POPULARITY_MEAN:.3f}, model {MODEL_MEAN:.3f}"
        in pictures[0]["aria-label"]
    )


def test_the_headline_is_the_model_and_its_lead(found):
    assert f"NDCG@10 {MODEL_MEAN:.3f} [" in found.text("header")
    assert f"{MODEL_MEAN - POPULARITY_MEAN:+.3f} [" in found.text("header")
    assert "against popularity, the best baseline" in found.text("header")


def test_the_header_says_what_was_measured_on_what(outline):
    about = {"source": "bndes", "currency": "BRL", "attribution": "BNDES (ODbL)"}
    text = outline(about=about).text("header")
    assert "20250101-abc, measured on bndes, needs from 2025-01-01" in text
    assert "bndes; BNDES (ODbL)" in text
    assert "in BRL" in text
    assert "4 of 2 enterprises, 1 of them never seen before; manufacturing only" in text
    assert "3 a need on average; of 75.0% of needs what was taken is among them" in text
    assert "trained on rows before 2025-01-01" in text


def test_the_header_says_where_the_window_ends_and_what_was_kept(outline):
    where = {"kind": ["credit", "bond"], "type": ["loan"]}
    text = outline({"to": "2025-03-01", "where": where, "all_industries": True}).text("header")
    assert "needs from 2025-01-01 to before 2025-03-01" in text
    assert "kind credit or bond; type loan" in text
    assert "all industries" in text


def test_a_release_s_figures_recover_the_financier_and_no_more(found):
    assert "recovers the actual financier, no more" in found.text("header")
    assert "simulated" not in found.text("header")


def test_a_simulated_market_is_said_to_be_invented(outline):
    text = outline(about={"simulated": True}).text("header")
    assert "This market is simulated" in text
    assert "financier" not in text


@pytest.mark.parametrize(("until", "warned"), [("2025-01-02", True), ("2025-01-01", False), (None, False)])
def test_a_model_that_has_seen_the_window_is_flagged(outline, until, warned):
    assert ("the figures flatter it" in outline(trained_until=until).text("header")) == warned


@pytest.mark.parametrize(
    ("taught", "told"),
    [
        ({"where": {"kind": ["bond"]}}, "on kind=bond and is asked about all products, which"),
        ({"all_industries": True}, "on all industries alike and is asked about manufacturing first, which"),
        ({}, None),
    ],
)
def test_a_model_that_was_made_for_something_else_is_flagged(outline, taught, told):
    text = outline(taught=taught).text("header")
    assert ("The model was trained" in text) == (told is not None)
    assert told is None or told in text


def test_the_systems_table_holds_the_report_s_figures(found):
    rows = found.rows(["System", "Value"])
    assert [row[:2] for row in rows] == [
        ["popularity", f"{POPULARITY_MEAN:.3f}"],
        ["model", f"{MODEL_MEAN:.3f}"],
        ["random", f"{(SECOND / 2 + SECOND) / 2:.3f}"],
    ]


def test_without_a_new_enterprise_nothing_is_said_of_cold_ones(outline):
    systems = {name: {"all": parts["all"]} for name, parts in evaluation().report["systems"].items()}
    shown = outline({"systems": systems, "cold_enterprises": 0})
    assert "nothing is said of cold ones" in shown.text("systems")
    assert "enterprises never seen before" not in shown.text("systems")


def test_of_true_chances_no_recall_is_shown(outline):
    shown = outline({"gain": "true chance"})
    assert "Recall is left out" in shown.text("systems")
    assert "recall@1, all enterprises" not in shown.text("systems")
    assert "Recall@1" not in shown.text("header")


def test_the_months_table_holds_both_systems(found):
    rows = found.rows(["Month", "System"])
    assert rows[0][:3] == ["2025-01", "model", f"{(1 + THIRD) / 2:.3f}"]
    assert rows[1][:3] == ["2025-01", "popularity", f"{(SECOND + 1) / 2:.3f}"]
    assert rows[0][3:] == ["–", "–", "2", "2"], "two enterprises give no interval"
    assert "ahead of popularity in 0 of 2 months" in found.text("months")


def test_the_slices_hold_each_need_once(found):
    zones = next(rows for table in found.tables if (rows := table[1:]) and rows[0][0] == "Central city")
    assert [row[:3] for row in zones] == [
        ["Central city", "model", f"{(1 + 0) / 2:.3f}"],
        ["Central city", "popularity", f"{SECOND / 2:.3f}"],
        ["North-east", "model", f"{(THIRD + SECOND) / 2:.3f}"],
        ["North-east", "popularity", f"{(1 + SECOND) / 2:.3f}"],
    ]


def test_what_does_not_differ_is_said_not_drawn(found):
    assert "All needs are alike in size class (Small), region (CN/500000)." in found.text("slices")
    assert "Size class" not in found.text("slices")


def test_importance_is_shown_by_family_and_by_feature(found):
    families, features = [t[1:] for t in found.tables if t[0] == ["Name", "Share"]]
    assert families == [["memory", "80.0%"], ["need", "20.0%"]]
    assert features[0] == ["product_memory_product", "60.0%"]


def test_a_forest_without_a_split_has_no_importance(outline):
    shown = outline(importance={})
    assert "no feature has any gain" in shown.text("importance")
    assert [t for t in shown.tables if t[0] == ["Name", "Share"]] == []


def test_the_price_of_a_constraint_on_exposure_is_told_where_one_was_tried(found, outline):
    tried = outline(constrained(evaluation(), Exposure(cap=1)).report)
    assert "Its price in NDCG@10: all 0." in tried.text("exposure")
    assert "Its price" not in found.text("exposure")


def test_exposure_is_shown_by_institution(found):
    assert found.rows(["Name", "Of eligible products"]) == [
        [BANK, "66.7%", "66.7%"],
        ["Lessor <b>Two</b> & Co", "33.3%", "33.3%"],
    ]
    assert "0 of 2 institutions with an eligible product are never among the first ten" in found.text("exposure")


def test_the_worst_needs_can_be_read(found):
    text = found.text("worst")
    assert "The 3 needs whose product stands lowest. 1 more took a product that was no candidate" in text
    assert text.index("Rank 3 of 3") < text.index("Rank 2 of 3") < text.index("Rank 1 of 3")
    assert "2,000,000" in text


def test_without_a_refusal_the_page_says_why_there_is_no_chance(found):
    assert "None of the 7 outcomes is a refusal" in found.text("reliability")


def test_a_model_without_a_chance_says_so_beside_the_refusals(outline):
    assert "none to hold against 2 refusals" in outline(declined=["N1", "N2"]).text("reliability")


def test_a_stated_chance_is_held_against_what_came_of_it(outline):
    chances = pd.DataFrame({"kind": "credit", "chance": [0.2, 0.4], "granted": [0.0, 1.0]})
    shown = outline(declined=["N1"], chances=chances)
    assert shown.rows(["Kind"]) == [["credit", "20.0%", "0.0%", "1"], ["credit", "40.0%", "100.0%", "1"]]
    assert f"ECE: credit {(0.2 + 0.6) / 2:.3f}." in shown.text("reliability")


def with_calibration(**kinds):
    """An evaluation with two refusals whose report says this of each kind."""
    found = evaluation(declined=["N1", "N2"])
    return replace(found, report=found.report | {"calibration": kinds})


def test_the_page_says_for_which_kinds_there_is_no_chance_and_why():
    shown = Outline(page(with_calibration(bond={"why": "9 applications granted and 2 refused"})))
    assert "No chance is stated for bond: 9 applications granted and 2 refused." in shown.text("reliability")


def test_the_page_says_what_error_to_expect_and_what_the_truth_is():
    measured = {"applications": 1200, "ece": 0.03, "noise": 0.021, "true_ece": 0.008, "true_mae": 0.19}
    chances = pd.DataFrame({"kind": "credit", "chance": [0.2, 0.4], "granted": [0.0, 1.0]})
    text = Outline(page(replace(with_calibration(credit=measured), chances=chances))).text("reliability")
    assert "Were each credit chance exactly right, 0.021 would be expected of 1,200 applications." in text
    assert "Against the true chance its ECE is 0.008, the mean error 0.190." in text


def test_every_light_colour_has_its_dark_rule(html):
    assert all(f'[fill="{light}"] {{ fill: {dark}; }}' in html for light, dark in charts.DARK.items())


def test_the_same_evaluation_gives_the_same_page(html, tmp_path):
    write_html(evaluation(), tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == html


def evaluate(bundle, market_folder, *options):
    """The command on a small market with a real model."""
    command = [
        "evaluate",
        str(market_folder),
        "--models",
        str(bundle.parent),
        "--from",
        "2024-06-01",
        *map(str, options),
    ]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output


def test_the_page_lies_beside_the_json(bundle, market_folder, tmp_path):
    evaluate(bundle, market_folder, "--json", tmp_path / "run.json")
    shown = Outline((tmp_path / "run.html").read_text(encoding="utf-8"))
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["model_id"] in shown.text("header")
    assert "measured on made up" in shown.text("header")
    assert shown.rows(["Name", "Share"]), "a real forest's features have a gain"


def test_the_page_lies_where_it_is_asked_for(bundle, market_folder, tmp_path):
    evaluate(bundle, market_folder, "--html", tmp_path / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]

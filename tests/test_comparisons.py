"""The charts that hold figures against none at all: what they draw, and that names in them stay text."""

import re

import numpy as np
import pandas as pd
import pytest

from tests.test_charts import EVIL, colours, marks, spans
from training import charts, comparisons


def gaps(**changes):
    frame = {"label": ["size: Micro", "zone: West", "kind: Bond", "size: Large"], "gap": [-0.2, -0.1, 0.1, 0.3]}
    said = {"served": ["worse", "may be chance", "better", "too few"], "chance": [0.1, 0.15, 0.05, 0.4]}
    return pd.DataFrame(frame | said | {"needs": [1234, 20, 300, 2]} | changes)


def leads(**changes):
    frame = {"label": ["all", "cold"], "value": [0.02, 0.03], "low": [0.01, np.nan], "high": [0.03, np.nan]}
    return pd.DataFrame(frame | {"needs": [1234, 4]} | changes)


CHARTS = {
    "gaps": comparisons.gaps(gaps()),
    "leads": comparisons.against(leads(), "lead in NDCG@10", "the lead"),
    "prices": comparisons.against(leads().drop(columns="needs"), "price in NDCG@10", "the price"),
}


@pytest.fixture(scope="module")
def drawn():
    return {name: charts.svg(chart) for name, chart in CHARTS.items()}


@pytest.mark.parametrize("name", CHARTS)
def test_a_comparison_is_one_picture_in_the_dress_of_all_charts(drawn, name):
    assert drawn[name].count("<svg") == 1
    assert "http" not in drawn[name]
    assert re.search(r'viewBox="0 0 (\d+) ', drawn[name])[1] == str(charts.WIDTH)
    assert colours(drawn[name]) <= {*charts.DARK, charts.PAPER}
    assert " id=" not in drawn[name]
    assert CHARTS[name].to_dict()["description"]


def test_a_slice_has_its_dot_of_what_is_said_of_it_and_a_bar_as_wide_as_chance_reaches(drawn):
    dots = [re.search(r'fill="(#\w+)"', dot)[1] for dot in marks(drawn["gaps"], "symbol")]
    assert dots == [charts.AMBER, charts.GREY, charts.BLUE, charts.LINE]
    widths = [float(re.search(r"h([\d.]+)v", bar)[1]) for bar in marks(drawn["gaps"], "rect")]
    assert np.array(widths) / widths[0] == pytest.approx([1, 1.5, 0.5, 4], rel=0.01)
    assert drawn["gaps"].count("stroke-dasharray") == 1


def test_a_slice_and_a_lead_say_how_many_needs_are_behind_them(drawn):
    assert {"size: Micro (1,234)", "kind: Bond (300)"} <= set(spans(drawn["gaps"]))
    assert {"all (1,234)", "cold (4)", "+0.020"} <= set(spans(drawn["leads"]))
    assert {"all", "cold"} <= set(spans(drawn["prices"]))


def test_only_what_is_said_of_some_slice_is_in_the_legend():
    found = spans(charts.svg(comparisons.gaps(gaps().head(2))))
    assert [text for text in found if text in ("worse", "better", "may be chance", "too few")] == [
        "worse",
        "may be chance",
    ]


def test_a_lead_of_too_few_has_a_dot_and_no_interval(drawn):
    assert (len(marks(drawn["leads"], "symbol")), len(marks(drawn["leads"], "rule"))) == (2, 1 + 1), "and the tie"


@pytest.mark.parametrize("sign", ["\u2028", "\uffff"])
def test_a_name_in_a_comparison_stays_text_and_holds_no_sign_that_a_picture_may_not(sign):
    for chart in (
        comparisons.gaps(gaps(label=[EVIL + sign, "b", "c", "d"])),
        comparisons.against(leads(label=[EVIL + sign, "b"]), "lead", "the lead"),
    ):
        svg = charts.svg(chart)
        assert "<script" not in svg
        assert "&lt;script" in svg
        assert sign not in svg

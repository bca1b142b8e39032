"""The charts: what they draw, that a page can hold them, and that names in them stay text."""

import re

import numpy as np
import pandas as pd
import pytest

from training import charts

MONTHS = pd.to_datetime(["2025-01-01", "2025-02-01"])
EVIL = '<script>alert("1")</script>'


def systems(**changes):
    frame = {"system": ["model", "popularity", "oracle"], "value": [0.5, 0.4, 1.0]}
    return pd.DataFrame(frame | {"low": [0.4, 0.3, 1.0], "high": [0.6, 0.5, 1.0]} | changes)


def slices(**changes):
    frame = {"label": ["Small", "Small"], "system": ["model", "popularity"], "value": [0.5, 0.4], "needs": [1234, 1234]}
    return pd.DataFrame(frame | {"low": [0.4, 0.3], "high": [0.6, 0.5]} | changes)


def months(**changes):
    frame = {"month": MONTHS, "system": ["model", "model"], "value": [0.5, 0.6]}
    return pd.DataFrame(frame | {"low": [0.4, 0.5], "high": [0.6, 0.7]} | changes)


def importance():
    return pd.DataFrame({"label": ["memory", "region"], "share": [0.75, 0.25]})


def exposure():
    return pd.DataFrame({"label": ["Bank One", "甲银行"], "eligible": [0.9, 0.1], "shown": [0.5, 0.5]})


def reliability():
    frame = {"kind": ["bond", "bond", "credit"], "chance": [0.1, 0.6, 0.5], "granted": [0.0, 0.5, 1.0], "n": [9, 9, 3]}
    return pd.DataFrame(frame)


def funnel():
    return pd.DataFrame({"label": ["Shown", "Granted"], "count": [12345, 40], "share": [1.0, 0.003]})


def counts():
    return pd.DataFrame({"month": [*MONTHS] * 2, "series": ["posted"] * 2 + ["taken"] * 2, "count": [3, 4, 1, 2]})


def concentration():
    return pd.DataFrame({"rank": [1, 2, 3], "cumulative": [0.5, 0.8, 1.0]})


def loyalty():
    return pd.DataFrame({"label": ["the same product"], "share": [0.4], "by_chance": [0.1]})


def histogram():
    return pd.DataFrame({"low": [1e3, 1e4], "high": [1e4, 1e5], "count": [5, 8]})


def periods(**changes):
    frame = {"period": ["2025Q1", "2025Q2"], "value": [0.5, 0.4], "needs": [40, 9], "posted": [50, 45]}
    return pd.DataFrame(frame | {"low": [0.4, np.nan], "high": [0.6, np.nan]} | changes)


def chances():
    frame = {"period": ["2025-01", "2025-01", "2025-02"], "kind": ["bond", "credit", "credit"]}
    shares = {
        "chance": [0.8, 0.6, 0.6],
        "granted": [0.7, 0.6, 0.5],
        "low": [0.6, np.nan, 0.4],
        "high": [0.9, np.nan, 0.6],
    }
    return pd.DataFrame(frame | shares)


def facts(**changes):
    frame = {"label": ["Amount needed", "Region", "Purpose"], "psi": [0.31, 0.15, 0.02], "chance": [0.12, 0.14, 0.1]}
    return pd.DataFrame(frame | {"verdict": ["drifted", "watch", "steady"]} | changes)


def shift(**changes):
    return pd.DataFrame({"label": ["to 10", "above 10"], "before": [0.5, 0.5], "now": [0.1, 0.9]} | changes)


def changes(**changed):
    frame = {"label": ["Small", "Large", "Small"], "part": ["before 2025-07", "before 2025-07", "from 2025-07 on"]}
    figures = {"value": [0.5, 0.4, 0.3], "low": [0.4, np.nan, 0.2], "high": [0.6, np.nan, 0.4], "needs": [1234, 3, 56]}
    return pd.DataFrame(frame | figures | changed)


CHARTS = {
    "bars": charts.bars(funnel(), "count", "matches"),
    "counts": charts.counts(counts(), "a month"),
    "histogram": charts.histogram(histogram(), "amount needed"),
    "concentration": charts.concentration(concentration()),
    "loyalty": charts.loyalty(loyalty()),
    "systems": charts.systems(systems(), "NDCG@10"),
    "slices": charts.slices(slices()),
    "months": charts.months(months()),
    "lead": charts.lead(months().drop(columns="system")),
    "importance": charts.importance(importance()),
    "exposure": charts.exposure(exposure()),
    "reliability": charts.reliability(reliability()),
    "periods": charts.periods(periods(), "NDCG@10"),
    "chances": charts.chances(chances()),
    "drift": charts.drift(facts()),
    "shift": charts.shift(shift(), "Amount needed"),
    "changes": charts.changes(changes(), "lead in NDCG@10", tie=True),
}


@pytest.fixture(scope="module")
def drawn():
    return {name: charts.svg(chart) for name, chart in CHARTS.items()}


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def spans(svg):
    """All that is written, a line of several a piece of its own."""
    return [text for text in re.findall(r"<t(?:ext|span)[^>]*>([^<]*)(?=<)", svg) if text]


def marks(svg, mark):
    """The shapes of every mark of a kind: `rule`, `symbol`, `rect`."""
    groups = re.findall(rf'<g class="mark-{mark} role-mark[^>]*>(.*?)</g>', svg)
    return [shape for group in groups for shape in re.findall(r"<(?:line|path)[^>]*>", group)]


def colours(svg):
    return {colour.lower() for colour in re.findall(r'(?:fill|stroke)="(#\w+)"', svg)}


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_one_picture_without_an_address(drawn, name):
    assert drawn[name].startswith("<svg")
    assert drawn[name].count("<svg") == 1
    assert "http" not in drawn[name]


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_has_the_same_width(drawn, name):
    assert re.search(r'viewBox="0 0 (\d+) ', drawn[name])[1] == str(charts.WIDTH)


@pytest.mark.parametrize("name", CHARTS)
def test_every_colour_has_its_counterpart_on_a_dark_ground(drawn, name):
    assert colours(drawn[name]) <= {*charts.DARK, charts.PAPER}


@pytest.mark.parametrize("name", CHARTS)
def test_a_picture_holds_no_id_that_another_could_share(drawn, name):
    assert " id=" not in drawn[name]


@pytest.mark.parametrize("name", CHARTS)
def test_a_notebook_can_show_a_chart_and_read_what_it_is(name):
    spec = CHARTS[name].to_dict()
    assert "vega-lite" in spec["$schema"]
    assert spec["description"]


def test_systems_stand_in_the_order_of_the_frame_with_their_values(drawn):
    found = texts(drawn["systems"])
    assert [text for text in found if text in ("model", "popularity", "oracle")] == ["model", "popularity", "oracle"]
    assert {"0.500", "0.400", "1.000"} <= set(found)


def test_the_model_the_baselines_and_the_oracle_have_their_colours(drawn):
    fills = [re.search(r'fill="(#\w+)"', dot)[1] for dot in marks(drawn["systems"], "symbol")]
    assert fills == [charts.BLUE, charts.GREY, charts.AMBER]


def test_a_slice_says_how_many_needs_it_holds(drawn):
    assert "Small (1,234)" in texts(drawn["slices"])


def test_a_long_label_is_cut_before_its_count():
    long = "A" * 60
    found = texts(charts.svg(charts.slices(slices(label=[long, long]))))
    assert [text for text in found if text.startswith("AAA")] == ["A" * 20 + "… (1,234)"]


def test_where_there_is_no_interval_none_is_drawn():
    frame = slices(low=[np.nan, 0.3], high=[np.nan, 0.5])
    svg = charts.svg(charts.slices(frame))
    assert len(marks(svg, "rule")) == 1
    assert len(marks(svg, "symbol")) == 2


def test_a_month_has_its_dot_and_interval(drawn):
    assert len(marks(drawn["lead"], "symbol")) == 2
    assert len(marks(drawn["lead"], "rule")) == 2 + 1, "the tie is a rule as well"
    assert "Jan 2025" in texts(drawn["months"])


def test_importance_is_in_percent(drawn):
    assert {"75.0%", "25.0%"} <= set(texts(drawn["importance"]))


def test_exposure_has_two_dots_an_institution(drawn):
    assert len(marks(drawn["exposure"], "symbol")) == 2 * 2
    assert {"of eligible products", "of the first ten places", "甲银行"} <= set(texts(drawn["exposure"]))


def test_reliability_is_held_against_what_would_be_right(drawn):
    assert {"bond", "credit", "chance stated", "share granted"} <= set(texts(drawn["reliability"]))
    assert "stroke-dasharray" in drawn["reliability"]


def test_bars_of_counts_are_in_whole_numbers_and_bars_of_shares_in_percent(drawn):
    assert {"12,345", "40", "Shown"} <= set(texts(drawn["bars"]))
    assert {"100.0%", "0.3%"} <= set(texts(charts.svg(charts.bars(funnel(), "share", "matches"))))


def test_no_axis_of_what_is_at_most_one_goes_beyond_it_in_words(drawn):
    shares = texts(charts.svg(charts.bars(funnel(), "share", "matches")))
    assert [text for text in shares if text.endswith("0%")] == ["0%", "20%", "40%", "60%", "80%", "100%", "100.0%"]
    assert [text for text in texts(drawn["systems"]) if len(text) == len("0.4")] == ["0.4", "0.6", "0.8", "1.0"]
    assert "14k" in texts(drawn["bars"])  # counts go on


def test_each_series_of_counts_has_a_line_and_a_name(drawn):
    assert len(marks(drawn["counts"], "line")) == 2
    assert {"posted", "taken"} <= set(texts(drawn["counts"]))


def test_a_histogram_has_a_bar_a_bin_of_one_width_on_the_ground(drawn):
    bars = [re.search(r'd="M([\d.]+),([\d.]+)h([\d.]+)v([\d.]+)', bar) for bar in marks(drawn["histogram"], "rect")]
    lefts, tops, widths, heights = np.array([[float(number) for number in bar.groups()] for bar in bars]).T
    assert widths[0] == pytest.approx(widths[1])
    assert heights[1] / heights[0] == pytest.approx(8 / 5, rel=0.01)
    assert np.ptp(tops + heights) == pytest.approx(0)
    assert lefts[1] == pytest.approx(lefts[0] + widths[0])


def test_a_histogram_of_nothing_is_an_empty_picture():
    assert marks(charts.svg(charts.histogram(histogram().iloc[:0], "amount needed")), "rect") == []


def test_concentration_is_held_against_all_alike(drawn):
    assert len(marks(drawn["concentration"], "line")) == 2
    assert "stroke-dasharray" in drawn["concentration"]


def test_loyalty_has_two_dots_a_level(drawn):
    assert len(marks(drawn["loyalty"], "symbol")) == 2
    assert {"by chance", "of those who came back", "the same product"} <= set(texts(drawn["loyalty"]))


def test_a_period_has_its_dot_its_interval_and_how_many_of_its_needs_were_met(drawn):
    assert (len(marks(drawn["periods"], "symbol")), len(marks(drawn["periods"], "rule"))) == (2, 1)
    assert {"2025Q1", "9 of 45", "NDCG@10 by month or quarter with its 95% interval"} <= set(spans(drawn["periods"]))


@pytest.mark.parametrize(("tie", "dashed"), [(True, 1), (False, 0)])
def test_periods_are_held_against_a_tie_only_where_it_is_asked_for(tie, dashed):
    assert charts.svg(charts.periods(periods(), "lead", tie=tie)).count("stroke-dasharray") == dashed


def test_each_kind_has_a_stroke_at_its_chance_and_a_dot_of_its_colour_at_what_was_granted(drawn):
    fills = [re.search(r'fill="(#\w+)"', dot)[1] for dot in marks(drawn["chances"], "symbol")]
    assert fills == [charts.BLUE, charts.AMBER, charts.AMBER]
    assert len(marks(drawn["chances"], "rule")) == 2
    assert {"bond", "credit", "2025-02", "dot: granted, with its 95% interval; stroke: the chance stated"} <= set(
        spans(drawn["chances"])
    )


def test_the_bar_of_a_fact_has_the_colour_of_its_verdict_and_the_limits_are_dashed(drawn):
    bars = re.findall(r'fill="(#\w+)"', "".join(marks(drawn["drift"], "rect")))
    assert [colour for colour in bars if colour != charts.INK] == [charts.AMBER, charts.BLUE, charts.GREY]
    assert bars.count(charts.INK) == 3, "a stroke at what chance reaches"
    assert drawn["drift"].count("stroke-dasharray") == 2
    verdicts = [text for text in spans(drawn["drift"]) if text in ("steady", "watch", "drifted", "too few")]
    assert verdicts == ["steady", "watch", "drifted"]


def test_a_shift_has_two_dots_a_bin_and_names_the_fact(drawn):
    assert len(marks(drawn["shift"], "symbol")) == 2 * 2
    assert {"of the year before", "of the window", "above 10", "share of enterprises"} <= set(spans(drawn["shift"]))
    assert any(text.startswith("Amount needed: ") for text in spans(drawn["shift"]))


def test_a_slice_says_how_many_needs_it_had_before_and_has_now_none_included(drawn):
    assert {"Small (1,234, 56)", "Large (3, 0)", "before 2025-07", "from 2025-07 on"} <= set(spans(drawn["changes"]))
    assert len(marks(drawn["changes"], "rule")) == 2 + 1, "the tie is a rule as well"


def test_a_name_in_a_chart_stays_text():
    svg = charts.svg(charts.exposure(exposure().assign(label=[EVIL, "b"])))
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\ufffe", "\uffff"])
def test_a_sign_that_no_picture_may_hold_does_not_keep_a_chart_from_being_drawn(sign):
    """Of the last two the renderer ends the whole process."""
    label, kept = f"甲{sign}银行", f"甲{' ' if sign < chr(0x3000) else chr(0xFFFD)}银行"
    for chart in (
        charts.exposure(exposure().assign(label=[label, "b"])),
        charts.bars(importance().assign(label=[label, "b"]), "share", "share"),
        charts.slices(slices(label=[label, label])),
        charts.drift(facts(label=[label, "b", "c"])),
        charts.shift(shift(label=[label, "b"]), "Region"),
        charts.changes(changes(label=[label, "b", label]), "NDCG@10"),
    ):
        assert kept in " ".join(texts(charts.svg(chart)))

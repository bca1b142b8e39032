"""The charts of an evaluation and of tables, each a function from a frame (`breakdown`, `overview`) to an Altair chart.

A notebook shows the chart as it is; a page takes its `svg`. Colours are few and named here, so that a page can turn
each into its counterpart on a dark ground (`DARK`).
"""

import io
from typing import Any, Final

import altair as alt
import pandas as pd

from training.drift import DRIFTED, WATCH, Verdict
from training.evaluate import MODEL, ORACLE

WIDTH: Final = 420
INK: Final = "#22262b"
MUTED: Final = "#5c636b"
LINE: Final = "#d9dce0"
PAPER: Final = "#ffffff"
BLUE: Final = "#1f5fa8"
GREY: Final = "#83898f"
AMBER: Final = "#b3661a"
GREEN: Final = "#2f7d57"
DARK: Final = {
    INK: "#e8e8e6",
    MUTED: "#a9afb6",
    LINE: "#3a3f45",
    BLUE: "#7fb4ef",
    GREY: "#9aa0a7",
    AMBER: "#e3a35c",
    GREEN: "#74c69d",
}
_LABEL_LIMIT: Final = 220
_NAMESPACES: Final = (' xmlns="http://www.w3.org/2000/svg"', ' xmlns:xlink="http://www.w3.org/1999/xlink"')
_INTERVAL: Final = "isValid(datum.low)"
_SHORT_LABEL: Final = "truncate(split(datum.value, '\\t')[0], 21) + ' ' + split(datum.value, '\\t')[1]"
_WHOLE: Final[dict[str, Any]] = {  # an axis of what is at most 1 goes on, for the figures, but says nothing there
    "labelExpr": "datum.value > 1 ? '' : datum.label",
    "gridOpacity": {"condition": {"test": "datum.value > 1", "value": 0}, "value": 1},
    "tickOpacity": {"condition": {"test": "datum.value > 1", "value": 0}, "value": 1},
}
_UNDRAWN: Final = str.maketrans("\u2028\u2029\ufffe\uffff", "  \ufffd\ufffd")  # names may hold them, pictures may not
_FONT: Final = "Arial, Helvetica, Liberation Sans, sans-serif"  # of one width everywhere, so that labels fit
_MONTH: Final = alt.X("yearmonth(month):T", title=None, axis=alt.Axis(format="%b %Y", labelOverlap=True))
_CONFIG: Final[dict[str, Any]] = {
    "aria": False,  # the place that holds the picture says what it shows
    "background": PAPER,
    "font": _FONT,
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": MUTED,
        "gridColor": LINE,
        "domainColor": LINE,
        "tickColor": LINE,
        "labelFontSize": 12,
        "labelSeparation": 6,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "title": {"anchor": "start", "color": INK, "fontSize": 13, "fontWeight": "normal", "subtitleColor": MUTED},
    "axisY": {"labelLimit": _LABEL_LIMIT},
    "legend": {"orient": "top", "symbolOpacity": 1, "labelColor": INK, "labelFontSize": 12, "labelLimit": _LABEL_LIMIT},
}

Chart = alt.Chart | alt.LayerChart | alt.FacetChart


def systems(frame: pd.DataFrame, metric: str) -> Chart:
    """A dot and its interval a system (system, value, low, high): the model, the baselines and the oracle."""
    order = list(frame["system"])
    colour = alt.Color("system:N", legend=None, scale=alt.Scale(domain=order, range=[_role(name) for name in order]))
    base = alt.Chart(frame).encode(y=alt.Y("system:N", sort=order, title=None), color=colour)
    text = base.mark_text(align="left", dx=7, fontSize=12).encode(x="high:Q", text=alt.Text("value:Q", format=".3f"))
    low, high = float(frame["low"].min()), float(frame["high"].max())
    room = alt.Scale(domain=[low, high + 0.2 * (high - low)])  # for the figure beside the highest
    marks = intervals(base, _value(metric, room)) + _dot(base) + text
    return dress(marks, f"{metric} of each system with its 95% interval", 26)


def slices(frame: pd.DataFrame, metric: str = "NDCG@10") -> Chart:
    """A dot and its interval for each label and system (label, system, value, low, high, needs)."""
    frame = drawable(frame)
    frame = frame.assign(label=frame["label"] + "\t(" + frame["needs"].map("{:,}".format) + ")")
    y = alt.Y("label:N", sort=list(frame["label"].unique()), title=None, axis=alt.Axis(labelExpr=_SHORT_LABEL))
    base = alt.Chart(frame).encode(
        y=y,
        yOffset=alt.YOffset("system:N", sort=_names(frame)),
        color=_by_system(frame),
    )
    marks = intervals(base, _value(metric, alt.Scale(zero=False))) + _dot(base)
    return dress(marks, f"{metric} of each slice with its 95% interval", 30)


def months(frame: pd.DataFrame, metric: str = "NDCG@10") -> Chart:
    """A line a system over the months (month, system, value, low, high), the interval as a band."""
    base = alt.Chart(frame).encode(x=_MONTH, color=_by_system(frame))
    band = base.transform_filter(_INTERVAL).mark_area(opacity=0.15).encode(y=alt.Y("low:Q", title=metric), y2="high:Q")
    line = base.mark_line(point=True, strokeWidth=2).encode(y=alt.Y("value:Q", scale=alt.Scale(zero=False)))
    return dress(band + line, f"{metric} of each month's needs", height=240)


def lead(frame: pd.DataFrame, metric: str = "NDCG@10") -> Chart:
    """A dot and its interval a month (month, value, low, high): how far the model is ahead; the line is a tie."""
    base = alt.Chart(frame).encode(x=_MONTH, color=alt.value(BLUE))
    y = alt.Y("low:Q", title=f"lead in {metric}")
    rule = base.transform_filter(_INTERVAL).mark_rule(strokeWidth=2).encode(y=y, y2="high:Q")
    dot = base.mark_point(filled=True, size=60, opacity=1).encode(y="value:Q")
    tie = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=INK, strokeDash=[3, 3]).encode(y="zero:Q")
    return dress(tie + rule + dot, f"The model's {metric} less the best baseline's, month by month", height=240)


def importance(frame: pd.DataFrame) -> Chart:
    """A bar a label (label, share of the gain)."""
    return bars(frame, "share", "share of gain")


def bars(frame: pd.DataFrame, column: str, title: str) -> Chart:
    """A bar a label (label, `column`), in the frame's order; a column named `share` is in percent."""
    axis, text, end = ("%", ".1%", _WHOLE) if column == "share" else ("~s", ",d", {})
    frame = drawable(frame)
    room = alt.Scale(domain=[0, 1.28 * float(frame[column].max())])  # for the figure beside the longest
    base = alt.Chart(frame).encode(
        x=alt.X(f"{column}:Q", title=title, scale=room, axis=alt.Axis(format=axis, tickCount=5, **end)),
        y=alt.Y("label:N", sort=list(frame["label"]), title=None),
    )
    figure = base.mark_text(align="left", dx=4, color=MUTED).encode(text=alt.Text(f"{column}:Q", format=text))
    return dress(base.mark_bar(color=BLUE) + figure, title.capitalize(), 20)


def counts(frame: pd.DataFrame, title: str) -> Chart:
    """A line a series over the months (month, series, count)."""
    order = list(frame["series"].unique())
    scale = alt.Scale(domain=order, range=[GREY, BLUE, AMBER, GREEN][: len(order)])
    base = alt.Chart(frame).encode(
        x=_MONTH, y=alt.Y("count:Q", title=title), color=alt.Color("series:N", title=None, scale=scale)
    )
    return dress(base.mark_line(strokeWidth=2), f"{title.capitalize()} by month", height=240)


def histogram(frame: pd.DataFrame, title: str) -> Chart:
    """A bar a bin on a logarithmic scale (low, high, count)."""
    axis = alt.Axis(format="~s", tickCount=6, grid=False)
    base = alt.Chart(frame.assign(ground=0)).encode(
        x=alt.X("low:Q", title=title, scale=alt.Scale(type="log"), axis=axis),
        x2="high:Q",
        y=alt.Y("ground:Q", title=None),
        y2="count:Q",
    )
    return dress(base.mark_rect(color=BLUE, stroke=PAPER), f"How many have which {title}", height=200)


def concentration(frame: pd.DataFrame) -> Chart:
    """The share of all takings that the first 1, 2 … institutions hold (rank, cumulative); dashed: all alike."""
    share = alt.Y("cumulative:Q", title="share of all that was taken", axis=alt.Axis(format="%", tickCount=5))
    x = alt.X("rank:Q", title="institutions, the largest first", axis=alt.Axis(tickMinStep=1))
    line = alt.Chart(frame).mark_line(color=BLUE, strokeWidth=2).encode(x=x, y=share)
    ends = alt.Chart(pd.DataFrame({"rank": [0, len(frame)], "cumulative": [0.0, 1.0]}))
    alike = ends.mark_line(color=INK, strokeDash=[3, 3]).encode(x=x, y=share)
    return dress(alike + line, "Share of all that was taken held by the largest institutions", height=240)


def exposure(frame: pd.DataFrame) -> Chart:
    """Two dots an institution (label, eligible, shown), joined: its share of candidates and of the first ten places."""
    names = {"eligible": "of eligible products", "shown": "of the first ten places"}
    return _two_dots(frame, names, "Share of eligible products and of the first ten places, by institution")


def loyalty(frame: pd.DataFrame) -> Chart:
    """Two dots a level (label, by_chance, share), joined: how often the same is taken again, and by chance."""
    names = {"by_chance": "by chance", "share": "of those who came back"}
    return _two_dots(frame, names, "How often an enterprise that comes back takes the same again")


def reliability(frame: pd.DataFrame) -> Chart:
    """A line a kind through bins of applications (kind, chance, granted, n); on the dashed line what is said is so."""
    kinds = list(frame["kind"].unique())
    share: dict[str, Any] = {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(format="%", tickCount=5)}
    base = alt.Chart(frame).encode(
        x=alt.X("chance:Q", title="chance stated", **share),
        y=alt.Y("granted:Q", title="share granted", **share),
        color=alt.Color("kind:N", title=None, scale=alt.Scale(domain=kinds, range=[BLUE, AMBER, GREEN, GREY])),
    )
    ends = alt.Chart(pd.DataFrame({"chance": [0.0, 1.0], "granted": [0.0, 1.0]}))
    ideal = ends.mark_line(color=INK, strokeDash=[3, 3]).encode(x="chance:Q", y="granted:Q")
    return dress(ideal + base.mark_line(point=True), "Share granted against the chance stated", height=320)


def periods(frame: pd.DataFrame, title: str, tie: bool = False) -> Chart:
    """A dot and its interval a month or quarter (period, value, low, high, needs, posted); dashed, if asked, a tie."""
    frame = frame.assign(period=[f"{row.period}\t{row.needs} of {row.posted}" for row in frame.itertuples()])
    base = alt.Chart(frame).encode(x=_period("needs met, of those posted"), color=alt.value(BLUE))
    line = base.mark_line(strokeWidth=1).encode(y="value:Q")
    ground = [dashed([0.0]).encode(y="level:Q")] if tie else []
    dot = base.mark_point(filled=True, size=70, opacity=1).encode(y="value:Q")
    marks = alt.layer(*ground, _upright(base, title), line, dot)
    return titled(dress(marks, f"{title} by month or quarter with its 95% interval", height=240))


def chances(frame: pd.DataFrame) -> Chart:
    """By month or quarter and kind the chance stated, a stroke, and the share granted, a dot with its interval.

    The frame's columns are period, kind, chance, granted, low and high.
    """
    kinds = list(frame["kind"].unique())
    colour = alt.Color("kind:N", title=None, scale=alt.Scale(domain=kinds, range=[BLUE, AMBER, GREY, GREEN]))
    base = alt.Chart(frame).encode(x=_period(None), xOffset=alt.XOffset("kind:N", sort=kinds))
    granted = base.encode(color=colour)
    dot = granted.mark_point(filled=True, size=70, opacity=1).encode(y="granted:Q")
    stated = base.mark_tick(color=INK, thickness=2, width=16).encode(y="chance:Q")
    marks = _upright(granted, "share of applications", alt.Axis(format="%", tickCount=5)) + stated + dot
    dressed = dress(marks, "Share of applications granted, by kind of product", height=240)
    return titled(dressed, "dot: granted, with its 95% interval; stroke: the chance stated")


def drift(frame: pd.DataFrame) -> Chart:
    """A bar a fact (label, psi, chance, verdict): its PSI; a stroke at what chance alone reaches, dashed the limits."""
    frame, order = drawable(frame), [one for one in Verdict if one in set(frame["verdict"])]
    role = {Verdict.STEADY: GREY, Verdict.WATCH: BLUE, Verdict.DRIFTED: AMBER, Verdict.TOO_FEW: LINE}
    scale = alt.Scale(domain=order, range=[role[one] for one in order])
    x = alt.X("psi:Q", title="PSI", axis=alt.Axis(tickCount=5))
    base = alt.Chart(frame).encode(y=alt.Y("label:N", sort=list(frame["label"]), title=None))
    bar = base.mark_bar(size=12).encode(x=x, color=alt.Color("verdict:N", title=None, scale=scale))
    chance = base.mark_tick(color=INK, thickness=2, size=16).encode(x="chance:Q")
    marks = dashed([WATCH, DRIFTED]).encode(x="level:Q") + bar + chance
    limits = f"stroke: chance alone; dashed: to watch above {WATCH:.2f}, drifted above {DRIFTED:.2f}"
    return titled(dress(marks, "How far each fact has moved", 22), limits)


def shift(frame: pd.DataFrame, title: str) -> Chart:
    """Two dots a bin of a fact (label, before, now), joined: the share of enterprises before the window and in it."""
    names = {"before": "of the year before", "now": "of the window"}
    dots = _two_dots(frame, names, f"{title}: how enterprises were spread before, and are now", "share of enterprises")
    return titled(dots)


def changes(frame: pd.DataFrame, title: str, tie: bool = False) -> Chart:
    """A grey and a blue dot with intervals a slice: before and since (label, part, value, low, high, needs)."""
    frame, parts = drawable(frame), list(frame["part"].unique())
    counts = frame.pivot_table("needs", "label", "part", aggfunc="sum", fill_value=0)[parts]
    said = {label: ", ".join(f"{n:,.0f}" for n in row) for label, row in zip(counts.index, counts.values, strict=True)}
    frame = frame.assign(label=frame["label"] + "\t(" + frame["label"].map(said) + ")")
    y = alt.Y("label:N", sort=list(frame["label"].unique()), title=None, axis=alt.Axis(labelExpr=_SHORT_LABEL))
    colour = alt.Color("part:N", title=None, sort=parts, scale=alt.Scale(domain=parts, range=[GREY, BLUE]))
    base = alt.Chart(frame).encode(y=y, yOffset=alt.YOffset("part:N", sort=parts), color=colour)
    ground = [dashed([0.0]).encode(x="level:Q")] if tie else []
    marks = alt.layer(*ground, intervals(base, _value(title, alt.Scale(zero=False))), _dot(base))
    dressed = dress(marks, f"{title} of each slice then and now, with its 95% interval", 30)
    return titled(dressed, "in brackets the needs of the one and the other")


def svg(chart: Chart) -> str:
    """The chart as SVG to stand inside a page: as wide as its place, without a namespace's address."""
    held = io.StringIO()
    chart.save(held, format="svg")
    text = held.getvalue()
    for name in _NAMESPACES:
        text = text.replace(name, "", 1)
    return text


def drawable(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with labels that can be drawn: line separators end a script, and no SVG holds what is no character."""
    return frame.assign(label=[str(label).translate(_UNDRAWN) for label in frame["label"]])


def dashed(levels: list[float]) -> alt.Chart:
    """Dashed lines across the picture."""
    return alt.Chart(pd.DataFrame({"level": levels})).mark_rule(color=INK, strokeDash=[3, 3])


def intervals(base: alt.Chart, x: alt.X) -> alt.Chart:
    """A line from `low` to `high` where there is an interval."""
    return base.transform_filter(_INTERVAL).mark_rule(strokeWidth=2).encode(x=x, x2="high:Q")


def titled(chart: Chart, more: str = "") -> Chart:
    """A dressed chart with what it shows above it, and what its marks are: for where no text stands around it."""
    text = chart.description[:1].upper() + chart.description[1:]
    return chart.properties(title={"text": text, "subtitle": more} if more else text)


def dress(chart: Chart, description: str, step: int = 0, height: int = 0) -> Chart:
    """The house's dress: one width with all labels in it, quiet lines, sizes that can be read on a phone."""
    size: Any = height or alt.Step(step, **{"for": "position"})
    fit = {"type": "fit-x" if step else "fit", "contains": "padding"}
    return chart.properties(width=WIDTH, height=size, description=description, config=_CONFIG | {"autosize": fit})


def _two_dots(frame: pd.DataFrame, names: dict[str, str], description: str, title: str = "share") -> Chart:
    """A grey and a blue dot a label, joined: the columns of `names`, which says what they are."""
    first, second = names
    frame = drawable(frame)
    long = frame.melt("label", list(names), "share of", "value").replace({"share of": names})
    y = alt.Y("label:N", sort=list(frame["label"]), title=None)
    link = alt.Chart(frame).mark_rule(color=LINE, strokeWidth=3).encode(y=y, x=f"{first}:Q", x2=f"{second}:Q")
    dots = (
        alt.Chart(long)
        .mark_point(filled=True, size=60, opacity=1)
        .encode(
            y=y,
            x=alt.X("value:Q", title=title, axis=alt.Axis(format="%", tickCount=5)),
            color=alt.Color("share of:N", title=None, scale=alt.Scale(domain=list(names.values()), range=[GREY, BLUE])),
        )
    )
    return dress(link + dots, description, 22)


def _period(title: str | None) -> alt.X:
    """Months or quarters by name, what follows a tab beneath it."""
    axis = alt.Axis(labelAngle=0, labelOverlap=True, labelExpr="split(datum.value, '\\t')", grid=False)
    return alt.X("period:N", sort=None, title=title, axis=axis)


def _upright(base: alt.Chart, title: str, axis: alt.Axis | None = None) -> alt.Chart:
    y = alt.Y("low:Q", title=title, scale=alt.Scale(zero=False), axis=axis or alt.Axis(tickCount=5))
    return base.transform_filter(_INTERVAL).mark_rule(strokeWidth=2).encode(y=y, y2="high:Q")


def _dot(base: alt.Chart) -> alt.Chart:
    return base.mark_point(filled=True, size=70, opacity=1).encode(x="value:Q")


def _value(metric: str, scale: alt.Scale) -> alt.X:
    return alt.X("low:Q", title=metric, scale=scale, axis=alt.Axis(tickCount=5, **_WHOLE))


def _by_system(frame: pd.DataFrame) -> alt.Color:
    order = _names(frame)
    return alt.Color(
        "system:N", title=None, sort=order, scale=alt.Scale(domain=order, range=[_role(name) for name in order])
    )


def _names(frame: pd.DataFrame) -> list[str]:
    return list(frame["system"].unique())


def _role(system: str) -> str:
    return {MODEL: BLUE, ORACLE: AMBER}.get(system, GREY)

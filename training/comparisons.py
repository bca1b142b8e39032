"""Charts that hold figures against none at all: slices against the average, one model against another, what is paid."""

from typing import Final

import altair as alt
import pandas as pd

from training.charts import (
    AMBER,
    BLUE,
    GREY,
    INK,
    LINE,
    Chart,
    dashed,
    drawable,
    dress,
    intervals,
    titled,
)
from training.served import Served

_SHORT_LABEL: Final = "truncate(split(datum.value, '\\t')[0], 29) + ' ' + split(datum.value, '\\t')[1]"
_COLOURS: Final = {Served.WORSE: AMBER, Served.BETTER: BLUE, Served.CHANCE: GREY, Served.TOO_FEW: LINE}


def gaps(frame: pd.DataFrame, metric: str = "NDCG@10") -> Chart:
    """A dot a slice (label, gap, chance, served, needs): how far from the average; the bar is what chance reaches."""
    frame = _counted(drawable(frame)).assign(below=-frame["chance"])
    order = [one for one in Served if one in set(frame["served"])]
    scale = alt.Scale(domain=order, range=[_COLOURS[one] for one in order])
    base = alt.Chart(frame).encode(y=_labels(frame))
    x = alt.X("below:Q", title=f"{metric} less the average", axis=alt.Axis(tickCount=5))
    bar = base.mark_bar(size=10, color=LINE).encode(x=x, x2="chance:Q")
    dot = base.mark_point(filled=True, size=70, opacity=1, stroke=INK, strokeWidth=0.5).encode(
        x="gap:Q", color=alt.Color("served:N", title=None, scale=scale)
    )
    marks = bar + dashed([0.0]).encode(x="level:Q") + dot
    return titled(dress(marks, f"{metric} of each slice less the average", 22), "bar: what chance alone reaches")


def against(frame: pd.DataFrame, title: str, text: str) -> Chart:
    """A dot and its interval a row (label, value, low, high, and needs where they differ); on the dashed line none."""
    frame = drawable(frame)
    if "needs" in frame:
        frame = _counted(frame)
    base = alt.Chart(frame).encode(y=_labels(frame), color=alt.value(BLUE))
    x = alt.X("low:Q", title=title, axis=alt.Axis(tickCount=5))
    dot = base.mark_point(filled=True, size=70, opacity=1).encode(x="value:Q")
    text_of = {"text": alt.Text("value:Q", format="+.3f"), "color": alt.value(INK)}
    figure = base.mark_text(dy=-11).encode(x="value:Q", **text_of)
    marks = dashed([0.0]).encode(x="level:Q") + intervals(base, x) + dot + figure
    return titled(dress(marks, text, 34))


def _counted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(label=frame["label"] + "\t(" + frame["needs"].map("{:,}".format) + ")")


def _labels(frame: pd.DataFrame) -> alt.Y:
    axis = alt.Axis(labelExpr=_SHORT_LABEL if frame["label"].str.contains("\t").any() else "datum.value")
    return alt.Y("label:N", sort=list(frame["label"]), title=None, axis=axis)

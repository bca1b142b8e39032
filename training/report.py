"""The report as one HTML page that needs no network and no script: figures, charts as SVG, and needs to read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from training import breakdown, charts
from training.evaluate import MODEL, Evaluation, caution
from training.fairness import said
from training.metrics import Interval, paired
from training.outputs import write_whole
from training.reliability import calibration_error, reliability
from training.worst import unreachable, worst

PARTS: Final = {"all": "all enterprises", "cold": "enterprises never seen before"}
TAKEN: Final = "taken"  # the report's gain where it is no true chance
METRICS: Final = {"ndcg@10": "NDCG@10", "recall@1": "recall@1"}
SLICES: Final = {
    "known": "Cold or warm",
    "size": "Size class",
    "zone": "Zone",
    "region": "Region",
    "industry": "Industry division",
    "kind": "Kind of product taken",
    "institution": "Institution of the product taken",
}
_HEADS: Final = {
    "system": "System",
    "label": "Name",
    "month": "Month",
    "value": "Value",
    "low": "95% from",
    "high": "to",
    "needs": "Needs",
    "enterprises": "Enterprises",
    "share": "Share",
    "eligible": "Of eligible products",
    "shown": "Of the first ten places",
    "kind": "Kind",
    "chance": "Chance stated",
    "granted": "Share granted",
    "n": "Applications",
}
_PERCENT: Final = ("share", "eligible", "shown", "chance", "granted")
_COUNTS: Final = ("needs", "enterprises", "n")


@dataclass(frozen=True)
class Figure:
    """A chart with its name, what it says to those who cannot see it, and its numbers as a table."""

    title: str
    alt: str
    svg: Markup
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A part of the page; `absent` says why it has no figures where it has none."""

    key: str
    title: str
    zh: str
    text: str
    figures: tuple[Figure, ...]
    absent: str = ""


def write_html(found: Evaluation, path: Path) -> None:
    """The page about `found`."""
    write_whole(page(found), path)


def page(found: Evaluation) -> str:
    """The page as text; the same evaluation gives the same page."""
    needs = breakdown.per_need(found)
    rival = breakdown.best_baseline(found.report)
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=found.report,
            tables=found.world.tables,
            caution=caution(found.report),
            rival=rival,
            model=found.report["systems"][MODEL]["all"]["ndcg@10"],
            lead=_lead(needs, found.seed),
            sections=sections(found, needs, rival),
            worst=worst(found),
            unreachable=unreachable(found),
            dark=charts.DARK,
            paper=charts.PAPER,
        )
    )


def _environment() -> Environment:
    loader = PackageLoader("training")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def sections(found: Evaluation, needs: pd.DataFrame, rival: str) -> list[Section]:
    """The parts of the page that hold charts, in order."""
    return [
        _systems(found),
        _months(needs, rival, found.seed),
        _slices(needs, rival, found.seed),
        _reliability(found),
        _importance(found),
        _exposure(found),
    ]


def _systems(found: Evaluation) -> Section:
    figures = []
    for part, of in PARTS.items():
        for metric, name in METRICS.items():
            frame = breakdown.systems(found.report, part, metric)
            if len(frame) and (metric == "ndcg@10" or found.report["gain"] == TAKEN):
                figures.append(_figure(f"{name}, {of}", charts.systems(frame, name), frame, _ranked(frame)))
    text = "Every system ranks the same candidates for the same needs. The dot is the mean, the line its 95% interval."
    if not found.report["cold_enterprises"]:
        text += " No enterprise in this window was new: nothing is said of cold ones."
    if found.report["gain"] != TAKEN:
        text += " Recall is left out: by their true chances nearly all candidates are relevant."
    return Section("systems", "Systems side by side", "各系统对比", text, tuple(figures))


def _months(needs: pd.DataFrame, rival: str, seed: int) -> Section:
    frame, lead = breakdown.by_month(needs, rival, seed), breakdown.lead_by_month(needs, seed)
    ahead = f"The model is ahead of {rival} in {int((lead['value'] > 0).sum())} of {len(lead)} months."
    figures = (
        _figure("NDCG@10 by month", charts.months(frame), frame, ahead),
        _figure(f"Lead over {rival} by month", charts.lead(lead), lead, ahead),
    )
    text = "The model's weights stay as trained; what it remembers grows with every month. " + ahead
    return Section("months", "Month by month", "逐月表现", text, figures)


def _slices(needs: pd.DataFrame, rival: str, seed: int) -> Section:
    figures, alike = [], []
    for column, title in SLICES.items():
        frame = breakdown.by_slice(needs, column, rival, seed)
        if frame["label"].nunique() > 1:
            figures.append(_figure(title, charts.slices(frame), frame, _spread(frame)))
        else:
            alike.append(f"{title.lower()} ({frame['label'].iloc[0]})")
    text = (
        f"NDCG@10 of the model and of {rival}, the best baseline. In brackets the number of needs; where fewer than "
        f"{breakdown.FEWEST_ENTERPRISES} enterprises stand behind a figure, no interval is drawn."
    )
    if alike:
        text += f" All needs are alike in {', '.join(alike)}."
    return Section("slices", "For whom it works", "分组表现", text, tuple(figures))


def _reliability(found: Evaluation) -> Section:
    title, zh = "Reliability of the stated chance", "概率可靠性"
    refusals = breakdown.refusals(found)
    if found.chances is None or found.chances.empty or not refusals:
        why = _why_no_chance(refusals, len(found.world.tables.outcomes), found.report.get("calibration", {}))
        return Section("reliability", title, zh, "", (), why)
    frame = reliability(found.chances)
    error = {str(kind): calibration_error(part) for kind, part in frame.groupby("kind")}
    said = "ECE: " + ", ".join(f"{kind} {value:.3f}" for kind, value in error.items()) + "."
    text = "Of the applications to which the model gave a chance, how many were granted, by kind of product. " + said
    text += "".join(f" {note}" for note in _notes(found.report.get("calibration", {})))
    figure = _figure("Chance and outcome", charts.reliability(frame), frame, said)
    return Section("reliability", title, zh, text, (figure,))


def _notes(calibration: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What to hold each kind's error against, and why there is no chance for a kind."""
    for kind, found in calibration.items():
        if "why" in found:
            yield f"No chance is stated for {kind}: {found['why']}."
            continue
        yield f"Were each {kind} chance exactly right, {found['noise']:.3f} would be expected"
        yield f"of {found['applications']:,} applications."
        if "true_ece" in found:
            yield f"Against the true chance its ECE is {found['true_ece']:.3f}, the mean error {found['true_mae']:.3f}."


def _why_no_chance(refusals: int, outcomes: int, calibration: dict[str, dict[str, Any]]) -> str:
    if refusals:
        text = f"This model states no chance of being granted: there is none to hold against {refusals:,} refusals."
        return " ".join([text, *_notes(calibration)])
    return (
        f"No chance is shown. None of the {outcomes:,} outcomes is a refusal: the data show who financed whom, so how "
        "likely an application is to be granted cannot be learned from them."
    )


def _importance(found: Evaluation) -> Section:
    title, zh = "What the model looks at", "特征重要性"
    family, feature = breakdown.importance_by_family(found), breakdown.importance_by_feature(found)
    if family.empty:
        return Section("importance", title, zh, "", (), "The model's forest has no split, so no feature has any gain.")
    figures = (
        _figure("Gain by family of features", charts.importance(family), family, _first(family)),
        _figure(f"The first {len(feature)} features", charts.importance(feature), feature, _first(feature)),
    )
    text = (
        "Each feature's share of the gain of all the forest's splits. It tells what the forest uses, not what it "
        "needs: what tops this list may be replaced by another feature without loss. Only an ablation tells its worth."
    )
    return Section("importance", title, zh, text, figures)


def _exposure(found: Evaluation) -> Section:
    frame = breakdown.exposure(found)
    hidden, eligible = breakdown.never_shown(found)
    never = f"{hidden:,} of {eligible:,} institutions with an eligible product are never among the first ten."
    text = (
        "Each institution's share of the model's first ten places, beside its share of all eligible products. Where a "
        f"need has ten candidates or fewer, each of them has a place. {never}"
    )
    if "exposure" in found.report:
        text += f" {said(found.report['exposure'])}"
    figure = _figure("Places and eligible products by institution", charts.exposure(frame), frame, never)
    return Section("exposure", "Who is shown", "机构曝光", text, (figure,))


def _figure(title: str, chart: charts.Chart, frame: pd.DataFrame, summary: str) -> Figure:
    heads = tuple(_HEADS[column] for column in frame.columns)
    cells = [[_cell(column, value) for value in frame[column]] for column in frame.columns]
    # The SVG comes from the chart renderer, which escapes every text in it.
    return Figure(title, f"{title}. {summary}", Markup(charts.svg(chart)), heads, tuple(zip(*cells, strict=True)))


def _cell(column: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m}"
    if np.isnan(value):
        return "–"
    if column in _COUNTS:
        return f"{value:,.0f}"
    return f"{value:.1%}" if column in _PERCENT else f"{value:.3f}"


def _lead(needs: pd.DataFrame, seed: int) -> Interval:
    """The model's NDCG@10 less the best baseline's on the same needs."""
    return paired(needs["model"], needs["baseline"], needs["enterprise_id"].to_numpy().astype(np.str_), seed)


def _ranked(frame: pd.DataFrame) -> str:
    return _listed(f"{row.system} {row.value:.3f}" for row in frame.itertuples())


def _spread(frame: pd.DataFrame) -> str:
    model = frame[frame["system"] == MODEL]
    return _listed(f"{row.label} {row.value:.3f}" for row in model.itertuples())


def _first(frame: pd.DataFrame) -> str:
    return _listed(f"{row.label} {row.share:.0%}" for row in frame.head(5).itertuples())


def _listed(items: Iterable[str]) -> str:
    return ", ".join(items) + "."

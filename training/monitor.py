"""Whether a model still holds on newer tables: how it ages, what its chances are worth, how far what comes in moved.

Needs are ranked and measured as `evaluate` does it: nothing that came later reaches a ranking. What is said in the end
follows by the rules of `conclude`.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from math import isnan
from typing import Any, Final

import numpy as np
import pandas as pd

from matching.ranker import Ranker
from matching.tables import Tables
from training import breakdown
from training.baselines import BackOff
from training.conclusion import conclude
from training.dataset import Where, World
from training.drift import drift
from training.evaluate import MODEL, Evaluation, caution, evaluate, lead
from training.incoming import FACTS, incoming
from training.metrics import pooled
from training.progress import Progress, silent
from training.reliability import measured

RIVAL: Final = BackOff.name
FEW: Final = 30  # enterprises in the middle one of all months: with fewer, months say too little

_WINDOW: Final = ("source", "from", "to", "where", "all_industries", "queries", "enterprises", "reachable")


def monitor(
    tables: Tables,
    ranker: Ranker,
    since: date | None = None,
    until: date | None = None,
    where: Where | None = None,
    all_industries: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """The report on the needs posted from `since`, by default the day the model was trained until, to before `until`.

    Beside what `evaluate` says of model and window it holds `model` and `lead`, NDCG@10 over all and less the tuned
    back-off's, as {value, low, high}; `period`, month or quarter; `ageing`, a row a period: needs `posted`, `needs`
    with a product taken, their `enterprises`, `model`, `lead`; `chance`, by kind as in `reliability.measured`, and how
    far it is `off`, the share granted less the chance stated; `chance_by_period`; `drift`: days and numbers of
    `reference` and `window`, and `facts` as in `drift.drift`; `caution`; `conclusion` as in `conclude`. An interval
    behind which fewer than five enterprises stand, a period's or the window's, has neither `low` nor `high`.
    """
    since = since or date.fromisoformat(ranker.manifest["until"])
    found = evaluate(tables, ranker, since, until, where, all_industries, None, seed, progress, "monitor")
    return judged(found, progress)


def judged(found: Evaluation, progress: Progress = silent) -> dict[str, Any]:
    """The report of `monitor` on an evaluation that is there already."""
    progress("drift", 0.0)
    reference, window = samples(found)
    ranked = breakdown.per_need(found, RIVAL)
    period = _period(ranked)
    report = {name: found.report[name] for name in ("model_id", "trained_until", *_WINDOW)} | {
        "seed": found.seed,
        "caution": caution(found.report),
        "model": _whole(found, found.report["systems"][MODEL]["all"]["ndcg@10"]),
        "lead": _whole(found, lead(found.scored, RIVAL, found.seed)["all"]["ndcg@10"]),
        "period": period,
        "ageing": _ageing(ranked, window, period, found.seed),
        "chance": by_kind(found.world, found.report["calibration"], found.chances, found.seed),
        "chance_by_period": list(_by_period(found, period)),
        "drift": _drift(found, reference, window),
    }
    progress("drift", 1.0)
    return report | {"conclusion": conclude(report)}


def samples(found: Evaluation) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What came in (`incoming`) in the year before an evaluation's window, and in the window."""
    since, until = _days(found)
    needs = incoming(found.world, _year_before(since), until, found.report["all_industries"])
    later = needs["posted_at"] >= since
    return needs[~later], needs[later]


def _whole(found: Evaluation, interval: Mapping[str, float]) -> dict[str, float | None]:
    """A figure of the whole window: resamples of very few enterprises are all alike, and would make chance certain."""
    few = found.report["enterprises"] < breakdown.FEWEST_ENTERPRISES
    return {**interval, "low": None, "high": None} if few else {**interval}


def _days(found: Evaluation) -> tuple[date, date | None]:
    until = found.report["to"]
    return date.fromisoformat(found.report["from"]), date.fromisoformat(until) if until else None


def _year_before(day: date) -> date:
    return (pd.Timestamp(day) - pd.DateOffset(years=1)).date()


def _period(needs: pd.DataFrame) -> str:
    """What needs are put together by: quarters where months hold few enterprises."""
    return "month" if needs.groupby("month")["enterprise_id"].nunique().median() >= FEW else "quarter"


def _periods(days: pd.Series, period: str) -> pd.Series:
    """The name of each day's month or quarter, `2026-01` or `2026Q1`."""
    return pd.to_datetime(days).dt.to_period("M" if period == "month" else "Q").astype(str)


def _ageing(ranked: pd.DataFrame, posted: pd.DataFrame, period: str, seed: int) -> list[dict[str, Any]]:
    needs = ranked.assign(month=_periods(ranked["month"], period))
    model, ahead = breakdown.by_month(needs, RIVAL, seed), breakdown.lead_by_month(needs, seed)
    counts = _periods(posted["posted_at"], period).value_counts()
    return [
        {
            "period": own["month"],
            "posted": int(counts[own["month"]]),
            "needs": int(own["needs"]),
            "enterprises": int(own["enterprises"]),
            "model": _interval(own),
            "lead": _interval(less),
        }
        for own, less in zip(_rows(model[model["system"] == MODEL]), _rows(ahead), strict=True)
    ]


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def by_kind(
    world: World, kinds: Mapping[str, Mapping[str, Any]], chances: pd.DataFrame | None, seed: int
) -> dict[str, dict[str, Any]]:
    """What `evaluate` says of each kind, and by how much the chance is off."""
    off = {} if chances is None else _off(world, chances, seed)
    return {kind: dict(part) | ({"off": off[kind]} if kind in off else {}) for kind, part in kinds.items()}


def _by_period(found: Evaluation, period: str) -> Iterator[dict[str, Any]]:
    """A row a period and kind."""
    if found.chances is None:
        return
    posted = found.world.tables.needs.set_index("need_id")["posted_at"]
    periods = _periods(found.chances["need_id"].map(posted), period)
    for name, part in found.chances.groupby(periods.to_numpy(), sort=True):
        off = _off(found.world, part, found.seed)
        for kind, one in measured(part, seed=found.seed).items():
            yield {"period": name, "kind": kind, **one, "off": off[kind]}


def _off(world: World, chances: pd.DataFrame, seed: int) -> dict[str, dict[str, float | None]]:
    """By kind, the share granted less the chance stated; above 0, more was granted than was stated."""
    owner = world.tables.needs.set_index("need_id")["enterprise_id"]
    off = {}
    for kind, part in chances.groupby("kind"):
        firms = part["need_id"].map(owner).to_numpy().astype(np.str_)
        found = pooled(part["granted"] - part["chance"], firms, seed)._asdict()
        if len(np.unique(firms)) < breakdown.FEWEST_ENTERPRISES:
            found |= {"low": np.nan, "high": np.nan}
        off[str(kind)] = _interval(found)
    return off


def _interval(row: Mapping[str, Any]) -> dict[str, float | None]:
    """None where there is no end, as JSON has it."""
    return {name: None if isnan(row[name]) else float(row[name]) for name in ("value", "low", "high")}


def _drift(found: Evaluation, reference: pd.DataFrame, window: pd.DataFrame) -> dict[str, Any]:
    since, until = _days(found)
    return {
        "reference": _about(reference, _year_before(since), since),
        "window": _about(window, since, until),
        "facts": drift(reference, window, list(FACTS), found.seed),
    }


def _about(needs: pd.DataFrame, since: date, until: date | None) -> dict[str, Any]:
    return {
        "from": str(since),
        "to": str(until) if until else None,
        "needs": len(needs),
        "enterprises": int(needs["enterprise_id"].nunique()),
    }

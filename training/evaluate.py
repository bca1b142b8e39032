"""How good a ranking is: the model and the baselines on the same queries and candidates, with intervals.

The protocol: manufacturing enterprises' needs from a date on; the history up to the first day of the need's month, the
model's weights as trained; candidates with an outcome in the three years before; each enterprise counts once. The model
ranks through `Matcher.rank`, the code that the service runs.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from matching.errors import Fault, InputError
from matching.history import Numbers, cutoff
from matching.matcher import Matcher
from matching.ranker import Ranker
from matching.tables import Tables
from matching.trees import gains_of
from training.baselines import BackOff, Baseline, OwnThenRegion, Popularity, Random, RecentInRegion
from training.dataset import Query, Where, World, each_found, examined, in_one_currency, narrowed, queries
from training.metrics import bootstrap, measures
from training.outputs import write_whole
from training.progress import Progress, on_all_cores, silent
from training.reliability import measured, stated, unstated
from training.taught import taught, unlike

METRICS: Final = ("ndcg@10", "mrr", "recall@1", "recall@5")
TUNING_YEARS: Final = 2
MODEL: Final = "model"
ORACLE: Final = "oracle"
CONSTRAINED: Final = "model, constrained"  # on exposure


@dataclass(frozen=True)
class Scored:
    """What each system says of one query's candidates, and what they were worth."""

    query: Query
    cold: bool
    gains: Numbers
    scores: Mapping[str, Numbers]


@dataclass(frozen=True)
class Evaluation:
    """The report and what it was made from: every query's scores, the tables, the gain of each feature in the forest.

    `chances` holds what a calibrated model promised and what came of it (need_id, kind, chance, granted), a row an
    application; None where the model states no chance.
    """

    report: dict[str, Any]
    scored: Sequence[Scored]
    world: World
    importance: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    chances: pd.DataFrame | None = None


def evaluate(
    tables: Tables,
    ranker: Ranker,
    since: date,
    until: date | None = None,
    where: Where | None = None,
    all_industries: bool = False,
    truth: pd.DataFrame | None = None,
    seed: int = 0,
    progress: Progress = silent,
    command: str = "evaluate",
) -> Evaluation:
    """The report, with all that a page about it shows; `command` is the one whose errors they are.

    The report holds `queries`, `candidates` (mean), `reachable` (share), `trained_until` and `taught` (the model's) and
    `systems[NAME][SLICE][METRIC]` as {value, low, high}; `calibration[KIND]` is as in `reliability.measured`, or says
    `why` no chance is stated. With `truth` (need_id, product_id, chance) the gain of a candidate is its true chance,
    and the oracle that knows it is among the systems.
    """
    in_one_currency(command, tables, ranker.manifest)
    progress("history", 0.0)
    world = World.of(narrowed(tables, each_found(tables, where or {})))
    asked = examined(command, world, since, until, all_industries)
    scored = score(world, ranker, asked, fitted_baselines(world, since, all_industries, seed), progress)
    if truth is not None:
        scored = with_truth(world, scored, truth)
    found = report(scored, seed) | {
        "model_id": ranker.model_id,
        "trained_until": ranker.manifest.get("until"),
        "taught": taught(ranker),
        "source": tables.source,
        "from": str(since),
        "to": str(until) if until else None,
        "where": {column: list(values) for column, values in (where or {}).items()},
        "all_industries": all_industries,
        "gain": "taken" if truth is None else "true chance",
    }
    found["calibration"], chances = promised(world, ranker, since, until, all_industries, truth, seed)
    return Evaluation(found, scored, world, gains_of(ranker.booster.model_to_string()), seed, chances)


def promised(
    world: World,
    ranker: Ranker,
    since: date,
    until: date | None,
    all_industries: bool,
    truth: pd.DataFrame | None = None,
    seed: int = 0,
) -> tuple[dict[str, dict[str, Any]], pd.DataFrame | None]:
    """What a model's chances are worth by kind, as in a report's `calibration`; and an evaluation's `chances`."""
    matcher = Matcher(world.catalogue, replace(ranker, history=world.history))
    candidates = stated(world, matcher, since, until, all_industries)
    silent_on = unstated(ranker.manifest.get("applications", {}), list(ranker.calibration.intercepts))
    chances = candidates.dropna()[["need_id", "kind", "chance", "granted"]]
    return measured(candidates, truth, seed) | silent_on, chances if len(chances) else None


def caution(found: Mapping[str, Any]) -> str | None:
    """What to say of a report on rows that the model was trained on, or on what it was not trained for; or None."""
    return " ".join(_cautions(found)) or None


def _cautions(found: Mapping[str, Any]) -> Iterator[str]:
    until = found["trained_until"]
    if until is not None and until > found["from"]:
        yield (
            f"The model was trained on rows up to {until}, later than the first day of this window: "
            "it has seen part of what it is asked here, and the figures flatter it."
        )
    for learned, asked in unlike(found["taught"], {name: found[name] for name in found["taught"]}):
        yield f"The model was trained on {learned} and is asked about {asked}, which it was not made for."


def fitted_baselines(world: World, since: date, all_industries: bool, seed: int) -> list[Baseline]:
    """The baselines, tuned on queries of the last years before `since` and on nothing later."""
    known = World.of(world.tables.before(since))  # a need posted before may be granted after: that is not known yet
    asked = tuning(known, since, all_industries)
    systems = (Random(seed), Popularity(), RecentInRegion(), OwnThenRegion(), BackOff(seed))
    return [system.fit(known.history, asked).on(world.history) for system in systems]


def tuning(known: World, since: date, all_industries: bool) -> list[Query]:
    """The queries that a baseline is tuned on: those of the last years before `since`, in what was known by then."""
    begin = cutoff(since)
    return queries(known, begin.replace(year=begin.year - TUNING_YEARS), since, all_industries)


def score(
    world: World, ranker: Ranker, asked: Sequence[Query], baselines: Sequence[Baseline], progress: Progress = silent
) -> list[Scored]:
    """Every system's scores for every query; the model's memory reads this world's history, its weights stay."""
    matcher = Matcher(world.catalogue, replace(ranker, history=world.history))

    def one(query: Query) -> Scored:
        ranking = matcher.rank(query.enterprise, query.need, as_of=query.as_of, top_k=0, among=query.rows)
        scores = {MODEL: ranking.scores} | {b.name: np.asarray(b.scores(query), dtype=np.float64) for b in baselines}
        return Scored(query, is_cold(world, query), query.gains, scores)

    return on_all_cores("ranking", one, asked, progress)


def report(scored: Sequence[Scored], seed: int = 0) -> dict[str, Any]:
    """Counts and each system's metrics on all queries and on those of enterprises never seen before."""
    return {
        "queries": len(scored),
        "enterprises": len({item.query.enterprise.enterprise_id for item in scored}),
        "cold_enterprises": len({item.query.enterprise.enterprise_id for item in scored if item.cold}),
        "candidates": float(np.mean([len(item.gains) for item in scored])),
        "reachable": float(np.mean([bool(item.query.gains.any()) for item in scored])),
        "systems": {name: _by_slice(scored, _measured(scored, name), seed) for name in scored[0].scores},
    }


def lead(scored: Sequence[Scored], name: str, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """Our model less another system on the same queries, by slice and metric."""
    ours, theirs = (_measured(scored, system) for system in (MODEL, name))
    return _by_slice(scored, {metric: ours[metric] - theirs[metric] for metric in METRICS}, seed)


def _measured(scored: Sequence[Scored], system: str) -> dict[str, Numbers]:
    values = [measures(item.scores[system], item.gains) for item in scored]
    return {metric: np.array([value[metric] for value in values]) for metric in METRICS}


def _by_slice(
    scored: Sequence[Scored], values: Mapping[str, Numbers], seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Each metric's mean with its interval; a slice without a query is left out."""
    firms = np.array([item.query.enterprise.enterprise_id for item in scored])
    slices = {"all": np.ones(len(scored), dtype=bool), "cold": np.array([item.cold for item in scored])}
    return {
        part: {metric: bootstrap(values[metric][mask], firms[mask], seed)._asdict() for metric in METRICS}
        for part, mask in slices.items()
        if mask.any()
    }


def write_json(found: Mapping[str, Any], path: Path) -> None:
    """The report as JSON."""
    write_whole(json.dumps(found, indent=2, ensure_ascii=False) + "\n", path)


def is_cold(world: World, query: Query) -> bool:
    """Whether the enterprise had no outcome before the first day of the need's month."""
    past = world.history.codes[: query.context.until, 0]
    return not bool(np.any(past == query.context.codes[0])) or query.context.codes[0] < 0


def with_truth(world: World, scored: Sequence[Scored], truth: pd.DataFrame) -> list[Scored]:
    """Gains from the true chances; an oracle that ranks by them."""
    chances = truth.set_index(["need_id", "product_id"])["chance"].sort_index()
    lost = {item.query.need_id for item in scored} - set(truth["need_id"])
    if lost:
        raise InputError("--truth", [Fault("need_id", f"has chances for every need, not none for {min(lost)!r}")])
    found = []
    for item in scored:
        mine = chances.loc[item.query.need_id].reindex(world.catalogue.ids[item.query.rows])
        if mine.isna().any():  # markets number their needs alike, so that another one's truth holds these as well
            none = f"none for {mine.index[mine.isna()][0]!r} of {item.query.need_id!r}: is it this market's?"
            raise InputError("--truth", [Fault("product_id", f"has a chance for every candidate, not {none}")])
        gains = mine.to_numpy(dtype=np.float64)
        found.append(replace(item, gains=gains, scores={**item.scores, ORACLE: gains}))
    return found

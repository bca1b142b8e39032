"""Tables → bundle: fit the memory's kernels, build the groups, fit the forest, save it under its id."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from matching.appetite import Appetite
from matching.boosting import fit
from matching.calibration import SILENT, Calibration
from matching.catalogue import EPOCH
from matching.choice import fit_choice
from matching.errors import Fault, InputError
from matching.features import Builder
from matching.forest import Booster
from matching.history import Codes, Context, Numbers, cutoff
from matching.kernels import fit_kernel
from matching.levels import HEADS
from matching.memory import YEAR, Kernel
from matching.ranker import Ranker, manifest
from matching.reference import is_manufacturing
from matching.shown import fit_appetites
from matching.tables import Tables
from training.appetites import calibrate, record
from training.applications import Kept, counts
from training.dataset import Builds, Group, Query, Where, World, apart, group, narrowed, queries
from training.outputs import in_turn, room_for
from training.progress import Progress, on_all_cores, silent

MOST_QUERIES: Final = 2500  # the latest, other industries' where there are fewer; older ones tell of another market
HALF_LIFE_YEARS: Final = 2.0
KERNEL_PAIRS: Final = 3_000_000  # (query, event) pairs that a kernel is fitted on: what its time goes with
KERNEL_QUERIES: Final = (300, 1200)  # but at least and at most so many queries
FEWEST_QUERIES: Final = 20
WARM_UP_DAYS: Final = 365  # a query in the first year of the data has next to no history
ROUNDS: Final = 120

Fitter = Callable[[Numbers, Codes, Codes, Numbers, int, int, Sequence[Any]], Booster]


def train(
    tables: Tables,
    models: Path,
    until: date | None = None,
    where: Where | None = None,
    all_industries: bool = False,
    seed: int = 0,
    rounds: int = ROUNDS,
    progress: Progress = silent,
    fitter: Fitter = fit,
) -> Ranker:
    """A ranker fitted on what `tables` knew before `until` (all of it by default), saved under `models`.

    The `fitter` fits the forest, here or elsewhere.
    """
    where = where or {}
    end = until or day_after(tables)
    progress("history", 0.0)
    known = tables.before(end)
    world = World.of(narrowed(known, where))
    asked = learnable(world, all_industries)
    kernels = tuple(fit_kernels(world, asked, progress))
    plain = Builder(world.history, kernels, world.catalogue, world.roster)
    builder = Kept(plain, {query.need_id for query in asked if query.shown.any()})
    leaning, calibration = _appetites(world, builder, min(end, day_after(known)), all_industries, progress)
    groups = build_groups(builder, asked, seed, progress)
    features, labels, sizes, weights = stacked(groups)
    booster = fitter(features, labels, sizes, weights, seed, rounds, [_reporting(progress, rounds)])
    about = {
        "until": str(end),
        "since": str(asked[0].as_of),
        "source": tables.source,
        "currency": tables.currency,
        "attribution": tables.attribution,
        "simulated": tables.simulated,
        "where": {column: list(values) for column, values in where.items()},
        "all_industries": all_industries,
        "seed": seed,
        "rounds": rounds,
        "queries": len(groups),
        "events": len(world.history),
        "data": world.history.digest(),
        "applications": counts(world),
    }
    choice = fit_choice(features, labels, sizes, weights)
    described = manifest(booster, choice, world.history, kernels, features, about, calibration, leaning)
    ranker = Ranker(booster, choice, world.history, kernels, described, calibration, leaning)
    with in_turn(models), room_for(models / ranker.model_id):  # twice at once, a training saves the same model
        ranker.save(models)
    return ranker


def stacked(groups: Sequence[Group]) -> tuple[Numbers, Codes, Codes, Numbers]:
    """Groups as one matrix: features, labels, group sizes, and weights.

    An enterprise counts by the square root of its needs, and a need half as much every `HALF_LIFE_YEARS`.
    """
    sizes = np.array([len(g.grades) for g in groups], dtype=np.int32)
    _, inverse, count = np.unique([g.enterprise_id for g in groups], return_inverse=True, return_counts=True)
    days = np.array([g.day for g in groups])
    share = 0.5 ** ((days.max() - days) / (YEAR * HALF_LIFE_YEARS)) / np.sqrt(count[inverse])
    weights = np.repeat(share / share.mean(), sizes)
    return np.concatenate([g.features for g in groups]), np.concatenate([g.grades for g in groups]), sizes, weights


def build_groups(builder: Builds, asked: Sequence[Query], seed: int, progress: Progress = silent) -> list[Group]:
    """The groups of all queries of which something can be learned, on all cores."""
    seeded = list(enumerate(asked, start=seed))
    found = on_all_cores("features", lambda one: group(builder, one[1], one[0]), seeded, progress)
    return [each for each in found if each is not None]


def learnable(world: World, all_industries: bool) -> list[Query]:
    """The latest queries that a model can be fitted on. Raises `InputError` where there are too few.

    Those whose products were shown `apart` are among them where the others are too few, beside all their candidates.
    """
    if len(world.history) == 0:
        raise InputError("train", [Fault("outcomes", "has at least one row before the split")])
    first = EPOCH + timedelta(days=int(world.history.day[0]) + WARM_UP_DAYS)
    alone = apart(world.tables.outcomes)
    asked = _latest(world, cutoff(first), all_industries, alone)
    if alone and len(asked) < FEWEST_QUERIES:
        asked = [_whole(query, alone) for query in _latest(world, cutoff(first), all_industries)]
    if len(asked) < FEWEST_QUERIES:
        rule = f"holds at least {FEWEST_QUERIES} needs with a taken candidate after a first year, not {len(asked)}"
        raise InputError("train", [Fault("outcomes", rule)])
    return asked


def _latest(world: World, since: date, all_industries: bool, without: Collection[str] = ()) -> list[Query]:
    asked = queries(world, since, None, all_industries, MOST_QUERIES, fill=True, without=without)
    return [query for query in asked if query.gains.any()]


def _whole(query: Query, alone: Collection[str]) -> Query:
    """The query with nothing marked as shown where its products were shown alone."""
    return replace(query, shown=np.zeros_like(query.shown)) if query.need_id in alone else query


def _appetites(
    world: World, builder: Builder | Kept, end: date, all_industries: bool, progress: Progress
) -> tuple[tuple[Appetite, ...], Calibration]:
    """The appetites and the chance that is made from them, where what was shown tells enough."""
    found = record(world, builder, end, all_industries, progress)
    leaning = fit_appetites(found, world.history) if found else ()
    if found is None or not leaning:
        return (), SILENT
    progress("chance", 0.0)
    calibration = calibrate(found, world.history)
    progress("chance", 1.0)
    return leaning, calibration


def fit_kernels(world: World, asked: Sequence[Query], progress: Progress) -> list[Kernel]:
    """The memory's kernels, one for each of `HEADS`, fitted on a share of the queries."""
    made = [query for query in asked if is_manufacturing(query.enterprise.industry)]
    asked = made if len(made) >= KERNEL_QUERIES[0] else asked
    events = np.mean([query.context.until for query in asked]) * world.history.taken.mean()
    step = max(len(asked) // int(np.clip(KERNEL_PAIRS / max(events, 1), *KERNEL_QUERIES)), 1)
    chosen = list(asked)[::-step][::-1]
    taken = np.array([query.candidates[np.argmax(query.grades)] for query in chosen], dtype=np.int32)
    contexts = [query.context for query in chosen]
    kernels: list[Kernel] = []
    for i, head in enumerate(HEADS):
        progress("memory", i / len(HEADS))
        kernels.append(_kernel(world, head, contexts, taken, kernels))
    return kernels


def _kernel(world: World, head: str, contexts: list[Context], taken: Codes, fitted: Sequence[Kernel]) -> Kernel:
    """The kernel of one level, from the last one on; where the level adds nothing to it, the last one itself."""
    history = world.history
    alike = {"institution": len(history.institutions) == len(history.products), "type": len(history.types) == 1}
    if alike.get(head):
        return Kernel(head, fitted[-1].weights)
    return fit_kernel(history, head, contexts, taken, fitted[-1] if fitted else None)


def _reporting(progress: Progress, rounds: int) -> Callable[[Any], None]:
    return lambda env: progress("forest", (env.iteration + 1) / rounds)


def day_after(tables: Tables) -> date:
    """The first day of which the tables know nothing."""
    last = max(tables.outcomes["at"].max(), tables.needs["posted_at"].max())
    return last.date() + timedelta(days=1)

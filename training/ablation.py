"""What each family of features is worth: the model fitted without it against the whole one, on the same needs.

Kernels, appetites, groups and features are made once; forest and choice model are fitted anew. A family's columns are
0 in fitting and in scoring: neither part can use a constant. A refit by itself moves the figures a little, so the whole
model is fitted under another seed as well: a family that costs no more than that costs nothing that can be told. Scores
averaged over several seeds tell more. Where appetites are learned, so are some that do not know at which position a
product was shown: what is lost with them is what correcting for positions is worth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from matching.appetite import Appetite
from matching.boosting import fit
from matching.choice import fit_choice
from matching.errors import Fault, InputError
from matching.features import SPECIFICATION, Builder
from matching.history import Codes, Numbers
from matching.memory import Kernel
from matching.ranker import Ranker
from matching.shown import fit_appetites
from matching.tables import Tables
from training.appetites import record
from training.benchmark.table import METRIC, NONE, PARTS, interval, titled
from training.consoles import fitting
from training.dataset import Query, Where, World, each_found, examined, narrowed
from training.evaluate import MODEL, Scored, is_cold, lead, report, with_truth
from training.progress import Progress, on_all_cores, silent
from training.train import ROUNDS, build_groups, day_after, fit_kernels, learnable, stacked

FAMILIES: Final = tuple(dict.fromkeys(feature.family for feature in SPECIFICATION))
AGAIN: Final = "another seed"
POSITIONS: Final = "positions"
Flags = np.ndarray


@dataclass(frozen=True)
class Variant:
    """A model to fit: the columns that it may use, and the seeds of the fits whose scores are averaged."""

    kept: Flags
    seeds: Sequence[int]


@dataclass(frozen=True)
class Fitted:
    """A variant's models, one a seed, and the appetites beside them."""

    rankers: Sequence[Ranker]
    kept: Flags
    leaning: tuple[Appetite, ...] = ()

    def score(self, features: Numbers) -> Numbers:
        """The models' mean score a row; they see only what they were fitted on."""
        seen = only(features, self.kept)
        return np.asarray(np.mean([ranker.score(seen) for ranker in self.rankers], axis=0), dtype=np.float64)


def ablate(
    tables: Tables,
    since: date,
    to: date | None = None,
    until: date | None = None,
    where: Where | None = None,
    all_industries: bool = False,
    alone: bool = False,
    truth: pd.DataFrame | None = None,
    seed: int = 0,
    seeds: int = 1,
    rounds: int = ROUNDS,
    progress: Progress = silent,
) -> dict[str, Any]:
    """`evaluate`'s report on the model and its variants, with `loss` and `families`.

    The model is fitted on rows before `until` (by default `since`). `families` counts each one's features;
    `loss[VARIANT][SLICE][METRIC]` is the whole model less the variant, {value, low, high} over enterprises. Variants
    are `AGAIN`, "without FAMILY", with `alone` "FAMILY alone" too, and "without positions" where they tell anything.
    With `truth` gains are true chances, as there.
    A variant's score is the mean of fits under `seeds` seeds: with more of them, less of a difference is luck.
    """
    end = until or since
    if end > since:
        raise InputError("ablate", [Fault("--until", f"is not after --from ({since}), not {end}")])
    progress("history", 0.0)
    world = World.of(narrowed(tables, each_found(tables, where or {})))
    asked = examined("ablate", world, since, to, all_industries)
    told = tables.before(end)
    known, told_until = World.of(narrowed(told, where or {})), min(end, day_after(told))
    plan = variants(alone, seed, seeds)
    models, kernels = _models(known, plan, told_until, all_industries, seed, rounds, progress)
    scored = _scored(world, kernels, models, asked, progress)
    if truth is not None:
        scored = with_truth(world, scored, truth)
    return report(scored, seed) | {
        "loss": {name: lead(scored, name, seed) for name in models if name != MODEL},
        "families": {family: int(columns(family).sum()) for family in FAMILIES},
        "source": tables.source,
        "from": str(since),
        "to": str(to) if to else None,
        "until": str(end),
        "where": {column: list(values) for column, values in (where or {}).items()},
        "all_industries": all_industries,
        "seed": seed,
        "seeds": seeds,
        "gain": "taken" if truth is None else "true chance",
    }


def columns(family: str) -> Flags:
    """Which of `FEATURES` belong to the family."""
    return np.array([feature.family == family for feature in SPECIFICATION])


def variants(alone: bool, seed: int, seeds: int = 1) -> dict[str, Variant]:
    """The whole model, itself under other seeds, without each family and, where wanted, by each family alone."""
    everything = np.ones(len(SPECIFICATION), dtype=bool)
    first, others = range(seed, seed + seeds), range(seed + seeds, seed + 2 * seeds)
    found = {MODEL: Variant(everything, first), AGAIN: Variant(everything, others)}
    found |= {without(family): Variant(~columns(family), first) for family in FAMILIES}
    return found | {by_itself(family): Variant(columns(family), first) for family in FAMILIES if alone}


def without(family: str) -> str:
    """The name of the variant that lacks the family."""
    return f"without {family}"


def by_itself(family: str) -> str:
    """The name of the variant that has only the family."""
    return f"{family} alone"


def only(features: Numbers, kept: Flags) -> Numbers:
    """The features with 0 in all columns that are not kept."""
    return np.where(kept, features, 0.0)


def show(found: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the report of `ablate`, the family that costs most first."""
    console = console or fitting()
    console.print(
        f"{found['queries']} needs of {found['enterprises']} enterprises, {found['cold_enterprises']} of them cold; "
        f"gain: {found['gain']}; {METRIC}, 95% intervals; loss: the whole model less the one without the family",
        highlight=False,
    )
    alone = by_itself(FAMILIES[0]) in found["systems"]
    for place, part in enumerate(PARTS):
        if part in found["systems"][MODEL]:
            table = Table("left out", "features", METRIC, "loss", *(["alone"] if alone else []), title=titled(part))
            for row in rows(found):
                shown = (*row[:2], *row[2 + 2 * place :][:2], row[6 + place])
                table.add_row(*shown[: len(table.columns)])
            console.print(table)


def rows(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The cells of both tables: the whole model, the whole under another seed, then the families."""
    families = sorted(FAMILIES, key=lambda family: -found["loss"][without(family)]["all"][METRIC]["value"])
    total = str(sum(found["families"].values()))
    unplaced = [POSITIONS] if without(POSITIONS) in found["systems"] else []
    return [
        ("nothing", total, *_cells(found, MODEL), NONE, NONE),
        (f"nothing, {AGAIN}", total, *_cells(found, AGAIN), NONE, NONE),
        *((name, NONE, *_cells(found, without(name)), NONE, NONE) for name in unplaced),
        *(
            (family, str(found["families"][family]), *_cells(found, without(family)), *_alone(found, family))
            for family in families
        ),
    ]


def _models(
    known: World,
    wanted: Mapping[str, Variant],
    end: date,
    all_industries: bool,
    seed: int,
    rounds: int,
    progress: Progress,
) -> tuple[dict[str, Fitted], tuple[Kernel, ...]]:
    """The variants' models and the kernels that they share, as `train` would fit them."""
    asked = learnable(known, all_industries)
    kernels = tuple(fit_kernels(known, asked, progress))
    builder = Builder(known.history, kernels, known.catalogue, known.roster)
    leaning, unplaced = _appetites(known, builder, end, all_industries, progress)
    training = stacked(build_groups(builder, asked, seed, progress))
    models = {}
    for done, (name, variant) in enumerate(wanted.items(), start=1):
        models[name] = Fitted(_rankers(known, kernels, training, variant, rounds), variant.kept, leaning)
        progress("models", done / len(wanted))
    if leaning:
        models[without(POSITIONS)] = replace(models[MODEL], leaning=unplaced)
    return models, kernels


def _appetites(
    known: World, builder: Builder, end: date, all_industries: bool, progress: Progress
) -> tuple[tuple[Appetite, ...], tuple[Appetite, ...]]:
    """The appetites, and those that take every product for the first one shown."""
    found = record(known, builder, end, all_industries, progress)
    if found is None:
        return (), ()
    unplaced = replace(found, position=np.zeros_like(found.position))
    return fit_appetites(found, known.history), fit_appetites(unplaced, known.history)


def _rankers(
    known: World,
    kernels: tuple[Kernel, ...],
    training: tuple[Numbers, Codes, Codes, Numbers],
    variant: Variant,
    rounds: int,
) -> list[Ranker]:
    """One a seed; the choice model has none."""
    features, labels, sizes, weights = training
    seen = only(features, variant.kept)
    choice = fit_choice(seen, labels, sizes, weights)
    return [
        Ranker(fit(seen, labels, sizes, weights, seed, rounds), choice, known.history, kernels, {})
        for seed in variant.seeds
    ]


def _scored(
    world: World,
    kernels: tuple[Kernel, ...],
    models: Mapping[str, Fitted],
    asked: Sequence[Query],
    progress: Progress,
) -> list[Scored]:
    """Every variant's scores of every query, whose features are built once; appetites are written into them apart."""
    plain = Builder.of(world.history, kernels, world.catalogue)
    bound = {id(m.leaning): [a.bound(world.history) for a in m.leaning] for m in models.values()}
    builders = {key: replace(plain, appetites=appetites) for key, appetites in bound.items()}

    def one(query: Query) -> Scored:
        built = plain.build(query.enterprise, query.need, query.as_of, query.rows)
        features = {key: b.leaned(built.copy(), query.context, query.rows) for key, b in builders.items()}
        scores = {name: model.score(features[id(model.leaning)]) for name, model in models.items()}
        return Scored(query, is_cold(world, query), query.gains, scores)

    return on_all_cores("ranking", one, asked, progress)


def _cells(found: Mapping[str, Any], name: str) -> list[str]:
    """The variant's NDCG and its loss, on all and on cold enterprises."""
    values, loss = found["systems"][name], found["loss"].get(name, {})
    return [cell for part in PARTS for cell in (interval(values.get(part)), interval(loss.get(part), sign="+"))]


def _alone(found: Mapping[str, Any], family: str) -> list[str]:
    values = found["systems"].get(by_itself(family), {})
    return [f"{values[part][METRIC]['value']:.3f}" if part in values else NONE for part in PARTS]

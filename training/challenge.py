"""A challenger against the champion: both rank the same candidates of needs that neither was trained on.

Needs are ranked and measured as `evaluate` does it, chances as `monitor` does: nothing that came later reaches a
ranking. What it comes to follows by the rules of `standing`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from matching.bundles import manifests, promoted
from matching.errors import Fault, InputError
from matching.ranker import Ranker
from matching.tables import Tables
from training.breakdown import FEWEST_ENTERPRISES, PLACES, first_places
from training.dataset import Query, Where, World, each_found, examined, in_one_currency, narrowed
from training.evaluate import MODEL, Scored, lead, promised, report, score, with_truth
from training.metrics import by_enterprise
from training.monitor import by_kind
from training.progress import Progress, silent
from training.standing import conclude
from training.taught import taught, unlike

CHAMPION: Final = "champion"
METRIC: Final = "ndcg@10"

_COUNTS: Final = ("queries", "enterprises", "candidates", "reachable")


def challengers(models: Path, before: date) -> list[str]:
    """The bundles beside the champion that were trained until before a day, the one trained latest last."""
    serving = promoted(models)
    found = []
    for path in manifests(models):
        until = json.loads(path.read_text(encoding="utf-8"))["until"]
        if path.parent.name != serving and until < str(before):
            found.append((until, path.parent.name))
    return [model_id for _, model_id in sorted(found)]


def challenge(
    tables: Tables,
    challenger: Ranker,
    champion: Ranker,
    since: date | None = None,
    until: date | None = None,
    where: Where | None = None,
    all_industries: bool = False,
    truth: pd.DataFrame | None = None,
    seed: int = 0,
    progress: Progress = silent,
    command: str = "challenge",
) -> dict[str, Any]:
    """The report on the needs posted from `since`, by default the first day that neither knew, to before `until`.

    Beside the window and the counts of `evaluate` it holds `challenger` and `champion`: `model_id`, `trained_until`,
    the `where` and `all_industries` that they were trained with, and `chance` by kind as in `monitor`; `unlike`, how
    these differ; `slices`, all enterprises, `cold` and `warm` ones: `needs`, `enterprises`, NDCG@10 of `challenger` and
    `champion`, and the `lead` of the one over the other, as {value, low, high}, without `low` and `high` where fewer
    than five enterprises stand behind it; `seen`, what officers would notice; `conclusion` as in `standing.conclude`.
    `command` is the one whose errors they are.
    """
    for ranker in (challenger, champion):
        in_one_currency(command, tables, ranker.manifest)
    since = _first_day(command, (challenger, champion), since)
    progress("history", 0.0)
    world = World.of(narrowed(tables, each_found(tables, where or {})))
    asked = examined(command, world, since, until, all_industries)
    _check_compared(command, asked, truth is not None)
    ours = score(world, challenger, asked, (), lambda _, done: progress("challenger", done))
    theirs = score(world, champion, asked, (), lambda _, done: progress("champion", done))
    both = _together(ours, theirs)
    if truth is not None:
        both = with_truth(world, both, truth)

    def about(ranker: Ranker) -> dict[str, Any]:
        kinds, chances = promised(world, ranker, since, until, all_industries, truth, seed)
        return _learned(ranker) | {"chance": by_kind(world, kinds, chances, seed)}

    counts = report(both, seed)
    found = {
        "source": tables.source,
        "from": str(since),
        "to": str(until) if until else None,
        "where": {column: list(values) for column, values in (where or {}).items()},
        "all_industries": all_industries,
        "gain": "taken" if truth is None else "true chance",
        "seed": seed,
        **{name: counts[name] for name in _COUNTS},
        "challenger": about(challenger),
        "champion": about(champion),
        "unlike": list(_unlike(challenger, champion)),
        "slices": {name: _slice(part, seed) for name, part in _slices(both).items() if part},
        "seen": _seen(ours, theirs),
    }
    return found | {"conclusion": conclude(found)}


def _first_day(command: str, rankers: Sequence[Ranker], since: date | None) -> date:
    """The first day asked about: what a model was trained on it would only remember."""
    newest = max(rankers, key=lambda ranker: str(ranker.manifest["until"]))
    known = date.fromisoformat(newest.manifest["until"])
    if since and since < known:
        rule = f"is not before {known}, not {since}: {newest.model_id} was trained on what came until then"
        raise InputError(command, [Fault("--from", rule)])
    return since or known


def _check_compared(command: str, asked: Sequence[Query], by_chance: bool) -> None:
    """Raises `InputError` where no candidate is worth anything: that two models are level says nothing there.

    Tables that begin with the window are such: what had no outcome before a need's month is no candidate.
    """
    if any(len(query.rows) if by_chance else query.gains.any() for query in asked):
        return
    why = "what had no outcome before is no candidate"
    rule = f"leaves a need of which a candidate was taken, not none of {len(asked)}: {why}"
    raise InputError(command, [Fault("--from", rule)])


def _together(ours: Sequence[Scored], theirs: Sequence[Scored]) -> list[Scored]:
    """The challenger's scores as the model's, the champion's beside them."""
    pairs = zip(ours, theirs, strict=True)
    return [replace(one, scores={**one.scores, CHAMPION: two.scores[MODEL]}) for one, two in pairs]


def _learned(ranker: Ranker) -> dict[str, Any]:
    return {"model_id": ranker.model_id, "trained_until": ranker.manifest["until"]} | taught(ranker)


def _unlike(challenger: Ranker, champion: Ranker) -> Iterator[str]:
    """In which respects the two were taught differently: what one never learned from, it is asked here all the same."""
    for ours, theirs in unlike(taught(challenger), taught(champion)):
        yield f"the challenger was trained on {ours}, the champion on {theirs}"


def _slices(scored: Sequence[Scored]) -> Mapping[str, Sequence[Scored]]:
    cold = [item for item in scored if item.cold]
    return {"all": scored, "cold": cold, "warm": [item for item in scored if not item.cold]}


def _slice(scored: Sequence[Scored], seed: int) -> dict[str, Any]:
    counts = report(scored, seed)
    few = counts["enterprises"] < FEWEST_ENTERPRISES
    figures = {
        "challenger": counts["systems"][MODEL]["all"][METRIC],
        "champion": counts["systems"][CHAMPION]["all"][METRIC],
        "lead": lead(scored, CHAMPION, seed)["all"][METRIC],
    }
    ends = {"low": None, "high": None} if few else {}
    return {"needs": counts["queries"], "enterprises": counts["enterprises"]} | {
        name: {**figure, **ends} for name, figure in figures.items()
    }


def _seen(ours: Sequence[Scored], theirs: Sequence[Scored]) -> dict[str, float]:
    """What officers would notice, each enterprise counted once.

    The share of needs whose first product is another one; how many of the first ten `places`, of which there are fewer
    where candidates are, hold a product that both put there.
    """
    firms = np.array([item.query.enterprise.enterprise_id for item in ours])
    first = [(first_places(one, PLACES), first_places(two, PLACES)) for one, two in zip(ours, theirs, strict=True)]
    return {
        "another_first": by_enterprise([len(np.setdiff1d(one[:1], two[:1])) for one, two in first], firms),
        "shared": by_enterprise([len(np.intersect1d(one, two)) for one, two in first], firms),
        "places": by_enterprise([len(one) for one, _ in first], firms),
    }

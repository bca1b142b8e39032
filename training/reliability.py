"""How far a stated chance can be taken at its word: chances beside what came of them, in bins, and the error.

ECE is the mean distance between the chance stated and the share granted over ten bins of equally many applications.
Chance alone keeps it above 0: `noise` is what it would be on average if every chance were exactly right.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd

from matching.calibration import FEWEST
from matching.catalogue import Rows
from matching.history import Numbers
from matching.matcher import Matcher
from matching.shown import UNDECIDED
from training.appetites import positions
from training.applications import Applied, applied
from training.dataset import World
from training.progress import on_all_cores

BINS: Final = 10
COLUMNS: Final = ("need_id", "product_id", "kind", "chance", "granted", "looked")
DRAWS: Final = 200  # of outcomes, to tell noise from error


def stated(
    world: World, matcher: Matcher, since: date, until: date | None = None, all_industries: bool = False
) -> pd.DataFrame:
    """need_id, product_id, kind, chance, granted, looked: every candidate of the needs with a decided application.

    `granted` is 1 or 0 where the application was decided, else NaN. `looked` is how likely the candidate was looked at,
    by its position and the model's γ: 0 where others were shown and it was not. Candidates without a chance are left
    out: no row is left where the model states none.
    """
    asked = applied(world, since, until, all_industries) if matcher.ranker.calibration.intercepts else []
    places = positions(world.tables.outcomes)
    frames = on_all_cores("chance", lambda item: _stated(world, matcher, item, places.get(item.query.need_id)), asked)
    return pd.concat(frames, ignore_index=True) if asked else pd.DataFrame(columns=list(COLUMNS))


def _stated(world: World, matcher: Matcher, item: Applied, places: dict[str, int] | None) -> pd.DataFrame:
    query = item.query
    gamma = matcher.ranker.appetites[0].gamma if matcher.ranker.appetites else 0.0
    ranking = matcher.rank(query.enterprise, query.need, as_of=query.as_of, top_k=0, among=query.rows)
    products = [world.catalogue.products[row] for row in ranking.rows]
    ids, kinds = [product.product_id for product in products], [str(product.kind) for product in products]
    granted = np.where(item.granted == UNDECIDED, np.nan, item.granted)
    looked = [_looked(places, product_id, gamma) for product_id in ids]
    values = (query.need_id, ids, kinds, ranking.chances, granted, looked)
    frame = pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
    return frame[frame["chance"].notna()]


def _looked(places: dict[str, int] | None, product_id: str, gamma: float) -> float:
    if places is None:  # not recorded what was shown
        return 1.0
    return max(places[product_id], 1) ** -gamma if product_id in places else 0.0


def measured(candidates: pd.DataFrame, truth: pd.DataFrame | None = None, seed: int = 0) -> dict[str, dict[str, Any]]:
    """By kind: `applications`, mean `chance`, share `granted`, `ece` and its `noise` over the decided applications.

    With a `truth` (need_id, product_id, chance, granted) also `true_ece` and `true_mae`, against the true chance of
    every candidate, each need's applications spread over those that were shown as likely as they were.
    """
    decided = candidates[candidates["granted"].notna()]
    found = {str(kind): _against_outcomes(part, seed) for kind, part in decided.groupby("kind", sort=True)}
    if truth is not None and "granted" in truth:
        expected = _expected(candidates, truth)
        for kind, part in expected[expected["kind"].isin(found)].groupby("kind"):
            gap = (part["chance"] - part["granted"]).abs()
            found[str(kind)] |= {
                "true_ece": calibration_error(reliability(part)),
                "true_mae": float(np.average(gap, weights=part["weight"])),
            }
    return found


def reliability(chances: pd.DataFrame, bins: int = BINS) -> pd.DataFrame:
    """kind, chance, granted, n: each kind's applications in `bins` of equal size by the chance stated.

    A column `weight` says how many applications a row stands for; without, it is one.
    """
    parts = []
    for kind, part in chances.groupby("kind", sort=True):
        ordered = part.sort_values("chance", kind="stable")
        weight = np.asarray(ordered.get("weight", pd.Series(1.0, ordered.index)), dtype=np.float64)
        place = _places(weight, bins)
        n = np.bincount(place, weight)
        columns = {name: np.bincount(place, ordered[name] * weight)[n > 0] / n[n > 0] for name in ("chance", "granted")}
        parts.append(pd.DataFrame({"kind": kind, **columns, "n": n[n > 0]}))
    return pd.concat(parts, ignore_index=True)


def _places(weight: Numbers, bins: int = BINS) -> Rows:
    """The bin of each row of an ordered column, so that bins weigh alike."""
    begin = (weight.cumsum() - weight) / weight.sum()
    return np.minimum((begin * min(bins, len(weight)) + 1e-9).astype(np.intp), bins - 1)


def calibration_error(bins: pd.DataFrame) -> float:
    """ECE: the mean distance between what was stated and what came of it, weighed by applications."""
    return float(np.average((bins["chance"] - bins["granted"]).abs(), weights=bins["n"]))


def unstated(counts: dict[str, dict[str, Any]], kinds: Sequence[str]) -> dict[str, dict[str, str]]:
    """By kind not among `kinds`, why no chance is stated; from a manifest's `applications`."""
    return {kind: {"why": _why(found)} for kind, found in counts.items() if kind not in kinds}


def _why(found: dict[str, Any]) -> str:
    many = f"{found['granted']:,} applications granted and {found['refused']:,} refused before the model was trained"
    needed = f"at least {FEWEST} of each are needed"
    more = ", of products that are on record as shown, the earliest quarter of all decisions left out"
    return f"{many}; {needed}{more}" if found["enough"] else f"{many}; {needed}"


def _against_outcomes(part: pd.DataFrame, seed: int) -> dict[str, Any]:
    return {
        "applications": len(part),
        "chance": float(part["chance"].mean()),
        "granted": float(part["granted"].mean()),
        "ece": calibration_error(reliability(part)),
        "noise": _noise(np.sort(part["chance"].to_numpy()), seed),
    }


def _noise(chance: Numbers, seed: int) -> float:
    """The mean ECE of outcomes drawn with just these ascending chances."""
    drawn = np.random.default_rng(seed).random((DRAWS, len(chance))) < chance
    first = np.flatnonzero(np.diff(_places(np.ones(len(chance))), prepend=-1))
    gaps = np.add.reduceat(drawn - chance, first, axis=1)
    return float(np.abs(gaps).sum(axis=1).mean() / len(chance))


def _expected(candidates: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """kind, chance, the true chance as `granted`, and how many applications to expect as `weight`."""
    known = truth.rename(columns={"chance": "both", "granted": "true"})
    found = candidates.merge(known, on=["need_id", "product_id"])
    applies = found["looked"] * found["both"] / found["true"]
    by_need = applies.groupby(found["need_id"])
    decided = found["granted"].notna().groupby(found["need_id"]).transform("sum")
    weight = (decided * applies / by_need.transform("sum")).fillna(0.0)  # a need of which nothing was looked at
    return found.assign(granted=found["true"], weight=weight)[["kind", "chance", "granted", "weight"]]

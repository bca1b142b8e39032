"""What a constraint on exposure does and costs: the model's first places under it and without, on the same needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from matching.catalogue import Rows
from matching.exposure import Exposure, Places
from matching.history import Numbers
from training.breakdown import PLACES
from training.evaluate import CONSTRAINED, MODEL, Evaluation, Scored, lead, report
from training.metrics import bracketed

METRIC: Final = "ndcg@10"


@dataclass(frozen=True)
class _Both:
    """One need's candidates: which get a place without and with the constraint, and which are of small institutions."""

    without: Rows
    under: Rows
    small: np.ndarray


def constrained(found: Evaluation, exposure: Exposure) -> Evaluation:
    """`found` with one system more, `CONSTRAINED`, and with `exposure` in its report.

    That holds the constraint, the `price` in NDCG@10 (model less constrained, {value, low, high} by slice), the share
    of `small` institutions among the candidates (`eligible`) and the first ten places (`without`, `under`), and the
    share of needs that get `fewer` places. What gets no place under the constraint counts as never shown.
    """
    places = Places(found.world.catalogue, found.world.history, found.world.roster)
    both = [_both(places, item, exposure) for item in found.scored]
    ours = [
        replace(item, scores={CONSTRAINED: _kept(item, each)}) for item, each in zip(found.scored, both, strict=True)
    ]
    scored = [
        replace(item, scores={**item.scores, **other.scores}) for item, other in zip(found.scored, ours, strict=True)
    ]
    told = {
        **exposure.model_dump(),
        "price": {part: each[METRIC] for part, each in lead(scored, CONSTRAINED, found.seed).items()},
        "small": _small(both),
        "fewer": float(np.mean([len(each.under) < len(each.without) for each in both])),
    }
    systems = found.report["systems"] | report(ours, found.seed)["systems"]
    return replace(found, scored=scored, report=found.report | {"systems": systems, "exposure": told})


def floors(found: Evaluation, kept: Sequence[int], small_share: float = 0.01) -> pd.DataFrame:
    """label, value, low, high, eligible, without, under, fewer: a row a number of places `kept` for small institutions.

    The value is the price in NDCG@10; the rest is as in the report's `exposure`.
    """
    rows = []
    for floor in kept:
        told = constrained(found, Exposure(floor=floor, small_share=small_share)).report["exposure"]
        rows.append({"label": f"{floor} of {PLACES}", **told["price"]["all"], **told["small"], "fewer": told["fewer"]})
    return pd.DataFrame(rows)


def said(told: Mapping[str, Any]) -> str:
    """A report's `exposure` in words."""
    small = told["small"]
    return (
        f"Under a constraint ({_limits(told)}; small: below {told['small_share']:.1%} of the outcomes of three years) "
        f"small institutions have {small['under']:.1%} of the first ten places, {small['without']:.1%} without it and "
        f"{small['eligible']:.1%} of the eligible products; {told['fewer']:.1%} of the needs get fewer products. "
        f"Its price in NDCG@10: {', '.join(f'{part} {bracketed(price)}' for part, price in told['price'].items())}."
    )


def _both(places: Places, item: Scored, exposure: Exposure) -> _Both:
    rows, scores, as_of = item.query.rows, item.scores[MODEL], item.query.as_of
    return _Both(
        without=places.first(rows, scores, as_of, PLACES),
        under=places.first(rows, scores, as_of, PLACES, exposure),
        small=places.small(rows, as_of, exposure.small_share),
    )


def _kept(item: Scored, both: _Both) -> Numbers:
    """The model's scores of what gets a place, -inf for the rest."""
    kept = np.full(len(item.gains), -np.inf)
    kept[both.under] = item.scores[MODEL][both.under]
    return kept


def _small(both: Sequence[_Both]) -> dict[str, float]:
    """The share of small institutions' products among all candidates and among those with a place."""
    flags = {
        "eligible": [each.small for each in both],
        "without": [each.small[each.without] for each in both],
        "under": [each.small[each.under] for each in both],
    }
    joined = {name: np.concatenate(parts) for name, parts in flags.items()}
    return {name: float(flag.mean()) if flag.size else 0.0 for name, flag in joined.items()}


def _limits(told: Mapping[str, Any]) -> str:
    cap = [] if told["cap"] is None else [f"at most {told['cap']} of one institution"]
    floor = [f"{told['floor']} of ten places kept for small ones"] if told["floor"] else []
    return ", ".join([*cap, *floor])

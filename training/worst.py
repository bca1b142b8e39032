"""The needs that the model ranked worst, put into words: what was asked, by whom, what was taken, what stood above."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd

from matching.domain import Coded, Entity
from training.breakdown import first_places, institution_labels, rank_taken
from training.dataset import World
from training.evaluate import MODEL, Evaluation, Scored

MOST: Final = 20
ABOVE: Final = 3
_IDS: Final = ("enterprise_id", "need_id", "name")

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Worst:
    """One need to read: labelled facts, the product taken with its rank among `candidates`, the model's first three."""

    need_id: str
    enterprise: str
    cold: bool
    rank: float
    candidates: int
    need: Facts
    facts: Facts
    taken: str
    first: tuple[str, ...]


def worst(found: Evaluation, most: int = MOST) -> list[Worst]:
    """The `most` needs whose taken product ranked lowest, of those where it was a candidate; the lowest first."""
    ranks = np.array([rank_taken(item) for item in found.scored])
    order = np.argsort(-ranks, kind="stable")  # NaN, where nothing taken was a candidate, sorts last
    labels = institution_labels(found.world)
    chosen = [i for i in order[:most] if not np.isnan(ranks[i])]
    return [_worst(found.scored[i], float(ranks[i]), found.world, labels) for i in chosen]


def as_table(needs: Sequence[Worst]) -> pd.DataFrame:
    """need, rank, who, what was asked for, what was taken, above it: a row a need, to read side by side."""
    rows = [
        (
            one.need_id,
            f"{one.rank:g} of {one.candidates}",
            f"{one.enterprise} ({'cold' if one.cold else 'warm'})",
            _listed(one.need),
            one.taken,
            "; ".join(one.first),
        )
        for one in needs
    ]
    return pd.DataFrame(rows, columns=["need", "rank", "who", "asked for", "taken", "above it"])


def unreachable(found: Evaluation) -> int:
    """How many needs took a product that was no candidate."""
    return sum(not item.query.gains.any() for item in found.scored)


def facts(entity: Entity, currency: str) -> Facts:
    """An entity's known facts, its ids and name apart, under labels with their units; money is in `currency`."""
    known = []
    for name, info in type(entity).model_fields.items():
        value, extra = getattr(entity, name), info.json_schema_extra
        if value is not None and name not in _IDS and isinstance(extra, dict):
            unit = str(extra["unit"]).replace("yuan", currency)
            label = f"{info.title} ({unit})" if unit not in ("", "share") else str(info.title)
            known.append((label, _text(value, unit)))
    return tuple(known)


def named(world: World, row: int, labels: Mapping[str, str]) -> str:
    """Institution and product; the releases' products are named after their institution already."""
    product = world.catalogue.products[row]
    institution = world.catalogue.institutions[int(world.catalogue.institution_code[row])].name_en
    own = product.name_en.removeprefix(institution).lstrip(", ")
    return ": ".join(part for part in (labels[product.institution_id], own) if part)


def _worst(item: Scored, rank: float, world: World, labels: Mapping[str, str]) -> Worst:
    query, scores = item.query, item.scores[MODEL]
    taken = np.flatnonzero(query.gains > 0)
    best = taken[np.argmax(scores[taken])]
    return Worst(
        need_id=query.need_id,
        enterprise=query.enterprise.name or query.enterprise.enterprise_id,
        cold=item.cold,
        rank=rank,
        candidates=len(query.rows),
        need=facts(query.need, world.tables.currency),
        facts=facts(query.enterprise, world.tables.currency),
        taken=named(world, int(query.rows[best]), labels),
        first=tuple(named(world, int(query.rows[i]), labels) for i in first_places(item, ABOVE)),
    )


def _listed(known: Facts) -> str:
    return "; ".join(f"{label} {value}" for label, value in known)


def _text(value: Any, unit: str) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case Coded():
            return value.en
        case date():
            return value.isoformat()
        case tuple():
            return ", ".join(_text(one, unit) for one in value)
        case float() if unit == "share":
            return f"{value:.0%}"
        case int() | float():
            return f"{value:,.10g}"
        case _:
            return str(value)

"""An evaluation taken apart: frames of figures by system, month, slice, feature and institution.

Every mean counts each enterprise once and every interval is the bootstrap's, as in the report itself.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd

from matching import reference
from matching.catalogue import Rows, day_of
from matching.domain import Size, Stage
from matching.errors import InputError
from matching.features import SPECIFICATION
from matching.outcomes import TAKEN
from training.dataset import Query, World
from training.evaluate import CONSTRAINED, MODEL, ORACLE, Evaluation, Scored
from training.metrics import Interval, bootstrap, mean_ranks, ndcg

PLACES: Final = 10  # what is looked at, and what NDCG@10 counts
MOST_LABELS: Final = 12
FEWEST_ENTERPRISES: Final = 5  # below this a resample says nothing
UNKNOWN: Final = "not known"
OTHERS: Final = "all others"


def best_baseline(report: dict[str, Any]) -> str:
    """The baseline with the highest NDCG@10 over all queries."""
    rivals = {name: parts["all"]["ndcg@10"]["value"] for name, parts in report["systems"].items()}
    return max((name for name in rivals if name not in (MODEL, CONSTRAINED, ORACLE)), key=lambda name: rivals[name])


def systems(report: dict[str, Any], part: str, metric: str) -> pd.DataFrame:
    """system, value, low, high of one metric on one slice ("all", "cold"), the best first; empty without the slice."""
    found = [{"system": name, **parts[part][metric]} for name, parts in report["systems"].items() if part in parts]
    frame = pd.DataFrame(found, columns=["system", "value", "low", "high"])
    return frame.sort_values("value", ascending=False, kind="stable", ignore_index=True)


def per_need(found: Evaluation, rival: str | None = None) -> pd.DataFrame:
    """A row a need: ids, its slices, NDCG@10 of the model and of a baseline, and where the taken product stood.

    The baseline is the best one unless a `rival` is named.
    Columns need_id, enterprise_id, month, known (seen before or not), size, zone, region, industry, kind, institution,
    model, baseline, rank (NaN where what was taken was no candidate).
    """
    rival = rival or best_baseline(found.report)
    first = first_taken(found.world)
    labels = institution_labels(found.world)
    rows = []
    for item in found.scored:
        row = row_in_force(found.world, first[item.query.need_id], item.query.as_of)
        rows.append(
            {
                **_facts(item, found.world),
                "kind": found.world.catalogue.products[row].kind.en,
                "institution": labels[found.world.catalogue.products[row].institution_id],
                "model": ndcg(item.scores[MODEL], item.gains),
                "baseline": ndcg(item.scores[rival], item.gains),
                "rank": rank_taken(item),
            }
        )
    return pd.DataFrame(rows)


def by_month(needs: pd.DataFrame, rival: str, seed: int = 0) -> pd.DataFrame:
    """month, system, value, low, high, needs, enterprises of `per_need`'s rows."""
    parts = needs.groupby("month", sort=True)
    return pd.DataFrame([{"month": month, **row} for month, part in parts for row in _both(part, rival, seed)])


def lead_by_month(needs: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """month, value, low, high, needs, enterprises of the model's NDCG@10 less the baseline's, need by need."""
    lead = needs.assign(lead=needs["model"] - needs["baseline"])
    return pd.DataFrame([{"month": m, **_row(part, "lead", seed)} for m, part in lead.groupby("month", sort=True)])


def by_slice(needs: pd.DataFrame, column: str, rival: str, seed: int = 0) -> pd.DataFrame:
    """label, system, value, low, high, needs, enterprises: the slices with the most needs, then all others as one."""
    parts = sliced(needs, column)
    return pd.DataFrame([{"label": label, **row} for label, part in parts for row in _both(part, rival, seed)])


def slices_over_time(needs: pd.DataFrame, column: str, value: str, day: pd.Timestamp, seed: int = 0) -> pd.DataFrame:
    """label, part, value, low, high, needs, enterprises of the column `value`, before the month of `day` and since.

    The slices are those of `by_slice`; one without a need in one of the two parts has no row of it.
    """
    late = needs["month"] >= day
    names = {f"before {day:%Y-%m}": needs[~late], f"from {day:%Y-%m} on": needs[late]}
    slices = sliced(needs, column)
    parts = [
        (label, name, half[half.index.isin(whole.index)]) for name, half in names.items() for label, whole in slices
    ]
    found = [{"label": label, "part": name, **_row(part, value, seed)} for label, name, part in parts if len(part)]
    return pd.DataFrame(found)


def sliced(needs: pd.DataFrame, column: str) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each value of a column: those with the most needs by name, then all others as one."""
    values = needs[column].fillna(UNKNOWN)
    order = list(values.value_counts().index)
    kept = order if len(order) <= MOST_LABELS + 1 else order[:MOST_LABELS]
    labels = values.where(values.isin(kept), OTHERS)
    order = [*kept, OTHERS] if len(kept) < len(order) else kept
    return [(label, needs[labels == label]) for label in order]


def importance_by_family(found: Evaluation) -> pd.DataFrame:
    """label and share of all the forest's gain, a row a family of features, the largest first; empty without gain."""
    family = {feature.name: feature.family for feature in SPECIFICATION}
    total: defaultdict[str, float] = defaultdict(float)
    for name, gain in found.importance.items():
        total[family[name]] += gain
    return _shares(total)


def importance_by_feature(found: Evaluation, most: int = 20) -> pd.DataFrame:
    """label and share of all the forest's gain of the `most` first features; empty without gain."""
    return _shares(found.importance).head(most)


def exposure(found: Evaluation, most: int = 20) -> pd.DataFrame:
    """label, eligible, shown: each institution's share of all candidates and of the model's first ten places.

    The `most` institutions with the largest share of places, then all others as one row.
    """
    owner = found.world.catalogue.institution_code
    size = len(found.world.catalogue.institutions)
    eligible, shown = np.zeros(size), np.zeros(size)
    for item in found.scored:
        eligible += np.bincount(owner[item.query.rows], minlength=size)
        shown += np.bincount(owner[item.query.rows[first_places(item, PLACES)]], minlength=size)
    labels = institution_labels(found.world)
    frame = pd.DataFrame(
        {
            "label": [labels[one.institution_id] for one in found.world.catalogue.institutions],
            "eligible": eligible / max(eligible.sum(), 1),
            "shown": shown / max(shown.sum(), 1),
        }
    )
    frame = frame[frame["eligible"] > 0].sort_values("shown", ascending=False, kind="stable", ignore_index=True)
    if len(frame) <= most + 1:
        return frame
    rest = frame.iloc[most:][["eligible", "shown"]].sum()
    return pd.concat([frame.iloc[:most], pd.DataFrame([{"label": OTHERS, **rest}])], ignore_index=True)


def never_shown(found: Evaluation) -> tuple[int, int]:
    """How many institutions with a candidate are never among the first ten, and how many have a candidate."""
    frame = exposure(found, most=len(found.world.catalogue.institutions))
    return int((frame["shown"] == 0).sum()), len(frame)


def refusals(found: Evaluation) -> int:
    """How many applications the tables say were declined."""
    return int((found.world.tables.outcomes["stage"] == Stage.DECLINED).sum())


def first_places(item: Scored, most: int) -> Rows:
    """The positions among a query's candidates of the model's `most` first, in order; ties go by row, as ranked."""
    return np.argsort(-item.scores[MODEL], kind="stable")[:most]


def rank_taken(item: Scored) -> float:
    """The model's rank of what was taken (the best of several), NaN where it was no candidate."""
    taken = mean_ranks(item.scores[MODEL])[item.query.gains > 0]
    return float(taken.min()) if taken.size else float("nan")


def first_taken(world: World) -> dict[str, str]:
    """By need, the first product that was taken; of several on one day the first by id, however rows are ordered."""
    outcomes = world.tables.outcomes
    taken = outcomes[outcomes["stage"].isin(TAKEN)].sort_values(["at", "product_id"]).drop_duplicates("need_id")
    return dict(zip(taken["need_id"].tolist(), taken["product_id"].tolist(), strict=True))


def row_in_force(world: World, product_id: str, as_of: date) -> int:
    """The catalogue's row of the product's version that was the latest on `as_of`; its first one before any began."""
    rows = np.flatnonzero(world.catalogue.ids == product_id)
    begun = rows[world.catalogue.valid_from[rows] <= day_of(as_of)]
    return int(begun[-1] if len(begun) else rows[0])


def institution_labels(world: World) -> dict[str, str]:
    """By institution id, its English name, with the id where two share one."""
    count = Counter(one.name_en for one in world.catalogue.institutions)
    return {
        one.institution_id: one.name_en if count[one.name_en] == 1 else f"{one.name_en} ({one.institution_id})"
        for one in world.catalogue.institutions
    }


def division(industry: str | None, region: str | None, as_of: date) -> str | None:
    """An industry's division by its code, with its name where the code is of GB/T 4754."""
    path = _part(industry, 2)
    if path is None or not (region or "").startswith("CN"):
        return path
    names = _divisions(as_of)
    code = path.split("/")[-1]
    return f"{code} {names[code]}" if code in names else path


def _facts(item: Scored, world: World) -> dict[str, Any]:
    query = item.query
    zone = reference.zone(query.enterprise.region, query.as_of)
    return {
        "need_id": query.need_id,
        "enterprise_id": query.enterprise.enterprise_id,
        "month": pd.Timestamp(query.as_of).replace(day=1),
        "known": "new (cold)" if item.cold else "seen before (warm)",
        "size": _size(query, world.tables.currency),
        "zone": zone and zone.en,
        "region": _part(query.enterprise.region, 2),
        "industry": division(query.enterprise.industry, query.enterprise.region, query.as_of),
    }


def _size(query: Query, currency: str) -> str | None:
    """The size class that is stated, else the official one where its limits, in yuan, apply."""
    firm = query.enterprise
    size: Size | None = firm.size
    if size is None and currency == "CNY":
        size = reference.size_class(firm.employees, firm.revenue, query.as_of)
    return size and size.en


def _divisions(as_of: date) -> dict[str, str]:
    try:
        return {code: industry.name_en for code, industry in reference.industries(as_of).items()}
    except InputError:
        return {}


def _part(path: str | None, levels: int) -> str | None:
    return None if path is None else "/".join(path.split("/")[:levels])


def _both(part: pd.DataFrame, rival: str, seed: int) -> list[dict[str, Any]]:
    """The model's row and the best baseline's on the same needs."""
    named = (("model", MODEL), ("baseline", rival))
    return [{"system": name, **_row(part, column, seed)} for column, name in named]


def _row(part: pd.DataFrame, column: str, seed: int) -> dict[str, Any]:
    """Mean with interval (NaN where too few enterprises stand behind it) and counts."""
    values, firms = part[column].to_numpy(), part["enterprise_id"].to_numpy().astype(np.str_)
    interval, count = bootstrap(values, firms, seed), len(np.unique(firms))
    if count < FEWEST_ENTERPRISES:
        interval = Interval(interval.value, float("nan"), float("nan"))
    return {**interval._asdict(), "needs": len(part), "enterprises": count}


def _shares(gains: Mapping[str, float]) -> pd.DataFrame:
    total = sum(gains.values())
    ordered = sorted(gains.items(), key=lambda one: -one[1])
    kept = [(name, gain / total) for name, gain in ordered if total and gain > 0]
    return pd.DataFrame(kept, columns=["label", "share"])

"""Applications and what was decided of them: what a calibration is fitted on, and what it is held against.

An application is decided once it was granted or declined. Where a product's amount of the year was used up, the
enterprise withdrew or could not be reached, nothing was decided of the match; nor is anything while it is pending.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from matching.calibration import SILENT, UNDECIDED, Calibration, Candidates, enough, fit_calibration
from matching.catalogue import Rows
from matching.domain import DeclineReason, Enterprise, Need, Stage
from matching.features import Builder
from matching.history import TAKEN, Codes, Numbers
from matching.ranker import Ranker
from training.dataset import Group, Query, World, posted, query

BLOCKS: Final = 4
UNRELATED: Final = (DeclineReason.CAPACITY, DeclineReason.WITHDRAWN, DeclineReason.UNREACHABLE)

Decisions = dict[str, dict[str, bool]]
Fitted = Callable[[Sequence[Group]], Ranker]
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Applied:
    """A need with a decided application: its query, and for each candidate 1 granted, 0 refused, -1 neither."""

    query: Query
    granted: Codes


@dataclass(frozen=True)
class Kept:
    """A builder that keeps what it built for some needs, so that groups and applications are built once.

    It is asked for the same rows each time.
    """

    builder: Builder
    needs: Collection[str]
    built: dict[str, Numbers] = field(default_factory=dict)

    def build(self, enterprise: Enterprise, need: Need, as_of: date, rows: Rows) -> Numbers:
        """As `Builder.build`."""
        found = self.built.get(need.need_id)
        if found is None:
            found = self.builder.build(enterprise, need, as_of, rows)
            if need.need_id in self.needs:
                self.built[need.need_id] = found
        return found


def decisions(outcomes: pd.DataFrame) -> Decisions:
    """By need and product, whether the application was granted; undecided ones are left out."""
    granted = outcomes["stage"].isin(TAKEN)
    refused = (outcomes["stage"] == Stage.DECLINED) & ~outcomes["reason_code"].isin(UNRELATED)
    found: Decisions = {}
    for frame, yes in ((outcomes[refused], False), (outcomes[granted], True)):
        for need_id, product_id in zip(frame["need_id"].tolist(), frame["product_id"].tolist(), strict=True):
            found.setdefault(need_id, {})[product_id] = yes
    return found


def counts(world: World) -> dict[str, dict[str, Any]]:
    """By kind of product, applications granted and refused, and whether they are enough to state a chance."""
    kind_of = {product.product_id: product.kind for product in world.catalogue.products}
    tally = {kind: [0, 0] for kind in sorted(set(kind_of.values()))}
    for found in decisions(world.tables.outcomes).values():
        for product_id, granted in found.items():
            tally[kind_of[product_id]][granted] += 1
    return {
        str(kind): {"granted": granted, "refused": refused, "enough": enough(granted, refused)}
        for kind, (refused, granted) in tally.items()
    }


def applied(
    world: World, since: date | None, until: date | None = None, all_industries: bool = False, most: int = 0
) -> list[Applied]:
    """The needs posted from `since` to before `until` with a decided application; their candidates as in `queries`."""
    decided = decisions(world.tables.outcomes)
    pairs = posted(world, decided, since, until, all_industries, most)
    found = [_applied(world, query(world, need, firm, {}), decided[need.need_id]) for need, firm in pairs]
    return [item for item in found if (item.granted != UNDECIDED).any()]


def calibrate(
    world: World,
    builder: Builder | Kept,
    full: Builder,
    asked: Sequence[Applied],
    groups: Sequence[Group],
    fitted: Fitted,
    progress: Progress,
) -> Calibration:
    """The calibration of applications by scores held back: each block of time by a ranker `fitted` on the others.

    `builder` makes the features, `full` adds the appetites to them.
    """
    days = np.array([item.query.context.day for item in asked])
    block = np.searchsorted(np.quantile(days, np.arange(1, BLOCKS) / BLOCKS), days) if asked else days
    features, scores = _features(builder, full, asked), [np.zeros(0) for _ in asked]
    for done, held in enumerate(np.unique(block)):
        progress("chance", done / BLOCKS)
        first, last = days[block == held].min(), days[block == held].max()
        others = [group for group in groups if not first <= group.day <= last]
        if not others:
            return SILENT
        ranker = fitted(others)
        for i in np.flatnonzero(block == held):
            scores[i] = ranker.score(features[i])
    return fit_calibration(_candidates(world, asked, features, scores, block)) if asked else SILENT


def _features(builder: Builder | Kept, full: Builder, asked: Sequence[Applied]) -> list[Numbers]:
    build = delayed(lambda q: full.leaned(builder.build(q.enterprise, q.need, q.as_of, q.rows), q.context, q.rows))
    found: list[Numbers] = Parallel(n_jobs=-1, prefer="threads")(build(item.query) for item in asked)
    return found


def _candidates(
    world: World, asked: Sequence[Applied], features: Sequence[Numbers], scores: Sequence[Numbers], block: Rows
) -> Candidates:
    sizes = [len(item.granted) for item in asked]
    return Candidates(
        features=np.concatenate(features),
        scores=np.concatenate(scores),
        kinds=np.concatenate([world.catalogue.kind_code[item.query.rows] for item in asked]),
        needs=np.repeat(np.arange(len(asked), dtype=np.int32), sizes),
        granted=np.concatenate([item.granted for item in asked]),
        blocks=np.repeat(block.astype(np.int32), sizes),
    )


def _applied(world: World, asked: Query, decided: dict[str, bool]) -> Applied:
    ids = world.catalogue.ids[asked.rows].tolist()
    return Applied(asked, np.array([int(decided.get(product_id, UNDECIDED)) for product_id in ids], dtype=np.int32))

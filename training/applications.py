"""Applications and what was decided of them: what a chance is learned from, and what it is held against.

An application is decided once it was granted or declined. Where the enterprise withdrew or could not be reached,
nothing was decided of the match; nor is anything while it is pending. Once a product's amount of the year runs short,
who would have been granted is declined and who is refused is refused all the same: of that product's decisions, nothing
from the first such decline to the end of the year counts, or refusals alone would be left.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd

from matching.calibration import enough
from matching.catalogue import Rows
from matching.domain import DeclineReason, Enterprise, Need, Stage
from matching.features import Builder
from matching.history import Codes, Numbers
from matching.outcomes import TAKEN
from matching.shown import UNDECIDED
from training.dataset import Query, World, posted, query

UNRELATED: Final = (DeclineReason.WITHDRAWN, DeclineReason.UNREACHABLE)

Decisions = dict[str, dict[str, bool]]


@dataclass(frozen=True)
class Applied:
    """A need with a decided application: its query, and for each candidate 1 granted, 0 refused, -1 neither."""

    query: Query
    granted: Codes


@dataclass(frozen=True)
class Kept:
    """A builder that keeps what it built for some needs, so that groups and what was shown are built once.

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
    outcomes = outcomes[~_short(outcomes)]
    granted = outcomes["stage"].isin(TAKEN)
    refused = (outcomes["stage"] == Stage.DECLINED) & ~outcomes["reason_code"].isin(UNRELATED)
    found: Decisions = {}
    for frame, yes in ((outcomes[refused], False), (outcomes[granted], True)):
        for need_id, product_id in zip(frame["need_id"].tolist(), frame["product_id"].tolist(), strict=True):
            found.setdefault(need_id, {})[product_id] = yes
    return found


def _short(outcomes: pd.DataFrame) -> pd.Series:
    """Which outcomes came when the product's amount of the year had run short: from the first decline that says so."""
    keys = [outcomes["product_id"], outcomes["at"].dt.year]
    declined = outcomes["at"].where(outcomes["reason_code"] == DeclineReason.CAPACITY)
    return outcomes["at"] >= declined.groupby(keys).transform("min")


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


def _applied(world: World, asked: Query, decided: dict[str, bool]) -> Applied:
    ids = world.catalogue.ids[asked.rows].tolist()
    return Applied(asked, np.array([int(decided.get(product_id, UNDECIDED)) for product_id in ids], dtype=np.int32))

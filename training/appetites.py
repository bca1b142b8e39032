"""What was shown and what came of it: the rows that appetites are fitted on."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from matching.appetite import UNDECIDED, Appetite, Shown, fit_appetites
from matching.domain import Stage
from matching.features import LEVELS, Builder
from matching.history import Codes
from training.applications import Decisions, Kept, decisions
from training.dataset import Query, World, posted, query

MOST_NEEDS: Final = 6000  # the latest
FEWEST_GRANTED: Final = 200  # with fewer, slopes learn next to nothing
RIPE_DAYS: Final = 30  # younger needs have had no time for an application
APPLIED: Final = (Stage.APPLIED, Stage.GRANTED, Stage.DRAWN, Stage.DECLINED)

Progress = Callable[[str, float], None]
Positions = dict[str, dict[str, int]]


def appetites(
    world: World, builder: Builder | Kept, until: date, all_industries: bool, progress: Progress
) -> tuple[Appetite, ...]:
    """The appetites of what was shown before `until`, in the first year too; none where the record tells too little."""
    decided = decisions(world.tables.outcomes)
    granted = sum(sum(found.values()) for found in decided.values())
    shown = positions(world.tables.outcomes)
    if not shown or granted < FEWEST_GRANTED:
        return ()
    ripe = until - timedelta(days=RIPE_DAYS)
    needs = [query(world, *pair, {}) for pair in posted(world, shown, None, ripe, all_industries, MOST_NEEDS)]
    rows = _rows(world, builder, needs, shown, progress)
    return fit_appetites(_shown(world, needs, rows, decided), world.history)


def positions(outcomes: pd.DataFrame) -> Positions:
    """By need and product, the position at which it was shown; 0 where that is not recorded."""
    shown = outcomes[outcomes["stage"] == Stage.SHOWN]
    places = shown["position"].fillna(0).astype(int).tolist()
    found: Positions = {}
    for need_id, product_id, place in zip(shown["need_id"].tolist(), shown["product_id"].tolist(), places, strict=True):
        found.setdefault(need_id, {})[product_id] = place
    return found


def _rows(
    world: World, builder: Builder | Kept, needs: list[Query], shown: Positions, progress: Progress
) -> list[tuple[np.ndarray, Codes, Codes]]:
    """For each need, the shown candidates' features, positions and places among the candidates."""

    def one(asked: Query) -> tuple[np.ndarray, Codes, Codes]:
        places = shown[asked.need_id]
        ids = world.catalogue.ids[asked.rows].tolist()
        kept = np.array([i for i, product_id in enumerate(ids) if product_id in places], dtype=np.int32)
        features = builder.build(asked.enterprise, asked.need, asked.as_of, asked.rows)[kept]
        return features, np.array([places[ids[i]] for i in kept], dtype=np.int32), kept

    found = []
    for done, item in enumerate(
        Parallel(n_jobs=-1, prefer="threads", return_as="generator")(delayed(one)(asked) for asked in needs), start=1
    ):
        progress("appetite", done / len(needs))
        found.append(item)
    return found


def _shown(world: World, needs: list[Query], rows: list[tuple[np.ndarray, Codes, Codes]], decided: Decisions) -> Shown:
    stages = world.tables.outcomes[world.tables.outcomes["stage"].isin(APPLIED)]
    applied = set(zip(stages["need_id"].tolist(), stages["product_id"].tolist(), strict=True))
    pairs = [
        (asked.need_id, str(world.catalogue.ids[row]))
        for asked, (_, _, kept) in zip(needs, rows, strict=True)
        for row in asked.rows[kept]
    ]
    codes = np.concatenate([asked.rows[kept] for asked, (_, _, kept) in zip(needs, rows, strict=True)])
    granted = [int(decided.get(need_id, {}).get(product_id, UNDECIDED)) for need_id, product_id in pairs]
    return Shown(
        contexts=[asked.context for asked in needs],
        features=np.concatenate([features for features, _, _ in rows]),
        levels=np.stack([getattr(world.roster, level)[codes] for level in LEVELS], axis=1),
        need=np.repeat(np.arange(len(needs), dtype=np.int32), [len(kept) for _, _, kept in rows]),
        position=np.concatenate([position for _, position, _ in rows]),
        applied=np.array([pair in applied for pair in pairs], dtype=np.int32),
        granted=np.array(granted, dtype=np.int32),
    )

"""What was shown and what came of it: the rows that appetites and the chance of a grant are fitted on."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from matching.calibration import Calibration, fit_calibration
from matching.domain import Stage
from matching.features import Builder
from matching.history import Codes, History, Numbers
from matching.levels import LEVELS
from matching.shown import UNDECIDED, Shown, held_back
from training.applications import Decisions, Kept, decisions
from training.dataset import Query, World, posted, query
from training.progress import Progress, on_all_cores

MOST_NEEDS: Final = 24_000  # the latest: what an appetite knows of bonds and leases grows with them, time too
FEWEST_GRANTED: Final = 200  # with fewer, slopes learn next to nothing
RIPE_DAYS: Final = 30  # younger needs have had no time for an application
SEEN_DAYS: Final = 28  # what was shown since has had none either: a ripe need may just have been handed on
APPLIED: Final = (Stage.APPLIED, Stage.GRANTED, Stage.DRAWN)

Positions = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Looked:
    """A need's shown candidates: their places `kept` among the candidates, `features` [kept] and `position` [kept]."""

    query: Query
    kept: Codes
    features: Numbers
    position: Codes


def record(
    world: World, builder: Builder | Kept, until: date, all_industries: bool, progress: Progress
) -> Shown | None:
    """What was shown before `until`, in the data's first year too; None where it says too little to learn from."""
    decided = decisions(world.tables.outcomes)
    if sum(sum(found.values()) for found in decided.values()) < FEWEST_GRANTED:
        return None
    looked = looked_at(world, builder, until, all_industries, progress)
    return shown(world, looked, decided, until) if looked else None


def calibrate(found: Shown, history: History) -> Calibration:
    """The calibration of the chance of a grant, by chances that are held back."""
    log_chances = held_back(found, history)
    rows = np.isfinite(log_chances)
    return fit_calibration(log_chances[rows], found.kind[rows], found.granted[rows])


def looked_at(
    world: World, builder: Builder | Kept, until: date, all_industries: bool, progress: Progress
) -> list[Looked]:
    """The latest needs that are ripe on `until` and of which a candidate was shown, in time order."""
    places = positions(world.tables.outcomes)
    ripe = until - timedelta(days=RIPE_DAYS)
    needs = [query(world, *pair, {}) for pair in posted(world, places, None, ripe, all_industries, MOST_NEEDS)]
    found = on_all_cores(
        "appetite", lambda asked: _looked(world, builder, asked, places[asked.need_id]), needs, progress
    )
    return [item for item in found if len(item.kept)]


def positions(outcomes: pd.DataFrame) -> Positions:
    """By need and product, the position at which it was shown; 0 where that is not recorded."""
    shown = outcomes[outcomes["stage"] == Stage.SHOWN]
    places = shown["position"].fillna(0).astype(int).tolist()
    found: Positions = {}
    for need_id, product_id, place in zip(shown["need_id"].tolist(), shown["product_id"].tolist(), places, strict=True):
        found.setdefault(need_id, {})[product_id] = place
    return found


def applications(outcomes: pd.DataFrame, until: date) -> dict[tuple[str, str], int]:
    """By need and product, 1 where it was applied for, 0 where it expired, `UNDECIDED` where nobody can say.

    Which is where it was declined before anybody applied, or shown lately.
    """
    lately = (outcomes["stage"] == Stage.SHOWN) & (outcomes["at"] > pd.Timestamp(until - timedelta(days=SEEN_DAYS)))
    found: dict[tuple[str, str], int] = {}
    for which, answer in (
        (lately, UNDECIDED),
        (outcomes["stage"] == Stage.EXPIRED, 0),
        (outcomes["stage"] == Stage.DECLINED, UNDECIDED),
        (outcomes["stage"].isin(APPLIED), 1),
    ):
        some = outcomes[which]
        found |= dict.fromkeys(zip(some["need_id"].tolist(), some["product_id"].tolist(), strict=True), answer)
    return found


def shown(world: World, looked: list[Looked], decided: Decisions, until: date) -> Shown:
    """All rows of the needs, and what came of each before `until`."""
    applied = applications(world.tables.outcomes, until)
    rows = np.concatenate([item.query.rows[item.kept] for item in looked])
    sizes = [len(item.kept) for item in looked]
    need_ids = np.repeat([item.query.need_id for item in looked], sizes)
    pairs = list(zip(need_ids.tolist(), world.catalogue.ids[rows].tolist(), strict=True))
    granted = [int(decided.get(need_id, {}).get(product_id, UNDECIDED)) for need_id, product_id in pairs]
    return Shown(
        contexts=[item.query.context for item in looked],
        features=np.concatenate([item.features for item in looked]),
        levels=np.stack([getattr(world.roster, level)[rows] for level in LEVELS], axis=1),
        kind=world.catalogue.kind_code[rows],
        need=np.repeat(np.arange(len(looked), dtype=np.int32), sizes),
        position=np.concatenate([item.position for item in looked]),
        applied=np.array([applied.get(pair, 0) for pair in pairs], dtype=np.int32),
        granted=np.array(granted, dtype=np.int32),
    )


def _looked(world: World, builder: Builder | Kept, asked: Query, places: dict[str, int]) -> Looked:
    ids = world.catalogue.ids[asked.rows].tolist()
    kept = np.array([i for i, product_id in enumerate(ids) if product_id in places], dtype=np.int32)
    features = builder.build(asked.enterprise, asked.need, asked.as_of, asked.rows)[kept]
    return Looked(asked, kept, np.ascontiguousarray(features), np.array([places[ids[i]] for i in kept], dtype=np.int32))

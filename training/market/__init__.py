"""The simulated market, the embedded default: Chongqing-like, seeded, with the true chances known and written apart."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from matching import tables
from matching.tables import Tables
from training.market.months import Record, run
from training.market.world import World, world

__all__ = ["Market", "simulate", "write"]


@dataclass(frozen=True)
class Market:
    """`tables` is what a platform would have on record; `truth` is what only the simulation knows.

    `truth` has a row for each need and product in force that no hard rule fails, sorted by (need_id, product_id):
    `granted` = P(granted | applied), `chance` = P(applies | looked at) x `granted`, both before capacity, as of the
    first day of the need's month.
    """

    tables: Tables
    truth: pd.DataFrame


def simulate(
    seed: int = 0,
    enterprises: int = 3000,
    position_bias: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> Market:
    """Three years of a market, the same for the same arguments; `progress` is told months done and in all.

    `position_bias` 0 means that every shown position is looked at.
    """
    rng = np.random.default_rng(seed)
    made = world(rng, enterprises)
    record = run(rng, made, position_bias, progress)
    return Market(_tables(made, record, seed), record.truth)


def write(market: Market, folder: Path | str) -> None:
    """The tables into a folder, and `truth.parquet` beside them; the same market gives the same bytes."""
    tables.write(market.tables, folder)
    market.truth.to_parquet(Path(folder) / "truth.parquet", index=False)


def _tables(made: World, record: Record, seed: int) -> Tables:
    frames = Tables(
        enterprises=record.enterprises,
        institutions=made.lenders.table,
        products=made.products.table,
        needs=made.needs.table,
        outcomes=record.outcomes,
        source=f"simulated market, seed {seed}",
        simulated=True,
    )
    return tables.check(frames)

"""A training set from made-up outcomes: `python -m tests.benchmarks.training_set [--outcomes N]`, by default 5,000,000.

Ten outcomes a need: nine products shown, one of them granted; 300 products of 40 institutions, eight years. Timed are
the history, the queries and the groups, all that `train` does before it fits; made-up kernels stand in for fitted ones.
"""

import argparse
import resource
from collections.abc import Callable
from datetime import date
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from matching import reference
from matching.features import FEATURES, Builder
from matching.levels import HEADS
from matching.memory import PARAMETERS, Kernel
from matching.tables import Tables, frame_of
from tests import factories as make
from training.dataset import World
from training.train import build_groups, learnable, stacked

EACH, PRODUCTS, INSTITUTIONS, NEEDS_OF_A_FIRM, DAYS = 10, 300, 40, 3, 8 * 365
BEGIN = pd.Timestamp(2017, 1, 1)
T = TypeVar("T")


def market(outcomes: int) -> Tables:
    """Tables with so many outcomes, in the types that the gate gives; not sent through it."""
    rng, needs = np.random.default_rng(0), outcomes // EACH
    firms = max(needs // NEEDS_OF_A_FIRM, 1)
    districts = [region.path for region in reference.regions(date(2025, 1, 1)).values()]
    institutions = [make.institution(institution_id=f"I{i}") for i in range(INSTITUTIONS)]
    products = [
        make.product(product_id=f"P{i:03}", institution_id=f"I{i % INSTITUTIONS}", valid_from=BEGIN.date())
        for i in range(PRODUCTS)
    ]
    enterprises = {
        "enterprise_id": _ids("E", np.arange(firms)),
        "as_of": BEGIN,
        "region": rng.choice(districts, firms),
        "industry": pd.Series(rng.integers(131, 439, firms)).map(lambda code: f"C/{code // 10}/{code}"),
        "revenue": rng.integers(10**6, 10**9, firms),
        "employees": rng.integers(5, 2000, firms),
    }
    posted = BEGIN + pd.to_timedelta(np.sort(rng.integers(0, DAYS, needs)), unit="D")
    asked = {
        "need_id": _ids("N", np.arange(needs)),
        "enterprise_id": _ids("E", rng.integers(0, firms, needs)),
        "posted_at": posted,
        "amount": rng.integers(10**5, 10**8, needs),
        "term_months": 12,
        "purpose": "working_capital",
    }
    of = np.repeat(np.arange(needs), EACH)
    place = np.tile(np.arange(EACH), needs)
    offered = (rng.zipf(1.3, needs)[of] + place * 29) % PRODUCTS
    last = place == EACH - 1
    came = {
        "need_id": asked["need_id"].take(of).reset_index(drop=True),
        "product_id": _ids("P", np.where(last, offered - (EACH - 1) * 29, offered) % PRODUCTS, 3),
        "stage": np.where(last, "granted", "shown"),
        "at": posted[of] + pd.to_timedelta(np.where(last, 9, 0), unit="D"),
        "position": np.where(last, np.nan, place + 1),
    }
    frames = {"enterprises": enterprises, "needs": asked, "outcomes": came}
    entities = {"institutions": institutions, "products": products}
    known: dict[str, Any] = {name: frame_of(name, rows) for name, rows in entities.items()}
    return Tables(**known, **{name: _frame(name, columns) for name, columns in frames.items()})


def _ids(letter: str, numbers: np.ndarray, width: int = 7) -> pd.Series:
    return letter + pd.Series(numbers).astype(str).str.zfill(width)


def _frame(name: str, columns: dict[str, Any]) -> pd.DataFrame:
    empty = frame_of(name, [])
    return pd.DataFrame(columns).reindex(columns=empty.columns).astype(empty.dtypes.to_dict())


def _timed(step: str, work: Callable[[], T]) -> T:
    start = perf_counter()
    found = work()
    print(f"  {step:<10} {perf_counter() - start:8.1f} s, {_gib():.2f} GiB at most so far", flush=True)
    return found


def _gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Prints each step's time, then minutes and the most memory that was held."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--outcomes", type=int, default=5_000_000)
    outcomes = parser.parse_args().outcomes
    tables = _timed("tables", lambda: market(outcomes))
    start = perf_counter()
    world = _timed("history", lambda: World.of(tables))
    asked = _timed("queries", lambda: learnable(world, all_industries=False))
    kernels = tuple(Kernel(level, np.full(len(PARAMETERS), 0.1 + i / 100)) for i, level in enumerate(HEADS))
    builder = Builder(world.history, kernels, world.catalogue, world.roster)
    groups = _timed("groups", lambda: build_groups(builder, asked, 0))
    rows = len(stacked(groups)[0])
    print(
        f"{len(tables.outcomes):,} outcomes: {len(groups):,} groups, {rows:,} rows of {len(FEATURES)} features "
        f"in {(perf_counter() - start) / 60:.1f} minutes, {_gib():.2f} GiB at most"
    )


if __name__ == "__main__":
    main()

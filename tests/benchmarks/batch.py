"""A batch against `Booster.predict` on two threads, and Dask against local: `python -m tests.benchmarks.batch`.

Every need has every product as a candidate, so that each pair is built, scored and ranked; the past holds some forty
outcomes a product. The whole batch is timed, from reading the tables to the joined file; the three in turns.
"""

import argparse
import tempfile
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from distributed import LocalCluster

from matching import reference
from matching import tables as gate
from matching.appetite import PLACED, Appetite, Keys
from matching.domain import Enterprise, Need
from matching.features import APPETITES
from matching.history import Numbers
from matching.levels import HEADS, LEVELS
from matching.memory import PARAMETERS, Kernel
from matching.outcomes import history_of
from matching.ranker import Ranker, manifest
from matching.tables import Tables
from tests import bundles
from tests import factories as make
from tests.benchmarks.scoring import booster, candidates
from training.batch import Cluster, Local, rank_all

PRODUCTS, PAST, SHOWN = 1000, 2000, 20
TYPES = ("working_capital", "unsecured", "first_loan", "technical_upgrade")
LARGEST = 20_000  # needs in a part, whose rows one process holds at once
TARGET, DASK_TARGET = 10, 0.8
CORES = 2
TURNS = 3  # a shared machine is not as fast all the time: each side's best counts


def market(needs: int, offered: int = PRODUCTS) -> Tables:
    """Products without limits, two years of needs that were shown twenty of them and took one, and open needs."""
    rng = np.random.default_rng(0)
    institutions = [make.institution(institution_id=f"I{i}") for i in range(40)]
    products = [
        make.product(product_id=f"P{i:04}", institution_id=f"I{i % 40}", type=TYPES[i % 4], spread_bp=float(i % 200))
        for i in range(offered)
    ]
    firms = [_firm(i, rng) for i in range(max(needs, PAST))]
    asked = [(i, date(2023, 1, 1) + timedelta(days=i % 700)) for i in range(PAST)]
    needs_ = [make.need(need_id=f"N{i}", enterprise_id=f"E{i}", posted_at=day) for i, day in asked]
    needs_ += [_open(i, rng) for i in range(needs)]
    outcomes = []
    for i, day in asked:
        for place, p in enumerate(rng.choice(offered, min(SHOWN, offered), replace=False), start=1):
            seen = {"need_id": f"N{i}", "product_id": f"P{p:04}"}
            outcomes.append(make.outcome(**seen, stage="shown", at=day, position=place))
            outcomes += [make.outcome(**seen, at=day + timedelta(days=9))] if place == 1 else []
    return make.tables(firms, institutions, products, needs_, outcomes)


def _firm(i: int, rng: np.random.Generator) -> Enterprise:
    """Of some district and trade: groups lie in their division, as in the standard classification."""
    districts, division = sorted(reference.regions(make.DAY)), rng.integers(13, 44)
    return make.enterprise(
        enterprise_id=f"E{i}",
        as_of=date(2022, 1, 1),
        region=f"{reference.CITY}/{rng.choice(districts)}",
        industry=f"C/{division}/{division}{rng.integers(1, 8)}",
        revenue=int(rng.integers(1e6, 1e9)),
        employees=int(rng.integers(5, 2000)),
    )


def _open(i: int, rng: np.random.Generator) -> Need:
    amount = int(rng.integers(1e5, 1e8))
    return make.need(need_id=f"X{i}", enterprise_id=f"E{i}", posted_at=make.DAY, amount=amount)


def ranker(tables: Tables) -> Ranker:
    """Three hundred trees of 31 leaves, a memory of all outcomes, and appetites for every product and institution."""
    history, rng = history_of(tables), np.random.default_rng(1)
    kernels = tuple(Kernel(level, np.full(len(PARAMETERS), 0.1 + i / 100)) for i, level in enumerate(HEADS))
    keys = Keys.of([history.context(make.enterprise(), make.need(), make.DAY)], history)
    names = {"product": history.products, "institution": history.institutions, "type": history.types}
    slopes = {level: {str(n): _slopes(len(keys) + len(PLACED), rng) for n in names[level]} for level in LEVELS}
    leaning: tuple[Appetite, ...] = tuple(replace(one, keys=keys, slopes=slopes) for one in bundles.leaning())
    assert len(leaning) == len(APPETITES)
    plain, stock = bundles.ranker(), booster()
    about = {"until": "2025-01-01", "seed": 0}
    described = manifest(stock, plain.choice, history, kernels, candidates(9, rng), about, plain.calibration, leaning)
    return Ranker(stock, plain.choice, history, kernels, described, plain.calibration, leaning)


def _slopes(size: int, rng: np.random.Generator) -> Numbers:
    """A slope is 0 where a product never met the district or trade: forty needs meet a seventh of them."""
    return rng.normal(size=size) * (rng.random(size) < 1 / 7)


def predicted(rows: int = 100_000) -> float:
    """Pairs a second of `Booster.predict` on two threads, all rows in one call."""
    stock, features = booster(), candidates(rows, np.random.default_rng(2))
    start = perf_counter()
    stock.predict(features, num_threads=CORES)
    return rows / (perf_counter() - start)


def part(needs: int) -> int:
    """An eighth of the white list, on which the needs of the past still stand, as far as a part's rows are few."""
    return min((needs + PAST) // 8, LARGEST)


def batched(folder: Path, bundle: Path, needs: int, name: str, engine: Any) -> float:
    """Pairs a second of a whole batch."""
    out = folder / f"{name}.parquet"
    out.unlink(missing_ok=True)
    start = perf_counter()
    done = rank_all(folder, bundle, out, engine=engine, part_needs=part(needs))
    assert done.needs == needs
    return needs * PRODUCTS / (perf_counter() - start)


def peak(_: int) -> float:
    """The most memory that this process ever held, GiB; since it is itself, not the one that it was split from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 2**20


def main() -> None:
    """Prints pairs a second and the two ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--needs", type=int, default=2000)
    needs = parser.parse_args().needs
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        tables = market(needs)
        gate.write(tables, folder)
        bundle = ranker(tables).save(folder / "models")
        del tables
        turns = []
        with LocalCluster(n_workers=CORES, threads_per_worker=1, dashboard_address=":0") as cluster:
            engines = {"local": Local(CORES), "dask": Cluster(cluster.scheduler_address)}
            for _ in range(TURNS):
                done = [batched(folder, bundle, needs, name, engine) for name, engine in engines.items()]
                turns.append([predicted(), *done])
            largest = max(max(engine.run(peak, range(4 * CORES))) for engine in engines.values())
    theirs, local, dask = (max(side) for side in zip(*turns, strict=True))
    print(
        f"{needs:,} needs of {PRODUCTS:,} candidates: Booster.predict on {CORES} threads {theirs:,.0f} pairs/s, "
        f"the batch on {CORES} processes {local:,.0f} pairs/s: {local / theirs:.2f} x (at least {TARGET}); "
        f"Dask {dask:,.0f} pairs/s: {dask / local:.2f} of local (at least {DASK_TARGET}); "
        f"the largest worker {largest:.2f} GiB"
    )


if __name__ == "__main__":
    main()

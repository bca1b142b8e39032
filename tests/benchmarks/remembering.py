"""What a need pays for the memory: `python -m tests.benchmarks.remembering [--outcomes N …]`, on one thread.

Made-up histories of eight years and 1,000 products, ten outcomes a need, one of them taken; each need that is asked is
of another enterprise, town and trade. Times are the processor's own, medians; beside them stand those of needs whose
contexts are counted for the first time that month.

With `--data DATA --bundle BUNDLE --from DATE` it tells what a sample costs a simulated market's ranking instead: true
NDCG@10 with the whole memory, and with samples of so many outcomes taken.
"""

import argparse
import resource
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from time import process_time
from unittest.mock import patch

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matching import tables as gate
from matching.history import CODES, NUMBERS, Context, History
from matching.levels import HEADS, Levels
from matching.memory import PARAMETERS, WINDOW_DAYS, Kernel
from matching.ranker import Ranker
from matching.recall import Memory
from training.dataset import World, narrowed, queries
from training.evaluate import MODEL, score, with_truth
from training.metrics import measures

TODAY, PRODUCTS, INSTITUTIONS, TYPES = 20_000, 1000, 40, 4
NEEDS, TARGET = 300, 1.0
SAMPLES = (10**9, 30_000, 10_000, 3_000, 1_000)
EACH, TOWNS, CLASSES = 10, 400, 558
KINDS = {"size": 4, "ownership": 4, "purpose": 6, "tax_grade": 5, "cluster": 33}


def history(outcomes: int) -> History:
    """So many outcomes, in time order: of each need one is taken and nine are only seen."""
    rng = np.random.default_rng(0)
    needs = max(outcomes // EACH, 1)
    of = np.repeat(np.arange(needs), EACH)
    codes, numbers = asked(needs, needs // 3, rng)
    day = np.sort(rng.integers(TODAY - WINDOW_DAYS, TODAY, needs)).astype(np.int32)
    return History(
        day=day[of],
        product=(rng.zipf(1.3, len(of)) % PRODUCTS).astype(np.int32),
        taken=np.arange(len(of)) % EACH == 0,
        position=np.zeros(len(of), np.int32),
        codes=codes[of],
        numbers=numbers[of],
        products=np.array([f"P{i:04}" for i in range(PRODUCTS)]),
        institution_of=(np.arange(PRODUCTS) % INSTITUTIONS).astype(np.int32),
        type_of=(np.arange(PRODUCTS) % TYPES).astype(np.int32),
        institutions=np.array([f"I{i:02}" for i in range(INSTITUTIONS)]),
        types=np.array([f"credit:{i}" for i in range(TYPES)]),
        vocabulary=tuple(np.array([], dtype=np.str_) for _ in CODES),
    )


def asked(size: int, enterprises: int, rng: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Codes and numbers of needs: towns lie in districts, classes in groups and divisions; a town is a place."""
    town, trade = rng.integers(0, TOWNS, size), rng.integers(0, CLASSES, size)
    nested = {"region_1": 0 * town, "region_2": town % 38, "region_3": town, "region_4": 0 * town - 1}
    nested |= {"industry_1": 0 * trade, "industry_2": trade % 31, "industry_3": trade % 186, "industry_4": trade}
    nested |= {name: rng.integers(0, kinds, size) for name, kinds in KINDS.items()}
    nested["enterprise"] = rng.integers(0, max(enterprises, 1), size)
    codes = np.stack([nested[name] for name in CODES], axis=1).astype(np.int32)
    numbers = rng.normal(10, 2, (size, len(NUMBERS)))
    numbers[:, -2], numbers[:, -1] = 29 + town % 20 / 10, 106 + town // 20 / 10
    return codes, numbers


def recalled(outcomes: int) -> None:
    """Prints what needs pay for the memory of so many outcomes."""
    past, rng = history(outcomes), np.random.default_rng(1)
    kernels = tuple(Kernel(level, np.full(len(PARAMETERS), 0.1 + i / 100)) for i, level in enumerate(HEADS))
    start = process_time()
    levels = Levels(Memory(past, kernels))
    facts = zip(*asked(NEEDS + 1, outcomes // EACH // 3, rng), strict=True)
    contexts = [Context(*pair, TODAY, past.until(TODAY)) for pair in facts]
    levels.held(contexts[-1])
    ready = process_time() - start
    times = [_timed(levels, context) for context in contexts[:-1]]
    again = [_timed(levels, context) for context in contexts[:-1]]
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{outcomes:>12,} outcomes: {np.median(again):.2f} ms a need (at most {TARGET:g} at 100,000); where its "
        f"contexts are new {np.median(times):.2f} ms, at most {max(times):.1f} ms; ready in {ready:.1f} s, "
        f"{largest:.2f} GiB",
        flush=True,
    )


def _timed(levels: Levels, context: Context) -> float:
    start = process_time()
    levels.held(context)
    return (process_time() - start) * 1000


def cost(data: Path, bundle: Path, since: date) -> None:
    """Prints the true NDCG@10 with the whole memory and with samples."""
    ranker, truth = Ranker.load(bundle), pd.read_parquet(data / "truth.parquet")
    world = World.of(narrowed(gate.read(data), ranker.manifest.get("where", {})))
    needs = queries(world, since)
    events = {name: int(part.sum()) for name, part in (("taken", world.history.taken), ("seen", ~world.history.taken))}
    print(f"{len(needs)} needs; events taken {events['taken']:,}, only seen {events['seen']:,}")
    for most in SAMPLES:
        with patch("matching.features.Memory", partial(Memory, whole=most, drawn=most)):
            scored = with_truth(world, score(world, replace(ranker, history=world.history), needs, []), truth)
        found = np.mean([measures(item.scores[MODEL], item.gains)["ndcg@10"] for item in scored])
        print(
            f"  {f'samples of {most:,}' if most < len(world.history) else 'the whole memory':<20} NDCG@10 {found:.4f}",
            flush=True,
        )


def main(words: Sequence[str] | None = None) -> None:
    """A line a size, or a line a sample."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--outcomes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--from", dest="since", type=date.fromisoformat)
    said = parser.parse_args(words)
    if said.data:
        cost(said.data, said.bundle, said.since)
        return
    for outcomes in said.outcomes:
        recalled(outcomes)


if __name__ == "__main__":
    main()

"""Scoring against `Booster.predict`, one thread each, in one run: `python -m tests.benchmarks.scoring`."""

from collections.abc import Callable
from functools import cache
from time import perf_counter
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from matching.features import FEATURES, SPECIFICATION
from matching.forest import Forest
from matching.sides import Side

TREES, LEAVES, TRAINED_ON = 300, 31, 20_000
TARGETS = {1000: 12, 200: 10}
COMMON = [i for i, feature in enumerate(SPECIFICATION) if feature.side is Side.ENTERPRISE]


@cache
def booster(trees: int = TREES, leaves: int = LEAVES, seed: int = 0) -> lgb.Booster:
    """A LambdaRank forest of this size on made-up features."""
    rng = np.random.default_rng(seed)
    return grown(np.concatenate([candidates(20, rng) for _ in range(TRAINED_ON // 20)]), rng, trees, leaves)


def grown(features: NDArray[np.float64], rng: np.random.Generator, trees: int, leaves: int) -> lgb.Booster:
    """A LambdaRank forest of this size on rows, a multiple of 20, which are worth what chance says of their columns."""
    worth = np.nan_to_num(features[:, :60]) @ rng.normal(size=60) + np.nan_to_num(features[:, 0] * features[:, 1])
    best = worth.reshape(-1, 20).argsort().argsort().ravel() >= 18
    data = lgb.Dataset(features, best.astype(int), group=np.full(len(features) // 20, 20), params={"max_bin": 127})
    params = {
        "objective": "lambdarank",
        "num_leaves": leaves,
        "feature_fraction": 0.5,
        "verbosity": -1,
        "num_threads": 1,
    }
    return lgb.train(params, data, trees)


def candidates(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """One request's rows: the enterprise's columns are the same in all, one value in ten of the others is missing."""
    rows = rng.normal(size=(n, len(FEATURES)))
    rows[rng.random(rows.shape) < 0.1] = np.nan
    rows[:, COMMON] = rng.normal(size=len(COMMON))
    return rows


def best_ms(call: Callable[[], Any], seconds: float = 1.0) -> float:
    """The shortest of the runs that fit into so many seconds: what the machine's other work disturbs least."""
    times: list[float] = []
    while sum(times) < seconds:
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times) * 1000


def main() -> None:
    """Prints a line for each number of candidates."""
    stock = booster()
    forest, rng = Forest.of(stock), np.random.default_rng(1)
    print(f"{TREES} trees of {LEAVES} leaves, one thread")
    for n, target in TARGETS.items():
        rows = candidates(n, rng)
        equal = np.array_equal(forest.score(rows), stock.predict(rows, num_threads=1))
        theirs = best_ms(lambda rows=rows: stock.predict(rows, num_threads=1))
        ours = best_ms(lambda rows=rows: forest.score(rows))
        print(
            f"{n:5} candidates: Booster.predict {theirs:.2f} ms, matching.forest {ours:.2f} ms: "
            f"{theirs / ours:.1f} x (at least {target}), {'equal to the last bit' if equal else 'NOT EQUAL'}"
        )


if __name__ == "__main__":
    main()

"""Small forests on small made-up rows, with every way to split and to miss that LightGBM has."""

from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, 2e-35, 1e300, -1e300, 0.5, -0.5)
CODES = (np.nan, np.inf, -np.inf, -1.0, -0.5, 0.0, 1.0, 2.9, 3.0, 31.0, 32.0, 39.0, 99.0, 1e10, -1e10)
PARAMS: dict[str, Any] = {
    "objective": "regression",
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "min_data_in_leaf": 1,
    "min_data_per_group": 1,
    "cat_smooth": 1.0,
    "min_data_in_bin": 1,
}


def rows(n: int, width: int, seed: int) -> NDArray[np.float64]:
    """Rows of few distinct numbers: normal, zero in every tenth place, missing in every fifth of the odd columns."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(n, width)).round(1)
    drawn[rng.random(drawn.shape) < 0.1] = 0.0
    drawn[(rng.random(drawn.shape) < 0.2) & (np.arange(width) % 2 == 1)] = np.nan
    return drawn


def forest(
    seed: int = 0,
    width: int = 5,
    trees: int = 5,
    categories: bool = False,
    whole: bool = False,
    n: int = 300,
    **params: Any,
) -> lgb.Booster:
    """A forest that learned noise; with `categories`, the first column is one of forty codes.

    `whole` makes the target 0, 1 or 2, as some objectives ask.
    """
    features = rows(n, width, seed)
    rng = np.random.default_rng(seed)
    if categories:
        features[:, 0] = rng.integers(0, 40, size=n)
    target = rng.normal(size=n) + np.nan_to_num(features[:, 0] * features[:, -1])
    target = np.abs(target.round()) % 3 if whole else target
    data = lgb.Dataset(features, target, categorical_feature=[0] if categories else [], params={**PARAMS, **params})
    return lgb.train({**PARAMS, "seed": seed, **params}, data, trees)


def ranking(features: NDArray[np.float64]) -> lgb.Booster:
    """A LambdaRank forest on groups of ten rows, of which the first is best."""
    labels = (np.arange(len(features)) % 10 == 0).astype(int)
    data = lgb.Dataset(features, labels, group=np.full(len(features) // 10, 10))
    return lgb.train({**PARAMS, "objective": "lambdarank", "num_leaves": 6}, data, 8)


def thresholds(booster: lgb.Booster) -> NDArray[np.float64]:
    """Every threshold of a forest, and the numbers next to it."""
    lines = [line for line in booster.model_to_string().splitlines() if line.startswith("threshold=")]
    found = np.array([float(text) for line in lines for text in line.split("=")[1].split()])
    return np.concatenate([found, np.nextafter(found, np.inf), np.nextafter(found, -np.inf)])


def hard_rows(booster: lgb.Booster, n: int, seed: int) -> NDArray[np.float64]:
    """Rows of what is easily taken wrong: thresholds, zeros, infinities, missing values, codes never met."""
    pool = np.concatenate([thresholds(booster), SPECIAL, CODES])
    return np.random.default_rng(seed).choice(pool, size=(n, booster.num_feature()))

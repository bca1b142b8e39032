"""How the forest is grown: LambdaRank by LightGBM, seeded and deterministic.

LightGBM takes a second to import, so it is loaded only where a forest is grown.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matching.features import FEATURES
from matching.forest import Booster
from matching.history import Codes, Numbers

PARAMS: Final[dict[str, Any]] = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": 15,  # a little beyond the ten that are looked at
    "learning_rate": 0.05,
    "num_leaves": 8,  # small trees: the choice model has the main effects already
    "min_data_in_leaf": 50,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 127,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def fit(
    features: Numbers,
    labels: Codes,
    groups: Codes,
    weights: Numbers,
    seed: int = 0,
    rounds: int = 120,
    callbacks: Sequence[Any] = (),
    params: Mapping[str, Any] | None = None,
) -> Booster:
    """A LambdaRank forest (Burges 2010) on rows [n, FEATURES] with graded `labels`, `groups` rows each, seeded.

    Rows are shuffled within groups first: LightGBM breaks ties by row order, so an ordered group would leak its labels.
    """
    import lightgbm as lgb

    order = shuffled(groups, seed)
    data = lgb.Dataset(
        features[order],
        labels[order],
        group=groups,
        weight=weights[order],
        feature_name=list(FEATURES),
        params={"max_bin": PARAMS["max_bin"], "verbosity": -1},
    )
    settings = {**PARAMS, "seed": seed, **(params or {})}
    grown: Booster = lgb.train(settings, data, rounds, callbacks=list(callbacks))
    return grown


def shuffled(groups: Codes, seed: int) -> NDArray[np.intp]:
    """Row numbers with each group's rows in a seeded random order, the groups where they were."""
    noise = np.random.default_rng(seed).random(int(groups.sum()))
    owner = np.repeat(np.arange(len(groups)), groups)
    return np.lexsort((noise, owner))

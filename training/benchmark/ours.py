"""XGBoost `rank:ndcg` and CatBoost YetiRank on our features, on the groups that our model learns from."""

from typing import Any, Final, Self

import numpy as np

from matching.catalogue import Rows
from matching.history import Codes, Numbers
from training.benchmark.peer import THREADS, Past, Peer
from training.dataset import Query
from training.train import stacked

XGBOOST: Final = {
    "n_estimators": 300,
    "learning_rate": 0.05,
    "max_depth": 6,
    "min_child_weight": 5,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "reg_lambda": 5.0,
    "tree_method": "hist",
}
CATBOOST: Final = {"iterations": 400, "learning_rate": 0.08, "depth": 6}


class OnOurFeatures(Peer):
    """A forest that sees a query as our model does."""

    _model: Any

    def scores(self, query: Query) -> Numbers:
        features = self._builder.build(query.enterprise, query.need, query.as_of, query.rows)
        return np.asarray(self._model.predict(features), dtype=np.float64) if len(features) else np.zeros(0)

    def _begin(self, past: Past) -> tuple[Numbers, Codes, Rows, Numbers]:
        self._builder = past.builder
        features, labels, sizes, weights = stacked(past.groups)
        owner = np.repeat(np.arange(len(sizes)), sizes)
        return features, labels, owner, weights


class Xgboost(OnOurFeatures):
    """XGBoost's LambdaMART."""

    name = "XGBoost rank:ndcg, our features"

    def fit(self, past: Past) -> Self:
        from xgboost import XGBRanker

        features, labels, owner, weights = self._begin(past)
        self._model = XGBRanker(objective="rank:ndcg", random_state=self._seed, n_jobs=THREADS, **XGBOOST)
        first = np.unique(owner, return_index=True)[1]
        self._model.fit(features, labels, qid=owner, sample_weight=weights[first])
        return self


class Yeti(OnOurFeatures):
    """CatBoost's YetiRank (Gulin 2011)."""

    name = "CatBoost YetiRank, our features"

    def fit(self, past: Past) -> Self:
        from catboost import CatBoost, Pool

        features, labels, owner, weights = self._begin(past)
        pool = Pool(features, labels, group_id=owner, group_weight=weights)
        settings = {"loss_function": "YetiRank", "random_seed": self._seed, "thread_count": THREADS, **CATBOOST}
        self._model = CatBoost({**settings, "logging_level": "Silent", "allow_writing_files": False})
        self._model.fit(pool)
        return self

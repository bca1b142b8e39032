"""What a platform's engineer would write in an afternoon: a pickled model, and a pandas table for every request.

Its features are the lookups and dicts that `features` times, its forest as large as ours; it has neither rules, reasons
nor a record. `create` is its application, `plain` one that has its rows of features already and only scores them.
"""

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from fastapi import FastAPI

from matching.domain import Enterprise, Need
from matching.history import cutoff, day_of
from matching.tables import Tables, entities
from tests import factories as make
from tests.benchmarks.features import Plain, past_of
from tests.benchmarks.scoring import LEAVES, TRAINED_ON, TREES, booster, candidates, grown

FOLDER = "NAIVE_FOLDER"
PICKLE, FOREST = "model.pkl", "forest.txt"


@dataclass(frozen=True)
class Pipeline:
    """From a need to a score for each product."""

    features: Plain
    forest: lgb.Booster

    @classmethod
    def of(cls, tables: Tables) -> "Pipeline":
        """Its lookups are of the market's past, and its forest has what it sees of past needs."""
        history, catalogue = past_of(tables)
        features = Plain(history, catalogue, day_of(cutoff(make.DAY)))
        firms = {firm.enterprise_id: firm for firm in entities("enterprises", tables.enterprises)}
        needs = entities("needs", tables.needs.head(-(-TRAINED_ON // len(catalogue))))
        rows = np.concatenate([features.build(firms[need.enterprise_id], need) for need in needs])
        return cls(features, grown(rows, np.random.default_rng(0), TREES, LEAVES))

    def rank(self, enterprise: Enterprise, need: Need) -> pd.DataFrame:
        """The ten products of the highest scores."""
        found = pd.DataFrame({"product_id": [product["product"] for product in self.features.products]})
        found["score"] = self.forest.predict(self.features.build(enterprise, need))
        return found.sort_values("score", ascending=False).head(10)


def prepare(tables: Tables, folder: Path) -> None:
    """Pickle the model; write the forest that only scores, for MLflow too, as text."""
    (folder / PICKLE).write_bytes(pickle.dumps(Pipeline.of(tables)))
    booster().save_model(folder / FOREST)


def create() -> FastAPI:
    """The application over the folder that the environment names."""
    model = pickle.loads((Path(os.environ[FOLDER]) / PICKLE).read_bytes())
    app = FastAPI()

    @app.post("/recommend")
    def recommend(request: dict[str, Any]) -> list[dict[str, Any]]:
        firm = Enterprise.model_validate(request["enterprise"])
        owned = {"need_id": "asked", "enterprise_id": firm.enterprise_id, "posted_at": request["as_of"]}
        return model.rank(firm, Need.model_validate(request["need"] | owned)).to_dict("records")

    return app


def plain() -> FastAPI:
    """Scores the rows that it made when it started: what any service of this forest costs at least."""
    folder = Path(os.environ[FOLDER])
    forest, offered = lgb.Booster(model_file=folder / FOREST), pickle.loads((folder / PICKLE).read_bytes())
    names = [product["product"] for product in offered.features.products]
    rows = candidates(len(names), np.random.default_rng(3))
    app = FastAPI()

    @app.post("/recommend")
    def recommend(request: dict[str, Any]) -> list[dict[str, Any]]:
        scores = forest.predict(rows)
        return [{"product_id": names[i], "score": float(scores[i])} for i in np.argsort(-scores)[:10]]

    return app

"""What a platform's engineer would write in an afternoon: a pickled model, and a table of dicts for every request.

As many features as ours and the same forest, but neither rules, reasons nor a record. `create` is its application,
`plain` one that has its rows of features already and only scores them.
"""

import os
import pickle
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fastapi import FastAPI

from matching.features import FEATURES
from matching.tables import Tables
from tests.benchmarks.scoring import booster, candidates

FOLDER = "NAIVE_FOLDER"
PICKLE, FOREST = "model.pkl", "forest.txt"
FACTS = (
    *("region", "industry", "employees", "revenue", "growth", "profit", "assets", "liabilities", "rd_spend"),
    *("patents", "equipment", "receivables", "inventory", "payables", "cash_flow", "tax_grade", "ownership", "size"),
    "cluster",
)
ASKED = ("amount", "term_months", "purpose")
PRODUCT = (
    *("institution_id", "type", "kind", "benchmark", "min_amount", "max_amount", "min_term", "max_term"),
    *("spread_bp", "capacity", "valid_from", "valid_to"),
)
PAIR = tuple(f"{name}_{how}" for name in ("amount", "term") for how in ("low", "high", "room", "fits", "share"))
CONTEXTS = ("region_1", "region_2", "region_3", "industry_2", "industry_3", "size", "purpose", "enterprise")
LEVELS = ("product_id", "institution_id", "type")
WINDOWS = ("year", "all", "share")
COUNTS = tuple(f"{context}_{level}_{window}" for context in CONTEXTS for level in LEVELS for window in WINDOWS)
COLUMNS = (*FACTS, *ASKED, *PRODUCT, *PAIR, *COUNTS)
assert len(COLUMNS) == len(FEATURES)


def prepare(tables: Tables, folder: Path) -> None:
    """Pickle the model, the products and the counts of the past; write the forest as text too, for MLflow."""
    forest = booster()
    forest.save_model(folder / FOREST)
    products = tables.products[["product_id", *PRODUCT]].to_dict("records")
    model = {"booster": forest, "products": products, "counts": _counts(tables, products), "codes": _Codes()}
    (folder / PICKLE).write_bytes(pickle.dumps(model))


def create() -> FastAPI:
    """The application over the folder that the environment names."""
    model = pickle.loads((Path(os.environ[FOLDER]) / PICKLE).read_bytes())
    app = FastAPI()

    @app.post("/recommend")
    def recommend(request: dict[str, Any]) -> list[dict[str, Any]]:
        frame = _frame(model, request["enterprise"], request["need"])
        found = pd.DataFrame({"product_id": [product["product_id"] for product in model["products"]]})
        found["score"] = model["booster"].predict(frame)
        return found.sort_values("score", ascending=False).head(10).to_dict("records")

    return app


def plain() -> FastAPI:
    """Scores the rows that it made when it started: what any service of this forest costs at least."""
    model = pickle.loads((Path(os.environ[FOLDER]) / PICKLE).read_bytes())
    rows = candidates(len(model["products"]), np.random.default_rng(3))
    app = FastAPI()

    @app.post("/recommend")
    def recommend(request: dict[str, Any]) -> list[dict[str, Any]]:
        scores = model["booster"].predict(rows)
        best = np.argsort(-scores)[:10]
        return [{"product_id": model["products"][i]["product_id"], "score": float(scores[i])} for i in best]

    return app


class _Codes(dict[Any, int]):
    """A number for every text, as label encoders give it."""

    def __missing__(self, text: Any) -> int:
        self[text] = len(self)
        return self[text]


def _frame(model: dict[str, Any], firm: dict[str, Any], need: dict[str, Any]) -> pd.DataFrame:
    """The candidates' features: a dict each."""
    common = {name: firm.get(name) for name in FACTS} | {name: need.get(name) for name in ASKED}
    common = _coded(model["codes"], common)
    counts = [model["counts"].get(key, {}) for key in _contexts(firm, need).items()]
    rows = []
    for product in model["products"]:
        row = common | _coded(model["codes"], {name: product[name] for name in PRODUCT}) | _pair(need, product)
        for found in counts:
            row.update(found.get(product["product_id"], {}))
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(float)


def _coded(codes: _Codes, row: dict[str, Any]) -> dict[str, Any]:
    return {name: codes[value] if isinstance(value, str | date) else value for name, value in row.items()}


def _pair(need: dict[str, Any], product: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, asked in (("amount", need["amount"]), ("term", need.get("term_months") or 0)):
        low, high = product[f"min_{name}"] or 0, product[f"max_{name}"] or 1e12
        found |= {f"{name}_low": asked - low, f"{name}_high": high - asked, f"{name}_room": high - low}
        found |= {f"{name}_fits": low <= asked <= high, f"{name}_share": asked / high}
    return found


def _contexts(firm: dict[str, Any], need: dict[str, Any]) -> dict[str, Any]:
    """What of the past counts for a need."""
    found = {"size": firm.get("size"), "purpose": need.get("purpose"), "enterprise": firm["enterprise_id"]}
    for name, levels in (("region", (1, 2, 3)), ("industry", (2, 3))):
        parts = (firm.get(name) or "").split("/")
        found |= {f"{name}_{level}": "/".join(parts[:level]) for level in levels}
    return found


def _counts(tables: Tables, products: list[dict[str, Any]]) -> dict[Any, dict[str, dict[str, float]]]:
    """By context and product: how often it, its institution and its type were granted there, and their shares."""
    named = {product["product_id"]: product for product in products}
    tallies = _tallies(tables, named)
    found: dict[Any, dict[str, dict[str, float]]] = {}
    for (context, value), tally in tallies.items():
        total = tally["all", "product_id", None]
        found[context, value] = {
            product_id: {
                f"{context}_{level}_{window}": tally["all" if window == "share" else window, level, product[level]]
                / (total if window == "share" else 1)
                for level in LEVELS
                for window in WINDOWS
            }
            for product_id, product in named.items()
        }
    return found


def _tallies(tables: Tables, named: dict[str, dict[str, Any]]) -> dict[Any, dict[Any, float]]:
    firms = {firm["enterprise_id"]: firm for firm in tables.enterprises.astype(object).to_dict("records")}
    needs = {need["need_id"]: need for need in tables.needs.astype(object).to_dict("records")}
    tallies: dict[Any, dict[Any, float]] = defaultdict(lambda: defaultdict(float))
    granted = tables.outcomes[tables.outcomes["stage"] == "granted"]
    latest = granted["at"].max() - pd.Timedelta(days=365)
    for outcome in granted.to_dict("records"):
        need, product = needs[outcome["need_id"]], named[outcome["product_id"]]
        for key in _contexts(firms[need["enterprise_id"]], need).items():
            tally = tallies[key]
            tally["all", "product_id", None] += 1
            for level in LEVELS:
                tally["all", level, product[level]] += 1
                tally["year", level, product[level]] += outcome["at"] > latest
    return tallies

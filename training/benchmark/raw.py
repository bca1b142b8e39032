"""CatBoost on raw columns of enterprise, need and product, without any feature made from the past."""

from collections.abc import Sequence
from typing import Any, Final, Self

import numpy as np
import pandas as pd

from matching.catalogue import Catalogue, Rows
from matching.domain import Enterprise, Need, Product
from matching.history import INDUSTRY_LEVELS, REGION_LEVELS, Numbers, prefixes
from training.benchmark.peer import THREADS, Past, Peer
from training.dataset import Query

FIRM_TEXTS: Final = ("enterprise_id", "size", "ownership", "tax_grade", "cluster")
FIRM_NUMBERS: Final = (
    *("latitude", "longitude", "employees", "revenue", "growth", "profit", "assets", "liabilities"),
    *("rd_spend", "patents", "equipment", "receivables"),
)
PRODUCT_TEXTS: Final = ("product_id", "institution_id", "kind", "type")
PRODUCT_NUMBERS: Final = ("min_amount", "max_amount", "min_term", "max_term", "spread_bp")
OTHERS: Final = 30  # candidates not taken, drawn at random for each query: all of them teach no more and take minutes
SETTINGS: Final[dict[str, Any]] = {
    "loss_function": "Logloss",
    "iterations": 500,
    "learning_rate": 0.1,
    "depth": 6,
    "allow_writing_files": False,
    "logging_level": "Silent",
}


class RawColumns(Peer):
    """A classifier of taken or not, a row a pair; on ssbci in 2013 it was ahead of YetiRank, .919 to .889."""

    name = "CatBoost, raw columns"

    def fit(self, past: Past) -> Self:
        from catboost import CatBoost, Pool

        self._products = _product_columns(past.world.catalogue)
        draw = np.random.default_rng(self._seed)
        kept = [_drawn(query, draw) for query in past.queries]
        columns = _pairs(past.queries, _product_columns(past.known.catalogue), kept)
        taken = np.concatenate([query.gains[keep] for query, keep in zip(past.queries, kept, strict=True)])
        texts = [name for name in columns if columns[name].dtype == object]
        pool = Pool(columns, taken, cat_features=texts)
        self._model = CatBoost({**SETTINGS, "random_seed": self._seed, "thread_count": THREADS})
        self._model.fit(pool)
        return self

    def scores(self, query: Query) -> Numbers:
        if not query.rows.size:
            return np.zeros(0)
        columns = _pairs([query], self._products, [np.arange(query.rows.size)])
        return np.asarray(self._model.predict(columns, thread_count=1), dtype=np.float64)


def _drawn(query: Query, draw: np.random.Generator) -> Rows:
    """The candidates taken and `OTHERS` of the rest."""
    rest = np.flatnonzero(query.gains == 0)
    some = draw.choice(rest, min(OTHERS, rest.size), replace=False)
    return np.sort(np.concatenate([np.flatnonzero(query.gains > 0), some]))


def _pairs(asked: Sequence[Query], products: pd.DataFrame, kept: Sequence[Rows]) -> pd.DataFrame:
    """One row for each kept candidate of each query, text columns as objects."""
    needs = pd.DataFrame([_asked(query.enterprise, query.need) for query in asked])
    needs = needs.astype({name: object for name in needs if isinstance(needs[name].iloc[0], str)})
    owner = np.repeat(np.arange(len(kept)), [keep.size for keep in kept])
    rows = np.concatenate([query.rows[keep] for query, keep in zip(asked, kept, strict=True)])
    halves = [needs.iloc[owner].reset_index(drop=True), products.iloc[rows].reset_index(drop=True)]
    return pd.concat(halves, axis=1)


def _asked(firm: Enterprise, need: Need) -> dict[str, str | float]:
    """The columns of enterprise and need."""
    regions = prefixes(firm.region, REGION_LEVELS)
    industries = prefixes("/" + firm.industry if firm.industry else None, INDUSTRY_LEVELS)
    return {
        **{f"region_{level}": text for level, text in enumerate(regions, start=1)},
        **{f"industry_{level}": text for level, text in enumerate(industries, start=1)},
        **{name: str(getattr(firm, name) or "") for name in FIRM_TEXTS},
        "purpose": str(need.purpose or ""),
        **{name: _number(getattr(firm, name)) for name in FIRM_NUMBERS},
        "founded": _number(firm.founded.toordinal() if firm.founded else None),
        "amount": _number(need.amount),
        "term_months": _number(need.term_months),
        "posted_at": _number(need.posted_at.toordinal()),
    }


def _product_columns(catalogue: Catalogue) -> pd.DataFrame:
    """A row for each of the catalogue's."""
    return pd.DataFrame([_offered(product) for product in catalogue.products]).astype(
        dict.fromkeys(PRODUCT_TEXTS, object)
    )


def _offered(product: Product) -> dict[str, str | float]:
    texts = {name: str(getattr(product, name)) for name in PRODUCT_TEXTS}
    return {**texts, **{name: _number(getattr(product, name)) for name in PRODUCT_NUMBERS}}


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)

"""Tables → history: outcomes as events, each with what was known of its need. Serving does without this module."""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matching.domain import Stage
from matching.history import CODES, INDUSTRY_LEVELS, NUMBERS, REGION_LEVELS, Codes, History, Numbers, prefixes, scaled
from matching.lookup import among
from matching.tables import Tables

TAKEN: Final = (Stage.GRANTED, Stage.DRAWN)
_NEED: Final = ("need_id", "enterprise_id", "posted_at", "amount", "term_months", "purpose")
_FIRM: Final = (
    "enterprise_id",
    "as_of",
    "region",
    "industry",
    "size",
    "ownership",
    "tax_grade",
    "cluster",
    "founded",
    "revenue",
    "employees",
    "assets",
    "liabilities",
    "latitude",
    "longitude",
)


def history_of(tables: Tables) -> History:
    """All outcomes of checked tables as events.

    A product is of the institution and type that it began with, whatever it becomes later.
    """
    products = tables.products.sort_values(["product_id", "valid_from"]).drop_duplicates("product_id")
    names = products["product_id"].to_numpy(dtype=np.str_)
    asked = _asked(tables)
    events = _events(tables.outcomes, asked["need_id"].to_numpy(dtype=np.str_), names)
    texts, numbers = _columns(asked)
    vocabulary, codes = zip(*(_encode(texts[name]) for name in CODES), strict=True)
    institutions, institution_of = _encode(products["institution_id"])
    types, type_of = _encode(products["kind"] + ":" + products["type"])
    return History(
        day=events.day,
        product=events.product,
        taken=events.taken,
        position=events.position,
        codes=np.stack(codes, axis=1)[events.need],
        numbers=np.stack([numbers[name] for name in NUMBERS], axis=1)[events.need],
        products=names,
        institution_of=institution_of,
        type_of=type_of,
        institutions=institutions,
        types=types,
        vocabulary=vocabulary,
    )


class _Events(NamedTuple):
    """One entry a (need, product) pair and role, in time order; `need` and `product` count into sorted ids."""

    day: Codes
    need: Codes
    product: Codes
    taken: NDArray[np.bool_]
    position: Codes


def _events(outcomes: pd.DataFrame, needs: NDArray[np.str_], products: NDArray[np.str_]) -> _Events:
    """The first outcome of each role of each pair; on one day by need, product and role."""
    need, product = (
        pd.Index(known).get_indexer(pd.Index(outcomes[name]))
        for known, name in ((needs, "need_id"), (products, "product_id"))
    )
    taken, day = outcomes["stage"].isin(TAKEN).to_numpy(dtype=bool), _days(outcomes["at"])
    order = np.argsort(day, kind="stable")
    order = order[(need[order] >= 0) & (product[order] >= 0)]
    pair = (need[order] * len(products) + product[order]) * 2 + taken[order]
    first = order[~pd.Series(pair).duplicated().to_numpy()]
    first = first[np.lexsort((taken[first], product[first], need[first], day[first]))]
    position = outcomes["position"].iloc[first].fillna(0).to_numpy(dtype=np.int32)
    return _Events(day[first], need[first].astype(np.int32), product[first].astype(np.int32), taken[first], position)


def _asked(tables: Tables) -> pd.DataFrame:
    """The needs that anything came of, by id, each with its enterprise's facts as last known when it was posted."""
    needs = tables.needs.loc[among(tables.needs["need_id"], tables.outcomes["need_id"]), list(_NEED)]
    left = needs.sort_values("posted_at", kind="stable")
    right = tables.enterprises[list(_FIRM)].sort_values("as_of", kind="stable")
    found = pd.merge_asof(left, right, left_on="posted_at", right_on="as_of", by="enterprise_id")
    ids = found["need_id"].to_numpy(dtype=np.str_)
    return found.iloc[np.argsort(ids, kind="stable")].reset_index(drop=True)


def _columns(needs: pd.DataFrame) -> tuple[dict[str, pd.Series], dict[str, Numbers]]:
    """The needs' texts by `CODES` and numbers by `NUMBERS`."""
    texts = {name: needs[name].fillna("") for name in CODES if name in needs}
    texts |= _levels(needs["region"], "region", REGION_LEVELS)
    texts |= _levels("/" + needs["industry"], "industry", INDUSTRY_LEVELS)
    texts["enterprise"] = needs["enterprise_id"]
    raw = needs[["amount", "term_months", "revenue", "employees"]].to_numpy(dtype=np.float64, na_value=np.nan)
    # In seconds: pandas counts no more than 292 years in nanoseconds, and an enterprise may be older.
    posted, founded = (needs[name].astype("datetime64[s]") for name in ("posted_at", "founded"))
    years = ((posted - founded).dt.days / 365.25).to_numpy(dtype=np.float64, na_value=np.nan)
    debts, assets = (needs[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in ("liabilities", "assets"))
    debt = debts / np.where(assets == 0, np.nan, assets)
    place = needs[["latitude", "longitude"]].to_numpy(dtype=np.float64, na_value=np.nan)
    logged = scaled(np.column_stack([raw, years, debt, place]))
    return texts, {name: logged[:, i] for i, name in enumerate(NUMBERS)}


def _levels(paths: pd.Series, name: str, levels: int) -> dict[str, pd.Series]:
    paths = paths.fillna("")
    known = {path: prefixes(path, levels) for path in paths.unique()}
    return {
        f"{name}_{level + 1}": paths.map({path: parts[level] for path, parts in known.items()})
        for level in range(levels)
    }


def _encode(texts: pd.Series) -> tuple[NDArray[np.str_], Codes]:
    """Sorted distinct texts and each row's code; the empty text is -1."""
    vocabulary, codes = np.unique(texts.to_numpy(dtype=np.str_), return_inverse=True)
    codes = codes.astype(np.int32)
    if len(vocabulary) and vocabulary[0] == "":
        vocabulary, codes = vocabulary[1:], codes - 1
    return vocabulary, codes.astype(np.int32)


def _days(moments: pd.Series) -> Codes:
    return moments.to_numpy(dtype="datetime64[D]").astype(np.int64).astype(np.int32)

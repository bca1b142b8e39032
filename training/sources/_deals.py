"""Deals and their legs as the five tables; whatever is static comes from the first row by date that states it."""

from typing import Final

import pandas as pd

from matching.domain import Enterprise, Need
from matching.tables import Tables, check
from training.sources._places import located

_FACTS: Final = list(Enterprise.model_fields)
_NEED: Final = list(Need.model_fields)
_OUTCOME: Final = ["need_id", "product_id", "stage", "at", "amount"]


def need_ids(deals: pd.DataFrame) -> pd.Series:
    """An id from the enterprise's, cut short, the day and a running number of both: no later row can change it."""
    enterprise = deals["enterprise_id"].str[:100]
    running = deals.groupby([enterprise, "at"]).cumcount() + 1
    return enterprise + "." + deals["at"].dt.strftime("%Y%m%d") + "." + running.astype(str)


def tables(deals: pd.DataFrame, legs: pd.DataFrame, source: str, currency: str, attribution: str) -> Tables:
    """Checked tables of deals, one row a need by `at`, and legs, one row an outcome under its deal's index.

    `deals`: `at` and the columns of Enterprise and Need. `legs`: `stage`, `amount`, those of the product (`product_id`,
    `product_name`, `kind`, `type`) and of the institution (`institution_id`, `_name`, `_kind`, `_region`).
    """
    legs = _in_order(legs, deals)
    facts = located(deals.assign(as_of=deals["at"], posted_at=deals["at"]))
    return check(
        Tables(
            enterprises=_fitting(facts, _FACTS).drop_duplicates(["enterprise_id", "as_of"]),
            institutions=_institutions(legs),
            products=_products(legs),
            needs=_fitting(facts, _NEED),
            outcomes=legs[_OUTCOME],
            source=source,
            currency=currency,
            attribution=attribution,
        )
    )


def _in_order(legs: pd.DataFrame, deals: pd.DataFrame) -> pd.DataFrame:
    """The legs with their deal's `need_id` and `at`, in the deals' order."""
    places = deals.index.get_indexer(legs.index)
    return legs.join(deals[["need_id", "at"]]).iloc[places.argsort(kind="stable")]


def _fitting(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    return frame[[column for column in columns if column in frame.columns]]


def _institutions(legs: pd.DataFrame) -> pd.DataFrame:
    first = legs.drop_duplicates("institution_id")
    found = pd.DataFrame(
        {
            "institution_id": first["institution_id"],
            "name_zh": first["institution_name"],
            "name_en": first["institution_name"],
            "kind": first["institution_kind"],
            "region": first["institution_region"],
        }
    )
    return located(found)


def _products(legs: pd.DataFrame) -> pd.DataFrame:
    first = legs.drop_duplicates("product_id")
    return pd.DataFrame(
        {
            "product_id": first["product_id"],
            "valid_from": first["at"],
            "institution_id": first["institution_id"],
            "name_zh": first["product_name"],
            "name_en": first["product_name"],
            "kind": first["kind"],
            "type": first["type"],
        }
    )

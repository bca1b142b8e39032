"""The hard rules over many needs and all versions at once; a test holds them to the answers of `matching.rules`."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matching.domain import Kind, Operator, Rule
from matching.facts import age_years
from training.market.enterprises import Enterprises
from training.market.needs import Needs
from training.market.products import START, Catalogue
from training.market.types import TYPES

Flags = NDArray[np.bool_]
COMPARE: Final = {Operator.GE: np.greater_equal, Operator.LE: np.less_equal, Operator.EQ: np.equal}


def known_facts(frame: pd.DataFrame, firms: Enterprises, needs: Needs) -> pd.DataFrame:
    """The rows of `frame` (facts or recorded) that each need rests on, with what rules derive from them."""
    found = frame.iloc[needs.row].reset_index(drop=True)
    posted = (START + pd.to_timedelta(needs.day, unit="D")).date
    founded = [None if pd.isna(day) else day.date() for day in pd.to_datetime(found["founded"])]
    found["age_years"] = [age_years(*pair) for pair in zip(founded, posted, strict=True)]
    assets = pd.to_numeric(found["assets"]).astype(float)
    found["debt_ratio"] = pd.to_numeric(found["liabilities"]).astype(float) / assets
    return found


def built_in(products: Catalogue, needs: Needs, firms: Enterprises, at: slice) -> Flags:
    """(need, version): dates, kind, amount, term, region, industry, purpose and security do not fail, as recorded."""
    facts = firms.facts.iloc[needs.row[at]]
    day, amount, term = needs.day[at, None], needs.amount[at, None], needs.said_term[at, None]
    kinds = products.table["kind"].map(list(Kind).index).to_numpy()
    passes = (products.starts <= day) & (day < products.ends) & needs.kinds[at][:, kinds]
    passes &= (amount >= products.column("min_amount", 0)) & (amount <= products.column("max_amount", np.inf))
    passes &= ~((term < products.column("min_term", 0)) | (term > products.column("max_term", np.inf)))
    passes &= products.serves_district[needs.reformed[at], :, facts["district"]]
    passes &= products.serves_industry[:, facts["trade"]].T
    purpose = needs.said_purpose[at]
    passes &= products.serves_purpose[:, purpose].T | (purpose < 0)[:, None]
    return passes & (secured(products, needs, at) | ~needs.says_offers[at, None])


def secured(products: Catalogue, needs: Needs, at: slice) -> Flags:
    """(need, version): what the enterprise truly has holds some of the security asked."""
    asks = ~products.takes_collateral.all(axis=1)
    return (needs.offers[at] @ products.takes_collateral.T.astype(int) > 0) | ~asks


def broken(facts: pd.DataFrame, missing_breaks: bool) -> NDArray[np.int64]:
    """(need, type): how many of the type's own rules these facts break; a missing fact breaks one only if so told."""
    counts = [sum(_breaks(rule, facts[rule.field], missing_breaks) for rule in kind.rules) for kind in TYPES]
    return np.stack([np.broadcast_to(count, len(facts)) for count in counts], axis=1).astype(int)


def _breaks(rule: Rule, values: pd.Series, missing_breaks: bool) -> NDArray[np.int64]:
    missing = values.isna().to_numpy()
    if isinstance(rule.value, tuple):
        wanted = set(rule.value)
        held = [set() if gap else set(text.split("|")) for text, gap in zip(values, missing, strict=True)]
        met = np.array([wanted <= own if rule.operator is Operator.HAS else bool(wanted & own) for own in held], bool)
    else:
        met = COMPARE[rule.operator](values.to_numpy(float, na_value=np.nan), float(rule.value))
    return np.where(missing, missing_breaks, ~met).astype(int)

"""The hard rules over many needs and all versions at once; a test holds them to the answers of `matching.rules`."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matching import terms
from matching.clauses import RATE, in_force
from matching.conditions import BP
from matching.domain import Kind, Operator, Result, Rule
from matching.facts import AMOUNT_TO, age_years
from matching.reference import programmes
from matching.sizing import CYCLE, FIGURES, cycle_months, working_capital
from training.market.enterprises import Enterprises
from training.market.needs import Needs
from training.market.products import START, Catalogue
from training.market.types import TYPES

Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]
COMPARE: Final = {
    Operator.GE: np.greater_equal,
    Operator.LE: np.less_equal,
    Operator.GT: np.greater,
    Operator.EQ: np.equal,
}


def known_facts(frame: pd.DataFrame, stated: pd.DataFrame, needs: Needs) -> pd.DataFrame:
    """The rows of `frame` (facts or recorded) and the `stated` terms of each need, with what rules derive."""
    found = pd.concat([frame.iloc[needs.row].reset_index(drop=True), stated], axis=1)
    found["posted"] = START + pd.to_timedelta(needs.day, unit="D")
    founded = [None if pd.isna(day) else day.date() for day in pd.to_datetime(found["founded"])]
    found["age_years"] = [age_years(*pair) for pair in zip(founded, found["posted"].dt.date, strict=True)]
    found["amount"], found["term_months"] = needs.amount, needs.said_term
    numbers = {name: _numbers(found[name]) for name in ("assets", "liabilities", "distributable_profit")}
    found["debt_ratio"] = numbers["liabilities"] / numbers["assets"]
    found["profit_to_amount"] = numbers["distributable_profit"] / needs.amount
    found["down_payment_share"] = _numbers(found["down_payment"]) / _numbers(found["purchase_price"])
    found["amount_above_need"] = needs.amount - exactly(working_capital, found, FIGURES)
    found["term_above_cycle_limit"] = _above("working_capital_term", found, _long_cycle(found))
    found["term_above_pledge_limit"] = _above("ip_pledge_term", found, _in_cluster(found))
    with np.errstate(divide="ignore"):
        for name, whole in AMOUNT_TO.items():
            found[name] = needs.amount / _numbers(found[whole])
    return found


def _above(code: str, found: pd.DataFrame, longer: Numbers) -> Numbers:
    """Months above the longest term of the day; NaN before any rule states one."""
    above = np.full(len(found), np.nan)
    for day, rows in found.groupby("posted").indices.items():
        limit = terms.limits(code, pd.Timestamp(str(day)).date())
        if limit:
            above[rows] = terms.above(_numbers(found["term_months"].iloc[rows]), limit, longer[rows])
    return above


def exactly(formula: Callable[..., int | None], found: pd.DataFrame, names: Sequence[str]) -> Numbers:
    """What a formula of whole yuan gives each row, as `matching` has it; NaN where that has no answer."""
    known = found[list(names)].dropna()
    whole = known.astype(dict.fromkeys((name for name in names if name != "growth"), "int64"))
    answers = pd.Series([formula(*row) for row in whole.itertuples(index=False)], known.index, dtype=float)
    return answers.reindex(found.index).to_numpy()


def _long_cycle(found: pd.DataFrame) -> Numbers:
    """Whether the cash cycle is a long one; NaN where a figure is missing."""
    months, posted = exactly(cycle_months, found, CYCLE), found["posted"]
    marks = {day: programmes.assumption("long_cycle_months", day.date()) for day in posted.unique()}
    mark = np.array([float(limit.value) if (limit := marks[day]) else np.nan for day in posted])
    return np.where(np.isnan(months) | np.isnan(mark), np.nan, months > mark)


def _in_cluster(found: pd.DataFrame) -> Numbers:
    """Whether the enterprise is in a key cluster of the day; NaN where its cluster is not known."""
    keys = {day: terms.key_clusters(day.date()) for day in found["posted"].unique()}
    pairs = zip(found["posted"], found["cluster"], strict=True)
    return np.array([np.nan if pd.isna(code) else float(code in keys[day]) for day, code in pairs])


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


def broken(products: Catalogue, facts: pd.DataFrame, missing_breaks: bool) -> Whole:
    """(need, version): how many of a version's own rules these facts break on the day of posting.

    A missing fact breaks one only if so told; a rule whose severity is review never counts.
    """
    found = np.zeros((len(facts), len(products.type)), int)
    days, day = np.unique(facts["posted"].dt.date, return_inverse=True)  # far fewer than needs
    for t, kind in enumerate(TYPES):
        of_type = products.type == t
        for rule in kind.rules if of_type.any() else ():
            asked = np.array([in_force(rule, one) for one in days], bool)[day]
            if rule.severity is Result.FAIL and asked.any():
                rates = _rates(products, days, of_type)[day] if rule.unit == RATE else None
                found[:, of_type] += _breaks(rule, facts[rule.field], rates, missing_breaks) & asked[:, None]
    return found


def _rates(products: Catalogue, days: NDArray[np.object_], of_type: Flags) -> Numbers:
    """(day, version): what a type's versions cost, as a share a year."""
    return np.array([products.rate_bp(one)[of_type] for one in days]) / BP


def _breaks(rule: Rule, values: pd.Series, rates: Numbers | None, missing_breaks: bool) -> Flags:
    """(need, 1), or (need, version) where the rule counts in `rates`."""
    missing = values.isna().to_numpy()
    if isinstance(rule.value, tuple):
        wanted = set(rule.value)
        held = [set() if gap else set(text.split("|")) for text, gap in zip(values, missing, strict=True)]
        met = np.array([wanted <= own if rule.operator is Operator.HAS else bool(wanted & own) for own in held], bool)
        met = met[:, None]
    else:
        threshold = float(rule.value) * (1.0 if rates is None else rates)
        met = COMPARE[rule.operator](_numbers(values)[:, None], threshold)
    return np.where(missing[:, None], missing_breaks, ~met)


def _numbers(values: pd.Series) -> Numbers:
    return values.to_numpy(float, na_value=np.nan)

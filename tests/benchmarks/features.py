"""Features against dicts into a DataFrame, one thread, in one run: `python -m tests.benchmarks.features`.

The plain side is what an afternoon gives: faded counts by context, grouped once with pandas into lookups; then, need by
need, one dict a candidate with a log share a context and level, lifts, momenta, the usual amount, the enterprise's own
past and how much enterprises alike took, and a DataFrame of all dicts. It has two thirds as many columns, of the same
kinds, as `Builder.build` without appetites, from the same outcomes for the same candidates.
"""

from collections.abc import Callable, Mapping, Sequence
from math import log, log1p, sqrt
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from matching.catalogue import Catalogue
from matching.domain import Enterprise, Need
from matching.features import APPETITES, FEATURES, Builder
from matching.history import CODES, History, cutoff, day_of
from matching.levels import HEADS
from matching.memory import PARAMETERS, YEAR, Kernel
from matching.outcomes import history_of
from matching.tables import Tables, catalogue_of, entities
from tests import factories as make
from tests.benchmarks.batch import PRODUCTS, market

TARGET, NEEDS, PLAIN_NEEDS = 50, 400, 20
COLUMNS = len(FEATURES) - len(APPETITES)
FADES = {"fast": 0.3, "mid": 1.2, "slow": 4.0}  # years
CONTEXTS = (
    ("region_1",),
    ("region_2",),
    ("industry_2",),
    ("industry_3",),
    ("size",),
    ("purpose",),
    ("region_1", "industry_2"),
    ("region_2", "industry_2"),
    ("enterprise",),
)
ALIKE = {"like_place": "region_2", "like_trade": "industry_3", "like_size": "size"}
Texts = Mapping[str, str]


class Plain:
    """Lookups of the past by level and context, made once, and rows of dicts from them."""

    def __init__(self, history: History, catalogue: Catalogue, today: int) -> None:
        self.history, self.today = history, today
        self.past = _frame(history, today)
        self.products = [
            {"product": p.product_id, "institution": p.institution_id, "type": f"{p.kind}:{p.type}", "terms": p}
            for p in catalogue.products
        ]
        self.levels = {level: self._level(level) for level in ("product", "institution", "type")}

    def _level(self, level: str) -> dict[str, Any]:
        taken = self.past[self.past["taken"]]
        found: dict[str, Any] = {"days": taken.groupby(level)["day"].agg(["min", "max"]).to_dict("index")}
        found["all"] = {name: taken.groupby(level)[name].sum().to_dict() for name in FADES}
        found["amount"] = taken.groupby(level)["amount"].agg(["mean", "std"]).to_dict("index")
        for columns in CONTEXTS:
            keys = [*columns, level]
            found[columns] = taken.groupby(keys)[["mid", "slow"]].sum().to_dict("index")
            found["total", columns] = taken.groupby(list(columns))["slow"].sum().to_dict()
        return found

    def build(self, enterprise: Enterprise, need: Need) -> pd.DataFrame:
        """One row a product."""
        codes = self.history.context(enterprise, need, make.DAY).codes.tolist()
        texts = dict(zip(CODES, codes, strict=True))
        alike = {
            name: self.past[(self.past[column] == texts[column]) & self.past["taken"]] for name, column in ALIKE.items()
        }
        shares = {
            (name, level): part.groupby(level)["slow"].sum().to_dict()
            for name, part in alike.items()
            for level in self.levels
        }
        rows = []
        for product in self.products:
            row: dict[str, float] = {}
            for level in self.levels:
                self._fill(row, level, product[level], texts, log1p(need.amount), shares)
            rows.append(row | _terms(product["terms"], need) | _asked(enterprise, need))
        frame = pd.DataFrame(rows)
        frame["rate_gap"] = frame["rate_bp"] - frame["rate_bp"].min()
        for level in self.levels:
            for name in ALIKE:
                frame[f"{level}_{name}_gap"] = frame[f"{level}_{name}"] - frame[f"{level}_{name}"].max()
        return frame

    def _fill(self, row: dict[str, float], level: str, name: str, texts: Texts, amount: float, shares: Any) -> None:
        held = self.levels[level]
        slow, mid, fast = (held["all"][fade].get(name, 0.0) for fade in ("slow", "mid", "fast"))
        row[f"{level}_popularity"] = log(slow + 0.5)
        row[f"{level}_year_momentum"] = log((mid + 0.5) / (slow + 0.5))
        row[f"{level}_quarter_momentum"] = log((fast + 0.5) / (mid + 0.5))
        days = held["days"].get(name)
        row[f"{level}_idle_years"] = (self.today - days["max"]) / YEAR if days else np.nan
        row[f"{level}_life_years"] = (self.today - days["min"]) / YEAR if days else np.nan
        for columns in CONTEXTS:
            key = (*(texts[column] for column in columns), name)
            known = held[columns].get(key)
            total = held["total", columns].get(key[:-1] if len(columns) > 1 else key[0], 0.0)
            share = ((known["slow"] if known else 0.0) + 4.0 * (slow + 0.5) / 1000) / (total + 4.0)
            label = "_".join((level, *columns))
            row[f"{label}_lift"] = log(share / (slow + 0.5))
        usual = held["amount"].get(name, {"mean": amount, "std": 1.0})
        row[f"{level}_amount_distance"] = (amount - usual["mean"]) / sqrt((usual["std"] or 1.0) ** 2 + 0.05)
        for like in ALIKE:
            row[f"{level}_{like}"] = log(shares[like, level].get(name, 0.0) + 1e-6)


def _frame(history: History, today: int) -> pd.DataFrame:
    past = pd.DataFrame(history.codes, columns=list(CODES))
    past["product"] = history.products[history.product]
    past["institution"] = history.institutions[history.institution_of[history.product]]
    past["type"] = history.types[history.type_of[history.product]]
    past["day"], past["taken"], past["amount"] = history.day, history.taken, history.numbers[:, 0]
    for name, years in FADES.items():
        past[name] = np.exp(-(today - past["day"]) / YEAR / years)
    return past


def _terms(product: Any, need: Need) -> dict[str, float]:
    return {
        "amount_above_minimum": log1p(need.amount) - log1p(product.min_amount) if product.min_amount else np.nan,
        "amount_below_maximum": log1p(product.max_amount) - log1p(need.amount) if product.max_amount else np.nan,
        "term_below_maximum": product.max_term - (need.term_months or 0) if product.max_term else np.nan,
        "rate_bp": 300.0 + (product.spread_bp or 0.0),
    }


def _asked(enterprise: Enterprise, need: Need) -> dict[str, float]:
    return {
        "need_amount": log1p(need.amount),
        "need_term": log1p(need.term_months or 0),
        "need_revenue": log1p(enterprise.revenue or 0),
        "need_employees": log1p(enterprise.employees or 0),
    }


def past_of(tables: Tables) -> tuple[History, Catalogue]:
    """The market's past and what is offered on it."""
    return history_of(tables), catalogue_of(tables)


def made(tables: Tables) -> tuple[Builder, list[tuple[Enterprise, Need]]]:
    """A builder of the market, and open needs with their enterprises."""
    history, catalogue = past_of(tables)
    kernels = tuple(Kernel(level, np.full(len(PARAMETERS), 0.1 + i / 100)) for i, level in enumerate(HEADS))
    firms = {firm.enterprise_id: firm for firm in entities("enterprises", tables.enterprises)}
    open_ = tables.needs[tables.needs["need_id"].str.startswith("X")]
    return Builder.of(history, kernels, catalogue), [(firms[n.enterprise_id], n) for n in entities("needs", open_)]


def median_ms(build: Callable[[Enterprise, Need], Any], asked: Sequence[tuple[Enterprise, Need]]) -> float:
    """The usual time of a need, each asked once: what is kept from one need for the next is met as in a service."""
    times = []
    for enterprise, need in asked:
        start = perf_counter()
        build(enterprise, need)
        times.append(perf_counter() - start)
    return float(np.median(times)) * 1000


def main() -> None:
    """Prints both times and their ratio."""
    builder, asked = made(market(NEEDS))
    rows = builder.catalogue.index_as_of(make.DAY)
    plain = Plain(builder.history, builder.catalogue, day_of(cutoff(make.DAY)))
    width = plain.build(*asked[0]).shape[1]
    builder.build(*asked[0], make.DAY, rows)
    ours = median_ms(lambda enterprise, need: builder.build(enterprise, need, make.DAY, rows), asked)
    theirs = median_ms(plain.build, asked[:PLAIN_NEEDS])
    print(
        f"{PRODUCTS:,} candidates, {len(builder.history):,} past outcomes, one thread: dicts into a DataFrame "
        f"{theirs:.1f} ms ({width} columns), matching.features {ours:.2f} ms ({COLUMNS} columns): "
        f"{theirs / ours:.0f} x (at least {TARGET})"
    )


if __name__ == "__main__":
    main()

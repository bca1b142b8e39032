"""A tiny evaluation whose every figure can be computed by hand: four needs of two enterprises, three candidates each.

| need | enterprise | month | taken | model's rank | popularity's rank |
|---|---|---|---|---|---|
| N1 | E1, seen before | January | P1 | 1 | 2 |
| N2 | E2, new | January | P3 | 3 | 1 |
| N3 | E2, seen before | February | P2 | 2 | 2 |
| N4 | E1, seen before | February | P4, no candidate | none | none |
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np

from matching.domain import Product
from tests import factories as make
from training.dataset import World, queries
from training.evaluate import Evaluation, Scored, report
from training.metrics import ndcg

PAST, SINCE = date(2024, 6, 1), date(2025, 1, 1)
SECOND, THIRD = (ndcg([2, 1], [0, 1]), ndcg([3, 2, 1], [0, 0, 1]))
BANK, LESSOR = "Bank One", "Lessor <b>Two</b> & Co"
IMPORTANCE = {"product_memory_product": 6.0, "type_memory_type": 2.0, "need_amount": 2.0, "rate_bp": 0.0}

Taken = Sequence[tuple[str, str, date, str]]
Scores = Mapping[str, Mapping[str, Sequence[float]]]

TAKEN: Taken = (
    ("N1", "E1", date(2025, 1, 10), "P1"),
    ("N2", "E2", date(2025, 1, 15), "P3"),
    ("N3", "E2", date(2025, 2, 10), "P2"),
    ("N4", "E1", date(2025, 2, 20), "P4"),
)
SCORES: Scores = {
    "N1": {"model": [3, 2, 1], "popularity": [2, 3, 1], "random": [1, 1, 1]},
    "N2": {"model": [3, 2, 1], "popularity": [1, 2, 3], "random": [1, 1, 1]},
    "N3": {"model": [3, 2, 1], "popularity": [3, 2, 1], "random": [1, 1, 1]},
    "N4": {"model": [3, 2, 1], "popularity": [3, 2, 1], "random": [1, 1, 1]},
}


def products() -> list[Product]:
    """Three of the bank's, of which the last is too new to be a candidate, and one of the lessor's."""
    lease = {"institution_id": "I2", "kind": "leasing", "type": "direct_lease"}
    return [
        make.product(product_id="P1", name_en="Bank One, Loan"),
        make.product(product_id="P2", name_en="Bond", kind="bond"),
        make.product(product_id="P3", name_en="Lease & <i>hire</i>", **lease),
        make.product(product_id="P4", name_en="Novelty"),
    ]


def evaluation(
    offered: Sequence[Product] = (),
    taken: Taken = TAKEN,
    scores: Scores = SCORES,
    new: Sequence[str] = ("P4",),
    **changes: Any,
) -> Evaluation:
    """What `measure` would return: every product but the `new` was taken once before the window, by E1."""
    about, declined = changes.pop("about", {}), changes.pop("declined", ())
    world = _world(tuple(offered or products()), tuple(taken), tuple(new), tuple(about.items()), tuple(declined))
    scored = []
    for query in queries(world, SINCE):
        values = {name: np.array(column, dtype=np.float64) for name, column in scores[query.need_id].items()}
        scored.append(Scored(query, query.need_id == "N2", query.gains, values))
    header = {"model_id": "20250101-abc", "source": world.tables.source, "from": str(SINCE), "to": None}
    header["trained_until"] = changes.pop("trained_until", str(SINCE))
    asked = {"where": {}, "all_industries": False}
    found = report(scored) | header | asked | {"taught": asked | changes.pop("taught", {}), "gain": "taken"}
    return Evaluation(found, scored, world, **{"importance": IMPORTANCE} | changes)


@cache
def _world(
    offered: tuple[Product, ...],
    taken: tuple[Any, ...],
    new: tuple[str, ...],
    about: tuple[tuple[str, Any], ...],
    declined: tuple[str, ...],
) -> World:
    """Made once for the same market: leave it as it is."""
    old = [product.product_id for product in offered if product.product_id not in new]
    before = [(f"O{i}", "E1", PAST, product_id) for i, product_id in enumerate(old)]
    all_needs = [*before, *taken]
    needs = [make.need(need_id=n, enterprise_id=firm, posted_at=day) for n, firm, day, _ in all_needs]
    outcomes = [make.outcome(need_id=n, product_id=p, at=day + timedelta(days=5)) for n, _, day, p in all_needs]
    outcomes += [make.outcome(need_id=n, product_id="P1", stage="declined", at=taken[-1][2]) for n in declined]
    tables = make.tables(_enterprises(), _institutions(), list(offered), needs, outcomes, **dict(about))
    return World.of(tables)


def _enterprises() -> list[Any]:
    small = {"as_of": date(2024, 1, 1), "size": "small"}
    other = {"region": "CN/500000/500101", "industry": "C/36/361", "name": "<script>alert(1)</script>"}
    return [make.enterprise(**small), make.enterprise(enterprise_id="E2", **{**small, **other})]


def _institutions() -> list[Any]:
    return [make.institution(), make.institution(institution_id="I2", kind="lessor", name_en=LESSOR)]

"""A small market with a past and a real ranker of it, fitted in a moment: for tests that serve rather than measure."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np

from matching.appetite import COLUMNS, PLACED, Appetite, Keys
from matching.boosting import fit
from matching.bundles import POINTER
from matching.calibration import Calibration
from matching.choice import fit_choice
from matching.features import APPETITES, FEATURES, Builder
from matching.history import History
from matching.levels import HEADS, LEVELS
from matching.memory import PARAMETERS, Kernel
from matching.outcomes import history_of
from matching.ranker import Ranker, manifest
from matching.tables import Tables, catalogue_of, entities
from tests import factories as make

UNTIL = date(2025, 1, 1)
ENTERPRISES = 8
NEEDS = 24
STATING = Calibration(slope=0.1, intercepts={"credit": 0.1})


def market() -> Tables:
    """Two institutions' seven products, of which P5 never suits, and two years of needs with what came of them."""
    institutions = [make.institution(), make.institution(institution_id="I2", kind="lessor", name_en="Lessor Two")]
    credits = [make.product(product_id=f"P{i}", spread_bp=50.0 * i) for i in range(4)]
    lease = {"institution_id": "I2", "kind": "leasing", "type": "direct_lease"}
    others = [
        make.product(product_id="P4", **lease),
        make.product(product_id="P5", max_amount=1, **lease),
        make.product(product_id="P6", valid_from=date(2023, 1, 1), valid_to=date(2024, 1, 1)),
    ]
    enterprises = [make.enterprise(enterprise_id=f"E{i}", as_of=date(2022, 12, 31)) for i in range(ENTERPRISES)]
    posted = [date(2023, 1, 1) + timedelta(days=25 * i) for i in range(NEEDS)]
    needs = [
        make.need(need_id=f"N{i}", enterprise_id=f"E{i % ENTERPRISES}", posted_at=day, amount=1_000_000 * (1 + i % 5))
        for i, day in enumerate(posted)
    ]
    granted = [day + timedelta(days=10) for day in posted]
    outcomes = [make.outcome(need_id=f"N{i}", product_id=f"P{i % 5}", at=day) for i, day in enumerate(granted)]
    products = [*credits, *others]
    return make.tables(enterprises, institutions, products, needs, outcomes, source="made up", simulated=True)


def loyal() -> Tables:
    """Eighteen enterprises that take one of six products again and again, each its own; `E17` is no manufacturer.

    `E-new` comes in 2025 and takes `P9`, which is new too.
    """
    firms = [make.enterprise(enterprise_id=f"E{i}", as_of=date(2022, 1, 1)) for i in range(17)]
    firms.append(make.enterprise(enterprise_id="E17", as_of=date(2022, 1, 1), industry="F/51"))
    firms.append(make.enterprise(enterprise_id="E-new", as_of=date(2025, 1, 1)))
    products = [make.product(product_id=f"P{i}") for i in range(6)]
    products.append(make.product(product_id="P9", valid_from=date(2025, 3, 1), kind="leasing", type="direct_lease"))
    asked = [(i, date(2022, 1, 1) + timedelta(days=5 * i + 130 * turn)) for i in range(18) for turn in range(11)]
    needs = [make.need(need_id=f"N{i}-{day}", enterprise_id=f"E{i}", posted_at=day) for i, day in asked]
    outcomes = [make.outcome(need_id=f"N{i}-{day}", product_id=f"P{i % 6}", at=day) for i, day in asked]
    needs.append(make.need(need_id="N-new", enterprise_id="E-new", posted_at=date(2025, 3, 10)))
    outcomes.append(make.outcome(need_id="N-new", product_id="P9", at=date(2025, 3, 20)))
    return make.tables(firms, products=products, needs=needs, outcomes=outcomes, source="made up")


def ranker(seed: int = 0, calibration: Calibration = STATING, appetites: tuple[Appetite, ...] = ()) -> Ranker:
    """A ranker of `market()` whose memory weighs all outcomes alike and whose forest learned from each need's own.

    Its chances are made up: nothing was ever refused there.
    """
    tables = market()
    history = history_of(tables)
    kernels = tuple(Kernel(level, np.zeros(len(PARAMETERS))) for level in HEADS)
    features, labels, groups = _groups(tables, history, kernels)
    params = {"min_data_in_leaf": 2, "num_leaves": 4}
    booster = fit(features, labels, groups, np.ones(len(labels)), seed=seed, rounds=5, params=params)
    about = {"until": str(UNTIL), "seed": seed}
    choice = fit_choice(features, labels, groups, np.ones(len(labels)))
    described = manifest(booster, choice, history, kernels, features, about, calibration, appetites)
    return Ranker(booster, choice, history, kernels, described, calibration, appetites)


def leaning(seed: int = 0) -> tuple[Appetite, ...]:
    """Made-up appetites for `ranker`: every product, institution and type of `market()` leans somehow."""
    rng, history = np.random.default_rng(seed), history_of(market())
    keys = Keys.of([history.context(make.enterprise(), make.need(), UNTIL)], history)
    names = {"product": history.products, "institution": history.institutions, "type": history.types}
    slopes = {level: {str(n): rng.normal(size=len(keys) + len(PLACED)) for n in names[level]} for level in LEVELS}
    dense = (rng.normal(size=len(COLUMNS)) / 10, np.zeros(len(COLUMNS)), np.ones(len(COLUMNS)))
    return tuple(Appetite(stage, -0.5, 0.0, *dense, keys, slopes, {}) for stage in APPETITES)


def promote(models: Path, model_id: str) -> None:
    """Point at the champion."""
    (models / POINTER).write_text(model_id + "\n")


def _groups(tables: Tables, history: History, kernels: tuple[Kernel, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    catalogue = catalogue_of(tables)
    builder = Builder.of(history, kernels, catalogue)
    enterprises = {e.enterprise_id: e for e in entities("enterprises", tables.enterprises)}
    needs = entities("needs", tables.needs)
    rows = np.arange(5)
    blocks = [builder.build(enterprises[need.enterprise_id], need, need.posted_at, rows) for need in needs]
    labels = np.concatenate([(rows == i % 5).astype(np.int32) for i in range(len(needs))])
    features = np.concatenate(blocks)
    assert features.shape == (len(rows) * len(needs), len(FEATURES))
    return features, labels, np.full(len(needs), len(rows), dtype=np.int32)

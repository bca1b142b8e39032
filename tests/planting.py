"""Planting the future: tables whose rows from a day on are changed, joined by new ones, or gone."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from matching.tables import DATED, KEYS, Tables, check, frame_of
from tests import factories as make

ALTERED = {
    "enterprises": ("region", "industry", "size", "revenue", "employees", "tax_grade"),
    "products": ("max_amount", "spread_bp", "max_term", "kind", "type"),
    "needs": ("amount", "term_months", "purpose"),
    "outcomes": ("product_id", "stage"),
}


def altered(tables: Tables, day: date, only: tuple[str, ...] = tuple(ALTERED)) -> Tables:
    """Rows from `day` on have each other's values, and what was declined or only shown was taken."""

    def change(name: str, frame: pd.DataFrame) -> pd.DataFrame:
        late = frame.index[frame[DATED[name]] >= pd.Timestamp(day)] if name in only else []
        if not len(late):
            return frame
        frame, rng = frame.copy(), np.random.default_rng(0)
        for column in ALTERED[name]:
            frame.loc[late, column] = frame.loc[rng.permutation(late), column].array
        if name == "outcomes":
            frame.loc[late, "stage"] = "granted"
        return frame.drop_duplicates(list(KEYS[name]), ignore_index=True)

    return _offered(tables.map(change))


def joined(tables: Tables, day: date) -> Tables:
    """From `day` on there are new facts, enterprises, institutions, products, needs and outcomes, old needs' too."""
    old_need, old_enterprise = str(tables.needs["need_id"].iloc[0]), str(tables.enterprises["enterprise_id"].iloc[0])
    old_product, bank = str(tables.products["product_id"].iloc[0]), str(tables.institutions["institution_id"].iloc[0])
    offers = {"A-new": ("A-bank", "planted"), "M-new": (bank, "working_capital"), "Z-new": ("Z-bank", "planted")}
    products = [
        make.product(product_id=name, valid_from=day, institution_id=owner, type=kind)
        for name, (owner, kind) in offers.items()
    ]
    firms = [make.enterprise(enterprise_id=name, as_of=day, cluster=name) for name in ("A-firm", "Z-firm")]
    needs = [
        make.need(need_id=f"{firm.enterprise_id}-{i}", posted_at=day, enterprise_id=firm.enterprise_id)
        for firm in firms
        for i in range(20)
    ]
    outcomes = [make.outcome(need_id=n.need_id, product_id=p, at=day) for n in needs for p in (*offers, old_product)]
    outcomes += [make.outcome(need_id=old_need, product_id=p, at=day) for p in offers]
    return _with(
        tables,
        enterprises=[
            *firms,
            make.enterprise(enterprise_id=old_enterprise, as_of=day + timedelta(days=1), region="US/XX", revenue=1),
        ],
        institutions=[make.institution(institution_id=name) for name in ("A-bank", "Z-bank")],
        products=products,
        needs=needs,
        outcomes=outcomes,
    )


def renewed(tables: Tables, day: date, above: bool) -> Tables:
    """From `day` on every product is of another type and institution, said in rows above or below the old ones."""
    bank = tables.institutions["institution_id"].iloc[0]
    later = tables.products.drop_duplicates("product_id")
    later = later.assign(valid_from=pd.Timestamp(day), valid_to=pd.NaT, institution_id=bank, type="planted")
    frames = [later, tables.products] if above else [tables.products, later]
    found = pd.concat(frames, ignore_index=True).drop_duplicates(KEYS["products"], ignore_index=True)
    return check(tables.map(lambda name, frame: found if name == "products" else frame))


def gone(tables: Tables, day: date) -> Tables:
    """Nothing is known from `day` on."""
    return check(tables.before(day))


def without_outcomes(tables: Tables, day: date) -> Tables:
    """Nothing came of anything from `day` on."""
    early = tables.outcomes["at"] < pd.Timestamp(day)
    return tables.map(lambda name, frame: frame[early].reset_index(drop=True) if name == "outcomes" else frame)


def _with(tables: Tables, **rows: list[Any]) -> Tables:
    """The tables with more rows, before the old ones."""
    return check(tables.map(lambda name, frame: pd.concat([frame_of(name, rows[name]), frame], ignore_index=True)))


def _offered(tables: Tables) -> Tables:
    """Without outcomes from before their product was offered."""
    begun = tables.outcomes["product_id"].map(tables.products.groupby("product_id")["valid_from"].min())
    kept = tables.outcomes["at"] >= begun.to_numpy()
    return check(tables.map(lambda name, frame: frame[kept].reset_index(drop=True) if name == "outcomes" else frame))

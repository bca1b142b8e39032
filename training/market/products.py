"""The simulated catalogue: each institution's products and their versions, and the same as arrays."""

import json
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from matching import reference
from matching.domain import Benchmark, Collateral, Purpose, Rule
from matching.reference import CITY
from training.market.institutions import Institutions
from training.market.places import BEFORE, INDUSTRIES, REFORM, Places
from training.market.rules import MILLION
from training.market.types import TYPES, ProductType

START: Final = pd.Timestamp("2023-07-01")
DAYS: Final = 1096  # of the market: 2023-07-01 to 2026-06-30
SCALE: Final = {"big": 2.5, "joint": 1.4, "city": 1.0, "rural": 0.45, "lessor": 1.0, "underwriter": 1.0}
SPREAD: Final = {"big": -45, "joint": 0, "city": 20, "rural": 60, "lessor": 0, "underwriter": 0}
SPREAD_SD: Final = 35  # basis points between institutions for one type
PRICE_SD: Final = 20  # ... and a product's own
LAUNCHED: Final = 0.15  # share of products that start inside the window
RETIRED: Final = 0.08  # ... and that end inside it
REPRICED: Final = 0.35  # ... and that get a new price inside it
REPRICE_SD: Final = 35
LONG_TERM: Final = 60  # months from which a price stands over the five-year rate
SELECTIVE: Final = 0.15  # share of products for some industries only
CAPACITY: Final = (5.0, 14.0)  # yearly capacity in maximum tickets for 3,000 enterprises: a few products run out
CAPACITY_FLOOR: Final = 2.0  # maximum tickets, however small the market
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Catalogue:
    """`table` is the domain's, a row a version; the arrays stand in the same order. Days count from `START`."""

    table: pd.DataFrame
    product: NDArray[np.int64]
    institution: NDArray[np.int64]
    type: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    rules: tuple[tuple[Rule, ...], ...]
    place: Places

    def column(self, name: str, default: float) -> NDArray[np.float64]:
        """A limit as numbers, `default` where none is stated."""
        return np.asarray(self.table[name].astype(float).fillna(default), dtype=np.float64)

    @cached_property
    def serves_district(self) -> Flags:
        """(before or after the reform, version, district): whether the region rule passes."""
        return np.stack([self._districts(day) for day in (BEFORE, REFORM.date())])

    @cached_property
    def serves_industry(self) -> Flags:
        """(version, industry): whether the industry rule passes."""
        held = [
            [pd.isna(listed) or any(path.startswith(one) for one in listed.split("|")) for path in INDUSTRIES]
            for listed in self.table["industries"]
        ]
        return np.array(held)

    @cached_property
    def serves_purpose(self) -> Flags:
        """(version, purpose)."""
        return _listed(self.table["purposes"], list(Purpose))

    @cached_property
    def takes_collateral(self) -> Flags:
        """(version, collateral): all true where no security is asked."""
        return _listed(self.table["collateral"], list(Collateral))

    def rate_bp(self, day: date) -> NDArray[np.float64]:
        """Each version's price on a day, in basis points."""
        lpr = np.array([reference.lpr(code, day) for code in Benchmark], dtype=np.float64)
        return lpr[self._benchmark] + self._spread

    @cached_property
    def _benchmark(self) -> NDArray[np.intp]:
        """Each version's benchmark as its place among all."""
        return np.asarray(self.table["benchmark"].map(list(Benchmark).index), dtype=np.intp)

    @cached_property
    def _spread(self) -> NDArray[np.float64]:
        return self.column("spread_bp", 0)

    def _districts(self, day: date) -> Flags:
        reformed = np.full(len(self.place.codes), day >= REFORM.date())
        paths = self.place.paths(np.arange(len(reformed)), reformed)
        names = [set(reference.region_names(str(path), day)) for path in paths]
        listed = [None if pd.isna(text) else set(text.split("|")) for text in self.table["regions"]]
        return np.array([[served is None or bool(served & known) for known in names] for served in listed])


def catalogue(rng: Generator, lenders: Institutions, place: Places, enterprises: int) -> Catalogue:
    """The products of every institution that offers any, with versions, sorted by (product_id, valid_from)."""
    offers = [
        (k, t)
        for k, name in enumerate(lenders.classes)
        for t, kind in enumerate(TYPES)
        if rng.random() < kind.offered.get(str(name), 0)
    ]
    lender_spread = rng.normal(0, SPREAD_SD, len(lenders.classes))
    rows: list[dict[str, Any]] = []
    for number, (k, t) in enumerate(offers):
        product = _product(rng, lenders, place, k, TYPES[t], enterprises)
        product["product_id"] = f"P{number:03d}"
        product["spread_bp"] += round(lender_spread[k])
        rows += [version | {"p": number, "k": k, "t": t} for version in _versions(rng, product)]
    frame = pd.DataFrame(rows)
    return _catalogue(frame, place)


def _catalogue(frame: pd.DataFrame, place: Places) -> Catalogue:
    starts = np.asarray((frame["valid_from"] - START).dt.days, dtype=np.int64)
    closes = (pd.to_datetime(frame["valid_to"]) - START).dt.days.fillna(10**6).to_numpy()
    follows = np.where(frame["p"].shift(-1) == frame["p"], np.append(starts[1:], 0), 10**6)
    return Catalogue(
        table=frame.drop(columns=["p", "k", "t"]),
        product=frame["p"].to_numpy(),
        institution=frame["k"].to_numpy(),
        type=frame["t"].to_numpy(),
        starts=starts,
        ends=np.minimum(closes, follows).astype(int),
        rules=tuple(TYPES[t].rules for t in frame["t"]),
        place=place,
    )


def _product(
    rng: Generator, lenders: Institutions, place: Places, k: int, kind: ProductType, enterprises: int
) -> dict[str, Any]:
    """The first version of one product, its own scale and price drawn around its class's and type's."""
    name = str(lenders.classes[k])
    scale = SCALE[name] * np.exp(rng.normal(0, 0.3))
    least = _round_money(kind.amounts[0] * MILLION * min(1.0, scale))
    most = 10 * MILLION if kind.name == "bridge" else _round_money(kind.amounts[1] * MILLION * scale)
    longest = max(kind.terms[1] if rng.random() < 0.6 else int(kind.terms[1] * 0.67), kind.terms[0] + 5)
    share = max(rng.uniform(*CAPACITY) * enterprises / 3000, CAPACITY_FLOOR)
    institution = lenders.table.iloc[k]
    return {
        "institution_id": institution["institution_id"],
        "name_zh": f"{institution['name_zh']}{kind.zh}",
        "name_en": f"{institution['name_en']} {kind.en}",
        "kind": kind.kind,
        "type": kind.name,
        "min_amount": least,
        "max_amount": most,
        "min_term": kind.terms[0],
        "max_term": longest,
        "benchmark": (Benchmark.LPR_5Y if longest > LONG_TERM else Benchmark.LPR_1Y).value,
        "spread_bp": float(round(kind.spread + SPREAD[name] + rng.normal(0, PRICE_SD))),
        "regions": _regions(lenders, place, k),
        "industries": _industries(rng),
        "purposes": "|".join(kind.fits),
        "collateral": "|".join(kind.collateral) or None,
        "rules": json.dumps([rule.model_dump(mode="json") for rule in kind.rules], ensure_ascii=False),
        "capacity": _round_money(most * share),
        "valid_from": START - pd.Timedelta(int(rng.integers(60, 1200)), "D"),
        "valid_to": None,
    }


def _regions(lenders: Institutions, place: Places, k: int) -> str | None:
    """Districts where it serves some only; the city for a local institution; everywhere for the rest."""
    if not lenders.serves[k].all():
        return "|".join(f"{CITY}/{code}" for code in place.codes[lenders.serves[k]])
    return CITY if lenders.classes[k] == "city" else None


def _industries(rng: Generator) -> str | None:
    """Half of the divisions for a selective product, none named for the others."""
    divisions = sorted({path.rsplit("/", 1)[0] for path in INDUSTRIES})
    chosen = rng.random(len(divisions)) < 0.6
    return "|".join(np.array(divisions)[chosen]) if rng.random() < SELECTIVE else None


def _versions(rng: Generator, product: dict[str, Any]) -> list[dict[str, Any]]:
    """The product over time: perhaps launched late, repriced, carried over the reform, retired early."""
    launch, reprice, retire = rng.random(3) < (LAUNCHED, REPRICED, RETIRED)
    day = np.sort(rng.integers(30, DAYS - 60, 3))
    step = round(rng.normal(-5, REPRICE_SD))
    if launch:
        product = product | {"valid_from": START + pd.Timedelta(int(day[0]), "D")}
    changes: list[tuple[pd.Timestamp, dict[str, Any]]] = []
    if reprice:
        changes.append((START + pd.Timedelta(int(day[1]) + 1, "D"), {"spread_bp": step}))
    if product["regions"] and _reformed(product["regions"]) != product["regions"]:
        changes.append((REFORM, {}))
    versions = [product]
    end = START + pd.Timedelta(int(day[2]) + 30, "D") if retire else None
    for moment, change in sorted(changes, key=lambda change: change[0]):
        if moment > versions[-1]["valid_from"] and (end is None or moment < end):
            versions.append(_version(versions[-1], moment, change))
    versions[-1] = versions[-1] | {"valid_to": end}
    return versions


def _version(before: dict[str, Any], moment: pd.Timestamp, change: dict[str, Any]) -> dict[str, Any]:
    regions = before["regions"]
    if regions and moment >= REFORM:
        regions = _reformed(regions)
    return before | {
        "valid_from": moment,
        "regions": regions,
        "spread_bp": before["spread_bp"] + change.get("spread_bp", 0),
    }


def _reformed(regions: str) -> str:
    """The same districts under their names after the reform, each once."""
    paths = regions.split("|")
    after = [path if path == CITY else f"{CITY}/{reference.successor(path[-6:], REFORM.date())}" for path in paths]
    return "|".join(dict.fromkeys(after))


def _listed(texts: pd.Series, codes: list[Any]) -> Flags:
    return np.array([[pd.isna(text) or code in text.split("|") for code in codes] for text in texts])


def _round_money(value: float) -> int:
    """Two significant figures, as limits are stated."""
    digits = int(np.floor(np.log10(value))) - 1
    return int(round(value / 10**digits) * 10**digits)

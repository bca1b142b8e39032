"""What truly decides: chances that an enterprise applies and an institution grants, from facts and latent appetites.

Everything that varies between the products of one need is learnable from the record: observed facts times an
institution's stable or slowly drifting inclinations. What an enterprise is like in general moves all its chances alike.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from matching.domain import Kind, Purpose
from training.market.institutions import LOCAL, Institutions
from training.market.places import GROUPS, Places
from training.market.products import Catalogue
from training.market.types import TYPES

Numbers = NDArray[np.float64]
MONTHS: Final = 36
# Log-odds. The two levels are set so that of those contacted about 57% are granted and about 50% drawn.
GRANT_LEVEL: Final = 2.2
APPLY_LEVEL: Final = -1.3
INDUSTRY_SHARED: Final = 1.1  # appetite for industry groups: a part of low rank, as trades go together ...
FACTORS: Final = 3
INDUSTRY_OWN: Final = 0.6  # ... and the institution's own part
DRIFT_SD: Final = 0.08  # a month, of the appetite for an industry group: half a log-odd in three years
SIZE_TILT_SD: Final = 0.4  # for each size class up or down, beside the class's own tilt
SIZE_TILT: Final = {"big": 0.45, "joint": 0.15, "city": -0.15, "rural": -0.7, "lessor": 0.0, "underwriter": 0.6}
ZONE_SD: Final = 0.4  # appetite for each of the four zones
NEAR_KM: Final = 60.0  # a local institution's log-odds fall by one for each of these from its home
AMOUNT_CENTRE: Final = (0.4, 0.7)  # where in the log of its limits a product likes its amounts
AMOUNT_WIDTH: Final = 0.2  # of that log range: one log-odd down at this distance, four at twice
DEBT_SLOPE: Final = (3.0, 1.2)  # mean and spread between institutions, for one of debt ratio over the tolerance
DEBT_TOLERANCE: Final = 0.5
TAX_SLOPE: Final = (0.45, 0.2)
TIER_SLOPE: Final = (0.25, 0.3)
PRODUCT_SD: Final = 0.2  # a product's own ease: the part that popularity can learn
KNOWN_BEFORE: Final = 1.3  # granted by this institution before
REFUSED_BEFORE: Final = -0.9
UNSECURED: Final = -1.5  # it turns out that the security asked is not there
RULE_BROKEN: Final = -2.5  # ... or that an own rule, unknown when shown, is broken
PRICE_SLOPE: Final = -1.5  # of applying, for 100 basis points
FIT_APPLY: Final = 2.6  # how a type serves the purpose
FIT_GRANT: Final = 0.5
NEAR_APPLY: Final = 1.0  # share of the nearness that the enterprise feels
CLASS_APPLY: Final = 0.8  # large enterprises turn to large banks, small ones to those nearby: share of the class's tilt
LOYALTY: Final = 1.2  # of applying where it was granted before
APPLY_CEILING: Final = 0.92  # contacted ones that apply
BOND_SIZE: Final = 0.5  # of applying for a bond, for each e-fold of revenue over the next
BOND_REVENUE: Final = 19.0  # log of yuan
TAX_SCORE: Final = {"A": 1.0, "B": 0.3, "M": 0.0, "C": -1.2, "D": -2.5}
SIZE_SCORE: Final = {"micro": -1.5, "small": -0.5, "medium": 0.8, "large": 1.8}


@dataclass(frozen=True)
class Appetite:
    """Latent inclinations of institutions (first axis) and of products by catalogue row."""

    industry: Numbers  # (month, institution, group)
    size: Numbers
    zone: Numbers  # (institution, district)
    near: Numbers  # (institution, district), at most 0.5
    custom: Numbers  # (institution): the sizes that turn to its class
    debt: Numbers
    tax: Numbers
    tier: Numbers
    ease: Numbers  # (version)
    brand: Numbers  # (version)
    centre: Numbers  # (version)
    fit: Numbers  # (type, purpose)


@dataclass(frozen=True)
class Asked:
    """Facts of some needs as arrays, one an item: indices, logs and scores; money in yuan."""

    month: int
    group: NDArray[np.int64]
    district: NDArray[np.int64]
    purpose: NDArray[np.int64]
    amount: Numbers
    size: Numbers
    debt: Numbers
    tax: Numbers
    tiers: Numbers
    margin: Numbers
    growth: Numbers
    age: Numbers
    log_revenue: Numbers


def appetite(rng: Generator, lenders: Institutions, products: Catalogue, where: Places) -> Appetite:
    """Appetites drawn once; those for industries walk month by month."""
    count = len(lenders.classes)
    shared = rng.normal(0, 1, (count, FACTORS)) @ rng.normal(0, INDUSTRY_SHARED / FACTORS**0.5, (FACTORS, len(GROUPS)))
    start = shared + rng.normal(0, INDUSTRY_OWN, shared.shape)
    walk = rng.normal(0, DRIFT_SD, (MONTHS, *shared.shape)).cumsum(axis=0)
    zones = rng.normal(0, ZONE_SD, (count, 4))[:, np.unique(where.zones, return_inverse=True)[1]]
    local = np.isin(lenders.classes, LOCAL)[:, None]
    of_product = rng.normal(0, 1, (2, products.product.max() + 1)) * PRODUCT_SD
    centre = rng.uniform(*AMOUNT_CENTRE, products.product.max() + 1)
    tilt = np.array([SIZE_TILT.get(str(name), 0) for name in lenders.classes])
    return Appetite(
        industry=start + walk,
        size=tilt + rng.normal(0, SIZE_TILT_SD, count),
        zone=zones,
        custom=CLASS_APPLY * tilt,
        near=np.where(local, 0.5 - where.km[lenders.home] / NEAR_KM, 0.0).clip(-3, None),
        debt=rng.normal(*DEBT_SLOPE, count).clip(0.5, None),
        tax=rng.normal(*TAX_SLOPE, count).clip(0.05, None),
        tier=rng.normal(*TIER_SLOPE, count),
        ease=of_product[0][products.product],
        brand=of_product[1][products.product],
        centre=centre[products.product],
        fit=np.array([[kind.fits.get(purpose, -1.0) for purpose in Purpose] for kind in TYPES]),
    )


def grant_parts(has: Appetite, products: Catalogue, asked: Asked) -> dict[str, Numbers]:
    """(need, version) log-odds of a grant by cause, before relations and broken rules; names are decline reasons."""
    k, t = products.institution, products.type
    fit = FIT_GRANT * (has.fit[t][:, asked.purpose].T - 0.5)
    return {
        "industry": has.industry[asked.month][k][:, asked.group].T,
        "region": (has.zone + has.near)[k][:, asked.district].T,
        "amount": 0.6 - _off_centre(has, products, asked.amount) ** 2,
        "other": has.size[k] * asked.size[:, None] + has.ease,
        "debt": has.debt[k] * (DEBT_TOLERANCE - asked.debt[:, None]),
        "tax": has.tax[k] * asked.tax[:, None],
        "exposure": has.tier[k] * (asked.tiers[:, None] - 1),
        "purpose": fit,
        "profit": np.broadcast_to(6 * (asked.margin[:, None] - 0.04), fit.shape),
        "cash_flow": np.broadcast_to(1.5 * (asked.growth[:, None] - 0.05), fit.shape),
        "history": np.broadcast_to(0.3 * np.log(asked.age[:, None] / 8), fit.shape),
    }


def apply_odds(has: Appetite, products: Catalogue, asked: Asked, rate_bp: Numbers) -> Numbers:
    """(need, version) log-odds that an enterprise which looks at the product gets in contact, before relations."""
    bond = (products.table["kind"] == Kind.BOND.value).to_numpy()
    return (
        APPLY_LEVEL
        + FIT_APPLY * has.fit[products.type][:, asked.purpose].T
        + PRICE_SLOPE * (rate_bp - 450) / 100
        + NEAR_APPLY * has.near[products.institution][:, asked.district].T
        + has.custom[products.institution] * asked.size[:, None]
        + BOND_SIZE * bond * (asked.log_revenue[:, None] - BOND_REVENUE)
        + has.brand
    )


def _off_centre(has: Appetite, products: Catalogue, amount: Numbers) -> Numbers:
    """How far an amount lies from what the product likes, in widths."""
    low, high = np.log(products.column("min_amount", 1)), np.log(products.column("max_amount", 1e9))
    place = (np.log(amount)[:, None] - low) / (high - low)
    return (place - has.centre) / AMOUNT_WIDTH

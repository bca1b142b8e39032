"""From a month's needs to outcomes: a mediocre policy shows products, enterprises look and apply, institutions decide.

The policy orders eligible products by their grants of the last year, a little by price, and by chance; `propensity` is
the exact chance of a product at its position given those above it (the order is drawn from a Plackett-Luce model).
The chance looks at one place only: how often a product is shown at all is higher.

An enterprise looks at position p with chance (1 / p) ** position_bias, each position by itself.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from matching.domain import DeclineReason, Stage
from training.market.products import DAYS, START, Catalogue

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]
SHOWN: Final = 10
POPULARITY_WEIGHT: Final = 0.5  # of log1p(grants in the last year): popular products lead without shutting others out
PRICE_WEIGHT: Final = 0.15  # against 100 basis points
OPEN_DAYS: Final = 21  # the newest needs are still open: nothing is shown for them yet
LATE_CONTACT: Final = 0.15  # share of contacts after the target of three days
DRAWN: Final = 0.88  # of those granted
OFFERED: Final = (0.6, 1.0)  # share of the amount that is granted
OTHER_REASON: Final = 0.15  # log-odds' worth of reasons that no fact shows
EXPIRY: Final = (30, 90)  # days until a contact without application, and a grant without drawing, lapse


@dataclass(frozen=True)
class Slate:
    """What is shown for a month's needs, one item a (need, product) pair: indices, position and its chance."""

    need: Whole
    version: Whole
    position: Whole
    propensity: Numbers


@dataclass(frozen=True)
class Course:
    """What came of shown pairs; a day is -1 for a stage not reached. `reason` is a decline's code, else empty."""

    days: dict[Stage, Whole]
    granted_amount: Numbers
    reason: NDArray[np.str_]


@dataclass(frozen=True)
class Chances:
    """Of each shown pair: to apply when looked at, to be granted when applied for, and why it is declined if it is."""

    applies: Numbers
    granted: Numbers
    parts: dict[str, Numbers]


class Capacity:
    """What each product may still grant in a calendar year."""

    def __init__(self, products: Catalogue) -> None:
        limits = np.zeros(products.product.max() + 1)
        limits[products.product] = products.column("capacity", np.inf)
        self._left: dict[int, Numbers] = {}
        self._limits = limits

    def take(self, year: int, product: int, amount: float) -> bool:
        """Whether the amount was still there; it is gone afterwards."""
        left = self._left.setdefault(year, self._limits.copy())
        if left[product] < amount:
            return False
        left[product] -= amount
        return True


def show(rng: Generator, eligible: NDArray[np.bool_], grants: Numbers, rate_bp: Numbers) -> Slate:
    """At most `SHOWN` eligible versions for each need, in an order drawn by the policy."""
    scores = POPULARITY_WEIGHT * np.log1p(grants) - PRICE_WEIGHT * rate_bp / 100
    scores = np.where(eligible, scores, -np.inf)
    keys = scores + rng.gumbel(size=scores.shape)
    order = np.argsort(-keys, axis=1, kind="stable")
    weights = np.exp(np.take_along_axis(scores - scores.max(axis=1, keepdims=True, initial=-1e9), order, axis=1))
    left = weights[:, ::-1].cumsum(axis=1)[:, ::-1]
    held = np.arange(SHOWN) < eligible.sum(axis=1)[:, None]
    need, place = np.nonzero(held)
    chance = weights[need, place] / left[need, place]
    return Slate(need, order[need, place], place + 1, chance.clip(1e-12, 1.0))


def follow(
    rng: Generator,
    slate: Slate,
    chances: Chances,
    asked: tuple[Whole, Numbers],
    products: Catalogue,
    capacity: Capacity,
    position_bias: float,
    ceiling: float,
) -> Course:
    """Each shown pair through the funnel; `asked` is each pair's day of posting and amount in yuan.

    `ceiling` is the share of contacted ones that apply: contact is the chance to apply divided by it.
    """
    posted, amount = asked
    size = len(posted)
    looks = rng.random(size) < slate.position ** -float(position_bias)
    contacts = looks & (rng.random(size) < chances.applies / ceiling)
    applies = contacts & (rng.random(size) < ceiling)
    wins = applies & (rng.random(size) < chances.granted)
    days = _days(rng, slate, posted, contacts, applies)
    granted_amount = np.round(amount * rng.uniform(*OFFERED, size), -4).clip(1e4)
    reason = np.where(applies & ~wins, _reasons(rng, chances.parts), "")
    reason = _exhaust(wins, days[Stage.GRANTED], products.product[slate.version], granted_amount, capacity, reason)
    wins &= reason == ""
    draws = wins & (rng.random(size) < DRAWN)
    return Course(_outcome_days(rng, days, contacts, applies, wins, draws), granted_amount, reason)


def _days(
    rng: Generator, slate: Slate, posted: Whole, contacts: NDArray[np.bool_], applies: NDArray[np.bool_]
) -> dict[Stage, Whole]:
    """Days of the stages up to a decision (kept under granted for now), wherever they would fall."""
    size = len(posted)
    shown = posted + rng.integers(0, 3, slate.need.max(initial=-1) + 1)[slate.need]
    late = (rng.random(size) < LATE_CONTACT) * rng.integers(1, 8, size)
    contacted = shown + rng.integers(0, 4, size) + late
    applied = contacted + rng.integers(1, 8, size)
    decided = applied + rng.integers(2, 23, size)
    return {
        Stage.SHOWN: shown,
        Stage.CONTACTED: np.where(contacts, contacted, -1),
        Stage.APPLIED: np.where(applies, applied, -1),
        Stage.GRANTED: np.where(applies, decided, -1),
    }


def _outcome_days(
    rng: Generator,
    days: dict[Stage, Whole],
    contacts: NDArray[np.bool_],
    applies: NDArray[np.bool_],
    wins: NDArray[np.bool_],
    draws: NDArray[np.bool_],
) -> dict[Stage, Whole]:
    """All stages' days: a decision is a grant or a decline; what is left lying expires."""
    decided = days[Stage.GRANTED]
    drawn = decided + rng.integers(1, 21, len(decided))
    lapsed = np.where(contacts & ~applies, days[Stage.CONTACTED] + EXPIRY[0], -1)
    lapsed = np.where(wins & ~draws, decided + EXPIRY[1], lapsed)
    return days | {
        Stage.GRANTED: np.where(wins, decided, -1),
        Stage.DECLINED: np.where(applies & ~wins, decided, -1),
        Stage.DRAWN: np.where(draws, drawn, -1),
        Stage.EXPIRED: lapsed,
    }


def _exhaust(
    wins: NDArray[np.bool_],
    decided: Whole,
    product: Whole,
    amount: Numbers,
    capacity: Capacity,
    reason: NDArray[np.str_],
) -> NDArray[np.str_]:
    """In order of decision, grants that a product's capacity of the year no longer holds are declined."""
    reason = reason.astype("U16")
    for i in np.flatnonzero(wins)[np.argsort(decided[wins], kind="stable")]:
        if not capacity.take((START + pd.Timedelta(int(decided[i]), "D")).year, int(product[i]), float(amount[i])):
            reason[i] = DeclineReason.CAPACITY.value
    return reason


def _reasons(rng: Generator, parts: dict[str, Numbers]) -> NDArray[np.str_]:
    """For each pair one code, drawn by how much each cause lowered the log-odds."""
    names = np.array(list(parts))
    weights = np.stack([np.maximum(0, -part) for part in parts.values()], axis=1)
    weights[:, list(parts).index("other")] += OTHER_REASON
    cumulated = weights.cumsum(axis=1)
    pick = (cumulated < rng.random((len(weights), 1)) * cumulated[:, -1:]).sum(axis=1)
    return names[pick]


def within(days: Whole) -> NDArray[np.bool_]:
    """Stages reached inside the window; later ones are not on record yet."""
    return (days >= 0) & (days < DAYS)

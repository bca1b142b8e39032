"""The learned memory: how much each past event has to say about a need.

The weight of event j for need q is `exp(θ · φ(q, j))`. φ holds one entry a code that both know and share (the same
enterprise, region level, industry level, size …), minus the distance of each number that both know (amount, age …),
and minus the event's age, once for all and once more for the enterprise's own. The share that a product (institution,
type) holds of all weights is its chance to be the next one taken; `kernels` fits θ.
`recall` weighs all events for a need; `similarity` here is the slow and obvious weight of one.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit

from matching.history import CODES, DISTANCES, Numbers

WINDOW_YEARS: Final = 8.0
NEAR_KM: Final = 3.0
FAR_KM: Final = 300.0
FAR: Final = 3.0  # a distance beyond e^3 times says no more than e^3 times
PARAMETERS: Final = (
    *CODES,
    *(f"{name}_distance" for name in DISTANCES),
    "age",
    "log_age",
    "own_age",
    "own_log_age",
    "log_km",
    "km",
    "no_km",
)
YEAR: Final = 365.25

_N_CODES: Final = len(CODES)
_N_NUMBERS: Final = len(DISTANCES)
_N: Final = len(PARAMETERS)
WINDOW_DAYS: Final = int(WINDOW_YEARS * YEAR)
YEARS: Final = np.arange(WINDOW_DAYS + 1) / YEAR  # by age in days
AGES: Final = np.column_stack([-YEARS, -np.log1p(12 * YEARS)])


@dataclass(frozen=True)
class Kernel:
    """A fitted memory: `weights` by `PARAMETERS`, for the level whose share it was fitted to predict."""

    level: str
    weights: Numbers


@njit(cache=True)
def km_between(north: float, east: float, other_north: float, other_east: float) -> float:
    """Kilometres between two places on a flat map around them; -1 where one is unknown."""
    up = north - other_north
    across = (east - other_east) * np.cos((north + other_north) / 2 * np.pi / 180)
    km = 111.2 * np.sqrt(up * up + across * across)
    return km if km == km else -1.0


@njit(cache=True)
def similarity(
    theta: Any, codes: Any, numbers: Any, day: int, past: Any, amounts: Any, past_day: int, phi: Any
) -> Any:  # fmt: skip
    """θ · φ of a need (codes, numbers, day) and an event of the past; writes φ [PARAMETERS]."""
    total = 0.0
    for c in range(_N_CODES):
        phi[c] = 1.0 if codes[c] >= 0 and codes[c] == past[c] else 0.0
        total += theta[c] * phi[c]
    for m in range(_N_NUMBERS):
        distance = abs(numbers[m] - amounts[m])
        phi[_N_CODES + m] = -min(distance, FAR) if distance == distance else 0.0  # NaN: one of them does not know
        total += theta[_N_CODES + m] * phi[_N_CODES + m]
    k = _N_CODES + _N_NUMBERS
    phi[k] = AGES[day - past_day, 0]
    phi[k + 1] = AGES[day - past_day, 1]
    phi[k + 2] = phi[k] * phi[0]
    phi[k + 3] = phi[k + 1] * phi[0]
    here, there = numbers[_N_NUMBERS:], amounts[_N_NUMBERS:]
    km = km_between(here[0], here[1], there[0], there[1])
    phi[k + 4] = -np.log1p(km / NEAR_KM) if km >= 0 else 0.0
    phi[k + 5] = -min(km, FAR_KM) / 50 if km >= 0 else 0.0
    phi[k + 6] = 0.0 if km >= 0 else 1.0
    for a in range(k, k + 7):
        total += theta[a] * phi[a]
    return total

"""The learned memory: how much each past event has to say about a need.

The weight of event j for need q is `exp(θ · φ(q, j))`. φ holds one entry a code that both know and share (the same
enterprise, region level, industry level, size …), minus the distance of each number that both know (amount, age …),
and minus the event's age, once for all and once more for the enterprise's own. The share that a product (institution,
type) holds of all weights is its chance to be the next one taken; `kernels` fits θ.
One pass over the events gives these shares and the plain counts by context that the features need.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit

from matching.history import CODES, DISTANCES, Context, History, Numbers

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

COUNTS: Final = (
    "all_fast",
    "all_mid",
    "all_slow",
    "region_1",
    "region_2",
    "region_3",
    "region_4",
    "industry_2",
    "industry_3",
    "industry_4",
    "size",
    "region_industry",
    "region_fast",
    "region_mid",
    "own_mid",
    "own",
    "amount_0",
    "amount_1",
    "amount_2",
    "seen",
    "seen_region",
    "seen_industry",
    "seen_size",
    "seen_own",
)
DAYS: Final = ("own_last", "last", "first")
NEVER: Final = -(10**6)

_N_CODES: Final = len(CODES)
_N_NUMBERS: Final = len(DISTANCES)
_N: Final = len(PARAMETERS)
_REGION: Final = CODES.index("region_1")
_INDUSTRY: Final = CODES.index("industry_2")
_SIZE: Final = CODES.index("size")
WINDOW_DAYS: Final = int(WINDOW_YEARS * YEAR)
_YEARS: Final = np.arange(WINDOW_DAYS + 1) / YEAR
_AGES: Final = np.column_stack([-_YEARS, -np.log1p(12 * _YEARS)])  # by age in days: the logs cost more than the rest
_FADES: Final = np.exp(-_YEARS[:, None] / np.array([0.3, 1.2, 4.0]))  # a quarter's momentum, last year, the long run


@dataclass(frozen=True)
class Kernel:
    """A fitted memory: `weights` by `PARAMETERS`, for the level whose share it was fitted to predict."""

    level: str
    weights: Numbers


@dataclass(frozen=True)
class Recall:
    """What the memory holds for one need, by product: `counts` [products, COUNTS], `days` [products, DAYS].

    `taken` [products, kernels] are the kernel masses of events taken; `seen` [products, 1] is that of events only seen,
    under the first kernel: they are many, and one tells how often what was seen was taken.
    """

    counts: Numbers
    days: Numbers
    taken: Numbers
    seen: Numbers


def recall(history: History, context: Context, kernels: tuple[Kernel, ...]) -> Recall:
    """One pass over the events that `context` may know, at most `WINDOW_YEARS` old."""
    start = history.until(context.day - WINDOW_DAYS)
    weights = np.array([kernel.weights for kernel in kernels]).reshape(len(kernels), _N)
    size = len(history.products)
    columns = (history.codes, history.numbers, history.day, history.product, history.taken)
    counts, days, taken, seen = _recall(
        weights, context.codes, context.numbers, context.day, start, context.until, *columns, size
    )
    return Recall(counts, days, taken, seen)


@njit(cache=True)
def _km(here: Any, there: Any) -> Any:
    """Kilometres between two places on a flat map around them; -1 where one is unknown."""
    north = here[_N_NUMBERS] - there[_N_NUMBERS]
    east = (here[_N_NUMBERS + 1] - there[_N_NUMBERS + 1]) * np.cos(
        (here[_N_NUMBERS] + there[_N_NUMBERS]) / 2 * np.pi / 180
    )
    km = 111.2 * np.sqrt(north * north + east * east)
    return km if km == km else -1.0


@njit(cache=True)
def similarity(
    theta: Any, codes: Any, numbers: Any, day: int, past: Any, amounts: Any, past_day: int, phi: Any
) -> Any:  # fmt: skip
    total = 0.0
    for c in range(_N_CODES):
        phi[c] = 1.0 if codes[c] >= 0 and codes[c] == past[c] else 0.0
        total += theta[c] * phi[c]
    for m in range(_N_NUMBERS):
        distance = abs(numbers[m] - amounts[m])
        phi[_N_CODES + m] = -min(distance, FAR) if distance == distance else 0.0  # NaN: one of them does not know
        total += theta[_N_CODES + m] * phi[_N_CODES + m]
    k = _N_CODES + _N_NUMBERS
    phi[k] = _AGES[day - past_day, 0]
    phi[k + 1] = _AGES[day - past_day, 1]
    phi[k + 2] = phi[k] * phi[0]
    phi[k + 3] = phi[k + 1] * phi[0]
    km = _km(numbers, amounts)
    phi[k + 4] = -np.log1p(km / NEAR_KM) if km >= 0 else 0.0
    phi[k + 5] = -min(km, FAR_KM) / 50 if km >= 0 else 0.0
    phi[k + 6] = 0.0 if km >= 0 else 1.0
    for a in range(k, k + 7):
        total += theta[a] * phi[a]
    return total


@njit(cache=True, nogil=True)
def _recall(
    weights: Any, codes: Any, numbers: Any, today: int, start: int, until: int,
    past: Any, amounts: Any, past_day: Any, product: Any, was_taken: Any, size: int,
) -> Any:  # fmt: skip
    counts = np.zeros((size, len(COUNTS)))
    days = np.full((size, 3), float(NEVER))
    taken, seen = np.zeros((size, len(weights))), np.zeros((size, min(len(weights), 1)))
    phi = np.empty(_N)
    for j in range(start, until):
        p = product[j]
        fast, mid, slow = _FADES[today - past_day[j]]
        own = codes[0] >= 0 and codes[0] == past[j, 0]
        near = codes[_REGION] >= 0 and codes[_REGION] == past[j, _REGION]
        trade = codes[_INDUSTRY] >= 0 and codes[_INDUSTRY] == past[j, _INDUSTRY]
        alike = codes[_SIZE] >= 0 and codes[_SIZE] == past[j, _SIZE]
        if was_taken[j]:
            counts[p, 0] += fast
            counts[p, 1] += mid
            counts[p, 2] += slow
            for level in range(4):
                if codes[_REGION + level] >= 0 and codes[_REGION + level] == past[j, _REGION + level]:
                    counts[p, 3 + level] += slow
            for level in range(3):
                if codes[_INDUSTRY + level] >= 0 and codes[_INDUSTRY + level] == past[j, _INDUSTRY + level]:
                    counts[p, 7 + level] += slow
            if alike:
                counts[p, 10] += slow
            if near:
                counts[p, 12] += fast
                counts[p, 13] += mid
                if trade:
                    counts[p, 11] += slow
            if own:
                counts[p, 14] += mid
                counts[p, 15] += 1
                days[p, 0] = past_day[j]
            counts[p, 16] += slow
            counts[p, 17] += slow * amounts[j, 0]
            counts[p, 18] += slow * amounts[j, 0] ** 2
            days[p, 1] = past_day[j]
            if days[p, 2] == NEVER:
                days[p, 2] = past_day[j]
        else:
            counts[p, 19] += slow
            if near:
                counts[p, 20] += slow
            if trade:
                counts[p, 21] += slow
            if alike:
                counts[p, 22] += slow
            if own:
                counts[p, 23] += 1
        for h in range(len(weights) if was_taken[j] else seen.shape[1]):
            w = np.exp(similarity(weights[h], codes, numbers, today, past[j], amounts[j], past_day[j], phi))
            if was_taken[j]:
                taken[p, h] += w
            else:
                seen[p, h] += w
    return counts, days, taken, seen

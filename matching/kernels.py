"""Fitting a kernel of the memory: θ under which what enterprises took was most likely.

φ of every (context, event) pair is measured once and kept as a byte an entry, so that each step of the search is one
pass of multiplications over small numbers.
"""

from typing import Any, Final

import numpy as np
from numba import njit, prange

from matching.fitting import least
from matching.history import CODES, DISTANCES, Codes, Context, History, Numbers
from matching.memory import FAR, FAR_KM, NEAR_KM, PARAMETERS, WINDOW_DAYS, WINDOW_YEARS, Kernel, similarity

STEPS: Final = 25
_N: Final = len(PARAMETERS)
_FURTHEST: Final = {  # the end of each φ's range; 1 for a code
    **{f"{name}_distance": -FAR for name in DISTANCES},
    **dict.fromkeys(("age", "own_age"), -WINDOW_YEARS),
    **dict.fromkeys(("log_age", "own_log_age"), -np.log1p(12 * WINDOW_YEARS)),
    "log_km": -np.log1p(20_100 / NEAR_KM),  # half way round the earth
    "km": -FAR_KM / 50,
}
_UNIT: Final = np.array([_FURTHEST.get(name, 1.0) for name in PARAMETERS]) / 255
_WIDTH: Final = -(-_N // 8) * 8  # whole vectors


def fit_kernel(
    history: History,
    level: str,
    contexts: list[Context],
    products: Codes,
    begin: Kernel | None = None,
    floor: float = 0.02,
    ridge: float = 0.01,
) -> Kernel:
    """The kernel under which what each context took (`products`, codes) was most likely; sought from `begin` on.

    Every enterprise counts by the square root of its needs; `floor` is the chance of a product without a past, and
    `ridge` pulls θ towards a plain memory with a slow decay. Deterministic.
    """
    taken = np.flatnonzero(history.taken)
    days = history.day[taken]
    label = _labels(history, level)[history.product[taken]]
    wanted = _labels(history, level)[products]
    starts = np.searchsorted(days, [c.day - WINDOW_DAYS for c in contexts])
    untils = np.searchsorted(taken, [c.until for c in contexts])
    first = np.concatenate([[0], np.cumsum(untils - starts)])
    codes, numbers = np.array([c.codes for c in contexts]), np.array([c.numbers for c in contexts])
    today = np.array([c.day for c in contexts])
    pairs = _pairs(codes, numbers, today, starts, untils, first, history.codes[taken], history.numbers[taken], days)
    known = np.array([bool(np.any(label[s:u] == w)) for s, u, w in zip(starts, untils, wanted, strict=True)])
    share = _shares_of_enterprises(codes[:, 0]) * known
    prior = _start() * _is_age()

    def loss(theta: Numbers) -> tuple[float, Numbers]:
        steps = np.zeros(_WIDTH, np.float32)
        steps[:_N] = theta * _UNIT
        value, slope = _likelihood(steps, floor, pairs, first, starts, wanted, label)
        pull = theta - prior
        penalty = ridge / max(len(contexts), 1)
        slope = (share @ slope)[:_N] * _UNIT
        return float(-(share @ value) + penalty * pull @ pull), -slope + 2 * penalty * pull

    start = _start() if begin is None else begin.weights
    return Kernel(level, least(loss, start, maxiter=STEPS, ftol=1e-5))


def _labels(history: History, level: str) -> Codes:
    own = np.arange(len(history.products), dtype=np.int32)
    return {"product": own, "institution": history.institution_of, "type": history.type_of}[level]


def _shares_of_enterprises(enterprises: Codes) -> Numbers:
    _, inverse, count = np.unique(enterprises, return_inverse=True, return_counts=True)
    share = 1 / np.sqrt(count[inverse])
    return np.asarray(share / share.sum(), dtype=np.float64)


def _start() -> Numbers:
    """A sensible memory to start from: the own past first, then places and trades, a slow decay."""
    start = {"enterprise": 2.0, "age": 0.2, "log_age": 0.2}
    start |= {name: 0.7 for name in CODES if name.startswith(("region", "industry"))}
    return np.array([start.get(name, 0.0) for name in PARAMETERS])


def _is_age() -> Numbers:
    return np.array([float(name in ("age", "log_age")) for name in PARAMETERS])


@njit(cache=True, parallel=True)
def _pairs(
    codes: Any, numbers: Any, days: Any, starts: Any, untils: Any, first: Any, past: Any, amounts: Any, past_day: Any
) -> Any:
    """φ of every (context, event) in steps of `_UNIT` [pairs, _WIDTH]: measured once, as a byte each, for all steps."""
    found = np.zeros((first[-1], _WIDTH), np.uint8)
    nothing = np.zeros(_N)
    for i in prange(len(days)):
        phi = np.empty(_N)
        for j in range(starts[i], untils[i]):
            similarity(nothing, codes[i], numbers[i], days[i], past[j], amounts[j], past_day[j], phi)
            for p in range(_N):
                found[first[i] + j - starts[i], p] = np.uint8(phi[p] / _UNIT[p] + 0.5)
    return found


@njit(cache=True, parallel=True, fastmath=True)
def _likelihood(theta: Any, floor: float, pairs: Any, first: Any, starts: Any, wanted: Any, label: Any) -> Any:
    """The log chance of what each context took, and its slope by θ, both for θ in units of `_UNIT`."""
    n = len(wanted)
    value, slope = np.zeros(n), np.zeros((n, _WIDTH))
    for i in prange(n):
        all_slope, own_slope = np.zeros(_WIDTH, np.float32), np.zeros(_WIDTH, np.float32)
        everything, own = 1e-12, 0.0
        for row in range(first[i], first[i + 1]):
            total = np.float32(0)
            for p in range(_WIDTH):
                total += theta[p] * np.float32(pairs[row, p])
            w = np.exp(total)
            everything += w
            for p in range(_WIDTH):
                all_slope[p] += w * np.float32(pairs[row, p])
            if label[starts[i] + row - first[i]] == wanted[i]:
                own += w
                for p in range(_WIDTH):
                    own_slope[p] += w * np.float32(pairs[row, p])
        chance = (1 - floor) * own / everything + floor * 1e-3
        value[i] = np.log(chance)
        if own > 0:
            sure = (1 - floor) * own / everything / chance
            for p in range(_WIDTH):
                slope[i, p] = sure * (own_slope[p] / own - all_slope[p] / everything)
    return value, slope

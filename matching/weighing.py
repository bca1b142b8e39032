"""How much the events of the past weigh for a need under a kernel, lot by lot: what many lots share is weighed once.

`memory.similarity` is the slow and obvious weight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matching.events import PLACE, PROFILE, SPOT, TRADE, Lots, Shared, Weights
from matching.history import CODES, Codes, Context, Numbers
from matching.memory import AGES, FAR, FAR_KM, NEAR_KM, PARAMETERS, km_between

_THETA: Final = {name: i for i, name in enumerate(PARAMETERS)}
_KM: Final = [_THETA[name] for name in ("log_km", "km", "no_km")]


@dataclass(frozen=True)
class Asked:
    """A need and what stands for the past: what its events share, and how `near` each place is [3, places].

    `mine` are the need's codes in the columns of each group, `numbers` [DISTANCES] its numbers.
    """

    context: Context
    groups: Sequence[Shared]
    mine: Sequence[Codes]
    numbers: Weights
    near: Numbers

    @classmethod
    def of(cls, context: Context, groups: Sequence[Shared]) -> Self:
        """What a need asks of such groups."""
        mine = [context.codes[group.columns] for group in groups]
        near = _nearness(groups[0].spot, context.numbers[SPOT:])
        return cls(context, groups, mine, context.numbers[:SPOT].astype(np.float32), near)


class Slopes(NamedTuple):
    """A kernel's weights as they are asked for: of each group's codes, of distances, of nearness, by age in days."""

    theta: Numbers
    groups: Sequence[Numbers]
    distances: Weights
    near: Numbers
    fades: Numbers
    own_fades: Numbers

    @classmethod
    def of(cls, theta: Numbers) -> Self:
        """Picked apart once a kernel."""
        groups = [theta[columns] for columns in (PLACE, TRADE, PROFILE)]
        distances = theta[len(CODES) :][:SPOT].astype(np.float32)
        return cls(theta, groups, distances, theta[_KM], _fades(theta, ""), _fades(theta, "own_"))


def weights_of(lots: Lots, mine: NDArray[np.intp], asked: Asked, slopes: Slopes) -> Weights:
    """The weight for the need of an event of each lot; `mine` are the enterprise's own."""
    today = asked.context.day
    groups = zip([group.codes for group in asked.groups], asked.mine, slopes.groups, strict=True)
    near, when = (asked.near, slopes.near), (lots.day, today, slopes.fades)
    logs = _logs(lots.shared, tuple(groups), near, when, lots.numbers, asked.numbers, slopes.distances)
    if len(mine):
        logs[mine] += slopes.theta[_THETA["enterprise"]] + slopes.own_fades[today - lots.day[mine]]
    weights: Weights = np.exp(logs, out=logs)
    return weights


def _fades(theta: Numbers, whose: str) -> Numbers:
    """By age in days, what it adds to the log weight; the same for every need."""
    return np.asarray(
        AGES[:, 0] * theta[_THETA[f"{whose}age"]] + AGES[:, 1] * theta[_THETA[f"{whose}log_age"]], dtype=np.float64
    )


@njit(cache=True, nogil=True)
def _shares(codes: Any, mine: Any, theta: Any) -> Any:
    """What the codes that both know and share add to the log weight, for each combination."""
    found = np.zeros(codes.shape[1])
    for c in range(len(mine)):
        if mine[c] >= 0:
            for i in range(len(found)):
                found[i] += theta[c] if codes[c, i] == mine[c] else 0.0
    return found


@njit(cache=True, nogil=True)
def _nearness(spots: Any, here: Any) -> Any:
    """φ of log_km, km and no_km for each place [3, places]."""
    found = np.zeros((3, len(spots)))
    for i in range(len(spots)):
        km = km_between(here[0], here[1], spots[i, 0], spots[i, 1])
        if km >= 0:
            found[0, i], found[1, i] = -np.log1p(km / NEAR_KM), -min(km, FAR_KM) / 50
        else:
            found[2, i] = 1.0
    return found


@njit(cache=True, nogil=True)
def _logs(shared: Any, groups: Any, near: Any, when: Any, numbers: Any, mine: Any, theta: Any) -> Any:
    """The log weight of each lot but for what its being one's own adds; simple loops, which compile to vectors."""
    place, trade, profile = _shares(*groups[0]), _shares(*groups[1]), _shares(*groups[2])
    for k in range(len(near[1])):
        for i in range(len(place)):
            place[i] += near[1][k] * near[0][k, i]
    place, trade, profile = place.astype(np.float32), trade.astype(np.float32), profile.astype(np.float32)
    day, today, faded = when
    n, far = len(day), np.float32(FAR)
    found = np.empty(n, np.float32)
    for j in range(n):
        age = np.float32(faded[today - day[j]])
        found[j] = place[shared[0, j]] + trade[shared[1, j]] + profile[shared[2, j]] + age
    for m in range(len(mine)):
        if mine[m] == mine[m] and theta[m] != 0:
            for j in range(n):
                apart = abs(mine[m] - numbers[m, j])
                found[j] -= theta[m] * (apart if apart <= far else (far if apart > far else np.float32(0)))  # NaN: 0
    return found

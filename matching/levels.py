"""The features that stand at three levels: the product, its institution, its type; made from what is recalled.

What a context tells is looked up (`contexts`); what only the need has is worked out. `_gap` is a value less the best
candidate's. Compiled: a request's time goes with it.
"""

from collections import namedtuple
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit

from matching.contexts import CONTEXT_FEATURES, REGIONS, TRADES, Contexts, Surroundings, totals, years
from matching.history import DISTANCES, Codes, Context, Numbers
from matching.recall import NEVER, OWN, Memory
from matching.sides import Side

LEVELS: Final = ("product", "institution", "type")
HEADS: Final = LEVELS  # one kernel fitted to predict each level's next choice
UNSEEN: Final = 1e-6  # the share granted to what the memory has never met
LEVEL_FEATURES: Final = (
    *CONTEXT_FEATURES,
    ("own_share", Side.PAIR, "own"),
    ("own_count", Side.PAIR, "own"),
    ("own_years", Side.PAIR, "own"),
    ("own_last", Side.PAIR, "own"),
    ("amount_distance", Side.PAIR, "amount"),
    ("amount_likelihood", Side.PAIR, "amount"),
    *((f"memory_{head}", Side.PAIR, "memory") for head in HEADS),
    *((f"memory_{head}_gap", Side.PAIR, "memory") for head in HEADS),
    ("own_seen", Side.PAIR, "own"),
)
FIRST: Final = len(CONTEXT_FEATURES)  # what comes after is the need's own
_AMOUNT: Final = DISTANCES.index("amount")
_F: Final[Any] = namedtuple("_F", [name for name, _, _ in LEVEL_FEATURES])(*range(len(LEVEL_FEATURES)))
_O: Final[Any] = namedtuple("_O", OWN)(*range(len(OWN)))


@dataclass(frozen=True)
class Held:
    """All that is held for a need: what surrounds it, at each level, and its own."""

    context: Context
    around: Surroundings
    own: Sequence[Numbers]
    own_last: Sequence[Numbers]
    masses: Sequence[Numbers]

    def totals(self) -> Numbers:
        """How many outcomes the enterprise itself, its region, a place two levels finer and its industry have.

        The finer one, a town in China, is what `need_district_outcomes` counts, whatever its name says.
        """
        region, trade = self.around.region[0].totals, self.around.trade[0].totals
        own = totals(self.own[0])[_O.all]
        return np.array([own, region[0], region[REGIONS.index("region_3")], trade[TRADES.index("industry_3")]])


class Levels:
    """A memory's products, their institutions and types: what is held of each for a need, and their features."""

    def __init__(self, memory: Memory) -> None:
        self.memory, past = memory, memory.history
        self._groups = ((past.institution_of, past.institutions.size), (past.type_of, past.types.size))
        self._contexts = Contexts(memory, self._groups)

    def __reduce__(self) -> tuple[type["Levels"], tuple[Memory]]:
        """Another process makes them ready anew."""
        return Levels, (self.memory,)

    def held(self, context: Context) -> Held:
        """For a need: of the events that `context` may know."""
        recalled, contexts = self.memory.recall(context), self._contexts
        last = [recalled.own_last, *(_latest(recalled.own_last, *group) for group in self._groups)]
        own, masses = contexts.rolled(recalled.own), contexts.rolled(recalled.masses)
        return Held(context, contexts.around(context), own, last, masses)

    def fill(self, columns: Numbers, level: int, held: Held, codes: Codes) -> None:
        """Write the features of one of `LEVELS` into columns [LEVEL_FEATURES, n], for candidates of `codes` there."""
        codes = codes.view(np.uint32)  # of a number without a sign, nothing asks whether it counts from the end
        around = held.around
        everyone, region, trade = around.everyone[level], around.region[level], around.trade[level]
        _look_up(columns, (everyone.features, region.features, trade.features, *around.alone[level]), codes)
        own = (held.own[level], held.own_last[level], held.masses[level])
        amount = held.context.numbers[_AMOUNT], everyone.usual, everyone.overall
        _work_out(columns, codes, own, amount, held.context.day)


@njit(cache=True, nogil=True)
def _latest(days: Any, group: Any, size: int) -> Any:
    """The latest day of each group [size + 1]."""
    found = np.full(size + 1, float(NEVER))
    for i in range(len(group)):
        found[group[i]] = max(found[group[i]], days[i])
    return found


@njit(cache=True, nogil=True)
def _look_up(columns: Any, told: Any, codes: Any) -> None:
    """Writes `CONTEXT_FEATURES`."""
    f = 0
    for part in told:
        for row in range(len(part)):
            column, values = columns[f], part[row]
            for i in range(len(codes)):
                column[i] = values[codes[i]]
            f += 1


@njit(cache=True, nogil=True)
def _work_out(columns: Any, codes: Any, own: Any, amount: Any, today: int) -> None:
    """Writes the other features: what has the same code has the same, so that each is worked out once."""
    counts, days, masses = own
    used, place = _used(codes, len(days))
    table = np.empty((len(columns) - FIRST, len(used)))
    _own(table, used, counts, days, today)
    _amounts(table, used, *amount)
    whole = totals(masses)
    for h in range(len(masses)):
        for c in range(len(used)):
            table[_F.memory_product - FIRST + h, c] = np.log(masses[h, used[c]] / max(whole[h], 1e-300) + UNSEEN)
        _gap(table[_F.memory_product - FIRST + h], table[_F.memory_product_gap - FIRST + h])
    for f in range(len(table)):
        column, values = columns[FIRST + f], table[f]
        for i in range(len(codes)):
            column[i] = values[place[i]]


@njit(cache=True, nogil=True)
def _used(codes: Any, size: int) -> Any:
    """The codes that occur, and for each of `codes` its place among them; the code one past the last has no past."""
    known, place, used, many = np.full(size, -1), np.empty_like(codes), np.empty_like(codes), 0
    for i in range(len(codes)):
        if known[codes[i]] < 0:
            known[codes[i]], used[many] = many, codes[i]
            many += 1
        place[i] = known[codes[i]]
    return used[:many], place


@njit(cache=True, nogil=True)
def _own(table: Any, used: Any, counts: Any, days: Any, today: int) -> None:
    total, latest = totals(counts)[_O.mid], days.max()
    for c in range(len(used)):
        code = used[c]
        table[_F.own_share - FIRST, c] = counts[_O.mid, code] / (total + 0.1)
        table[_F.own_count - FIRST, c] = counts[_O.all, code]
        table[_F.own_seen - FIRST, c] = counts[_O.seen, code]
        table[_F.own_years - FIRST, c] = years(days[code], today)
        table[_F.own_last - FIRST, c] = 1.0 if days[code] != NEVER and days[code] == latest else 0.0


@njit(cache=True, nogil=True)
def _amounts(table: Any, used: Any, amount: float, usual: Any, overall: Any) -> None:
    """How far the amount lies from what was usual here, and how much likelier it is here than anywhere."""
    mean, spread = overall[0], overall[1]
    everywhere = 0.5 * (amount - mean) ** 2 / spread + 0.5 * np.log(spread)
    for c in range(len(used)):
        distance = (amount - usual[0, used[c]]) / usual[1, used[c]]
        table[_F.amount_distance - FIRST, c] = distance
        table[_F.amount_likelihood - FIRST, c] = everywhere - 0.5 * distance**2 - usual[2, used[c]]


@njit(cache=True, nogil=True)
def _gap(values: Any, gaps: Any) -> None:
    best = -np.inf
    for c in range(len(values)):
        best = max(best, values[c])
    for c in range(len(values)):
        gaps[c] = values[c] - best

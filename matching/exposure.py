"""Who gets the places of a ranking: the best first, within a constraint on exposure where one is asked for.

The constraint is kept by going down the scores and taking each product that it still allows. Lists that keep it are the
independent sets of a laminar matroid (at most `cap` of an institution, `top_k - floor` of all that are not small,
`top_k` in all), so that no other such list is longer, or has at any rank a higher score: whatever discount falls with
the rank, none as long has a higher discounted sum of scores.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matching.catalogue import Catalogue, Rows, day_of
from matching.domain import Entity, fact
from matching.errors import Fault, InputError
from matching.history import History, Numbers, cutoff
from matching.roster import Roster

YEARS: Final = 3
MOST: Final = 1000
Flags = NDArray[np.bool_]


class Exposure(Entity):
    """A constraint on the first places: at most `cap` for one institution, `floor` of them kept for small institutions.

    Small is who had less than `small_share` of the outcomes taken in the last `YEARS` years. A kept place stays empty
    where no small institution has an eligible product left for it.
    """

    cap: int | None = fact("单家机构名次上限", "Most places of one institution", "place", ge=1, le=MOST, default=None)
    floor: int = fact("小机构保留名次", "Places kept for small institutions", "place", ge=0, le=MOST, default=0)
    small_share: float = fact("小机构份额界限", "Share below which one is small", "share", gt=0, le=1, default=0.01)


@dataclass(frozen=True)
class Places:
    """Gives out the places among a catalogue's rows; made once for it, a history and the two's roster."""

    catalogue: Catalogue
    history: History
    roster: Roster

    def first(
        self, rows: Rows, scores: Numbers, as_of: date, top_k: int, exposure: Exposure | None = None
    ) -> NDArray[np.intp]:
        """Positions in `rows` of those that get the `top_k` places, the best first; equal scores go by product id.

        Fewer than `top_k` where the constraint cannot be met with more. Raises `InputError` where `top_k` holds no
        `floor`.
        """
        if exposure is None:
            return _best(rows, scores, top_k)
        order = _best(rows, scores, len(rows))
        if exposure.floor > top_k:
            rule = f"is at most the number of products asked for ({top_k}), not {exposure.floor}"
            raise InputError("rank", [Fault("exposure.floor", rule)])
        small = self.small(rows, as_of, exposure.small_share)
        return constrained(order, self.catalogue.institution_code[rows], small, exposure, top_k)

    def small(self, rows: Rows, as_of: date, share: float) -> Flags:
        """Whether each row's institution had less than `share` of the outcomes taken in the `YEARS` before the month.

        An institution without a past is small.
        """
        return (_shares(self.history, as_of) < share)[self.roster.institution[rows]]


def _best(rows: Rows, scores: Numbers, many: int) -> NDArray[np.intp]:
    """Positions of the best `many`, in order: only what scores as high as the last of them is sorted."""
    if many < len(scores):
        last = np.partition(scores, -many)[-many]
        among = np.flatnonzero(scores >= last)
        return among[np.lexsort((rows[among], -scores[among]))[:many]]
    return np.lexsort((rows, -scores))


def constrained(
    order: NDArray[np.intp], institutions: Rows, small: Flags, exposure: Exposure, top_k: int
) -> NDArray[np.intp]:
    """Those of `order` (positions, the best first) that get a place; codes of `institutions`, `small` by position."""
    kept = order
    if exposure.cap is not None:
        kept = kept[_earlier_alike(institutions[kept]) < exposure.cap]
    others = np.cumsum(~small[kept])
    return kept[small[kept] | (others <= top_k - exposure.floor)][:top_k]


def _earlier_alike(codes: Rows) -> NDArray[np.intp]:
    """How often each code came before."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    count = np.empty(len(codes), dtype=np.intp)
    count[order] = np.arange(len(codes)) - np.searchsorted(ordered, ordered)
    return count


def _shares(history: History, as_of: date) -> Numbers:
    """Each institution's share of the outcomes taken in the `YEARS` before the month; last a 0, for who has no past."""
    end = cutoff(as_of)
    events = slice(history.until(day_of(end.replace(year=end.year - YEARS))), history.until(day_of(end)))
    taken = history.product[events][history.taken[events]]
    count = np.bincount(history.institution_of[taken], minlength=len(history.institutions) + 1)
    return count / max(int(count.sum()), 1)

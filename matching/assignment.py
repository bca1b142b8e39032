"""The whole white list at once: each need one product, within what every product has left, the best for all together.

Where one need after the other takes the best that is left, those that come last find little. All together it is a
generalised assignment problem. Its Lagrangian relaxation (Fisher, Management Science 1981) puts a price on a yuan of
each product of which more is asked than there is; at these prices every need chooses for itself. At any prices, what
the needs then keep and what the rooms are worth bound every assignment, so that an answer tells what it can lack.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matching.errors import Fault, InputError
from matching.fitting import least
from matching.history import Numbers

NONE: Final = -1
HEATS: Final = (0.1, 0.03, 0.01, 0.003)  # by which choices are softened, in the largest worth; each starts the next
STEPS: Final = 60  # of the descent, for each heat
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Assignment:
    """Who gets what: for each need the place of its offer among all, or `NONE`.

    `worth` is what the offers taken are worth together, and no assignment whatever is worth more than `bound`.
    `prices` [products] are what one yuan more of each would add to the bound: 0 where there is room for all who would
    come.
    """

    taken: Whole
    worth: float
    bound: float
    prices: Numbers


def assign(need: Whole, product: Whole, worth: Numbers, amounts: Whole, room: Whole) -> Assignment:
    """At most one offer for each need, within the room of every product, worth as much as can be found in all.

    An offer says which `need` (codes from 0, ascending, none left out) could have which `product` (codes from 0) and
    what that is `worth` (above 0). `amounts` [needs] and `room` [products] are in yuan, or both in another whole unit.
    Takes time in proportion to the offers; the same offers in the same order are assigned alike. Raises `InputError`.
    """
    _check(need, product, worth, amounts, room)
    if not len(need):
        return Assignment(np.empty(0, np.int64), 0.0, 0.0, np.zeros(len(room)))
    offers = _Offers(need, product, worth, amounts, room)
    prices = offers.prices()
    kept = offers.kept(prices)
    taken = offers.moved_up(offers.chosen(kept))
    found = float(worth[taken[taken != NONE]].sum())
    return Assignment(taken, found, max(offers.bound(kept, prices), found), prices)


def in_turn(need: Whole, product: Whole, amounts: Whole, room: Whole) -> Whole:
    """What is taken where one need after the other has the first of its offers that still has room, as `Assignment`'s.

    What happens to a list that nobody assigns; the arrays are as in `assign`.
    """
    left, taken = room.tolist(), [NONE] * len(amounts)
    wanted = amounts.tolist()
    for offer, (one, sought) in enumerate(zip(need.tolist(), product.tolist(), strict=True)):
        if taken[one] == NONE and left[sought] >= wanted[one]:
            left[sought] -= wanted[one]
            taken[one] = offer
    return np.array(taken, dtype=np.int64)


class _Offers:
    """The offers, need by need, and what prices make of them."""

    def __init__(self, need: Whole, product: Whole, worth: Numbers, amounts: Whole, room: Whole) -> None:
        self.need, self.product, self.worth, self.room = need, product, worth, room
        self.amount = amounts[need]
        self.fits = self.amount <= room[product]
        self.first = np.flatnonzero(np.diff(need, prepend=NONE))
        self.many = np.diff(self.first, append=len(need))

    def kept(self, prices: Numbers) -> Numbers:
        """What each offer is worth less its price; -inf where its product had no room for it even alone."""
        return np.where(self.fits, self.worth - prices[self.product] * self.amount, -np.inf)

    def bound(self, kept: Numbers, prices: Numbers) -> float:
        """What the needs keep at most, and what the rooms are worth: by weak duality no assignment has more."""
        return float(np.maximum(np.maximum.reduceat(kept, self.first), 0).sum() + prices @ self.room)

    def prices(self) -> Numbers:
        """Prices at which the bound is least, as nearly as a descent on the softened bound comes.

        Only what could not serve all who might come has a price. Prices are counted in units in which large and small
        products move alike.
        """
        scarce = np.flatnonzero(np.bincount(self.product, self.amount * self.fits, len(self.room)) > self.room)
        found = np.zeros(len(self.room))
        unit = self.amount.mean()
        scale = 1 / (unit * np.sqrt(np.maximum(self.room[scarce] / unit, 1e-3)))

        def at(inner: Numbers) -> Numbers:
            found[scarce] = inner * scale
            return found

        inner = np.zeros(len(scarce))
        for heat in np.array(HEATS) * self.worth.max() if len(scarce) else ():

            def loss(inner: Numbers, heat: float = heat) -> tuple[float, Numbers]:
                value, left = self._softened(at(inner), heat)
                return value, left[scarce] * scale

            inner = least(loss, inner, [(0, None)] * len(scarce), maxiter=STEPS)
        return at(inner)

    def _softened(self, prices: Numbers, heat: float) -> tuple[float, Numbers]:
        """The bound where needs choose by shares, as a logit with none of the offers beside them, and its slope.

        So it has a slope everywhere, which is what each product has left.
        """
        kept = self.kept(prices) / heat
        top = np.maximum(np.maximum.reduceat(kept, self.first), 0)
        shares = np.exp(kept - np.repeat(top, self.many))
        whole = np.add.reduceat(shares, self.first) + np.exp(-top)
        asked = np.bincount(self.product, shares / np.repeat(whole, self.many) * self.amount, len(self.room))
        value = heat * float((top + np.log(whole)).sum()) + float(prices @ self.room)
        return value, np.subtract(self.room, asked, dtype=np.float64)

    def chosen(self, kept: Numbers) -> Whole:
        """Each need's best offer that still has room; those choose first whose next best is furthest behind."""
        order = np.lexsort((-kept, self.need))
        best, second = kept[order[self.first]], np.zeros(len(self.first))
        several = self.many > 1
        second[several] = np.maximum(kept[order[self.first[several] + 1]], 0)
        left, taken = self.room.tolist(), [NONE] * len(self.first)
        product, amount, offers = self.product.tolist(), self.amount.tolist(), order.tolist()
        for one in np.argsort(second - best, kind="stable").tolist():
            for offer in offers[self.first[one] : self.first[one] + self.many[one]]:
                if left[product[offer]] >= amount[offer]:
                    left[product[offer]] -= amount[offer]
                    taken[one] = offer
                    break
        return np.array(taken)

    def moved_up(self, taken: Whole) -> Whole:
        """Each need moves to an offer of more worth where there is room for it, until none can."""
        left, held = self._left(taken), taken.tolist()
        product, amount, worth = self.product.tolist(), self.amount.tolist(), self.worth.tolist()
        offers = list(zip(self.first.tolist(), self.many.tolist(), strict=True))
        moves = True
        while moves:  # it ends: every move adds worth, and there are only so many assignments
            moves = False
            for one, (first, many) in enumerate(offers):
                for offer in range(first, first + many):
                    now = held[one]
                    if left[product[offer]] >= amount[offer] and worth[offer] > (0 if now == NONE else worth[now]):
                        if now != NONE:
                            left[product[now]] += amount[now]
                        left[product[offer]] -= amount[offer]
                        held[one], moves = offer, True
        return np.array(held)

    def _left(self, taken: Whole) -> list[int]:
        """What each product has left; in whole numbers, as money is."""
        held = taken[taken != NONE]
        used = np.zeros(len(self.room), np.int64)
        np.add.at(used, self.product[held], self.amount[held])
        left: list[int] = (self.room - used).tolist()
        return left


def _check(need: Whole, product: Whole, worth: Numbers, amounts: Whole, room: Whole) -> None:
    """Raises `InputError` for arrays that are not as `assign` says."""
    counts = np.isin(np.diff(need, prepend=NONE), (0, 1)).all() and not need[:1].any()
    needs = int(need[-1]) + 1 if len(need) else 0
    coded = ((product >= 0) & (product < len(room))).all()
    asked = {
        "need": ("counts the needs from 0 upwards and leaves none out", counts),
        "product": ("is the code of a room for each offer", len(product) == len(need) and coded),
        "worth": ("is above 0 and finite for each offer", len(worth) == len(need) and _above(worth)),
        "amounts": ("is above 0 for each need", len(amounts) == needs and _above(amounts)),
        "room": ("is not negative", (room >= 0).all()),
    }
    faults = [Fault(name, rule) for name, (rule, holds) in asked.items() if not holds]
    if faults:
        raise InputError("assign", faults)


def _above(values: Numbers | Whole) -> bool:
    return bool((np.isfinite(values) & (values > 0)).all())

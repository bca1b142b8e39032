"""Assigning made-up lists, beside a general solver's relaxation and one need after the other.

`python -m tests.benchmarks.assigning [--needs 1000 4000 …]`; the solver, which takes far longer on long lists, is asked
for the lists of at most `SOLVED` needs.
"""

import argparse
from time import perf_counter

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, vstack

from matching.assignment import NONE, Whole, assign, in_turn
from matching.history import Numbers

PRODUCTS, OFFERS, SOLVED = 200, 30, 4_000
Made = tuple[Whole, Whole, Numbers, Whole, Whole]


def made(needs: int, seed: int = 0) -> Made:
    """Needs with `OFFERS` offers each, popular products more often and earlier; half of what is asked finds room."""
    rng = np.random.default_rng(seed)
    liked = rng.normal(0, 1.5, PRODUCTS) + rng.gumbel(size=(needs, PRODUCTS))
    product = np.argsort(-liked, axis=1)[:, :OFFERS]
    amounts = np.exp(rng.normal(14, 1, needs)).astype(np.int64)
    room = rng.dirichlet(np.full(PRODUCTS, 2.0)) * amounts.sum() / 2
    worth = np.tile(1 / np.log2(1 + np.arange(1, OFFERS + 1)), needs)
    return np.repeat(np.arange(needs), OFFERS), product.ravel(), worth, amounts, room.astype(np.int64)


def one_by_one(need: Whole, product: Whole, worth: Numbers, amounts: Whole, room: Whole) -> float:
    """What it is worth when one need after the other takes the best that is left."""
    taken = in_turn(need, product, amounts, room)
    return float(worth[taken[taken != NONE]].sum())


def relaxed(need: Whole, product: Whole, worth: Numbers, amounts: Whole, room: Whole) -> float:
    """What HiGHS finds where needs may be served in parts: no assignment is worth more."""
    offers, million = np.arange(len(need)), 1e6
    fits = (amounts[need] <= room[product]).astype(float)
    one = coo_array((np.ones(len(need)), (need, offers)))
    within = coo_array((amounts[need] / million, (product, offers)), (len(room), len(need)))
    limits = np.concatenate([np.ones(len(amounts)), room / million])
    bounds = np.column_stack([np.zeros(len(need)), fits])
    return -float(linprog(-worth, vstack([one, within]).tocsr(), limits, bounds=bounds, method="highs").fun)


def main() -> None:
    """A line for each length of list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--needs", type=int, nargs="+", default=[1_000, 4_000, 16_000, 64_000])
    for needs in parser.parse_args().needs:
        lists = made(needs)
        start = perf_counter()
        found = assign(*lists)
        took = perf_counter() - start
        line = f"{needs:,} needs, {needs * OFFERS:,} offers: {took:.2f} s, {found.worth / found.bound:.2%} of the bound"
        print(f"{line}; one after the other {one_by_one(*lists) / found.bound:.1%}", end="", flush=True)
        if needs <= SOLVED:
            start = perf_counter()
            best = relaxed(*lists)
            print(
                f"; the bound is {found.bound / best:.4f} x HiGHS's, which took {perf_counter() - start:.1f} s", end=""
            )
        print(flush=True)


if __name__ == "__main__":
    main()

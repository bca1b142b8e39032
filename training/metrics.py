"""How good a ranking is, by conventions of our own.

A query is two arrays over its candidates: `scores` (the higher the better) and `gains` (0 for irrelevant).
* Ranks descend from 1; equal scores share their mean rank, so that the order of rows never matters.
* A score of -inf means "never shown" (ruled out): rank infinity, worth nothing anywhere. NaN is refused.
* NDCG@k: each candidate's gain is discounted by 1 / log2(1 + rank), by nothing left where rank > k; the ideal is the
  gains in descending order at ranks 1, 2, … k without sharing. With one relevant product this is 1 / log2(1 + rank).
  A tie around k can lift more gain into the top than k places hold: the quotient is cut at 1.
* A group without a positive gain is worth 0 and is counted: the product taken was no candidate.
* MRR is 1 / rank of the best relevant candidate, recall@k the share of the relevant with rank <= k.
* An average counts each enterprise once: the mean over enterprises of the mean over an enterprise's queries.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matching.errors import Fault, InputError

Floats = NDArray[np.float64]

CONFIDENCE: Final = 0.95


class Interval(NamedTuple):
    """A value with its bootstrap interval, `low` <= `value` <= `high`."""

    value: float
    low: float
    high: float


def mean_ranks(scores: ArrayLike) -> Floats:
    """Ranks of `scores` [n], 1 for the highest; ties share the mean rank, -inf ranks at infinity. NaN: `InputError`."""
    values = np.asarray(scores, dtype=np.float64)
    faults = [Fault("scores", "is a number, not NaN", int(i) + 1) for i in np.flatnonzero(np.isnan(values))]
    if faults:
        raise InputError("metrics", faults)
    ordered = np.sort(-values)
    first, after = (np.searchsorted(ordered, -values, side) for side in ("left", "right"))
    return np.where(np.isneginf(values), np.inf, (first + 1 + after) / 2)


def ndcg(scores: ArrayLike, gains: ArrayLike, k: int = 10) -> float:
    """NDCG@k in 0-1 of `scores` [n] against `gains` [n]."""
    return _ndcg(*_query(scores, gains, k), k)


def mrr(scores: ArrayLike, gains: ArrayLike) -> float:
    """1 / rank of the best-ranked relevant candidate."""
    return _mrr(*_query(scores, gains))


def recall(scores: ArrayLike, gains: ArrayLike, k: int) -> float:
    """The share of the relevant candidates with rank <= k."""
    return _recall(*_query(scores, gains, k), k)


def measures(scores: ArrayLike, gains: ArrayLike) -> dict[str, float]:
    """Every metric of the report by name (the keys of `MEASURES`), ranked once."""
    ranks, worth = _query(scores, gains)
    return {name: measure(ranks, worth) for name, measure in MEASURES.items()}


def by_enterprise(values: ArrayLike, enterprises: ArrayLike) -> float:
    """The mean over `enterprises` [q] (any labels) of the mean of each one's `values` [q]."""
    return float(_enterprise_means(values, enterprises).mean())


def bootstrap(values: ArrayLike, enterprises: ArrayLike, seed: int = 0, n: int = 1000) -> Interval:
    """`by_enterprise` with its 95% percentile interval over `n` resamples of the enterprises; the same for a seed."""
    means = _enterprise_means(values, enterprises)
    return _interval(float(means.mean()), means[_drawn(means.size, seed, n)].mean(axis=1))


def pooled(values: ArrayLike, enterprises: ArrayLike, seed: int = 0, n: int = 1000) -> Interval:
    """The mean of all `values` [q], each counted once, with its 95% interval over resamples of the enterprises."""
    means, counts = _enterprise_means(values, enterprises), np.unique(np.asarray(enterprises), return_counts=True)[1]
    drawn = _drawn(means.size, seed, n)
    resampled = (means * counts)[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return _interval(float(np.average(means, weights=counts)), resampled)


def paired(values_a: ArrayLike, values_b: ArrayLike, enterprises: ArrayLike, seed: int = 0, n: int = 1000) -> Interval:
    """The difference a - b of two systems on the same queries, over the same resamples as `bootstrap` draws."""
    a, b = np.asarray(values_a, dtype=np.float64), np.asarray(values_b, dtype=np.float64)
    _same_length("values_b", b.size, a.size)
    return bootstrap(a - b, enterprises, seed, n)


def bracketed(interval: Mapping[str, float], sign: str = "") -> str:
    """A report's value with its interval, as in 0.712 [0.690, 0.731]; with the sign "+" always signed."""
    value, low, high = (f"{interval[part]:{sign}.3f}" for part in Interval._fields)
    return f"{value} [{low}, {high}]"


def _drawn(size: int, seed: int, n: int) -> NDArray[np.int32]:
    """Which of so many enterprises are in each of `n` resamples."""
    _positive(n, "n")
    return np.random.default_rng(seed).integers(0, size, (n, size), dtype=np.int32)


def _interval(value: float, resampled: Floats) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Interval(value, min(float(low), value), max(float(high), value))


def _ndcg(ranks: Floats, gains: Floats, k: int) -> float:
    best = np.sort(gains)[::-1][:k]
    ideal = float(best @ _discounts(np.arange(1.0, best.size + 1), k))
    return min(float(gains @ _discounts(ranks, k)) / ideal, 1.0) if ideal > 0 else 0.0


def _discounts(ranks: Floats, k: int) -> Floats:
    return np.where(ranks <= k, 1 / np.log2(1 + ranks), 0.0)


def _mrr(ranks: Floats, gains: Floats) -> float:
    return float((1 / ranks[gains > 0]).max(initial=0.0))


def _recall(ranks: Floats, gains: Floats, k: int) -> float:
    relevant = ranks[gains > 0]
    return float(np.mean(relevant <= k)) if relevant.size else 0.0


MEASURES: Final[dict[str, Callable[[Floats, Floats], float]]] = {
    "ndcg@10": lambda ranks, gains: _ndcg(ranks, gains, 10),
    "mrr": _mrr,
    "recall@1": lambda ranks, gains: _recall(ranks, gains, 1),
    "recall@5": lambda ranks, gains: _recall(ranks, gains, 5),
}


def _query(scores: ArrayLike, gains: ArrayLike, k: int = 1) -> tuple[Floats, Floats]:
    """The checked query as ranks and gains."""
    _positive(k)
    worth = np.asarray(gains, dtype=np.float64)
    _same_length("gains", worth.size, np.size(scores))
    bad = np.flatnonzero(~(np.isfinite(worth) & (worth >= 0)))
    if bad.size:
        raise InputError("metrics", [Fault("gains", "is finite and at least 0", int(i) + 1) for i in bad])
    return mean_ranks(scores), worth


def _enterprise_means(values: ArrayLike, enterprises: ArrayLike) -> Floats:
    of_query, labels = np.asarray(values, dtype=np.float64), np.asarray(enterprises)
    _same_length("enterprises", labels.size, of_query.size)
    if not of_query.size or not np.isfinite(of_query).all():
        raise InputError("metrics", [Fault("values", "holds at least one query, and finite numbers only")])
    _, owner = np.unique(labels, return_inverse=True)
    means: Floats = np.bincount(owner, of_query) / np.bincount(owner)
    return means


def _same_length(field: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise InputError("metrics", [Fault(field, f"has {wanted} items, not {found}")])


def _positive(k: Any, field: str = "k") -> None:
    if k < 1:
        raise InputError("metrics", [Fault(field, f"is at least 1, not {k}")])

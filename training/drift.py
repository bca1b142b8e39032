"""How far a fact of what comes in has moved (PSI), and how far chance alone would have moved it.

Each enterprise counts once in each of the two samples: one with five needs stands in five bins with a fifth each. PSI,
the population stability index, is the sum over bins of (a − b) × ln(a / b), where a and b are the two samples' shares.
Both samples are joined by one enterprise that is as the two together are, so that a bin which is empty in one of them
is far from the other, but not infinitely.

Small samples differ by chance alone, the more so the more bins there are. The enterprises of both samples are
therefore shuffled and parted again, many times over, all facts alike: `chance` is the PSI which without any drift one
fact or more reaches in one shuffle of twenty. An enterprise that is in both samples makes them more alike than
shuffled ones are, so that with many of these fewer alarms are false.
"""

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from matching.catalogue import Rows
from matching.history import Numbers
from training.breakdown import OTHERS, UNKNOWN
from training.metrics import CONFIDENCE

BINS: Final = 10
RARE: Final = 0.02  # categories that fewer of both samples' rows have stand together
FEWEST: Final = 50  # enterprises in each sample: below, even what is drifted far is lost in chance
WATCH: Final = 0.10
DRIFTED: Final = 0.25
SHUFFLES: Final = 2000
_AT_ONCE: Final = 100  # shuffles


class Verdict(StrEnum):
    """What is said of a fact."""

    STEADY = "steady"
    WATCH = "watch"
    DRIFTED = "drifted"
    TOO_FEW = "too few"


class Binned(NamedTuple):
    """The bin of each row, and what each bin holds in words."""

    places: Rows
    labels: list[str]


class Samples(NamedTuple):
    """What share of each enterprise's rows is in each bin [enterprises, bins]; the first `n` are the reference's."""

    shares: Numbers
    n: int


def drift(reference: pd.DataFrame, window: pd.DataFrame, facts: Sequence[str], seed: int = 0) -> list[dict[str, Any]]:
    """By fact, a column of both frames beside `enterprise_id`: how far the window is from the reference.

    Each has `fact`, `psi`, `chance`, `verdict`, `n` (the enterprises of reference and window) and `moved`: the bin that
    adds most to the PSI, with its share in both. Facts that are never known are left out.
    """
    facts = [fact for fact in facts if reference[fact].notna().any() or window[fact].notna().any()]
    sizes = {"reference": reference["enterprise_id"].nunique(), "window": window["enterprise_id"].nunique()}
    if not all(sizes.values()):
        return [_unknown(fact, sizes) for fact in facts]
    found = [binned(reference[fact], window[fact]) for fact in facts]
    samples = [by_enterprise(one, reference["enterprise_id"], window["enterprise_id"]) for one in found]
    levels = by_chance(samples, seed)
    return [_fact(*one, sizes) for one in zip(facts, found, samples, levels, strict=True)]


def shares(reference: pd.DataFrame, window: pd.DataFrame, fact: str) -> pd.DataFrame:
    """label, before, now: the share of enterprises in each bin of a fact, as `drift` has it; no row for an empty bin.

    Both samples have an enterprise.
    """
    found = binned(reference[fact], window[fact])
    each, n = by_enterprise(found, reference["enterprise_id"], window["enterprise_id"])
    frame = pd.DataFrame({"label": found.labels, "before": each[:n].mean(axis=0), "now": each[n:].mean(axis=0)})
    return frame[frame["before"] + frame["now"] > 0].reset_index(drop=True)


def psi(a: Numbers, b: Numbers, n_a: int, n_b: int) -> Numbers:
    """PSI of shares `a` [..., bins] of `n_a` enterprises and `b` of `n_b`: never below 0, and 0 for equal shares."""
    return _parts(a, b, n_a, n_b).sum(axis=-1)


def _parts(a: Numbers, b: Numbers, n_a: int, n_b: int) -> Numbers:
    """What each bin adds."""
    both = (n_a * a + n_b * b) / (n_a + n_b)
    a, b = (n_a * a + both) / (n_a + 1), (n_b * b + both) / (n_b + 1)
    held = both > 0
    logs = np.log(np.where(held, a, 1.0)) - np.log(np.where(held, b, 1.0))
    return (a - b) * logs


def binned(reference: pd.Series, window: pd.Series) -> Binned:
    """Numbers in ten bins that hold equally many of the reference's rows, else categories; what is missing by itself.

    Numbers of at most ten values are categories too: in few bins, what lies below the lowest would not be seen.
    """
    numeric = all(pd.api.types.is_numeric_dtype(one) for one in (reference, window))
    if numeric and reference.nunique() > BINS:
        return _by_quantiles(reference, window)
    return _by_category(pd.concat([reference, window], ignore_index=True))


def _by_quantiles(reference: pd.Series, window: pd.Series) -> Binned:
    """Bin i holds what is above edge i - 1 and at most edge i."""
    known = reference.dropna().to_numpy(dtype=np.float64)
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="higher"))
    values = np.concatenate([one.to_numpy(dtype=np.float64, na_value=np.nan) for one in (reference, window)])
    places = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values))
    named = list(map(_said, edges))
    between = [f"{low} to {high}" for low, high in pairwise(named)]
    return Binned(places, [f"to {named[0]}", *between, f"above {named[-1]}", UNKNOWN])


def _said(number: float) -> str:
    return f"{number:,.3g}" if abs(number) < 100 else f"{number:,.0f}"


def _by_category(values: pd.Series) -> Binned:
    said = values.map(_said, na_action="ignore") if pd.api.types.is_any_real_numeric_dtype(values) else values
    names = said.astype(object).where(values.notna(), UNKNOWN).astype(str)
    share = names.value_counts(normalize=True)
    kept = sorted(str(name) for name, part in share.items() if part >= RARE or name == UNKNOWN)
    places = pd.Index(kept).get_indexer(pd.Index(names))
    return Binned(np.where(places < 0, len(kept), places), [*kept, OTHERS])


def by_enterprise(found: Binned, reference: pd.Series, window: pd.Series) -> Samples:
    """Each enterprise's shares; `reference` and `window` say whose the rows are."""
    (old, olds), (new, news) = ((codes, len(names)) for codes, names in map(pd.factorize, (reference, window)))
    owner = np.concatenate([old, olds + new])
    bins = len(found.labels)
    counts = np.bincount(owner * bins + found.places, minlength=(olds + news) * bins).reshape(-1, bins)
    return Samples(counts / counts.sum(axis=1, keepdims=True), olds)


def by_chance(samples: Sequence[Samples], seed: int = 0) -> Numbers:
    """For each fact the PSI that without drift it, or another fact its own, exceeds in one shuffle of twenty.

    All facts have the same enterprises in the same order.
    """
    from scipy.stats import rankdata  # takes most of a second to import

    if not samples:
        return np.empty(0)
    drawn = _shuffled(samples, seed)
    highest = (rankdata(drawn, axis=0) / len(drawn)).max(axis=1)
    return np.quantile(drawn, np.quantile(highest, CONFIDENCE, method="higher"), axis=0)


def _shuffled(samples: Sequence[Samples], seed: int) -> Numbers:
    """The PSI of each fact [shuffles, facts] between two samples drawn from both without regard to which is which."""
    shares = np.concatenate([one.shares for one in samples], axis=1)
    bounds = np.cumsum([one.shares.shape[1] for one in samples])[:-1]
    n, total = samples[0].n, len(shares)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(0, SHUFFLES, _AT_ONCE):
        chosen = np.zeros((_AT_ONCE, total))
        order = rng.random((_AT_ONCE, total)).argpartition(n, axis=1) if n < total else np.empty((_AT_ONCE, 0), int)
        np.put_along_axis(chosen, order[:, :n], 1.0, axis=1)
        a = chosen @ shares
        b = np.maximum(shares.sum(axis=0) - a, 0.0)  # what rounding leaves below nought
        parts = _parts(a / n, b / (total - n), n, total - n)
        found.append(np.stack([part.sum(axis=1) for part in np.split(parts, bounds, axis=1)], axis=1))
    return np.concatenate(found)


def _fact(fact: str, found: Binned, samples: Samples, chance: float, sizes: dict[str, int]) -> dict[str, Any]:
    shares, n = samples
    a, b = shares[:n].mean(axis=0), shares[n:].mean(axis=0)
    parts = _parts(a, b, n, len(shares) - n)
    value, most = float(parts.sum()), int(parts.argmax())
    return {
        "fact": fact,
        "psi": value,
        "chance": float(chance),
        "verdict": verdict(value, float(chance), min(sizes.values())),
        "n": sizes,
        "moved": {"bin": found.labels[most], "reference": float(a[most]), "window": float(b[most])},
    }


def _unknown(fact: str, sizes: dict[str, int]) -> dict[str, Any]:
    """Where there is nothing to compare."""
    return {"fact": fact, "psi": None, "chance": None, "verdict": Verdict.TOO_FEW, "n": sizes, "moved": None}


def verdict(value: float, chance: float, n: int) -> Verdict:
    """Of a PSI, beside what chance reaches; `n` enterprises are in the smaller sample."""
    if n < FEWEST:
        return Verdict.TOO_FEW
    if value <= max(WATCH, chance):
        return Verdict.STEADY
    return Verdict.DRIFTED if value > DRIFTED else Verdict.WATCH

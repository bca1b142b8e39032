"""Products' own rules, judged together: each distinct condition once, a rule only while it is in force."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from math import isnan
from typing import Any, Final, Self, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

from matching.catalogue import Floats, Rows, day_of
from matching.clauses import Condition, read
from matching.domain import Operator, Product, Result
from matching.facts import FACTS, Fact, FactType, Known, members, number

Codes = npt.NDArray[np.int8]
H = TypeVar("H", bound=Hashable)
BP: Final = 10_000  # basis points in one
DAYS_KEPT: Final = 16  # a rate moves a few times a year
RESULTS: Final = (Result.PASS, Result.REVIEW, Result.FAIL)
PASS, REVIEW, FAIL = (np.int8(code) for code in range(len(RESULTS)))
_COMPARISONS: Final = (Operator.GE, Operator.LE, Operator.GT, Operator.LT, Operator.EQ)
_GE, _LE, _GT, _LT, _EQ = range(len(_COMPARISONS))  # compiled code knows numbers


class Conditions:
    """Distinct conditions, judged at once: those on numbers by one kernel, those on codes one by one."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        counted = [
            (i, one, one.threshold) for i, one in enumerate(conditions) if not isinstance(one.threshold, frozenset)
        ]
        coded = [(i, one, one.threshold) for i, one in enumerate(conditions) if isinstance(one.threshold, frozenset)]
        self._count = len(conditions)
        self._numbers = _Counted.of(counted)
        self._at = np.array([i for i, _, _ in coded], dtype=np.intp)
        self._sets = [(FACTS[one.field], one.operator, wanted) for _, one, wanted in coded]

    def judge(self, known: Known, as_of: date, rate_bp: Floats | float = np.nan) -> Codes:
        """PASS, REVIEW (the fact or the rate is missing or too coarse) or FAIL for each condition, in the given order.

        `rate_bp` (basis points, one for each condition or for all) are what rated thresholds count in.
        """
        results = np.empty(self._count, np.int8)
        if self._numbers.facts:
            self._numbers.judge(results, known, np.full(self._count, rate_bp))
        if self._sets:
            results[self._at] = self._coded(known, as_of)
        return results

    def _coded(self, known: Known, as_of: date) -> list[int]:
        """A code for each condition on codes; each fact is read once."""
        held = {fact.name: members(fact, known, as_of) for fact, _, _ in self._sets}
        return [
            _judged(held[fact.name], operator, wanted, _is_coarse(fact, known, wanted))
            for fact, operator, wanted in self._sets
        ]


class OwnRules:
    """The own rules of all products as entries, in the products' order; each distinct condition is judged once.

    `rows` is each entry's row in `products`, `rules` the rules themselves. Raises `InputError` naming product and rule
    as `clauses.read` does.
    """

    def __init__(self, products: Sequence[Product]) -> None:
        owners = [(row, rule) for row, product in enumerate(products) for rule in product.rules or ()]
        self.rules = tuple(rule for _, rule in owners)
        self.rows = np.array([row for row, _ in owners], dtype=np.intp)
        self.names, self._name_codes = numbered([rule.rule_id for rule in self.rules])
        self._firsts = np.searchsorted(self.rows, np.arange(len(products) + 1)).tolist()
        self._asked = read(products)
        priced = [row if one.rated else -1 for one, (row, _) in zip(self._asked, owners, strict=True)]
        self._rated = any(one.rated for one in self._asked)
        distinct, self._condition_codes = numbered(list(zip(self._asked, priced, strict=True)))
        self._conditions = Conditions([one for one, _ in distinct])
        self._priced = np.array([row for _, row in distinct], dtype=np.intp)
        self._ceiling = np.array([RESULTS.index(rule.severity) for rule in self.rules], dtype=np.int8)
        self._starts = np.array([day_of(rule.valid_from or date.min) for rule in self.rules], dtype=np.float64)
        self._ends = np.array([day_of(rule.valid_to or date.max) for rule in self.rules], dtype=np.float64)

    def in_force(self, as_of: date) -> npt.NDArray[np.bool_]:
        """Which entries are asked on a day."""
        day = day_of(as_of)
        return (self._starts <= day) & (day < self._ends)

    def judge(self, known: Known, as_of: date, rate_bp: Floats) -> Codes:
        """PASS, REVIEW or FAIL for each entry; a rule whose severity is review never fails, one out of force passes.

        `rate_bp` is each product's rate on the day.
        """
        if not self.rules:
            return np.empty(0, np.int8)
        rates = rate_bp[self._priced] if self._rated else np.nan  # of rated conditions; others read none
        judged = self._conditions.judge(known, as_of, rates).take(self._condition_codes)
        np.minimum(judged, self._ceiling, out=judged)
        judged[~self.in_force(as_of)] = PASS
        return judged

    def asked(self, entry: int, rate_bp: Floats) -> Condition:
        """What an entry asks on a day with these rates."""
        one = self._asked[entry]
        return resolved(one, float(rate_bp[self.rows[entry]])) if one.rated else one

    def count(self, entries: npt.NDArray[np.bool_], weights: Floats) -> dict[str, int]:
        """How much weight of products stands on the chosen entries, by rule id; ids without any are left out."""
        codes, found = self._name_codes[entries], weights[self.rows[entries]]
        counts = np.bincount(codes, found, minlength=len(self.names))
        return {self.names[i]: int(counts[i]) for i in np.flatnonzero(counts)}

    def entries_of(self, row: int) -> range:
        """The entries of the product in `row`."""
        return range(self._firsts[row], self._firsts[row + 1])


def numbered(values: Sequence[H]) -> tuple[list[H], Rows]:
    """The distinct values, and each value's place among them."""
    places: dict[H, int] = {}
    codes = [places.setdefault(value, len(places)) for value in values]
    return list(places), np.array(codes, dtype=np.intp)


def holding(lists: Sequence[Sequence[str] | None]) -> dict[str, Rows]:
    """For each code, the places of the lists that hold it."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, codes in enumerate(lists):
        for code in set(codes or ()):
            places[code].append(place)
    return {code: np.array(found, dtype=np.intp) for code, found in places.items()}


def resolved(asked: Condition, rate_bp: float) -> Condition:
    """A rated condition at a rate, as a share."""
    assert isinstance(asked.threshold, float)
    return asked._replace(threshold=_share(asked.threshold, rate_bp), rated=False)


def _share(rates: float, rate_bp: float) -> float:
    """So many rates as a share: the double nearest to their decimals, as doubles multiplied may end above or below."""
    if isnan(rate_bp):
        return rate_bp
    return float(Fraction(str(rates)) * Fraction(str(round(rate_bp, 6))) / BP)


@lru_cache(DAYS_KEPT)
def _shares(rates: bytes, rate_bp: bytes) -> Floats:
    """`_share` of each of two arrays of doubles; all needs between two moves of the rates ask for the same."""
    pairs = zip(np.frombuffer(rates).tolist(), np.frombuffer(rate_bp).tolist(), strict=True)
    return np.array([_share(*pair) for pair in pairs])


@dataclass(frozen=True)
class _Counted:
    """Conditions that compare numbers: the places they are `at`, and for each its fact (one of `facts`) and threshold.

    `operator` is its place in `_COMPARISONS`; `rated` are the places among these conditions of those in rates.
    """

    facts: tuple[Fact, ...]
    at: Rows
    fact: Rows
    operator: Rows
    thresholds: Floats
    rated: Rows

    @classmethod
    def of(cls, conditions: Sequence[tuple[int, Condition, float]]) -> Self:
        """From each condition's place, itself and its threshold."""
        names, fact = numbered([one.field for _, one, _ in conditions])
        return cls(
            tuple(FACTS[name] for name in names),
            np.array([i for i, _, _ in conditions], dtype=np.intp),
            fact,
            np.array([_COMPARISONS.index(one.operator) for _, one, _ in conditions], dtype=np.intp),
            np.array([threshold for _, _, threshold in conditions], dtype=np.float64),
            np.flatnonzero([one.rated for _, one, _ in conditions]),
        )

    def judge(self, results: Codes, known: Known, rate_bp: Floats) -> None:
        """Writes a code for each into the places of `results`."""
        found = [number(fact, known) for fact in self.facts]
        missing = np.array([value is None for value in found])
        actual = np.array(found, dtype=np.float64)  # None is NaN
        _compare(results, self.at, self.fact, self.operator, self._resolved(rate_bp), actual, missing)

    def _resolved(self, rate_bp: Floats) -> Floats:
        """The thresholds, those in rates as shares."""
        if not self.rated.size:
            return self.thresholds
        thresholds, rates = self.thresholds.copy(), rate_bp[self.at[self.rated]]
        thresholds[self.rated] = _shares(thresholds[self.rated].tobytes(), rates.tobytes())
        return thresholds


@njit(cache=True, nogil=True)
def _compare(
    results: Any, at: Any, fact: Any, operator: Any, thresholds: Any, actual: Any, missing: Any
) -> None:  # fmt: skip
    for i in range(len(at)):
        if missing[fact[i]] or np.isnan(thresholds[i]):
            results[at[i]] = REVIEW
        else:
            results[at[i]] = PASS if _met(actual[fact[i]], operator[i], thresholds[i]) else FAIL


@njit(cache=True, nogil=True)
def _met(actual: float, operator: int, threshold: float) -> bool:
    """Whether one of `_COMPARISONS` holds."""
    if operator == _GE:
        return actual >= threshold
    if operator == _LE:
        return actual <= threshold
    if operator == _GT:
        return actual > threshold
    if operator == _LT:
        return actual < threshold
    return actual == threshold


def _is_coarse(fact: Fact, known: Known, wanted: frozenset[str]) -> bool:
    """Whether a path ends above one that is named: whether it goes on to there is not known."""
    return fact.type is FactType.PATH and any(path.startswith(f"{known[fact.name]}/") for path in wanted)


def _judged(actual: frozenset[str] | None, operator: Operator, wanted: frozenset[str], coarse: bool) -> int:
    if actual is None or (coarse and wanted.isdisjoint(actual)):
        return int(REVIEW)
    return int(PASS if _answers(actual, operator, wanted) else FAIL)


def _answers(actual: frozenset[str], operator: Operator, wanted: frozenset[str]) -> bool:
    if operator is Operator.HAS:
        return wanted <= actual
    return wanted.isdisjoint(actual) == (operator is Operator.NOT_IN)

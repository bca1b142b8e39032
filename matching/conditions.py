"""Products' own rules, judged together: each distinct condition once, a rule only while it is in force."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Self, TypeVar

import numpy as np
import numpy.typing as npt

from matching.catalogue import Floats, Rows, days
from matching.clauses import Condition, read
from matching.domain import Operator, Product, Result
from matching.facts import FACTS, Fact, Known, members, number

Codes = npt.NDArray[np.int8]
H = TypeVar("H", bound=Hashable)
BP: Final = 10_000  # basis points in one
RESULTS: Final = (Result.PASS, Result.REVIEW, Result.FAIL)
PASS, REVIEW, FAIL = (np.int8(code) for code in range(len(RESULTS)))
_COMPARE: Final = {
    Operator.GE: np.greater_equal,
    Operator.LE: np.less_equal,
    Operator.GT: np.greater,
    Operator.LT: np.less,
    Operator.EQ: np.equal,
}


class Conditions:
    """Distinct conditions, judged at once: one comparison for each field and operator."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._groups = tuple(_grouped(conditions))
        self._count = len(conditions)

    def judge(self, known: Known, as_of: date, rates: Floats | float = np.nan) -> Codes:
        """PASS, REVIEW (the fact or the rate is missing) or FAIL for each condition, in the given order.

        `rates` (shares, one for each condition or for all) are what rated thresholds count in.
        """
        results = np.empty(self._count, np.int8)
        shares = np.broadcast_to(rates, self._count)
        for group in self._groups:
            results[group.at] = group.priced(shares).judge(known, as_of)
        return results


class OwnRules:
    """The own rules of all products as entries, in the products' order; each distinct condition is judged once.

    `rows` is each entry's row in `products`, `rules` the rules themselves. Raises `InputError` naming product and rule
    as `clauses.read` does.
    """

    def __init__(self, products: Sequence[Product]) -> None:
        owners = [(row, rule) for row, product in enumerate(products) for rule in product.rules or ()]
        self.rules = tuple(rule for _, rule in owners)
        self.rows = np.array([row for row, _ in owners], dtype=np.intp)
        self.names, self._name_codes = _numbered([rule.rule_id for rule in self.rules])
        self._firsts = np.searchsorted(self.rows, np.arange(len(products) + 1)).tolist()
        self._asked = read(products)
        priced = [row if one.rated else -1 for one, (row, _) in zip(self._asked, owners, strict=True)]
        distinct, self._condition_codes = _numbered(list(zip(self._asked, priced, strict=True)))
        self._conditions = Conditions([one for one, _ in distinct])
        self._priced = np.array([row for _, row in distinct], dtype=np.intp)
        self._ceiling = np.array([RESULTS.index(rule.severity) for rule in self.rules], dtype=np.int8)
        self._starts = np.array([days(rule.valid_from or date.min) for rule in self.rules], dtype=np.float64)
        self._ends = np.array([days(rule.valid_to or date.max) for rule in self.rules], dtype=np.float64)

    def in_force(self, as_of: date) -> npt.NDArray[np.bool_]:
        """Which entries are asked on a day."""
        day = days(as_of)
        return (self._starts <= day) & (day < self._ends)

    def judge(self, known: Known, as_of: date, rate_bp: Floats) -> Codes:
        """PASS, REVIEW or FAIL for each entry; a rule whose severity is review never fails, one out of force passes.

        `rate_bp` is each product's rate on the day.
        """
        shares = np.append(rate_bp, np.nan)[self._priced] / BP
        judged = np.minimum(self._conditions.judge(known, as_of, shares)[self._condition_codes], self._ceiling)
        return np.where(self.in_force(as_of), judged, PASS)

    def asked(self, entry: int, rate_bp: Floats) -> Condition:
        """What an entry asks on a day with these rates."""
        one = self._asked[entry]
        return resolved(one, float(rate_bp[self.rows[entry]]) / BP) if one.rated else one

    def count(self, entries: npt.NDArray[np.bool_], weights: Floats) -> dict[str, int]:
        """How much weight of products stands on the chosen entries, by rule id; ids without any are left out."""
        codes, found = self._name_codes[entries], weights[self.rows[entries]]
        counts = np.bincount(codes, found, minlength=len(self.names))
        return {self.names[i]: int(counts[i]) for i in np.flatnonzero(counts)}

    def entries_of(self, row: int) -> range:
        """The entries of the product in `row`."""
        return range(self._firsts[row], self._firsts[row + 1])


def _numbered(values: Sequence[H]) -> tuple[list[H], Rows]:
    """The distinct values, and each value's place among them."""
    places: dict[H, int] = {}
    codes = [places.setdefault(value, len(places)) for value in values]
    return list(places), np.array(codes, dtype=np.intp)


def resolved(asked: Condition, share: float) -> Condition:
    """A rated condition at a rate, as a share."""
    assert isinstance(asked.threshold, float)
    return asked._replace(threshold=asked.threshold * share, rated=False)


@dataclass(frozen=True)
class _Counted:
    """Conditions that compare one number by one operator with many thresholds."""

    fact: Fact
    operator: Operator
    at: Rows
    thresholds: Floats
    rated: bool

    def priced(self, shares: Floats) -> Self:
        return replace(self, thresholds=self.thresholds * shares[self.at]) if self.rated else self

    def judge(self, known: Known, as_of: date) -> Codes | np.int8:
        actual = number(self.fact, known)
        if actual is None:
            return REVIEW
        met = _COMPARE[self.operator](actual, self.thresholds)
        return np.where(np.isnan(self.thresholds), REVIEW, np.where(met, PASS, FAIL))


@dataclass(frozen=True)
class _Coded:
    """Conditions that compare one set of codes by one operator with many sets."""

    fact: Fact
    operator: Operator
    at: Rows
    thresholds: tuple[frozenset[str], ...]

    def priced(self, shares: Floats) -> Self:
        return self

    def judge(self, known: Known, as_of: date) -> Codes | np.int8:
        actual = members(self.fact, known, as_of)
        if actual is None:
            return REVIEW
        return np.array([PASS if self._met(actual, wanted) else FAIL for wanted in self.thresholds], np.int8)

    def _met(self, actual: frozenset[str], wanted: frozenset[str]) -> bool:
        if self.operator is Operator.HAS:
            return wanted <= actual
        return wanted.isdisjoint(actual) == (self.operator is Operator.NOT_IN)


def _grouped(conditions: Sequence[Condition]) -> Iterator[_Counted | _Coded]:
    places: dict[tuple[str, Operator, bool], list[int]] = defaultdict(list)
    for i, (field, operator, _, rated) in enumerate(conditions):
        places[field, operator, rated].append(i)
    for (field, operator, rated), at in places.items():
        thresholds = [conditions[i].threshold for i in at]
        sets = tuple(value for value in thresholds if isinstance(value, frozenset))
        index = np.array(at, dtype=np.intp)
        if sets:
            yield _Coded(FACTS[field], operator, index, sets)
        else:
            yield _Counted(FACTS[field], operator, index, np.array(thresholds, dtype=np.float64), rated)

"""Products' own rules: read and checked once, and all their distinct conditions judged together."""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from matching.catalogue import Floats, Rows, days
from matching.domain import Operator, Product, Result, Rule
from matching.errors import Fault, InputError
from matching.facts import COUNTED, FACTS, Fact, FactType, Known, members, number

Codes = npt.NDArray[np.int8]
H = TypeVar("H", bound=Hashable)
RESULTS: Final = (Result.PASS, Result.REVIEW, Result.FAIL)
PASS, REVIEW, FAIL = (np.int8(code) for code in range(len(RESULTS)))

_ORDER: Final = (Operator.GE, Operator.LE, Operator.GT, Operator.LT, Operator.EQ)
OPERATORS: Final[dict[FactType, tuple[Operator, ...]]] = {
    FactType.NUMBER: _ORDER,
    FactType.DAY: _ORDER,
    FactType.FLAG: (Operator.EQ,),
    FactType.CODE: (Operator.EQ, Operator.IN, Operator.NOT_IN),
    FactType.CODES: (Operator.HAS, Operator.IN, Operator.NOT_IN),
    FactType.PATH: (Operator.IN, Operator.NOT_IN),
}
_COMPARE: Final = {
    Operator.GE: np.greater_equal,
    Operator.LE: np.less_equal,
    Operator.GT: np.greater,
    Operator.LT: np.less,
    Operator.EQ: np.equal,
}


class Condition(NamedTuple):
    """What a rule asks, in comparable form: two rules that ask the same have equal conditions."""

    field: str
    operator: Operator
    threshold: float | frozenset[str]


def condition(rule: Rule, taken: Collection[str] = ()) -> Condition:
    """What `rule` asks. Raises `InputError` for an unknown field, an operator or a value unfit for it, an id `taken`.

    Numbers, dates and flags compare as numbers. On codes, `in` and `==` want one of the values among the fact's codes,
    `not_in` none, `has` all. A path answers to every path that it lies in.
    """
    fact = FACTS.get(rule.field)
    if fact is None:
        raise _broken(rule, "field", f"is a known fact, not {rule.field!r}")
    if rule.operator not in OPERATORS[fact.type]:
        fitting = ", ".join(OPERATORS[fact.type])
        wanted = f"is one of {fitting} as {fact.name} is {fact.type.value}"
        raise _broken(rule, "operator", f"{wanted}, not {rule.operator!s}")
    if rule.rule_id in taken:
        raise _broken(rule, "rule_id", "is unique in its product and not the name of a built-in rule")
    if rule.severity is Result.PASS:
        raise _broken(rule, "severity", "is review or fail, not pass")
    return Condition(fact.name, rule.operator, _threshold(fact, rule))


class Conditions:
    """Distinct conditions, judged at once: one comparison for each field and operator."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._groups = tuple(_grouped(conditions))
        self._count = len(conditions)

    def judge(self, known: Known, as_of: date) -> Codes:
        """PASS, REVIEW (the fact is missing) or FAIL for each condition, in the given order."""
        results = np.empty(self._count, np.int8)
        for group in self._groups:
            results[group.at] = group.judge(known, as_of)
        return results


class OwnRules:
    """The own rules of all products as entries, in the products' order; each distinct condition is judged once.

    `rows` is each entry's row in `products`, `rules` the rules themselves. Raises `InputError` naming product and rule
    for one that cannot be judged, whose id comes twice in a product or is among `reserved`.
    """

    def __init__(self, products: Sequence[Product], reserved: Collection[str]) -> None:
        owners = [(row, rule) for row, product in enumerate(products) for rule in product.rules or ()]
        self.rules = tuple(rule for _, rule in owners)
        self.rows = np.array([row for row, _ in owners], dtype=np.intp)
        self.names, self._name_codes = _numbered([rule.rule_id for rule in self.rules])
        distinct, self._condition_codes = _numbered(_read(products, reserved))
        self._conditions = Conditions(distinct)
        self._ceiling = np.array([RESULTS.index(rule.severity) for rule in self.rules], dtype=np.int8)

    def judge(self, known: Known, as_of: date) -> Codes:
        """PASS, REVIEW or FAIL for each entry; a rule whose severity is review never fails."""
        return np.minimum(self._conditions.judge(known, as_of)[self._condition_codes], self._ceiling)

    def count(self, entries: npt.NDArray[np.bool_], weights: Floats) -> dict[str, int]:
        """How much weight of products stands on the chosen entries, by rule id; ids without any are left out."""
        codes, found = self._name_codes[entries], weights[self.rows[entries]]
        counts = np.bincount(codes, found, minlength=len(self.names))
        return {self.names[i]: int(counts[i]) for i in np.flatnonzero(counts)}

    def entries_of(self, row: int) -> range:
        """The entries of the product in `row`."""
        return range(int(np.searchsorted(self.rows, row)), int(np.searchsorted(self.rows, row + 1)))


def _numbered(values: Sequence[H]) -> tuple[list[H], Rows]:
    """The distinct values, and each value's place among them."""
    places: dict[H, int] = {}
    codes = [places.setdefault(value, len(places)) for value in values]
    return list(places), np.array(codes, dtype=np.intp)


def _read(products: Sequence[Product], reserved: Collection[str]) -> list[Condition]:
    found, faults = [], []
    for product in products:
        taken = set(reserved)
        for rule in product.rules or ():
            try:
                found.append(condition(rule, taken))
            except InputError as error:
                faults += [Fault(f"rules.{rule.rule_id}.{f.field}", f.rule, product.product_id) for f in error.faults]
            taken.add(rule.rule_id)
    if faults:
        raise InputError("products", faults)
    return found


@dataclass(frozen=True)
class _Counted:
    """Conditions that compare one number by one operator with many thresholds."""

    fact: Fact
    operator: Operator
    at: Rows
    thresholds: Floats

    def judge(self, known: Known, as_of: date) -> Codes | np.int8:
        actual = number(self.fact, known)
        if actual is None:
            return REVIEW
        return np.where(_COMPARE[self.operator](actual, self.thresholds), PASS, FAIL)


@dataclass(frozen=True)
class _Coded:
    """Conditions that compare one set of codes by one operator with many sets."""

    fact: Fact
    operator: Operator
    at: Rows
    thresholds: tuple[frozenset[str], ...]

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
    places: dict[tuple[str, Operator], list[int]] = defaultdict(list)
    for i, (field, operator, _) in enumerate(conditions):
        places[field, operator].append(i)
    for (field, operator), at in places.items():
        thresholds = [conditions[i].threshold for i in at]
        sets = tuple(value for value in thresholds if isinstance(value, frozenset))
        index = np.array(at, dtype=np.intp)
        if sets:
            yield _Coded(FACTS[field], operator, index, sets)
        else:
            yield _Counted(FACTS[field], operator, index, np.array(thresholds, dtype=np.float64))


def _threshold(fact: Fact, rule: Rule) -> float | frozenset[str]:
    if fact.type not in COUNTED:
        return _codes(fact, rule)
    value = _count(fact, rule.value)
    if value is None:
        raise _broken(rule, "value", f"is {fact.type.value} as {fact.name} is, not {rule.value!r}")
    return value


def _count(fact: Fact, value: object) -> float | None:
    """`value` as the number that `fact` is compared with; None where it is of another type."""
    match fact.type, value:
        case FactType.DAY, str():
            return _day(value)
        case FactType.FLAG, bool():
            return float(value)
        case FactType.NUMBER, float():
            return value
    return None


def _day(text: str) -> float | None:
    try:
        return float(days(date.fromisoformat(text)))
    except ValueError:
        return None


def _codes(fact: Fact, rule: Rule) -> frozenset[str]:
    values = (rule.value,) if isinstance(rule.value, str) else rule.value
    if not isinstance(values, tuple) or not values or (rule.operator is Operator.EQ and len(values) > 1):
        many = "one code" if rule.operator is Operator.EQ else "one code or more"
        raise _broken(rule, "value", f"is {many} as {fact.name} is {fact.type.value}, not {rule.value!r}")
    unknown = [value for value in values if fact.codes and value not in fact.codes]
    if unknown:
        raise _broken(rule, "value", f"is one of {', '.join(fact.codes or ())}, not {unknown[0]!r}")
    return frozenset(values)


def _broken(rule: Rule, part: str, why: str) -> InputError:
    return InputError(f"rule {rule.rule_id}", [Fault(part, why)])

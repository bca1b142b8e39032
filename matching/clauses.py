"""Products' own rules as they are read: what each asks, and that those of one product can all be met at once."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from math import ceil, floor
from typing import Final, NamedTuple

from matching.catalogue import day_of
from matching.domain import BuiltIn, Operator, Product, Result, Rule
from matching.errors import Fault, InputError
from matching.facts import COUNTED, FACTS, Fact, FactType

Limits = Sequence[tuple[str, "Condition"]]
RATE: Final = "rate"
SHARE: Final = "share"
_ORDER: Final = (Operator.GE, Operator.LE, Operator.GT, Operator.LT, Operator.EQ)
OPERATORS: Final[dict[FactType, tuple[Operator, ...]]] = {
    FactType.NUMBER: _ORDER,
    FactType.DAY: _ORDER,
    FactType.FLAG: (Operator.EQ,),
    FactType.CODE: (Operator.EQ, Operator.IN, Operator.NOT_IN),
    FactType.CODES: (Operator.HAS, Operator.IN, Operator.NOT_IN),
    FactType.PATH: (Operator.IN, Operator.NOT_IN),
}
_LOWER: Final = (Operator.GE, Operator.GT, Operator.EQ)
_UPPER: Final = (Operator.LE, Operator.LT, Operator.EQ)


class Condition(NamedTuple):
    """What a rule asks, in comparable form: two rules that ask the same have equal conditions.

    Where `rated`, the threshold counts in rates of the product on the day.
    """

    field: str
    operator: Operator
    threshold: float | frozenset[str]
    rated: bool = False


def condition(rule: Rule) -> Condition:
    """What `rule` asks. Raises `InputError` for an unknown field, and an operator, a value or a unit unfit for it.

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
    if rule.severity is Result.PASS:
        raise _broken(rule, "severity", "is review or fail, not pass")
    if rule.valid_from and rule.valid_to and rule.valid_from >= rule.valid_to:
        raise _broken(rule, "valid_to", f"is after valid_from ({rule.valid_from}), not {rule.valid_to}")
    return Condition(fact.name, rule.operator, _threshold(fact, rule), _rated(fact, rule))


def in_force(rule: Rule, as_of: date) -> bool:
    """Whether `rule` is asked on a day."""
    return _begin(rule) <= as_of < (rule.valid_to or date.max)


def read(products: Sequence[Product]) -> list[Condition]:
    """The conditions of all own rules, products in their order.

    Raises `InputError` naming product and rule for each that cannot be read, takes an id that is taken at the same
    time, or cannot be met together with the product's other rules and limits.
    """
    found: list[Condition] = []
    faults: list[Fault] = []
    for product in (product for product in products if product.rules):
        try:
            conditions = [_named(rule) for rule in product.rules or ()]
        except InputError as error:
            faults += [Fault(f.field, f.rule, product.product_id) for f in error.faults]
            continue
        faults += [Fault(f.field, f.rule, product.product_id) for f in _clashes(product, conditions)]
        found += conditions
    if faults:
        raise InputError("products", faults)
    return found


def _named(rule: Rule) -> Condition:
    try:
        return condition(rule)
    except InputError as error:
        raise InputError("rule", [Fault(f"rules.{rule.rule_id}.{f.field}", f.rule) for f in error.faults]) from None


def _clashes(product: Product, conditions: Sequence[Condition]) -> Iterator[Fault]:
    """Ids taken twice at one time, and rules that cannot be met beside those before them."""
    limits, before = list(_limits(product)), list[tuple[Rule, Condition]]()
    for rule, asked in zip(product.rules or (), conditions, strict=True):
        beside = [(one, other) for one, other in before if _overlap(one, rule)]
        if rule.rule_id in (*BuiltIn, *(one.rule_id for one, _ in beside)):
            yield Fault(f"rules.{rule.rule_id}.rule_id", "is unique in its product and not the name of a built-in rule")
        against = _against(rule, asked, limits, beside)
        if against:
            why = f"can be met beside {', '.join(against)}: no {asked.field} meets them all"
            yield Fault(f"rules.{rule.rule_id}.value", why)
        before.append((rule, asked))


def _against(rule: Rule, asked: Condition, limits: Limits, beside: Sequence[tuple[Rule, Condition]]) -> list[str]:
    """The names of what stands against `asked` on the first day on which not all can be met; none where all can."""
    for day in sorted({max(_begin(rule), _begin(one)) for one in (rule, *(one for one, _ in beside))}):
        held = [*limits, *((one.rule_id, other) for one, other in beside if in_force(one, day))]
        held = [(name, other) for name, other in held if other.field == asked.field]
        alone = [name for name, other in held if not _meetable([other, asked])]
        if alone or not _meetable([*(other for _, other in held), asked]):
            return alone or [name for name, _ in held]
    return []


def _begin(rule: Rule) -> date:
    return rule.valid_from or date.min


def _overlap(one: Rule, other: Rule) -> bool:
    return max(_begin(one), _begin(other)) < min(one.valid_to or date.max, other.valid_to or date.max)


def _limits(product: Product) -> Iterator[tuple[str, Condition]]:
    """What the product's columns ask of facts; its regions are left out, as names of regions change with time."""
    for field, low, high in (("amount", "min_amount", "max_amount"), ("term_months", "min_term", "max_term")):
        for operator, limit in ((Operator.GE, getattr(product, low)), (Operator.LE, getattr(product, high))):
            if limit is not None:
                yield field.removesuffix("_months"), Condition(field, operator, float(limit))
    for field, codes in (
        ("industry", product.industries),
        ("purpose", product.purposes),
        ("collateral", product.collateral),
    ):
        if codes:
            yield field, Condition(field, Operator.IN, frozenset(str(code) for code in codes))


def _meetable(conditions: Sequence[Condition]) -> bool:
    """Whether some value meets all these conditions on one field; what counts in rates may change and is let be."""
    fact = FACTS[conditions[0].field]
    asked = [one for one in conditions if not one.rated]
    if fact.name == "region":
        return True
    if fact.type in COUNTED:
        return _some_number(fact, asked)
    sets = [(one.operator, one.threshold) for one in asked if isinstance(one.threshold, frozenset)]
    return _some_codes(sets) if fact.type is FactType.CODES else _some_code(fact, sets)


def _some_number(fact: Fact, asked: Sequence[Condition]) -> bool:
    counted = [(c.operator, c.threshold) for c in asked if isinstance(c.threshold, float)]
    lower = max((_lowest(fact, *one) for one in counted if one[0] in _LOWER), default=None)
    upper = min((_highest(fact, *one) for one in counted if one[0] in _UPPER), default=None)
    if lower is None or upper is None:
        return True
    return lower[0] < upper[0] or (lower[0] == upper[0] and not lower[1] and upper[1])


def _lowest(fact: Fact, operator: Operator, threshold: float) -> tuple[float, bool]:
    """The lower limit that a condition sets, and whether it lies just beyond; of whole numbers the least that meets."""
    if fact.whole:
        return (floor(threshold) + 1 if operator is Operator.GT else ceil(threshold)), False
    return threshold, operator is Operator.GT


def _highest(fact: Fact, operator: Operator, threshold: float) -> tuple[float, bool]:
    """The upper limit that a condition sets, and whether it is itself met; of whole numbers the greatest that meets."""
    if fact.whole:
        return (ceil(threshold) - 1 if operator is Operator.LT else floor(threshold)), True
    return threshold, operator is not Operator.LT


def _some_codes(sets: Sequence[tuple[Operator, frozenset[str]]]) -> bool:
    """Of several codes: all of each `has`, one of each `in`, none of any `not_in`."""
    barred = _union(sets, Operator.NOT_IN)
    held = _union(sets, Operator.HAS)
    return held.isdisjoint(barred) and all(codes - barred for operator, codes in sets if operator is Operator.IN)


def _some_code(fact: Fact, sets: Sequence[tuple[Operator, frozenset[str]]]) -> bool:
    """Of one code or path: in each `in`, outside all `not_in`."""
    barred = _union(sets, Operator.NOT_IN)
    wanted = [codes for operator, codes in sets if operator is not Operator.NOT_IN]
    tried = frozenset[str]().union(*wanted) if wanted else frozenset(fact.codes or ())
    if not tried:
        return True
    return any(not _lies(code, barred) and all(_lies(code, codes) for codes in wanted) for code in tried)


def _union(sets: Sequence[tuple[Operator, frozenset[str]]], wanted: Operator) -> frozenset[str]:
    return frozenset[str]().union(*(codes for operator, codes in sets if operator is wanted))


def _lies(code: str, listed: Collection[str]) -> bool:
    """Whether a code is listed, or a path lies in one that is."""
    return any(code == one or code.startswith(f"{one}/") for one in listed)


def _rated(fact: Fact, rule: Rule) -> bool:
    units = [fact.unit, *([RATE] if fact.unit == SHARE else [])]
    if rule.unit is not None and rule.unit not in units:
        wanted = " or ".join(unit or "empty" for unit in units)
        raise _broken(rule, "unit", f"is {wanted} as {fact.name} is, not {rule.unit!r}")
    return rule.unit == RATE


def _threshold(fact: Fact, rule: Rule) -> float | frozenset[str]:
    if fact.type not in COUNTED:
        return _codes(fact, rule)
    value = _count(fact, rule.value)
    if value is None:
        raise _broken(rule, "value", f"is {fact.type.value} as {fact.name} is, not {rule.value!r}")
    if fact.whole and rule.operator is Operator.EQ and not value.is_integer():
        raise _broken(rule, "value", f"is a whole number as {fact.name} is, not {rule.value!r}")
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
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return float(day_of(day)) if day.isoformat() == text else None  # Python takes 20200101 and 2020-W01-1 as well


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

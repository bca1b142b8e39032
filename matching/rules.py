"""Hard eligibility: what each rule says of every product of the catalogue for one enterprise and need.

A rule passes, fails, or is to be reviewed where a fact is missing or too coarse; a product that states no limit passes.
Results are codes in arrays over the catalogue (`conditions.RESULTS`); verdicts with their texts are made only for
products asked.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from math import isfinite, isnan
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from matching.asking import check_day
from matching.catalogue import EPOCH, KINDS, Catalogue, Floats, Rows, day_of
from matching.clauses import RATE, Condition
from matching.conditions import FAIL, PASS, RESULTS, REVIEW, Codes, OwnRules, holding, numbered
from matching.domain import BuiltIn, Enterprise, Need, Operator, Product, Result, Verdict
from matching.facts import FACTS, Fact, FactType, Known, above, facts, members, number, text
from matching.verdicts import NO_LIMIT, Said, message, own_stated, said_of, stated, verdict

__all__ = ["FACTS", "NO_LIMIT", "Asked", "Case", "Rulebook", "Verdicts", "facts", "message", "verdict"]


@dataclass(frozen=True)
class Case:
    """One question to the rules: an enterprise and its need, their facts and the products' rates on `as_of`."""

    enterprise: Enterprise
    need: Need
    as_of: date
    known: Known
    rate_bp: Floats


class Asked(NamedTuple):
    """What a rule asks of a fact, and what it says where that is not met."""

    rule: str
    condition: Condition
    severity: Result


class _BuiltIn(Protocol):
    """A rule that the catalogue's own columns state; `field` is the fact it rests on, empty where none.

    Many products share a limit: each distinct one is judged once, and `place` is that of each row's limit among them.
    """

    @property
    def field(self) -> str: ...

    @property
    def place(self) -> Rows: ...

    def judge(self, case: Case) -> Codes:
        """A code for each distinct limit."""

    def threshold(self, row: int) -> str: ...

    def actual(self, case: Case) -> str | None: ...

    def asked(self, row: int) -> Iterator[Condition]:
        """What it asks of the fact; nothing where the product states no limit."""


class Verdicts:
    """What the rules say of the catalogue's `rows`; `eligible` is a mask over them: nothing fails."""

    def __init__(
        self,
        case: Case,
        products: Sequence[Product],
        rows: Rows,
        built_in: Mapping[BuiltIn, _BuiltIn],
        places: Rows,
        own: OwnRules,
        said: dict[int, Said],
    ) -> None:
        self.case = case
        self.rows = rows
        self._products, self._said = products, said
        self._built_in, self._own = built_in, own
        self._places = places
        self._told: dict[int, Verdict] = {}  # by distinct limit, as matches ask for them
        self._judged: Codes = np.concatenate([rule.judge(case) for rule in built_in.values()])
        self._codes: Codes = self._judged.take(places)
        self._own_codes = own.judge(case.known, case.as_of, case.rate_bp)
        clear = self._codes.max(axis=0) < FAIL  # the greatest code
        if own.rules:
            clear[own.rows[self._own_codes == FAIL]] = False
        self.eligible: npt.NDArray[np.bool_] = clear[rows]

    @cached_property
    def failed(self) -> dict[str, int]:
        """How many of `rows` fail each rule, where any does: built-in rules by name, then own rules by id."""
        counts = np.count_nonzero(self._codes.take(self.rows, axis=1) == FAIL, axis=1).tolist()
        built_in = {name.value: count for name, count in zip(self._built_in, counts, strict=True) if count}
        if not self._own.rules:
            return built_in
        asked = np.bincount(self.rows, minlength=self._codes.shape[1]).astype(np.float64)
        return built_in | self._own.count(self._own_codes == FAIL, asked)

    def of(self, i: int) -> tuple[Verdict, ...]:
        """Every verdict on the product in `rows[i]`: built-in rules first, then its own in their order."""
        row = int(self.rows[i])
        return (*self._of_built_in(row), *self._of_own(row))

    def failing_only(self, fields: Collection[str]) -> Rows:
        """The places in `rows` of products that fail something, and only rules on these facts."""
        beyond = np.array([rule.field not in fields for rule in self._built_in.values()])
        lost: npt.NDArray[np.bool_] = (self._codes[beyond] == FAIL).any(axis=0)
        foreign = np.array([rule.field not in fields for rule in self._own.rules], dtype=np.bool_)
        lost[self._own.rows[foreign & (self._own_codes == FAIL)]] = True
        return np.flatnonzero(~self.eligible & ~lost[self.rows])

    def product_id(self, i: int) -> str:
        """The product in `rows[i]`."""
        return self._products[int(self.rows[i])].product_id

    def asked(self, i: int) -> tuple[Asked, ...]:
        """What all rules in force ask of facts for the product in `rows[i]`; a built-in range asks twice."""
        row = int(self.rows[i])
        return (*self._asked_built_in(row), *self._asked_own(row))

    def _asked_built_in(self, row: int) -> Iterator[Asked]:
        for name, rule in self._built_in.items():
            for one in rule.asked(row):
                yield Asked(name.value, one, Result.FAIL)

    @cached_property
    def _in_force(self) -> npt.NDArray[np.bool_]:
        return self._own.in_force(self.case.as_of)

    def _asked_own(self, row: int) -> Iterator[Asked]:
        for entry in self._own.entries_of(row):
            if self._in_force[entry]:
                rule = self._own.rules[entry]
                yield Asked(rule.rule_id, self._own.asked(entry, self.case.rate_bp), rule.severity)

    def _of_built_in(self, row: int) -> Iterator[Verdict]:
        for (name, rule, unit, actual), place in zip(self._found, self._places[:, row].tolist(), strict=True):
            if place not in self._told:
                self._told[place] = stated(name, int(self._judged[place]), rule.threshold(row), actual, unit)
            yield self._told[place]

    @cached_property
    def _found(self) -> list[tuple[BuiltIn, _BuiltIn, str, str | None]]:
        """Each built-in rule with the unit of its fact and what it found: the same for all products."""
        return [
            (name, rule, FACTS[rule.field].unit if rule.field else "", rule.actual(self.case))
            for name, rule in self._built_in.items()
        ]

    def _of_own(self, row: int) -> Iterator[Verdict]:
        for entry in self._own.entries_of(row):
            if self._in_force[entry]:
                yield self._verdict(entry)

    def _verdict(self, entry: int) -> Verdict:
        rule, said = self._own.rules[entry], self._said.get(entry)
        if said is None and rule.unit == RATE:  # the day's
            said = said_of(rule, self._own.asked(entry, self.case.rate_bp).threshold)
        elif said is None:
            said = self._said[entry] = said_of(rule, rule.value)
        return own_stated(said, RESULTS[self._own_codes[entry]], text(self.case.known[rule.field]))


class Rulebook:
    """A catalogue's rules, its products' own among them, read once.

    Raises `InputError` naming product and rule where an own rule asks for an unknown fact, has an operator, value or
    unit that does not fit it, takes an id that is taken, or contradicts the product's other rules and limits.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._built_in = _built_in_rules(catalogue)
        self._places = _places([rule.place for rule in self._built_in.values()])
        self._own = OwnRules(catalogue.products)
        self._said: dict[int, Said] = {}  # by entry, as verdicts ask for them

    def judge(self, enterprise: Enterprise, need: Need, as_of: date, rows: Rows | None = None) -> Verdicts:
        """Verdicts on the catalogue's `rows` for a need on `as_of`; by default one row for each product begun by then.

        Ended products among them fail `dates`; a product yet to begin is not known and not counted. Raises `InputError`
        where `as_of` is no plain date.
        """
        check_day(as_of)
        known = facts(enterprise, need, as_of)
        case = Case(enterprise, need, as_of, known, self._catalogue.rate_bp(as_of))
        chosen = self._catalogue.known_as_of(as_of) if rows is None else rows
        return Verdicts(case, self._catalogue.products, chosen, self._built_in, self._places, self._own, self._said)


class _Dates:
    """The product is offered on the day."""

    field = ""

    def __init__(self, catalogue: Catalogue) -> None:
        spans, self.place = numbered(list(zip(catalogue.valid_from.tolist(), catalogue.ends.tolist(), strict=True)))
        self._from, self._ends = _columns(spans)
        self._thresholds = [_offered(*span) for span in spans]

    def judge(self, case: Case) -> Codes:
        day = day_of(case.as_of)
        return _failing((day < self._from) | (day >= self._ends))

    def threshold(self, row: int) -> str:
        return self._thresholds[int(self.place[row])]

    def actual(self, case: Case) -> str:
        return str(case.as_of)

    def asked(self, row: int) -> Iterator[Condition]:
        return iter(())


class _Range:
    """A number of the need lies within the product's limits, both included."""

    def __init__(self, fact: Fact, limits: Sequence[tuple[int | None, int | None]]) -> None:
        self._fact, self.field = fact, fact.name
        self._limits, self.place = numbered(limits)
        self._low, self._high = _columns(self._limits)
        self._unknown = np.where(np.isnan(self._low) & np.isnan(self._high), PASS, REVIEW)

    def judge(self, case: Case) -> Codes:
        actual = number(self._fact, case.known)
        if actual is None:
            return self._unknown
        return _failing((actual < self._low) | (actual > self._high))

    def threshold(self, row: int) -> str:
        return self._thresholds[int(self.place[row])]

    @cached_property
    def _thresholds(self) -> list[str]:
        return list(map(_between, self._low.tolist(), self._high.tolist()))

    def actual(self, case: Case) -> str | None:
        return text(case.known[self.field])

    def asked(self, row: int) -> Iterator[Condition]:
        limits = self._limits[int(self.place[row])]
        for operator, limit in zip((Operator.GE, Operator.LE), limits, strict=True):
            if limit is not None:
                yield Condition(self.field, operator, float(limit))


class _AnyOf:
    """A fact of the case answers to any one of the codes that the product lists; each distinct list is judged once.

    `missing` stands in for a fact that is not known or names nothing.
    """

    def __init__(
        self, fact: Fact, listed: Sequence[Sequence[str] | None], missing: frozenset[str] | None = None
    ) -> None:
        self.field = fact.name
        self._fact = fact
        self._missing = missing
        lists, self.place = numbered([tuple(codes) if codes else None for codes in listed])
        self._lists = lists
        self._thresholds = [NO_LIMIT if codes is None else str(text(codes)) for codes in lists]
        self._holding = holding(lists)
        is_path = fact.type is FactType.PATH
        self._beneath = holding([[one for path in codes or () for one in above(path)] for codes in lists if is_path])
        self._known, self._unknown = (
            np.array([PASS if codes is None else code for codes in lists], np.int8) for code in (FAIL, REVIEW)
        )

    def judge(self, case: Case) -> Codes:
        held = members(self._fact, case.known, case.as_of)
        if self._missing and not held:
            held = self._missing
        if held is None:
            return self._unknown
        codes = self._known.copy()
        if (value := case.known[self.field]) in self._beneath:  # a path that may go on to what is listed
            codes[self._beneath[value]] = REVIEW
        for member in held:
            if member in self._holding:
                codes[self._holding[member]] = PASS
        return codes

    def threshold(self, row: int) -> str:
        return self._thresholds[int(self.place[row])]

    def actual(self, case: Case) -> str | None:
        value = case.known[self._fact.name]
        return NO_LIMIT if self._missing and not value else text(value)

    def asked(self, row: int) -> Iterator[Condition]:
        listed = self._lists[int(self.place[row])]
        if listed and not self._missing:
            yield Condition(self.field, Operator.IN, frozenset(map(str, listed)))


def _failing(mask: npt.NDArray[np.bool_]) -> Codes:
    """FAIL or PASS; half the time of `np.where`."""
    codes: Codes = mask * FAIL
    return codes


def _columns(pairs: Sequence[tuple[float | None, float | None]]) -> Floats:
    """The firsts and the seconds [2, n]; None is NaN."""
    return np.array(pairs, dtype=np.float64).reshape(len(pairs), 2).T.copy()


def _places(parts: Sequence[Rows]) -> Rows:
    """Places [parts, n], each part's own, as places where all parts' distinct values stand behind each other."""
    sizes = [int(part.max(initial=-1)) + 1 for part in parts]
    places: Rows = np.array(parts) + np.cumsum([0, *sizes[:-1]])[:, None]
    return places


def _offered(start: float, end: float) -> str:
    return f"from {_date(start)}" + (f" until before {_date(end)}" if isfinite(end) else "")


def _between(low: float, high: float) -> str:
    limits = {"at least": low, "at most": high}
    return ", ".join(f"{word} {text(limit)}" for word, limit in limits.items() if not isnan(limit)) or NO_LIMIT


def _date(day: float) -> date:
    return EPOCH + timedelta(days=int(day))


def _built_in_rules(catalogue: Catalogue) -> dict[BuiltIn, _BuiltIn]:
    """Every built-in rule, in order."""
    products = catalogue.products
    return {
        BuiltIn.DATES: _Dates(catalogue),
        BuiltIn.KIND: _AnyOf(FACTS["kinds"], [(product.kind,) for product in products], frozenset(KINDS)),
        BuiltIn.AMOUNT: _Range(FACTS["amount"], [(product.min_amount, product.max_amount) for product in products]),
        BuiltIn.TERM: _Range(FACTS["term_months"], [(product.min_term, product.max_term) for product in products]),
        BuiltIn.REGION: _AnyOf(FACTS["region"], [product.regions for product in products]),
        BuiltIn.INDUSTRY: _AnyOf(FACTS["industry"], [product.industries for product in products]),
        BuiltIn.PURPOSE: _AnyOf(FACTS["purpose"], [product.purposes for product in products]),
        BuiltIn.COLLATERAL: _AnyOf(FACTS["collateral"], [product.collateral for product in products]),
    }

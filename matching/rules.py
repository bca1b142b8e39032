"""Hard eligibility: what each rule says of every product of the catalogue for one enterprise and need.

A rule passes, fails, or is to be reviewed where a fact is missing; a product that states no limit passes. Results are
codes in arrays over the catalogue (`conditions.RESULTS`); verdicts with their texts are made only for products asked.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from matching.catalogue import EPOCH, KINDS, Catalogue, Floats, Rows, days
from matching.conditions import FAIL, PASS, RESULTS, REVIEW, Codes, OwnRules
from matching.domain import Enterprise, Need, Verdict
from matching.facts import FACTS, Fact, Known, facts, members, number, text

__all__ = ["FACTS", "NO_LIMIT", "Rulebook", "Verdicts", "facts"]

NO_LIMIT: Final = "any"
CLAUSES: Final = {
    "dates": "产品在售期 / Offered on the day",
    "kind": "需求产品类别 / Kind of product wanted",
    "amount": "产品金额范围 / Amount within the product's limits",
    "term": "产品期限范围 / Term within the product's limits",
    "region": "产品适用地区 / Region served",
    "industry": "产品适用行业 / Industry served",
    "purpose": "产品适用用途 / Purpose served",
    "collateral": "产品担保要求 / Security asked, any one of these",
}


@dataclass(frozen=True)
class _Case:
    """One question to the rules: the facts of an enterprise and its need, as known on `as_of`."""

    known: Known
    as_of: date


class _BuiltIn(Protocol):
    """A rule that the catalogue's own columns state."""

    def judge(self, case: _Case) -> Codes:
        """A code for each row of the catalogue."""

    def threshold(self, row: int) -> str: ...

    def actual(self, case: _Case) -> str | None: ...


class Verdicts:
    """What the rules say of the catalogue's `rows`; `eligible` is a mask over them: nothing fails."""

    def __init__(self, case: _Case, rows: Rows, built_in: Mapping[str, _BuiltIn], own: OwnRules) -> None:
        self.rows = rows
        self._case, self._built_in, self._own = case, built_in, own
        self._codes = np.stack([rule.judge(case) for rule in built_in.values()])
        self._own_codes = own.judge(case.known, case.as_of)
        clear = (self._codes != FAIL).all(axis=0)
        clear[own.rows[self._own_codes == FAIL]] = False
        self.eligible: npt.NDArray[np.bool_] = clear[rows]

    @cached_property
    def failed(self) -> dict[str, int]:
        """How many of `rows` fail each rule, where any does: built-in rules by name, then own rules by id."""
        counts = (self._codes[:, self.rows] == FAIL).sum(axis=1)
        built_in = {name: int(count) for name, count in zip(self._built_in, counts, strict=True) if count}
        asked = np.bincount(self.rows, minlength=self._codes.shape[1]).astype(np.float64)
        return built_in | self._own.count(self._own_codes == FAIL, asked)

    def of(self, i: int) -> tuple[Verdict, ...]:
        """Every verdict on the product in `rows[i]`: built-in rules first, then its own in their order."""
        row = int(self.rows[i])
        return (*self._of_built_in(row), *self._of_own(row))

    def _of_built_in(self, row: int) -> Iterator[Verdict]:
        for (name, rule), code in zip(self._built_in.items(), self._codes[:, row], strict=True):
            yield Verdict(
                rule=name,
                result=RESULTS[code],
                clause=CLAUSES[name],
                threshold=rule.threshold(row),
                actual=rule.actual(self._case),
            )

    def _of_own(self, row: int) -> Iterator[Verdict]:
        for entry in self._own.entries_of(row):
            rule = self._own.rules[entry]
            yield Verdict(
                rule=rule.rule_id,
                result=RESULTS[self._own_codes[entry]],
                clause=rule.clause,
                threshold=text(f"{rule.operator.en} {text(rule.value)}") or NO_LIMIT,
                actual=text(self._case.known[rule.field]),
            )


class Rulebook:
    """A catalogue's rules, its products' own among them, read once.

    Raises `InputError` naming product and rule where an own rule asks for an unknown fact, compares it with an operator
    or a value that does not fit its type, or takes an id that is taken.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._built_in = _built_in_rules(catalogue)
        self._own = OwnRules(catalogue.products, CLAUSES)

    def judge(self, enterprise: Enterprise, need: Need, as_of: date, rows: Rows | None = None) -> Verdicts:
        """Verdicts on the catalogue's `rows` for a need on `as_of`; by default one row for each product begun by then.

        Ended products among them fail `dates`; a product yet to begin is not known and not counted.
        """
        case = _Case(facts(enterprise, need, as_of), as_of)
        return Verdicts(case, self._catalogue.known_as_of(as_of) if rows is None else rows, self._built_in, self._own)


class _Dates:
    """The product is offered on the day."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._from, self._ends = catalogue.valid_from, catalogue.ends

    def judge(self, case: _Case) -> Codes:
        day = days(case.as_of)
        return np.where((self._from <= day) & (day < self._ends), PASS, FAIL)

    def threshold(self, row: int) -> str:
        start, end = (float(column[row]) for column in (self._from, self._ends))
        until = f" until before {_date(end)}" if np.isfinite(end) else ""
        return f"from {_date(start)}{until}"

    def actual(self, case: _Case) -> str:
        return str(case.as_of)


@dataclass(frozen=True)
class _Range:
    """A number of the need lies within the product's limits, both included."""

    fact: Fact
    low: Floats
    high: Floats

    def judge(self, case: _Case) -> Codes:
        actual = number(self.fact, case.known)
        if actual is None:
            return np.where(np.isnan(self.low) & np.isnan(self.high), PASS, REVIEW)
        return np.where((actual < self.low) | (actual > self.high), FAIL, PASS)

    def threshold(self, row: int) -> str:
        limits = {"at least": float(self.low[row]), "at most": float(self.high[row])}
        return ", ".join(f"{word} {text(limit)}" for word, limit in limits.items() if not np.isnan(limit)) or NO_LIMIT

    def actual(self, case: _Case) -> str | None:
        return text(case.known[self.fact.name])


class _AnyOf:
    """A fact of the case answers to any one of the codes that the product lists; each distinct list is judged once.

    `missing` stands in for a fact that is not known or names nothing.
    """

    def __init__(
        self, fact: Fact, listed: Sequence[Sequence[str] | None], missing: frozenset[str] | None = None
    ) -> None:
        self._fact = fact
        self._missing = missing
        self._listed = [tuple(codes) if codes else None for codes in listed]
        lists = list(dict.fromkeys(codes for codes in self._listed if codes))
        place = {codes: i for i, codes in enumerate(lists)} | {None: len(lists)}
        self._place = np.array([place[codes] for codes in self._listed], dtype=np.intp)
        self._holding = _holding(lists)
        self._count = len(lists)

    def judge(self, case: _Case) -> Codes:
        held = members(self._fact, case.known, case.as_of)
        if self._missing and not held:
            held = self._missing
        codes = np.full(self._count + 1, REVIEW if held is None else FAIL)
        codes[-1] = PASS
        for member in held or ():
            codes[self._holding.get(member, [])] = PASS
        return codes[self._place]

    def threshold(self, row: int) -> str:
        return text(self._listed[row]) or NO_LIMIT

    def actual(self, case: _Case) -> str | None:
        value = case.known[self._fact.name]
        return NO_LIMIT if self._missing and not value else text(value)


def _holding(lists: Sequence[tuple[str, ...]]) -> dict[str, list[int]]:
    """For each code, the places of the lists that hold it."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, codes in enumerate(lists):
        for code in set(codes):
            places[code].append(place)
    return dict(places)


def _date(day: float) -> date:
    return date.fromordinal(int(day) + EPOCH)


def _built_in_rules(catalogue: Catalogue) -> dict[str, _BuiltIn]:
    """The rules of `CLAUSES`, in its order."""
    products = catalogue.products
    return {
        "dates": _Dates(catalogue),
        "kind": _AnyOf(FACTS["kinds"], [(product.kind,) for product in products], frozenset(KINDS)),
        "amount": _Range(FACTS["amount"], catalogue.min_amount, catalogue.max_amount),
        "term": _Range(FACTS["term_months"], catalogue.min_term, catalogue.max_term),
        "region": _AnyOf(FACTS["region"], [product.regions for product in products]),
        "industry": _AnyOf(FACTS["industry"], [product.industries for product in products]),
        "purpose": _AnyOf(FACTS["purpose"], [product.purposes for product in products]),
        "collateral": _AnyOf(FACTS["collateral"], [product.collateral for product in products]),
    }

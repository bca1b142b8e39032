"""A verdict's threshold and actual value as its page says them: operators, codes, numbers and units in the language."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Final

from api.pages.languages import Language, marked
from api.pages.words import place, plain, trade
from matching.clauses import SHARE
from matching.codes import BuiltIn, Coded, Collateral, Kind, Operator, Purpose, Size, TaxGrade, Tier
from matching.domain import Enterprise, Need, Product, Result, Verdict
from matching.facts import FACTS, INFINITE, NOTHING, lacking
from matching.verdicts import NO_LIMIT, RATE_UNKNOWN


def _by_code(kinds: Iterable[type[Coded]]) -> dict[str, Coded]:
    return {str(code): code for kind in kinds for code in kind}


_CODES: Final[Mapping[str, Coded]] = _by_code((Collateral, Purpose, Kind, TaxGrade, Tier, Size))
_SECURITY: Final[Mapping[str, Coded]] = _by_code((Collateral,))
_WORDS: Final = {
    "true": marked("Yes"),
    "false": marked("No"),
    NO_LIMIT: marked("any"),
    NOTHING: marked("none"),
    INFINITE: marked("infinite"),
    RATE_UNKNOWN: marked("the product's rate is not known"),
}
_NUMBER: Final = re.compile(r"-?[\d,]+(\.\d+)?")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOST: Final = 7  # decimal places: a verdict has nine digits of a share
_FROM: Final = "from "
_UNTIL: Final = " until before "
_BUILT_IN: Final = {BuiltIn.KIND: "kinds", BuiltIn.TERM: "term_months"}  # the others are called as their facts
_WITHIN: Final = "at most 0"  # what is asked of a fact that says by how much something is above a limit


def fields_of(product: Product | None) -> dict[str, str]:
    """The fact that each rule rests on, by the rule's name: the built-in ones and the product's own."""
    built_in = {str(rule): _BUILT_IN.get(rule, str(rule)) for rule in BuiltIn}
    own = {rule.rule_id: rule.field for rule in (product.rules if product else None) or ()}
    return {rule: name for rule, name in (built_in | own).items() if name in FACTS}


def missing(
    verdicts: Iterable[Verdict], fields: Mapping[str, str], asked: tuple[Enterprise, Need, date], language: Language
) -> list[tuple[Verdict, list[str]]]:
    """The verdicts that wait for a fact, each with what there is to ask the enterprise for, as far as it is known."""
    waiting = [one for one in verdicts if one.result is Result.REVIEW and one.actual is None]
    names = [lacking(fields[one.rule], *asked) if one.rule in fields else () for one in waiting]
    return [(one, [language.label(FACTS[name]) for name in found]) for one, found in zip(waiting, names, strict=True)]


@dataclass(frozen=True)
class Teller:
    """Says what verdicts compare; what is not recognised stays as it is. `fields` is of `fields_of`.

    A share that is no whole percentage has so many decimal `places`; a verdict that needs more to be told, has more.
    Amounts are in few characters, and `exact` where those would be the same for different ones.
    """

    language: Language
    currency: str
    as_of: date
    fields: Mapping[str, str] = field(default_factory=dict)
    places: int = 1
    exact: bool = False

    def told(self, verdict: Verdict, text: str) -> str:
        """A verdict's threshold or actual value in words."""
        return replace(self, places=_places(verdict), exact=self._alike(verdict))._told(verdict, text)

    def _alike(self, verdict: Verdict) -> bool:
        """Whether different amounts of a verdict look the same in few characters."""
        amounts = _numbers(verdict) if verdict.unit.startswith("yuan") else set()
        return len({self.language.money(int(amount), self.currency) for amount in amounts}) < len(amounts)

    def _told(self, verdict: Verdict, text: str) -> str:
        if "_above_" in self.fields.get(verdict.rule, "") and verdict.threshold == _WITHIN:
            return self._excess(text, verdict.unit)
        codes = _SECURITY if verdict.rule == BuiltIn.COLLATERAL else _CODES
        pieces = [self._piece(piece, verdict.unit, codes) for piece in text.split(", ")]
        told = self.language.pick("、", ", ").join(pieces)
        several = verdict.rule == BuiltIn.COLLATERAL and text == verdict.threshold and len(pieces) > 1
        return self.language.say("any of: %(codes)s", codes=told) if several else told

    def _excess(self, text: str, unit: str) -> str:
        """Of a fact that is above 0 where something exceeds its limit."""
        if text == _WITHIN:
            return self.language.say("nothing above it")
        above = Decimal(text.replace(",", ""))
        if above > 0:
            return self.language.say("%(much)s above it", much=self._number(above, unit))
        return self.language.say("within it")

    def _piece(self, piece: str, unit: str, codes: Mapping[str, Coded]) -> str:
        for operator in Operator:
            if piece.startswith(f"{operator.en} "):
                rest = self._value(piece[len(operator.en) + 1 :], unit, codes)
                return rest if operator is Operator.EQ else f"{self.language.label(operator)} {rest}"
        if piece.startswith(_FROM):
            day, *end = (self._value(one, unit, codes) for one in piece[len(_FROM) :].split(_UNTIL, 1))
            if end:
                return self.language.say("from %(day)s until before %(end)s", day=day, end=end[0])
            return self.language.say("from %(day)s", day=day)
        return self._value(piece, unit, codes)

    def _value(self, piece: str, unit: str, codes: Mapping[str, Coded]) -> str:
        if piece in _WORDS:
            return self.language.say(_WORDS[piece])
        if piece in codes:
            return self.language.label(codes[piece])
        if _DAY.fullmatch(piece):
            return self.language.day(date.fromisoformat(piece))
        if _NUMBER.fullmatch(piece):
            return self._number(Decimal(piece.replace(",", "")), unit)
        if "/" in piece:
            named = place if piece.startswith("CN/") else trade
            return named(piece, self.as_of, self.language)
        return piece

    def _number(self, value: Decimal, unit: str) -> str:
        if unit.startswith("yuan"):
            written = self.language.exact if self.exact else self.language.money
            return written(int(value), self.currency)
        if unit == SHARE:
            return self.language.percent(float(value), 0 if value * 100 == int(value * 100) else self.places)
        return plain(float(value), unit, self.language, self.currency)


def _places(verdict: Verdict) -> int:
    """In how many decimal places of percentages what a verdict asks, what it found and nothing at all differ."""
    if verdict.unit != SHARE:
        return 1
    shares = {0.0, *map(float, _numbers(verdict))}
    apart = (n for n in range(1, _MOST) if len({round(share * 100, n) for share in shares}) == len(shares))
    return next(apart, _MOST)


def _numbers(verdict: Verdict) -> set[Decimal]:
    """The numbers that a verdict asks for and found."""
    words = f"{verdict.threshold} {verdict.actual}".split()
    return {Decimal(word.replace(",", "")) for word in words if _NUMBER.fullmatch(word)}

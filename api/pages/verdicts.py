"""A verdict's threshold and actual value as its page says them: operators, codes, numbers and units in the language."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from api.pages.languages import Language, marked
from api.pages.words import place, plain, trade
from matching.codes import BuiltIn, Coded, Collateral, Kind, Operator, Purpose, TaxGrade, Tier
from matching.domain import Verdict


def _by_code(kinds: Iterable[type[Coded]]) -> dict[str, Coded]:
    return {str(code): code for kind in kinds for code in kind}


_CODES: Final[Mapping[str, Coded]] = _by_code((Collateral, Purpose, Kind, TaxGrade, Tier))
_SECURITY: Final[Mapping[str, Coded]] = _by_code((Collateral,))
_WORDS: Final = {"true": marked("Yes"), "false": marked("No"), "any": marked("any")}
_NUMBER: Final = re.compile(r"-?[\d,]+(\.\d+)?")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_FROM: Final = "from "


@dataclass(frozen=True)
class Teller:
    """Says what verdicts compare; what is not recognised stays as it is."""

    language: Language
    currency: str
    as_of: date

    def told(self, verdict: Verdict, text: str) -> str:
        """A verdict's threshold or actual value in words."""
        codes = _SECURITY if verdict.rule == BuiltIn.COLLATERAL else _CODES
        pieces = [self._piece(piece, verdict.unit, codes) for piece in text.split(", ")]
        return self.language.pick("、", ", ").join(pieces)

    def _piece(self, piece: str, unit: str, codes: Mapping[str, Coded]) -> str:
        for operator in Operator:
            if piece.startswith(f"{operator.en} "):
                rest = self._value(piece[len(operator.en) + 1 :], unit, codes)
                return rest if operator is Operator.EQ else f"{self.language.label(operator)} {rest}"
        if piece.startswith(_FROM):
            return self.language.say("from %(day)s", day=self._value(piece[len(_FROM) :], unit, codes))
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
            return self.language.money(int(value), self.currency)
        if unit == "share":
            return self.language.percent(float(value), 0 if value * 100 == int(value * 100) else 1)
        return plain(float(value), unit, self.language, self.currency)

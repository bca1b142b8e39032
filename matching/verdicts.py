"""Verdicts in words: what a rule asks, in texts made once, and what it found."""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from math import isnan
from typing import Final, NamedTuple

from matching.clauses import RATE, SHARE
from matching.conditions import RESULTS
from matching.domain import BuiltIn, Result, Rule, Verdict
from matching.facts import FACTS, Fact, Known, text

NO_LIMIT: Final = "any"
RATE_UNKNOWN: Final = "the product's rate is not known"
_UNITS: Final[Mapping[str, tuple[str, str]]] = {
    "year": ("年", " year"),
    "month": ("个月", " month"),
    "day": ("天", " day"),
    "person": ("人", ""),
    "patent": ("件", ""),
    "right": ("项", ""),
    "point": ("分", " point"),
}
KEPT: Final = 4096  # verdicts: many products of a catalogue share one


class Said(NamedTuple):
    """What a verdict says whoever is judged."""

    rule: str
    clause: str
    source: str
    message_zh: str
    message_en: str
    threshold: str
    unit: str


@lru_cache(KEPT)
def stated(name: BuiltIn, code: int, threshold: str, actual: str | None, unit: str) -> Verdict:
    """A built-in rule's verdict."""
    return Verdict(
        rule=name.value,
        result=RESULTS[code],
        clause=f"{name.zh} / {name.en}",
        message_zh=name.zh,
        message_en=name.en,
        threshold=threshold,
        actual=actual,
        unit=unit,
    )


def verdict(rule: Rule, result: Result, known: Known, threshold: object) -> Verdict:
    """What a rule says, with its texts, the threshold that it asks and the fact that it found."""
    return own_stated(said_of(rule, threshold), result, text(known[rule.field]))


def said_of(rule: Rule, threshold: object) -> Said:
    """What a rule says, asking for a threshold: its own value, or a rate's on the day, NaN where that is not known."""
    unknown = isinstance(threshold, float) and isnan(threshold)
    asked = RATE_UNKNOWN if unknown else text(f"{rule.operator.en} {text(threshold)}") or NO_LIMIT
    return Said(rule.rule_id, rule.clause, rule.source, *message(rule), asked, FACTS[rule.field].unit)


@lru_cache(KEPT)
def own_stated(said: Said, result: Result, actual: str | None) -> Verdict:
    """A product's own rule's verdict."""
    return Verdict(**said._asdict(), result=result, actual=actual)


def message(rule: Rule) -> tuple[str, str]:
    """What a rule asks, in zh and en: as it says itself, else made of its field, operator and value."""
    fact = FACTS[rule.field]
    zh, en = _flagged(fact, rule.value) if isinstance(rule.value, bool) else _compared(fact, rule)
    return str(rule.message_zh or text(zh)), str(rule.message_en or text(en))


def _flagged(fact: Fact, value: bool) -> tuple[str, str]:
    zh, en = ("是", "yes") if value else ("否", "no")
    return f"{fact.zh}：{zh}", f"{fact.en}: {en}"


def _compared(fact: Fact, rule: Rule) -> tuple[str, str]:
    if isinstance(rule.value, float):
        zh, en = _counted(fact, rule, rule.value)
        return f"{fact.zh}{rule.operator.zh}{zh}", f"{fact.en} is {rule.operator.en} {en}"
    zh, en = _coded(fact, rule.value)
    return f"{fact.zh}{rule.operator.zh}{zh}", f"{fact.en}: {rule.operator.en} {en}"


def _counted(fact: Fact, rule: Rule, value: float) -> tuple[str, str]:
    """A number with its unit, a share in percent; an amount as it is, whatever currency the facts are in."""
    written = text(value)
    if rule.unit == RATE:
        return f"{written}倍产品利率", f"{written} times the product's rate"
    if fact.unit == SHARE:
        share = f"{text(float(100 * Decimal(str(value))))}%"
        return share, share
    zh, en = _UNITS.get(fact.unit, ("", ""))
    return f"{written}{zh}", f"{written}{en}{'s' * bool(en and value != 1)}"


def _coded(fact: Fact, value: object) -> tuple[str, str]:
    """Codes by their names, those that have none as they are."""
    names = {str(code): (code.zh, code.en) for code in fact.codes or ()}
    codes = value if isinstance(value, tuple) else (value,)
    zh, en = zip(*(names.get(str(code), (str(code), str(code))) for code in codes), strict=True)
    return "、".join(zh), ", ".join(en)

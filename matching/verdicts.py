"""Verdicts in words: what a rule asks, in texts made once, and what it found."""

from functools import lru_cache
from math import isnan
from typing import Final, NamedTuple

from matching.clauses import RATE
from matching.conditions import RESULTS
from matching.domain import BuiltIn, Result, Rule, Verdict
from matching.facts import FACTS, Known, text

NO_LIMIT: Final = "any"
RATE_UNKNOWN: Final = "the product's rate is not known"
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
    fact, value = FACTS[rule.field], text(rule.value)
    times = ("倍产品利率", " times the product's rate") if rule.unit == RATE else ("", "")
    zh = rule.message_zh or text(f"{fact.zh}{rule.operator.zh}{value}{times[0]}")
    en = rule.message_en or text(f"{fact.en} is {rule.operator.en} {value}{times[1]}")
    return str(zh), str(en)

"""Dated requirements of enhancements and tiers, asked of one enterprise: each met by any one of its options."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Final

from pydantic import Field

from matching.clauses import condition
from matching.codes import Result, Trust
from matching.conditions import RESULTS, Conditions
from matching.domain import Code, Day, Entity, Verdict, fact
from matching.facts import Known
from matching.reference.programmes import Criterion
from matching.rules import verdict

Passage = Annotated[str, Field(max_length=2000)]
Found = tuple[Criterion, Verdict]
WORST: Final = {result: i for i, result in enumerate(RESULTS)}


class Requirement(Entity):
    """What is asked, by the rule of which days and how well read, and what came of it; the verdicts are its rules'."""

    requirement: Code = fact("要求编号", "Requirement")
    result: Result = fact("结论", "Result")
    message_zh: Passage = fact("要求", "What it asks (zh)")
    message_en: Passage = fact("英文要求", "What it asks (en)")
    trust: Trust = fact("依据可信度", "How well its source was read")
    valid_from: Day = fact("生效日期", "Valid from")
    valid_to: Day | None = fact("失效日期", "Valid until (exclusive)", default=None)
    verdicts: tuple[Verdict, ...] = fact("规则结论", "Verdicts")


def required(criteria: Sequence[Criterion], known: Known, as_of: date) -> tuple[Requirement, ...]:
    """A requirement for each that the criteria name, in their order; `known` holds every fact that they ask for."""
    codes = Conditions([condition(one.rule) for one in criteria]).judge(known, as_of)
    found: dict[str, list[Found]] = {}
    for one, code in zip(criteria, codes, strict=True):
        result = min(RESULTS[code], one.rule.severity, key=WORST.__getitem__)
        said = verdict(one.rule, result, known, one.rule.value)
        found.setdefault(one.requirement, []).append((one, said))
    return tuple(_requirement(name, rows) for name, rows in found.items())


def worst(results: Iterable[Result]) -> Result:
    """What rules that must all be met say together; those of none pass."""
    return max(results, key=WORST.__getitem__, default=Result.PASS)


def within(sentence: str) -> str:
    """An English sentence as part of another; what starts with an abbreviation stays."""
    return sentence[0].lower() + sentence[1:] if sentence[1] == " " or sentence[1].islower() else sentence


def waiting(asked: Requirement) -> tuple[str, str]:
    """What is still to be stated of a requirement that is to be reviewed, in zh and en, in the midst of a sentence.

    An option with a figure that is known and fails is settled: stating the rest of it would not help.
    """
    options: dict[str, list[Verdict]] = {}
    for one in asked.verdicts:
        _, option, _ = one.rule.rsplit(".", 2)  # REQUIREMENT.OPTION.FIELD
        options.setdefault(option, []).append(one)
    open_ = [option for option in options.values() if worst(one.result for one in option) is Result.REVIEW]
    return _told([[one for one in option if one.result is Result.REVIEW] for option in open_])


def _told(options: Sequence[Sequence[Verdict]]) -> tuple[str, str]:
    zh = "；或".join("且".join(one.message_zh for one in option) for option in options)
    en = "; or ".join(" and ".join(within(one.message_en) for one in option) for option in options)
    return zh, en


def _requirement(name: str, rows: Sequence[Found]) -> Requirement:
    names = dict.fromkeys(one.option for one, _ in rows)
    options = [[found for one, found in rows if one.option == option] for option in names]
    criteria = [one for one, _ in rows]
    zh, en = _told(options)
    return Requirement(
        requirement=name,
        result=min((worst(one.result for one in option) for option in options), key=WORST.__getitem__),
        message_zh=zh,
        message_en=en[0].upper() + en[1:],
        trust=max((one.trust for one in criteria), key=list(Trust).index),
        valid_from=max(one.valid_from for one in criteria),
        valid_to=min((one.valid_to for one in criteria if one.valid_to), default=None),
        verdicts=tuple(found for _, found in rows),
    )

"""The ladder of the listing service: which tiers and boards an enterprise has, what the next asks, what is lacking.

Innovative SME → specialised-and-new SME → little giant → OTC specialised board → exchange, by the rules of the day.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

from matching.codes import Result, Tier, Trust
from matching.domain import Code, Day, Enterprise, Entity, Id, Text, fact
from matching.facts import Known, own_facts
from matching.reference import programmes as dated
from matching.reference.programmes import Rung
from matching.requirements import Passage, Requirement, required, waiting, within, worst

RULES: Final = "ladder_rules"
CLIMBED: Final = ("阶梯已走完", "the ladder is climbed")
UNSTATED: Final = (
    "须先说明已具备的梯度（目前未知，以下从最低一级说起）",
    "state which tiers are held (not known: this begins at the lowest)",
)


class Step(Entity):
    """One rung of the ladder: whether it is held, and what its rule of the day says of each requirement.

    `held` is missing where the enterprise's tiers are; `met`, `lacking` and `unknown` name requirements.
    """

    tier: Tier = fact("梯度", "Tier or board")
    name_zh: Text = fact("名称", "Name (zh)")
    name_en: Text = fact("英文名称", "Name (en)")
    held: bool | None = fact("是否已具备", "Held", default=None)
    result: Result = fact("结论", "Result")
    source: Text = fact("依据", "Source")
    trust: Trust = fact("依据可信度", "How well its source was read")
    valid_from: Day = fact("生效日期", "Valid from")
    met: tuple[Code, ...] = fact("已满足", "Met")
    lacking: tuple[Code, ...] = fact("不满足", "Lacking")
    unknown: tuple[Code, ...] = fact("待补充", "Not known")
    requirements: tuple[Requirement, ...] = fact("要求", "Requirements")


class Standing(Entity):
    """Where an enterprise stands on the ladder as of a day: `reached` is its highest rung, `next` the one above."""

    enterprise_id: Id = fact("企业编号", "Enterprise id")
    as_of: Day = fact("日期", "As of")
    reached: Tier | None = fact("已达梯度", "Highest rung held", default=None)
    next: Tier | None = fact("下一梯度", "Next rung", default=None)
    step_zh: Passage = fact("下一步", "Next step (zh)")
    step_en: Passage = fact("英文下一步", "Next step (en)")
    ladder: tuple[Step, ...] = fact("阶梯", "Ladder, lowest rung first")


def readiness(enterprise: Enterprise, as_of: date) -> Standing:
    """Each rung's requirements by the rules of `as_of`, and the step to the rung above the highest one held.

    Raises `InputError` before the ladder's first day (2022-08-01).
    """
    known = own_facts(enterprise, as_of)
    rungs = dated.rungs(as_of)
    ladder = [_step(rung, enterprise, known, as_of) for rung in rungs]
    above = max((i + 1 for i, one in enumerate(ladder) if one.held), default=0)
    zh, en = _advice(rungs[above], ladder[above]) if above < len(ladder) else CLIMBED
    if enterprise.tiers is None:
        zh, en = f"{UNSTATED[0]}。{zh}", f"{UNSTATED[1]}. Then {en}"
    return Standing(
        enterprise_id=enterprise.enterprise_id,
        as_of=as_of,
        reached=ladder[above - 1].tier if above else None,
        next=ladder[above].tier if above < len(ladder) else None,
        step_zh=zh,
        step_en=en,
        ladder=tuple(ladder),
    )


def _step(rung: Rung, enterprise: Enterprise, known: Known, as_of: date) -> Step:
    criteria = dated.criteria(RULES, rung.code, as_of)
    requirements = required(criteria, known, as_of)
    return Step(
        tier=rung.tier,
        name_zh=rung.tier.zh,
        name_en=rung.tier.en,
        held=None if enterprise.tiers is None else rung.tier in enterprise.tiers,
        result=worst(one.result for one in requirements),
        source=criteria[0].rule.source,
        trust=max((one.trust for one in criteria), key=list(Trust).index),
        valid_from=max(one.valid_from for one in criteria),
        met=_named(requirements, Result.PASS),
        lacking=_named(requirements, Result.FAIL),
        unknown=_named(requirements, Result.REVIEW),
        requirements=requirements,
    )


def _named(requirements: Sequence[Requirement], result: Result) -> tuple[str, ...]:
    return tuple(one.requirement for one in requirements if one.result is result)


def _advice(rung: Rung, step: Step) -> tuple[str, str]:
    """What to reach and what to state first, then the step itself."""
    lacking = [one for one in step.requirements if one.result is Result.FAIL]
    unknown = [one for one in step.requirements if one.result is Result.REVIEW]
    zh, en = [], []
    if lacking:
        zh.append(f"须达到：{'；'.join(one.message_zh for one in lacking)}")
        en.append(f"reach first: {'; '.join(within(one.message_en) for one in lacking)}")
    if unknown:
        told = [waiting(one) for one in unknown]
        zh.append(f"须补充资料：{'；'.join(in_zh for in_zh, _ in told)}")
        en.append(f"state first: {'; '.join(in_en for _, in_en in told)}")
    return "。".join([*zh, rung.step_zh]), ". Then ".join([*en, rung.step_en])

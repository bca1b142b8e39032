"""Coded reasons for a step: why an institution declines, and why an officer goes against the ranking."""

from collections.abc import Sequence
from typing import Final

from api.desk.stages import Step
from matching.codes import Coded, DeclineReason
from matching.errors import Fault, InputError

MOST: Final = 4
LONGEST: Final = 2000


class OverrideReason(Coded):
    """Why an officer suggests another product of the institution than the ranking put first."""

    PURPOSE = "fits_purpose", "更符合企业用途", "Fits the purpose better"
    AMOUNT = "fits_amount", "额度更合适", "Fits the amount better"
    TERM = "fits_term", "期限更合适", "Fits the term better"
    COLLATERAL = "fits_collateral", "担保方式更合适", "Fits the security better"
    PRICE = "lower_price", "价格更低", "Costs less"
    FASTER = "faster", "办理更快", "Decided sooner"
    PROGRAMME = "programme", "可享受政策支持", "A support programme applies"
    CAPACITY = "no_capacity", "原产品额度不足", "The suggested product has no capacity left"
    DISCONTINUED = "discontinued", "原产品停办", "The suggested product is no longer offered"
    RELATION = "relation", "企业已用该产品", "The enterprise has this product already"
    ASKED = "asked", "企业要求", "The enterprise asked for it"
    OTHER = "override_other", "其他", "Other"


StepReason = DeclineReason | OverrideReason
REASONS: Final[dict[Step, type[Coded]]] = {Step.DECLINE: DeclineReason, Step.SUGGEST: OverrideReason}


def choices(step: Step) -> tuple[Coded, ...]:
    """The reasons that a step must give one to four of; none where it needs no reason."""
    kind = REASONS.get(step)
    return tuple(reason for reason in kind if reason is not DeclineReason.WITHDRAWN) if kind else ()


def meant(step: Step, reasons: Sequence[str]) -> tuple[Step, Sequence[str]]:
    """A step by what it means: declined since it withdrew, an enterprise has withdrawn, and its need goes nowhere."""
    withdrawn = step is Step.DECLINE and set(reasons) == {DeclineReason.WITHDRAWN.value}
    return (Step.WITHDRAW, ()) if withdrawn else (step, reasons)


def label(code: str) -> StepReason:
    """A stored code with its words in zh and en."""
    return DeclineReason(code) if code in set(DeclineReason) else OverrideReason(code)


def checked(step: Step, reasons: Sequence[str], text: str) -> list[str]:
    """The reasons of a step, each once. Raises `InputError` where they are too few, too many, or no codes of it.

    So it does where the text is too long, or is missing with the reason other or a suggestion.
    """
    codes = list(dict.fromkeys(reasons))
    known = [str(reason) for reason in choices(step)]
    rule = f"is one of {', '.join(known)}" if known else f"is left out: {step.value} needs none"
    faults = [Fault("reasons", f"{rule}, not {c!r}", i) for i, c in enumerate(codes, 1) if c not in known]
    if known and not codes:
        faults.append(Fault("reasons", f"has at least 1 items: {step.value} needs a coded reason"))
    if len(codes) > MOST:
        faults.append(Fault("reasons", f"has at most {MOST} items"))
    if not text.strip():
        faults += _unsaid(step, codes)
    if len(text) > LONGEST:
        faults.append(Fault("text", f"has at most {LONGEST} characters"))
    if faults:
        raise InputError("request", faults)
    return codes


def _unsaid(step: Step, codes: Sequence[str]) -> list[Fault]:
    """What is wrong with a step that no text goes with: who goes against the ranking says why beside the code."""
    if step is Step.SUGGEST:
        return [Fault("text", f"is present: {step.value} needs words beside its coded reason")]
    return [Fault("text", "is present where the reason is other") for c in codes if c.endswith("other")][:1]

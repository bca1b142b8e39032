"""Coordination on paper: a listed need that nobody is left for is dispatched to an office, and settled.

An office is a department or a district: whoever can see to what institutions declined it for.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from api.desk.reasons import LONGEST
from api.refusals import ConflictError
from matching.codes import Coded
from matching.errors import Fault, InputError

LONGEST_OFFICE: Final = 100


class CoordinationStage(Coded):
    """How far the coordination of a need is."""

    WAITING = "waiting", "待派单", "Waiting"
    DISPATCHED = "dispatched", "已派单", "Dispatched"
    SETTLED = "settled", "已办结", "Settled"


class CoordinationStep(Coded):
    """What the commission does with such a need. To dispatch it again gives it to another office, or more time."""

    DISPATCH = "dispatch", "派单", "Dispatch"
    SETTLE = "settle", "办结", "Settle"


class Settlement(Coded):
    """What came of it."""

    FUNDED = "funded", "已通过其他渠道融资", "Funded another way"
    RELISTED = "relisted", "补齐条件后已重新登记", "Mended and listed anew"
    NOT_READY = "not_ready", "暂不具备融资条件", "Not ready for financing yet"
    WITHDRAWN = "withdrawn", "企业已放弃", "The enterprise withdrew"
    OTHER = "other", "其他", "Other"


LEGAL: Final[Mapping[CoordinationStage, tuple[CoordinationStep, ...]]] = {
    CoordinationStage.WAITING: (CoordinationStep.DISPATCH, CoordinationStep.SETTLE),
    CoordinationStage.DISPATCHED: (CoordinationStep.DISPATCH, CoordinationStep.SETTLE),
    CoordinationStage.SETTLED: (),
}
TO: Final[Mapping[CoordinationStep, CoordinationStage]] = {
    CoordinationStep.DISPATCH: CoordinationStage.DISPATCHED,
    CoordinationStep.SETTLE: CoordinationStage.SETTLED,
}


def after(stage: CoordinationStage, step: CoordinationStep) -> CoordinationStage:
    """The stage that a step leads to. Raises `ConflictError` where a settled need is to be settled again."""
    if step not in LEGAL[stage]:
        raise ConflictError(f"{step.value!r} is not legal for a need that is {stage.value}; no further step", ())
    return TO[step]


def check(
    step: CoordinationStep, office: str | None, until: date | None, result: str | None, text: str, today: date
) -> None:
    """Raises `InputError` where a step lacks what it needs, or says what is another's.

    A dispatch names an `office` and may say `until` when, today at the earliest; to settle needs a `result`, and a text
    where that is other.
    """
    faults = _dispatched(office, until, today) if step is CoordinationStep.DISPATCH else _settled(result, text)
    others = {"result": result} if step is CoordinationStep.DISPATCH else {"office": office, "until": until}
    mine = (CoordinationStep.SETTLE if step is CoordinationStep.DISPATCH else CoordinationStep.DISPATCH).value
    faults += [Fault(name, f"is left out: it is for {mine}") for name, value in others.items() if value is not None]
    if len(text) > LONGEST:
        faults.append(Fault("text", f"has at most {LONGEST} characters"))
    if faults:
        raise InputError("request", faults)


def _dispatched(office: str | None, until: date | None, today: date) -> list[Fault]:
    faults = []
    if office is None or not office.strip():
        faults.append(Fault("office", "is present: a dispatch names a department or district"))
    elif len(office) > LONGEST_OFFICE or not office.isprintable():
        faults.append(Fault("office", f"has at most {LONGEST_OFFICE} printable characters"))
    if until is not None and until < today:
        faults.append(Fault("until", f"is not before {today}, today"))
    return faults


def _settled(result: str | None, text: str) -> list[Fault]:
    if result not in set(Settlement):
        what = "missing" if result is None else repr(result)
        return [Fault("result", f"is one of {', '.join(Settlement)}, not {what}")]
    silent = result == Settlement.OTHER and not text.strip()
    return [Fault("text", "is present where the result is other")] if silent else []

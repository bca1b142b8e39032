"""The funnel: stages, the steps that lead from each, and the clock that runs in it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from api.refusals import ConflictError
from api.settings import Settings
from matching.codes import Coded


class CaseStage(Coded):
    """How far a case is; the funnel in order, then the three ways out of it."""

    SUGGESTED = "suggested", "待受理", "Suggested"
    ACCEPTED = "accepted", "已受理", "Accepted"
    CONTACTED = "contacted", "已对接", "Contacted"
    APPLIED = "applied", "已申请", "Applied"
    GRANTED = "granted", "已授信", "Granted"
    DRAWN = "drawn", "已放款", "Drawn"
    DECLINED = "declined", "已拒绝", "Declined"
    WITHDRAWN = "withdrawn", "企业已放弃", "Withdrawn"
    EXPIRED = "expired", "已超时终止", "Expired"


class Step(Coded):
    """What somebody does to a case. `suggest` changes the product and no stage; `expire` is the clock's alone."""

    ACCEPT = "accept", "受理", "Accept"
    CONTACT = "contact", "登记对接", "Record the first contact"
    APPLY = "apply", "登记申请", "Record the application"
    GRANT = "grant", "登记授信", "Record the grant"
    DRAW = "draw", "登记放款", "Record the drawdown"
    SUGGEST = "suggest", "改荐本机构其他产品", "Suggest another of our products"
    DECLINE = "decline", "拒绝", "Decline"
    WITHDRAW = "withdraw", "登记企业放弃", "Record that the enterprise withdrew"
    EXPIRE = "expire", "超时终止", "Expire"
    OPEN = "open", "推送", "Open"


TO: Final[Mapping[Step, CaseStage]] = {
    Step.OPEN: CaseStage.SUGGESTED,
    Step.ACCEPT: CaseStage.ACCEPTED,
    Step.CONTACT: CaseStage.CONTACTED,
    Step.APPLY: CaseStage.APPLIED,
    Step.GRANT: CaseStage.GRANTED,
    Step.DRAW: CaseStage.DRAWN,
    Step.DECLINE: CaseStage.DECLINED,
    Step.WITHDRAW: CaseStage.WITHDRAWN,
    Step.EXPIRE: CaseStage.EXPIRED,
}
_OUT: Final = (Step.DECLINE, Step.WITHDRAW, Step.EXPIRE)
LEGAL: Final[Mapping[CaseStage, tuple[Step, ...]]] = {
    CaseStage.SUGGESTED: (Step.ACCEPT, Step.SUGGEST, *_OUT),
    CaseStage.ACCEPTED: (Step.CONTACT, Step.SUGGEST, *_OUT),
    CaseStage.CONTACTED: (Step.APPLY, Step.SUGGEST, *_OUT),
    CaseStage.APPLIED: (Step.GRANT, Step.SUGGEST, *_OUT),
    CaseStage.GRANTED: (Step.DRAW, Step.WITHDRAW, Step.EXPIRE),
    CaseStage.DRAWN: (),
    CaseStage.DECLINED: (),
    CaseStage.WITHDRAWN: (),
    CaseStage.EXPIRED: (),
}
CLOCKS: Final[Mapping[CaseStage, str]] = {
    CaseStage.SUGGESTED: "accept_days",
    CaseStage.ACCEPTED: "contact_days",
    CaseStage.CONTACTED: "decide_days",
    CaseStage.APPLIED: "decide_days",
    CaseStage.GRANTED: "draw_days",
}
CLOCKS_OWN: Final = frozenset({Step.OPEN, Step.EXPIRE})
HANDED_ON: Final = frozenset({CaseStage.SUGGESTED, CaseStage.ACCEPTED, CaseStage.CONTACTED, CaseStage.APPLIED})
FUNNEL: Final = tuple(stage for stage in CaseStage if LEGAL[stage] or stage is CaseStage.DRAWN)
ENDED: Final = frozenset(stage for stage, steps in LEGAL.items() if not steps)


def legal(stage: CaseStage) -> tuple[Step, ...]:
    """The steps that a person may take from a stage, in the order of the funnel."""
    return tuple(step for step in LEGAL[stage] if step is not Step.EXPIRE)


def after(stage: CaseStage, step: Step) -> CaseStage:
    """The stage that a step leads to. Raises `ConflictError` naming the legal steps where this one is not."""
    if step not in LEGAL[stage]:
        steps = legal(stage)
        what = f"a step that is legal now: {', '.join(steps)}" if steps else "no further step: the case has ended"
        raise ConflictError(f"{step.value!r} is not legal for a case that is {stage.value}; {what}", steps)
    return TO.get(step, stage)


def clock(settings: Settings, stage: CaseStage) -> timedelta | None:
    """How long a case may stay in a stage; None once it has ended."""
    field = CLOCKS.get(stage)
    return None if field is None else timedelta(days=getattr(settings, field))

"""The funnel on paper: which steps lead where, which clock runs, which reasons a step needs."""

from datetime import timedelta

import pytest

from api.desk.reasons import OverrideReason, checked, choices, label
from api.desk.stages import CLOCKS, ENDED, HANDED_ON, LEGAL, TO, CaseStage, Step, after, clock, legal
from api.refusals import ConflictError
from api.settings import Settings
from matching.codes import DeclineReason
from matching.errors import InputError

EVERY_PAIR = [(stage, step) for stage in CaseStage for step in Step]
FUNNEL = [Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT, Step.DRAW]


def test_the_funnel_leads_from_suggestion_to_drawdown():
    stages = [CaseStage.SUGGESTED]
    for step in FUNNEL:
        stages.append(after(stages[-1], step))
    assert [stage.value for stage in stages] == ["suggested", "accepted", "contacted", "applied", "granted", "drawn"]


@pytest.mark.parametrize(("stage", "step"), EVERY_PAIR)
def test_a_step_is_legal_or_refused_with_the_legal_ones_named(stage, step):
    if step in LEGAL[stage]:
        assert after(stage, step) is TO.get(step, stage)
        return
    with pytest.raises(ConflictError, match=f"'{step}' is not legal for a case that is {stage}") as refused:
        after(stage, step)
    assert refused.value.legal == legal(stage)
    assert all(name in str(refused.value) for name in legal(stage))


def test_what_has_ended_admits_no_step_and_has_no_clock():
    assert {stage.value for stage in ENDED} == {"drawn", "declined", "withdrawn", "expired"}
    assert set(CLOCKS) == set(CaseStage) - ENDED
    assert all(clock(Settings(), stage) is None for stage in ENDED)


def test_what_expired_is_not_said_to_have_gone_on_for_a_grant_goes_to_nobody():
    assert Step.EXPIRE in LEGAL[CaseStage.GRANTED]
    assert CaseStage.GRANTED not in HANDED_ON
    assert (CaseStage.EXPIRED.zh, Step.EXPIRE.zh) == ("已超时终止", "超时终止")


def test_expiry_is_never_a_persons_step():
    assert all(Step.EXPIRE not in legal(stage) for stage in CaseStage)


@pytest.mark.parametrize(
    ("stage", "days"), [("suggested", 1), ("accepted", 3), ("contacted", 30), ("applied", 30), ("granted", 90)]
)
def test_each_stage_has_its_clock_by_default(stage, days):
    assert clock(Settings(), CaseStage(stage)) == timedelta(days=days)


def test_a_clock_is_a_setting():
    assert clock(Settings(accept_days=0.5), CaseStage.SUGGESTED) == timedelta(hours=12)


def test_every_coded_reason_has_words_in_both_languages_and_no_code_is_both_kinds():
    codes = [*DeclineReason, *OverrideReason]
    assert len(codes) == len({str(code) for code in codes})
    assert all(label(str(code)) is code and code.zh and code.en for code in codes)
    assert set(choices(Step.DECLINE)) == set(DeclineReason) - {DeclineReason.WITHDRAWN}


def test_a_step_without_reasons_has_none_to_choose():
    assert choices(Step.ACCEPT) == ()
    assert checked(Step.ACCEPT, [], "") == []


@pytest.mark.parametrize(
    ("step", "reasons", "text", "message"),
    [
        (Step.DECLINE, [], "", r"reasons: has at least 1 items: decline needs a coded reason"),
        (Step.DECLINE, ["debt", "tax", "term", "price", "region"], "", r"reasons: has at most 4 items"),
        (Step.DECLINE, ["dislike"], "", r"reasons \(row 1\): is one of debt, cash_flow, .*, not 'dislike'"),
        (Step.DECLINE, ["faster"], "", r"reasons \(row 1\): is one of debt"),
        (Step.DECLINE, ["debt", "other"], " ", r"text: is present where the reason is other"),
        (Step.SUGGEST, ["faster"], "\n ", r"text: is present: suggest needs words beside its coded reason"),
        (Step.SUGGEST, ["override_other"], "", r"text: is present: suggest needs words beside its coded reason"),
        (Step.SUGGEST, ["debt"], "", r"reasons \(row 1\): is one of fits_purpose"),
        (Step.ACCEPT, ["debt"], "", r"reasons \(row 1\): is left out: accept needs none, not 'debt'"),
        (Step.ACCEPT, [], "x" * 2001, r"text: has at most 2000 characters"),
    ],
)
def test_reasons_that_are_none_of_the_steps_are_refused(step, reasons, text, message):
    with pytest.raises(InputError, match=message):
        checked(step, reasons, text)


def test_a_reason_given_twice_counts_once():
    assert checked(Step.DECLINE, ["debt", "debt", "tax"], "") == ["debt", "tax"]

"""A case's page, and the forms by which an officer decides."""

import re
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from fastapi import APIRouter, Response

from api.desk import cases, reading, unplaced
from api.desk.reasons import LONGEST, MOST, choices
from api.desk.stages import FUNNEL, TO, Step
from api.desk.views import CaseView
from api.pages import coordinating, figures, turning, words
from api.pages.clocks import due
from api.pages.events import told
from api.pages.ladder import ladder
from api.pages.languages import Language, marked
from api.pages.refusing import PageRoute
from api.pages.rendering import render
from api.pages.telling import told as told_faults
from api.pages.verdicts import Teller, fields_of, missing
from api.pages.views import Said, StepMark
from api.pages.visits import Form, FormGiven, SeeingVisit, Visit, check_csrf, field, go
from api.store import queries
from matching.codes import Result
from matching.domain import MAX_MONEY, Product, Verdict
from matching.errors import InputError, NotFoundError

router = APIRouter(route_class=PageRoute, include_in_schema=False)
AHEAD: Final = (Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT, Step.DRAW)
WORST_FIRST: Final = (Result.FAIL, Result.REVIEW, Result.PASS)
BP: Final = 100
DIGITS: Final = len(str(MAX_MONEY))
WHOLE: Final = re.compile(r"[0-9]+|[0-9]{1,3}(,[0-9]{3})+")
RATE: Final = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")
ENDS: Final = {
    Step.DECLINE: marked(
        "This ends the case; the need goes on to another institution, if one is left. It cannot be undone."
    ),
    Step.WITHDRAW: marked("This ends the case; the need goes to no other institution. It cannot be undone."),
    Step.DRAW: marked("This ends the case. It cannot be undone."),
    Step.SUGGEST: marked("The case stays with you; its product alone changes."),
}


@router.get("/desk/cases/{case_id}")
def get_case(visit: SeeingVisit, case_id: str) -> Response:
    """A case with all that an officer decides on."""
    view = reading.case(visit.service, visit.actor, case_id)
    return _page(visit, view, Said())


@router.post("/desk/cases/{case_id}")
def post_case(form: FormGiven, visit: SeeingVisit, case_id: str) -> Response:
    """Take a step; a form with a mistake comes back as it was sent. It is read first, so that no refusal loses it."""
    check_csrf(visit, form)
    step = _step(field(form, "step"))
    said = _said(form, step)
    wrong = _wrong(said, step, visit.language)
    if not wrong:
        try:
            _decide(visit, case_id, form, said, step)
            return go(turning.here(visit, case_id, done=step))
        except InputError as error:
            wrong = told_faults(error, visit.language)
    view = reading.case(visit.service, visit.actor, case_id)
    return _page(visit, view, replace(said, faults=wrong), 422)


@router.get("/desk/{rest:path}")
def get_nothing(visit: SeeingVisit, rest: str) -> Response:
    """Raises `NotFoundError`: so that a wrong address, too, is answered with a page."""
    raise NotFoundError("page", rest)


def _step(text: str) -> Step:
    if text not in set(Step):
        raise NotFoundError("step", text)
    return Step(text)


def _said(form: Form, step: Step) -> Said:
    return Said(
        step=step,
        reasons=form.get("reasons", []),
        text=field(form, "text"),
        product_id=field(form, "product_id"),
        amount=field(form, "amount").strip(),
        rate=field(form, "rate").strip(),
    )


def _wrong(said: Said, step: Step, language: Language) -> list[str]:
    """What a form's sender can mend, in the page's language; the desk checks all of it again."""
    other, silent = any(reason.endswith("other") for reason in said.reasons), not said.text.strip()
    checks = (
        (bool(choices(step)) and not said.reasons, language.say("Choose at least one reason.")),
        (len(set(said.reasons)) > MOST, language.say("Choose at most four reasons.")),
        (other and silent, language.say("Say in your words what the other reason is.")),
        (step is Step.SUGGEST and silent and not other, language.say("Say in your words why you suggest it.")),
        (len(said.text) > LONGEST, language.say("The text has at most %(most)s characters.", most=LONGEST)),
        (step is Step.SUGGEST and not said.product_id, language.say("Choose the product that you suggest.")),
        (
            bool(said.amount) and not _whole(said.amount),
            language.say(
                "The amount is a whole number above 0 and at most %(most)s; a comma only sets thousands apart.",
                most=language.number(MAX_MONEY),
            ),
        ),
        (step is Step.GRANT and not said.amount, language.say("State the amount that is granted.")),
        (bool(said.rate) and _rate_bp(said.rate) is None, language.say("The rate is a number from 0 to 100.")),
    )
    return [text for fails, text in checks if fails]


def _decide(visit: Visit, case_id: str, form: Form, said: Said, step: Step) -> None:
    version = field(form, "version")
    cases.decide(
        visit.service,
        visit.actor,
        case_id,
        step,
        int(version) if _whole(version) else 0,
        reasons=said.reasons,
        text=said.text,
        product_id=said.product_id or None,
        amount=_whole(said.amount),
        rate_bp=_rate_bp(said.rate),
        key=field(form, "key") or None,
    )


def _whole(text: str) -> int | None:
    """A whole number above 0, its thousands set apart or not: of 1,5 nobody knows whether one and a half is meant."""
    plain = text.replace(",", "")
    return (int(plain) or None) if WHOLE.fullmatch(text) and len(plain) <= DIGITS else None


def _rate_bp(text: str) -> float | None:
    """A rate in percent to its last digit: as a decimal, since 100 times a double's 3.85 is not 385.

    In plain digits: Python reads 3_5 as 35, and 1e1 as 10.
    """
    rate = Decimal(text) if RATE.fullmatch(text) else None
    return float(rate * BP) if rate is not None and rate <= 100 else None


def _page(visit: Visit, view: CaseView, said: Said, status: int = 200) -> Response:
    speaking, today = visit.language, visit.service.today()
    with visit.service.store.reading() as session:
        currency = queries.currency(session)
        granted = cases.granted(session, view.item)
        left_over = unplaced.left_over(session, visit.actor, view.item.need_id)
        named = {product_id: queries.product(session, product_id, today) for product_id in _spoken_of(view)}
    product = named[view.item.product_id]
    fields = fields_of(product)
    names = {product_id: speaking.named(one) for product_id, one in named.items()}
    shown = _match_part(view, fields, speaking) | _enterprise_part(view, speaking, currency) | _forms_part(visit)
    shown |= turning.around(visit, view.item)
    return render(
        visit,
        "case.html",
        status,
        view=view,
        said=said,
        ended=_ended(view, product, today),
        coordination=coordinating.path(view.item.need_id) if left_over else None,
        sums={Step.GRANT: (view.item.amount, None), Step.DRAW: (granted.get("amount"), _percent(granted))},
        marks=marks(view),
        events=[told(event, speaking, currency, names) for event in reversed(view.events)],
        due=lambda item: due(item, visit.service.now()),
        months=lambda term: words.months(term, speaking),
        screened=words.screened(view.screen, speaking),
        ladder=ladder(view.enterprise, today, speaking),
        ruled=Teller(speaking, currency, today, fields).told,
        **shown,
    )


def marks(view: CaseView) -> list[StepMark]:
    """The funnel as far as the case came; where it left it, the way out stands last."""
    reached = [stage for event in view.events for stage in (event.to_stage,) if stage in FUNNEL]
    stage = view.item.stage
    best = max((FUNNEL.index(one) for one in reached), default=0)
    states = ["done" if i < best or stage is not one else "now" for i, one in enumerate(FUNNEL)]
    found = [StepMark(one, states[i] if i <= best else "todo") for i, one in enumerate(FUNNEL)]
    return found if stage in FUNNEL else [*found[: best + 1], StepMark(stage, "out")]


def _percent(granted: Mapping[str, Any]) -> str | None:
    """The rate granted, in percent and to its last digit, as a form's field takes it."""
    rate_bp = granted.get("rate_bp")
    return None if rate_bp is None else f"{(Decimal(str(rate_bp)) / BP).normalize():f}"


def _spoken_of(view: CaseView) -> set[str]:
    """The products that the page names, by id: the case's own and those that it had before, ended ones too."""
    before = (event.detail for event in view.events if event.step is Step.SUGGEST)
    return {view.item.product_id, *(detail["from"] for detail in before)}


def _ended(view: CaseView, product: Product, today: date) -> date | None:
    """Since when an open case's product is no longer offered: matches are weeks old, and products end."""
    end = product.valid_to
    return None if end is None or end > today or view.item.closed_at else end


def _match_part(view: CaseView, fields: Mapping[str, str], language: Language) -> dict[str, Any]:
    match, basis = view.match, view.record.stack_basis
    verdicts: list[Verdict] = sorted(view.verdicts, key=lambda one: WORST_FIRST.index(one.result))
    stacks = [match.stack.best, *match.stack.others] if match and match.stack else []
    views = [figures.stack_view(stack, basis, language) for stack in stacks]
    counts = Counter(str(verdict.result) for verdict in verdicts)
    return {
        "verdicts": verdicts,
        "missing": missing(verdicts, fields, (view.enterprise, view.need, view.record.as_of), language),
        "tally": {str(result): counts[str(result)] for result in Result},
        "reasons": figures.reason_bars((match.reasons or ()) if match else ()),
        "stacks": views,
        "best": views[0] if views else None,
        "sizing": view.record.sizing,
        "matches": {one.product_id: one for one in view.record.matches},
    }


def _enterprise_part(view: CaseView, language: Language, currency: str) -> dict[str, Any]:
    return {
        "plots": figures.plots(view.enterprise, view.need, language, currency),
        "facts": list(words.facts(view.enterprise, language, currency)),
        "unknown": words.unknown(view.enterprise, language),
        "wants": list(words.facts(view.need, language, currency)),
    }


def _forms_part(visit: Visit) -> dict[str, Any]:
    done = visit.request.query_params.get("done", "")
    return {
        "ahead": AHEAD,
        "choices": choices,
        "longest": LONGEST,
        "ends": {step: visit.language.say(text) for step, text in ENDS.items()},
        "key": f"page-{secrets.token_hex(8)}",
        "done": _saved(Step(done), visit.language) if done in set(Step) else "",
    }


def _saved(step: Step, language: Language) -> str:
    """What a step has made of the case."""
    said = language.label(TO[step]) if step in TO else language.say("Another own product suggested")
    return language.say("Saved: %(step)s.", step=said)

"""Coordination: needs that nobody is left for, and the forms by which the commission dispatches and settles them."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Response

from api.desk import unplaced
from api.desk.coordinating import coordinate
from api.desk.coordination import LONGEST_OFFICE, CoordinationStep, Settlement
from api.desk.listing import CANDIDATES
from api.desk.reasons import LONGEST
from api.desk.unplaced import Unplaced, Wanted
from api.desk.unplaced_views import CoordinationEvent, UnplacedView
from api.pages import words
from api.pages.events import EventTold, actor_of, said
from api.pages.ladder import ladder
from api.pages.languages import Language, local
from api.pages.queueing import LONGEST_REGION, LONGEST_SEARCH, regions_of
from api.pages.refusing import PageRoute
from api.pages.rendering import render
from api.pages.telling import COORDINATED, told
from api.pages.visits import Form, FormGiven, SeeingVisit, Visit, check_csrf, field, go
from api.store import queries
from matching import reference
from matching.errors import InputError, NotFoundError

router = APIRouter(route_class=PageRoute, include_in_schema=False)
HOME: Final = "/desk/coordination"
NARROWED: Final = ("show", "q", "region", "office")
KEPT: Final = (*NARROWED, "cursor")
LINES: Final = 50
LONGEST_VERSION: Final = 9


@dataclass(frozen=True)
class Written:
    """A form as it was sent, shown again beside what is wrong with it."""

    step: str = ""
    office: str = ""
    until: str = ""
    result: str = ""
    text: str = ""
    faults: Sequence[str] = ()


@router.get(HOME)
def get_needs(visit: SeeingVisit) -> Response:
    """The needs that are to be coordinated, or those that are settled."""
    asked = visit.request.query_params
    wanted, kept = wanted_of(asked), {name: value for name in NARROWED if (value := asked.get(name))}
    today, cursor = visit.service.today(), asked.get("cursor") or None
    with visit.service.store.reading() as session:
        page = unplaced.page(session, visit.actor, today, wanted, LINES, cursor)
        if cursor and not page.items:  # all needs from there on are settled, those before it are not
            page = unplaced.page(session, visit.actor, today, wanted, LINES)
        late = unplaced.count(session, today, replace(wanted, show=Unplaced.OVERDUE))
        offices = unplaced.offices(session, today, wanted.show)
    return render(
        visit,
        "coordination.html",
        page=page,
        wanted=wanted,
        late=late,
        after=page.after and _address(HOME, kept, cursor=page.after),
        csv_href=_address(f"{HOME}.csv", kept),
        candidates=CANDIDATES,
        chips=[
            {"show": one, "here": one is wanted.show, "href": _address(HOME, kept | {"show": one.value})}
            for one in Unplaced
        ],
        narrowed=wanted != Wanted(wanted.show),
        regions=regions_of(visit, wanted.region),
        offices=visit.language.sorted((one, one) for one in {*offices, *filter(None, [wanted.office])}),
        need_href=lambda need_id: _address(path(need_id), asked),
        local=local,
        months=lambda term: words.months(term, visit.language),
        place=lambda path: words.place(path, today, visit.language) if path else "",
    )


@router.get(HOME + "/{need_id}")
def get_need(visit: SeeingVisit, need_id: str) -> Response:
    """A need with all that the commission decides on."""
    return _page(visit, unplaced.need(visit.service, visit.actor, need_id), Written())


@router.post(HOME + "/{need_id}")
def post_need(form: FormGiven, visit: SeeingVisit, need_id: str) -> Response:
    """Dispatch or settle it; a form with a mistake comes back as it was sent."""
    check_csrf(visit, form)
    written = Written(**{name: field(form, name) for name in ("step", "office", "until", "result", "text")})
    if written.step not in set(CoordinationStep):
        raise NotFoundError("step", written.step)
    try:
        _coordinate(visit, need_id, form, written)
    except InputError as error:
        wrong = told(error, visit.language, COORDINATED)
        view = unplaced.need(visit.service, visit.actor, need_id)
        return _page(visit, view, replace(written, faults=wrong), 422)
    return go(_address(path(need_id), visit.request.query_params, done=written.step))


def wanted_of(asked: Mapping[str, str]) -> Wanted:
    """What an address narrows the list to; what is no part of it counts as not asked."""
    return Wanted(
        show=Unplaced(asked["show"]) if asked.get("show") in set(Unplaced) else Unplaced.OPEN,
        search=asked.get("q", "").strip()[:LONGEST_SEARCH],
        region=asked.get("region", "")[:LONGEST_REGION] or None,
        office=asked.get("office", "")[:LONGEST_OFFICE] or None,
    )


def path(need_id: str) -> str:
    """The page of a need."""
    return f"{HOME}/{quote(need_id, safe='')}"


def _address(path: str, asked: Mapping[str, str], **more: str) -> str:
    """An address that knows which page of which list somebody came from, so that the way back leads there."""
    query = urlencode({name: value for name in KEPT if (value := asked.get(name))} | more)
    return f"{path}?{query}" if query else path


def _coordinate(visit: Visit, need_id: str, form: Form, written: Written) -> None:
    version = field(form, "version")
    whole = version.isascii() and version.isdecimal() and len(version) <= LONGEST_VERSION
    coordinate(
        visit.service,
        visit.actor,
        need_id,
        CoordinationStep(written.step),
        int(version) if whole else 0,
        office=written.office or None,
        until=_day(written.until),
        result=written.result or None,
        text=written.text,
        key=field(form, "key") or None,
    )


def _day(text: str) -> date | None:
    """A day as a form's field sends it; a long past one where it is none, which no dispatch may have."""
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return date.min


def _page(visit: Visit, view: UnplacedView, written: Written, status: int = 200) -> Response:
    speaking, today = visit.language, visit.service.today()
    with visit.service.store.reading() as session:
        currency = queries.currency(session)
    done = visit.request.query_params.get("done", "")
    return render(
        visit,
        "unplaced.html",
        status,
        view=view,
        written=written,
        back=_address(HOME, visit.request.query_params),
        action=_address(path(view.item.need_id), visit.request.query_params),
        events=[_told(event, speaking) for event in reversed(view.events)],
        said=lambda event: said(event, speaking),
        facts=list(words.facts(view.enterprise, speaking, currency)) if view.enterprise else [],
        wants=list(words.facts(view.need, speaking, currency)) if view.need else [],
        screened=words.screened(view.screen, speaking),
        ladder=ladder(view.enterprise, today, speaking) if view.enterprise else None,
        months=words.months((view.need or view.item).term_months, speaking),
        offices=[speaking.named(row) for _, row in sorted(reference.regions(today).items())],
        results=tuple(Settlement),
        today=today,
        longest=LONGEST,
        longest_office=LONGEST_OFFICE,
        key=f"page-{secrets.token_hex(8)}",
        done=speaking.say("Saved: %(step)s.", step=speaking.label(CoordinationStep(done)))
        if done in set(CoordinationStep)
        else "",
    )


def _told(event: CoordinationEvent, language: Language) -> EventTold:
    until = language.say("until %(at)s", at=language.day(event.until)) if event.until else ""
    lines = (event.office or "", until, language.label(event.result) if event.result else "")
    told_by, title = actor_of(event.actor, language), language.label(event.step)
    return EventTold(event.at, told_by, title, tuple(filter(None, lines)), event.text, late=False)

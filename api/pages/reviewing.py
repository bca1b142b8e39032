"""The month's page: how far cases got, how fast against the clocks, and why they were declined."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Response

from api.desk import month, reading
from api.desk.coordinated import coordinated
from api.desk.coordination import Settlement
from api.desk.coverage import coverage
from api.desk.listed import listings
from api.desk.overview import overview
from api.desk.sight import sees_all
from api.desk.stages import FUNNEL, CaseStage
from api.desk.views import Clock, CoordinationMonth, Coverage, ListingMonth, MonthView
from api.pages.granting import card
from api.pages.languages import Language
from api.pages.queueing import choosable
from api.pages.refusing import PageRoute
from api.pages.rendering import render
from api.pages.views import Bar
from api.pages.visits import SeeingVisit, Visit
from api.store import queries

router = APIRouter(route_class=PageRoute, include_in_schema=False)
OUT = tuple(stage for stage in CaseStage if stage not in FUNNEL)
COLUMNS = (CaseStage.SUGGESTED, CaseStage.ACCEPTED, CaseStage.APPLIED, CaseStage.GRANTED, CaseStage.DECLINED)
HOURS = 24
EARLIEST = date(2000, 1, 1)  # nobody's desk is older


@router.get("/desk/month")
def get_month(visit: SeeingVisit) -> Response:
    """A month of one's institution, or of all or any of them for the commission."""
    asked, now = visit.request.query_params, visit.service.now()
    this = visit.service.today().replace(day=1)
    first = _first(asked.get("month", "")) or this
    first = first if EARLIEST <= first <= this else this
    chosen = asked.get("institution") or None
    with visit.service.store.reading() as session:
        names = reading.institutions(session, visit.actor)
        chosen = chosen if chosen in names and visit.actor.institution_id is None else None
        currency = queries.currency(session)
        view = month.month(session, visit.actor, visit.service.settings, first, now, chosen)
        of_all = not chosen and sees_all(visit.actor)
        together = coordinated(session, first, now) if of_all else None
        listed = listings(session, first) if of_all else None
        reached = coverage(session, first) if of_all else None
        lines = [] if chosen or visit.actor.institution_id else overview(session, visit.actor, first, now)
    return render(
        visit,
        "month.html",
        view=view,
        first=first,
        chosen=chosen,
        institutions=choosable(visit, names),
        lines=[(line, visit.language.pick(*names[line.institution_id])) for line in lines],
        about=_about(names, chosen, visit),
        columns=[(stage, _came(stage, visit.language)) for stage in COLUMNS],
        earlier=_address(_before(first), chosen) if first > EARLIEST else None,
        later=_address(_after(first), chosen) if first < this else None,
        together=_together(together, visit.language),
        listed=_listed(listed, visit.language),
        covered=_covered(reached, visit.language),
        elsewhere=_elsewhere(listed, together),
        **shown(view, visit.language),
        **card(view.grants, first, visit.language, currency),
    )


def shown(view: MonthView, language: Language) -> dict[str, Any]:
    """The month's figures as bars."""
    reached = view.reached
    applied, granted = (reached.get(stage, 0) for stage in (CaseStage.APPLIED, CaseStage.GRANTED))
    return {
        "funnel": _funnel(view, language),
        "out": _counted({stage: reached.get(stage, 0) for stage in OUT}, language),
        "clocks": [_clock(clock, language) for clock in view.clocks],
        "declines": _counted(view.declines, language),
        "overrides": _counted(view.overrides, language),
        "acquisition": granted / applied if applied else None,
        "steps": sum(reached.values()),
    }


def _funnel(view: MonthView, language: Language) -> list[Bar]:
    """Each stage beside the largest, with its share of the stage before."""
    counts = [view.reached.get(stage, 0) for stage in FUNNEL]
    most = max(counts) or 1
    before = [None, *counts[:-1]]
    notes = ["" if not b else language.percent(count / b) for count, b in zip(counts, before, strict=True)]
    return [
        Bar(_came(stage, language), count / most, language.number(count), note)
        for stage, count, note in zip(FUNNEL, counts, notes, strict=True)
    ]


def _about(names: Mapping[str, tuple[str, str]], chosen: str | None, visit: Visit) -> str:
    """Whose month it is, for who may choose; who is bound to an institution reads its name anyway."""
    if visit.actor.institution_id is not None:
        return ""
    return visit.language.pick(*names[chosen]) if chosen else visit.language.say("All institutions")


def _came(stage: CaseStage, language: Language) -> str:
    """What a count of the cases that came to a stage is called: those that came in wait no longer, most of them."""
    return language.say("Came in") if stage is CaseStage.SUGGESTED else language.label(stage)


def _counted(counts: Mapping[Any, int], language: Language) -> list[Bar]:
    """Codes with how often they were given."""
    most = max(counts.values(), default=1)
    return [Bar(language.label(code), count / most, language.number(count)) for code, count in counts.items() if count]


def _clock(clock: Clock, language: Language) -> dict[str, Any]:
    """A clock's line: the median beside what is allowed, and the share that was in time."""
    median = clock.median_hours
    allowed = clock.days * HOURS
    longest = max(allowed, median or 0.0)
    return {
        "name": _waited(clock.stage, language),
        "days": clock.days,
        "steps": clock.steps,
        "share": clock.in_time / clock.steps if clock.steps else None,
        "median": None if median is None else median / HOURS,
        "median_share": (median or 0.0) / longest,
        "limit": allowed / longest,
        "late": median is not None and median > allowed,
    }


def _listed(found: ListingMonth | None, language: Language) -> str:
    """How many needs came on the white list in the month, for who sees all."""
    if found is None:
        return ""
    counts = {"listed": language.number(found.listed), "screened": language.number(found.screened)}
    return language.say("Needs listed in this month: %(listed)s, of them screened: %(screened)s.", **counts)


def _covered(found: Coverage | None, language: Language) -> str:
    """How many of the enterprises the white list reaches, for who sees all; nothing where none is active."""
    if found is None or not found.enterprises:
        return ""
    counts = {name: language.number(count) for name, count in vars(found).items()}
    return language.say(
        "Of %(enterprises)s active enterprises %(listed)s had needs listed in a year (%(share)s), %(granted)s grants.",
        share=language.percent(found.listed / found.enterprises, 1),
        **counts,
    )


def _elsewhere(listed: ListingMonth | None, together: CoordinationMonth | None) -> bool:
    """Whether something happened in a month without a step of any case: needs that nobody was left for have none."""
    counts = (listed.listed if listed else 0, *((together.came, together.dispatched) if together else ()))
    return any(counts) or bool(together and together.settled)


def _together(found: CoordinationMonth | None, language: Language) -> list[tuple[str, str]]:
    """The month's coordination, for who sees all; nothing where there was none and is none."""
    if found is None or not any((found.came, found.dispatched, found.settled, found.open)):
        return []
    return [
        (language.say("Came to nobody"), language.number(found.came)),
        (language.say("Dispatches"), language.number(found.dispatched)),
        *((_settled(result, language), language.number(count)) for result, count in found.settled.items()),
        (language.say("To coordinate now"), language.number(found.open)),
        (language.say("Of these overdue"), language.number(found.overdue)),
    ]


def _settled(result: Settlement, language: Language) -> str:
    """What a count of needs settled so is called: among other counts a result alone could be anything's."""
    return language.say("Settled: %(result)s", result=language.label(result))


def _waited(stage: CaseStage, language: Language) -> str:
    """What a case waits for in a stage."""
    told = {
        CaseStage.SUGGESTED: language.say("Until accepted"),
        CaseStage.ACCEPTED: language.say("Until the first contact"),
        CaseStage.CONTACTED: language.say("Until the application"),
        CaseStage.APPLIED: language.say("Until the decision"),
        CaseStage.GRANTED: language.say("Until the drawdown"),
    }
    return told.get(stage, language.label(stage))


def _first(text: str) -> date | None:
    """The first day of a month written YYYY-MM."""
    try:
        return date.fromisoformat(f"{text}-01") if len(text) == len("2026-01") else None
    except ValueError:
        return None


def _before(first: date) -> date:
    return (first - timedelta(days=1)).replace(day=1)


def _after(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def _address(first: date, chosen: str | None) -> str:
    told = {"month": f"{first:%Y-%m}"} | ({"institution": chosen} if chosen else {})
    return f"/desk/month?{urlencode(told)}"

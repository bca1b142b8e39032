"""The queue's page: filters, order and page live in its address, and the same address is a CSV."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Response

from api.desk import queue
from api.desk.queue import Filters, Show, Sort
from api.desk.reading import institutions
from api.desk.stages import ENDED, CaseStage
from api.pages.clocks import due
from api.pages.languages import local
from api.pages.refusing import PageRoute
from api.pages.rendering import render
from api.pages.visits import SeeingVisit, Visit
from api.pages.words import months, place
from matching import reference
from matching.codes import Coded, Kind, Size

router = APIRouter(route_class=PageRoute, include_in_schema=False)
FEWEST: Final = queue.SIZES[0]
LONGEST_SEARCH: Final = 100
LONGEST_REGION: Final = 200  # as long as the store keeps one; SQLite refuses to look for what is very long
SHOWS: Final = (Show.OPEN, Show.OVERDUE, Show.ENDED)
KEPT: Final = ("show", "stage", "kind", "size", "region", "institution", "least", "most", "q", "sort", "per")
SORTS: Final = (Sort.DUE, Sort.AMOUNT, Sort.CHANCE, Sort.OPENED)
CodeType = TypeVar("CodeType", bound=Coded)


@router.get("/desk")
def get_queue(visit: SeeingVisit) -> Response:
    """A page of the queue."""
    asked = visit.request.query_params
    filters, sort, per = filters_of(asked), sort_of(asked), per_of(asked)
    cursor = asked.get("cursor") or None
    with visit.service.store.reading() as session:
        page = queue.page(session, visit.actor, visit.service.now(), filters, sort, per, cursor)
        if cursor and not page.items:  # all cases from there on are done, those before it are not
            cursor = None
            page = queue.page(session, visit.actor, visit.service.now(), filters, sort, per)
        late = queue.overdue(session, visit.actor, visit.service.now(), filters_of({**asked, "show": Show.OVERDUE}))
        names = institutions(session, visit.actor)
    kept = kept_of(asked)
    return render(
        visit,
        "queue.html",
        page=page,
        filters=filters,
        sort=sort,
        per=per,
        **_choices(filters),
        regions=regions_of(visit, filters.region),
        institutions=choosable(visit, names),
        chips=[{"show": one, "here": one is filters.show, "href": address("/desk", kept, show=one)} for one in SHOWS],
        late=late,
        narrowed=filters != Filters(show=filters.show),
        more=any(asked.get(name) for name in ("size", "region", "institution", "least", "most", "per")),
        after=page.after and address("/desk", kept, cursor=page.after),
        before=page.before and address("/desk", kept, cursor=page.before),
        csv_href=address("/desk.csv", kept),
        case_href=lambda case_id: address(f"/desk/cases/{case_id}", kept, page=cursor or ""),
        due=lambda item: due(item, visit.service.now()),
        local=local,
        months=lambda term: months(term, visit.language),
        place=lambda path: place(path, visit.service.today(), visit.language) if path else "",
    )


def kept_of(asked: Mapping[str, str]) -> dict[str, str]:
    """What of an address says which queue it is."""
    return {name: value for name in KEPT if (value := asked.get(name))}


def address(path: str, kept: Mapping[str, str], **changed: str) -> str:
    """An address of the same queue; what is empty is left out."""
    query = urlencode({name: value for name, value in {**kept, **changed}.items() if value})
    return f"{path}?{query}" if query else path


def filters_of(asked: Mapping[str, str]) -> Filters:
    """What an address narrows the queue to; what is no code or number counts as not asked."""
    show = _code(Show, asked.get("show")) or Show.OPEN
    stage = _code(CaseStage, asked.get("stage"))
    return Filters(
        show=show,
        stage=stage if stage in stages_of(show) else None,
        kind=_code(Kind, asked.get("kind")),
        size=_code(Size, asked.get("size")),
        region=asked.get("region", "")[:LONGEST_REGION] or None,
        least=_whole(asked.get("least")),
        most=_whole(asked.get("most")),
        search=asked.get("q", "").strip()[:LONGEST_SEARCH],
        institution_id=asked.get("institution") or None,
    )


def sort_of(asked: Mapping[str, str]) -> Sort:
    """The order that an address asks for: by what is due, unless it says otherwise."""
    return _code(Sort, asked.get("sort")) or Sort.DUE


def per_of(asked: Mapping[str, str]) -> int:
    """Lines a page."""
    per = _whole(asked.get("per"))
    return per if per in queue.SIZES else FEWEST


def stages_of(show: Show) -> tuple[CaseStage, ...]:
    """The stages that there are in a part of the queue."""
    return tuple(stage for stage in CaseStage if (stage in ENDED) == (show is Show.ENDED))


def _choices(filters: Filters) -> dict[str, Any]:
    """What the form offers, the same for everybody."""
    return {
        "pers": queue.SIZES,
        "sorts": SORTS,
        "stages": stages_of(filters.show),
        "kinds": tuple(Kind),
        "sizes": tuple(Size),
    }


def _code(kind: type[CodeType], text: str | None) -> CodeType | None:
    return kind(text) if text in set(kind) else None


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 16 else None


def regions_of(visit: Visit, chosen: str | None) -> list[tuple[str, str]]:
    """The city's districts, and the one that is chosen, wherever it lies."""
    known = reference.regions(visit.service.today())
    found = [(row.path, visit.language.named(row)) for row in known.values()]
    others = [(chosen, chosen)] if chosen and chosen not in dict(found) else []
    return sorted(found) + others


def choosable(visit: Visit, names: Mapping[str, tuple[str, str]]) -> list[tuple[str, str]]:
    """The institutions to choose among; none for who sees one alone."""
    if visit.actor.institution_id is not None:
        return []
    return visit.language.sorted((key, visit.language.pick(*both)) for key, both in names.items())

"""The queue's page: filters, order and page live in its address, and the same address is a CSV."""

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from api.desk import queue
from api.desk.queue import Filters, Show, Sort
from api.desk.reading import institutions
from api.desk.stages import ENDED, CaseStage
from api.desk.views import CaseItem
from api.pages.clocks import due
from api.pages.languages import Language, local
from api.pages.refusing import PageRoute
from api.pages.rendering import render
from api.pages.visits import SeeingVisit, Visit
from api.pages.words import months, place
from matching import reference
from matching.codes import Coded, Kind, Size

router = APIRouter(route_class=PageRoute, include_in_schema=False)
FEWEST: Final = queue.SIZES[0]
LONGEST_SEARCH: Final = 100
SHOWS: Final = (Show.OPEN, Show.OVERDUE, Show.ENDED)
SORTS: Final = (Sort.DUE, Sort.AMOUNT, Sort.CHANCE, Sort.OPENED)
COLUMNS: Final = (
    "case_id", "need_id", "enterprise_id", "enterprise_name", "region", "size", "amount", "term_months", "purpose",
    "institution_id", "product_id", "product", "kind", "rank", "chance", "stage", "opened_at", "due_at", "overdue",
)  # fmt: skip
CodeType = TypeVar("CodeType", bound=Coded)


@router.get("/desk")
def get_queue(visit: SeeingVisit) -> Response:
    """A page of the queue."""
    asked = visit.request.query_params
    filters, sort, per = filters_of(asked), sort_of(asked), per_of(asked)
    with visit.service.store.reading() as session:
        page = queue.page(session, visit.actor, visit.service.now(), filters, sort, per, asked.get("cursor") or None)
        names = institutions(session, visit.actor)
    kept = {name: value for name, value in asked.items() if name not in ("lang", "cursor") and value}
    return render(
        visit,
        "queue.html",
        page=page,
        filters=filters,
        sort=sort,
        per=per,
        **_choices(filters),
        regions=_regions(visit, filters.region),
        institutions=_institutions(visit, names),
        chips=[{"show": one, "here": one is filters.show, "href": _address(kept, show=one)} for one in SHOWS],
        narrowed=filters != Filters(show=filters.show),
        more=any(asked.get(name) for name in ("size", "region", "institution", "least", "most", "per")),
        after=page.after and _address(kept, cursor=page.after),
        before=page.before and _address(kept, cursor=page.before),
        csv_href=_address(kept, "/desk.csv"),
        due=lambda item: due(item, visit.service.now()),
        months=lambda term: months(term, visit.language),
        place=lambda path: place(path, visit.service.today(), visit.language) if path else "",
    )


@router.get("/desk.csv")
def get_csv(visit: SeeingVisit) -> Response:
    """All lines of the queue as CSV, which spreadsheets open: UTF-8 with its mark."""
    asked = visit.request.query_params
    lines = _lines(visit, filters_of(asked), sort_of(asked))
    return StreamingResponse(
        lines, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": 'attachment; filename="desk.csv"'}
    )


def filters_of(asked: Mapping[str, str]) -> Filters:
    """What an address narrows the queue to; what is no code or number counts as not asked."""
    show = _code(Show, asked.get("show")) or Show.OPEN
    stage = _code(CaseStage, asked.get("stage"))
    return Filters(
        show=show,
        stage=stage if stage in stages_of(show) else None,
        kind=_code(Kind, asked.get("kind")),
        size=_code(Size, asked.get("size")),
        region=asked.get("region") or None,
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


def _address(kept: Mapping[str, str], path: str = "/desk", **changed: str) -> str:
    query = urlencode({**kept, **changed})
    return f"{path}?{query}" if query else path


def _regions(visit: Visit, chosen: str | None) -> list[tuple[str, str]]:
    """The city's districts, and the one that is chosen, wherever it lies."""
    known = reference.regions(visit.service.today())
    found = [(row.path, visit.language.named(row)) for row in known.values()]
    others = [(chosen, chosen)] if chosen and chosen not in dict(found) else []
    return sorted(found) + others


def _institutions(visit: Visit, names: Mapping[str, tuple[str, str]]) -> list[tuple[str, str]]:
    """Those to choose among; none for who sees one alone."""
    if visit.actor.institution_id is not None:
        return []
    return sorted(((key, visit.language.pick(*both)) for key, both in names.items()), key=lambda one: one[1])


def _lines(visit: Visit, filters: Filters, sort: Sort) -> Iterator[str]:
    yield "\ufeff" + _line(COLUMNS)
    with visit.service.store.reading() as session:
        for item in queue.export(session, visit.actor, visit.service.now(), filters, sort):
            yield _line(_cells(item, visit.language))


def _cells(item: CaseItem, language: Language) -> list[Any]:
    told: dict[str, Any] = {
        "product": language.pick(item.product_zh, item.product_en),
        "opened_at": local(item.opened_at).isoformat(timespec="minutes"),
        "due_at": local(item.due_at).isoformat(timespec="minutes") if item.due_at else None,
        "overdue": int(item.overdue),
    }
    return [_harmless(told[name] if name in told else getattr(item, name)) for name in COLUMNS]


def _harmless(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is made a text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _line(cells: Any) -> str:
    written = StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()

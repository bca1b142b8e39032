"""The queue as a CSV that a spreadsheet opens: the page's lines, in its words, with what it has no room for."""

import csv
from collections.abc import Iterator, Mapping
from datetime import datetime
from io import StringIO
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from api.desk import queue
from api.desk.queue import Filters, Sort
from api.desk.views import CaseItem
from api.pages.languages import Language, local, marked
from api.pages.queueing import filters_of, sort_of
from api.pages.refusing import PageRoute
from api.pages.visits import SeeingVisit, Visit
from api.pages.words import place
from api.store import queries

router = APIRouter(route_class=PageRoute, include_in_schema=False)
COLUMNS: Final[Mapping[str, str]] = {
    "case_id": marked("Case number"),
    "need_id": marked("Need number"),
    "enterprise_id": marked("Enterprise number"),
    "enterprise_name": marked("Enterprise"),
    "region": marked("Region"),
    "size": marked("Size class"),
    "amount": marked("Amount needed"),
    "term_months": marked("Term, months"),
    "purpose": marked("Purpose"),
    "institution": marked("Institution"),
    "product_id": marked("Product number"),
    "product": marked("Product"),
    "kind": marked("Kind"),
    "rank": marked("Rank"),
    "chance": marked("Chance"),
    "stage": marked("Stage"),
    "opened_at": marked("Came in at"),
    "closed_at": marked("Ended on"),
    "due_at": marked("Due"),
    "overdue": marked("Overdue"),
}
IN_MEMORY: Final = 1_000_000  # characters; more goes to disk
DIGITS: Final = 4  # of a chance: more would be no knowledge
CODED: Final = ("size", "purpose", "kind", "stage")
FORMULAS: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r")  # spreadsheets take the wide ones too


@router.get("/desk.csv")
def get_csv(visit: SeeingVisit) -> Response:
    """All lines of the queue as CSV, which spreadsheets open: UTF-8 with its mark."""
    asked = visit.request.query_params
    lines = _written_down(_lines(visit, filters_of(asked), sort_of(asked)))
    whole = chain([next(lines)], lines)  # now, before anything is answered: what fails is told as on any page
    return StreamingResponse(
        whole, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": 'attachment; filename="desk.csv"'}
    )


def _written_down(lines: Iterator[str]) -> Iterator[str]:
    """The lines, all of them made before the first is sent: who reads slowly holds no connection of the store."""
    with SpooledTemporaryFile(IN_MEMORY, "w+", encoding="utf-8", newline="") as written:
        written.writelines(lines)
        written.seek(0)
        yield from written


def _lines(visit: Visit, filters: Filters, sort: Sort) -> Iterator[str]:
    with visit.service.store.reading() as session:
        yield "\ufeff" + _line(iter(heads(visit.language, queries.currency(session))))
        for item in queue.export(session, visit.actor, visit.service.now(), filters, sort):
            yield _line(map(_harmless, cells(item, visit)))


def heads(language: Language, currency: str) -> list[str]:
    """The columns' names."""
    told = {name: language.say(text) for name, text in COLUMNS.items()}
    return [language.counted(text, currency) if name == "amount" else text for name, text in told.items()]


def cells(item: CaseItem, visit: Visit) -> list[Any]:
    """A case's line, in the order of the columns; nothing where it is not known."""
    language = visit.language
    codes = {name: language.label(code) for name in CODED if (code := getattr(item, name))}
    told: dict[str, Any] = codes | {
        "region": place(item.region, visit.service.today(), language) if item.region else None,
        "institution": language.pick(item.institution_zh, item.institution_en),
        "product": language.pick(item.product_zh, item.product_en),
        "opened_at": _moment(item.opened_at),
        "closed_at": item.closed_at and _moment(item.closed_at),
        "due_at": item.due_at and _moment(item.due_at),
        "chance": item.chance and round(item.chance, DIGITS),
        "overdue": language.say("Yes") if item.overdue else "",
    }
    return [told[name] if name in told else getattr(item, name) for name in COLUMNS]


def _moment(at: datetime) -> str:
    return f"{local(at):%Y-%m-%d %H:%M}"


def _harmless(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is made a text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value


def _line(cells: Iterator[Any]) -> str:
    written = StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()

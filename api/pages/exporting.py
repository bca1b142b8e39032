"""The queue as a CSV that a spreadsheet opens: the page's lines, in its words, with what it has no room for."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import APIRouter, Response

from api.desk import queue
from api.desk.queue import Filters, Sort
from api.desk.views import CaseItem
from api.pages.languages import marked
from api.pages.queueing import filters_of, sort_of
from api.pages.refusing import PageRoute
from api.pages.sheets import OF_NEED, Columns, moment, sheet
from api.pages.visits import SeeingVisit, Visit
from api.pages.words import place
from api.store import queries

router = APIRouter(route_class=PageRoute, include_in_schema=False)
COLUMNS: Final = Columns(
    headings={
        "case_id": marked("Case number"),
        **OF_NEED,
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
    },
    coded=("size", "purpose", "kind", "stage"),
    given=("case_id", "need_id", "enterprise_id", "enterprise_name", "product_id"),
)
DIGITS: Final = 4  # of a chance: more would be no knowledge


@router.get("/desk.csv")
def get_csv(visit: SeeingVisit) -> Response:
    """All lines of the queue as CSV."""
    asked = visit.request.query_params
    return sheet("desk.csv", _rows(visit, filters_of(asked), sort_of(asked)))


def _rows(visit: Visit, filters: Filters, sort: Sort) -> Iterator[list[Any]]:
    with visit.service.store.reading() as session:
        yield COLUMNS.heads(visit.language, queries.currency(session))
        for item in queue.export(session, visit.actor, visit.service.now(), filters, sort):
            yield _cells(item, visit)


def _cells(item: CaseItem, visit: Visit) -> list[Any]:
    """A case's line, in the order of the columns; nothing where it is not known."""
    language = visit.language
    told = {
        "region": place(item.region, visit.service.today(), language) if item.region else None,
        "institution": language.pick(item.institution_zh, item.institution_en),
        "product": language.pick(item.product_zh, item.product_en),
        "opened_at": moment(item.opened_at),
        "closed_at": item.closed_at and moment(item.closed_at),
        "due_at": item.due_at and moment(item.due_at),
        "chance": item.chance and round(item.chance, DIGITS),
        "overdue": language.say("Yes") if item.overdue else "",
    }
    return COLUMNS.cells(item, language, told)

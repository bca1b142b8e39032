"""Coordination's list as a CSV that a spreadsheet opens: the page's lines, in its words."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import APIRouter, Response

from api.desk import unplaced
from api.desk.unplaced import Wanted
from api.desk.unplaced_views import UnplacedNeed
from api.pages.coordinating import HOME, wanted_of
from api.pages.languages import marked
from api.pages.refusing import PageRoute
from api.pages.sheets import OF_NEED, Columns, moment, sheet
from api.pages.visits import SeeingVisit, Visit
from api.pages.words import place
from api.store import queries

router = APIRouter(route_class=PageRoute, include_in_schema=False)
COLUMNS: Final = Columns(
    headings={
        **OF_NEED,
        "since": marked("Since"),
        "institutions": marked("Institutions that had it"),
        "reasons": marked("Why nobody is left"),
        "stage": marked("Stage"),
        "office": marked("Office"),
        "until": marked("Until"),
        "overdue": marked("Overdue"),
        "result": marked("What came of it"),
        "settled_at": marked("Settled on"),
    },
    coded=("size", "purpose", "stage", "result"),
    given=("need_id", "enterprise_id", "enterprise_name", "office"),
)


@router.get(f"{HOME}.csv")
def get_csv(visit: SeeingVisit) -> Response:
    """All lines of the list as CSV."""
    return sheet("coordination.csv", _rows(visit, wanted_of(visit.request.query_params)))


def _rows(visit: Visit, wanted: Wanted) -> Iterator[list[Any]]:
    with visit.service.store.reading() as session:
        yield COLUMNS.heads(visit.language, queries.currency(session))
        for item in unplaced.export(session, visit.actor, visit.service.today(), wanted):
            yield _cells(item, visit)


def _cells(item: UnplacedNeed, visit: Visit) -> list[Any]:
    """A need's line, in the order of the columns; nothing where it is not known."""
    language = visit.language
    told = {
        "region": place(item.region, visit.service.today(), language) if item.region else None,
        "since": moment(item.since),
        "reasons": language.pick("、", ", ").join(language.label(reason) for reason in item.reasons),
        "overdue": language.say("Yes") if item.overdue else "",
        "settled_at": item.settled_at and moment(item.settled_at),
    }
    return COLUMNS.cells(item, language, told)

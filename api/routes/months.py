"""Months in figures, for who supervises."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from api.desk.identity import Actor, Scope
from api.desk.overview import figures
from api.desk.views import MonthFigures
from api.enquiring import refuse_later
from api.keyed import keyed
from api.openapi import problems
from api.requests import answer_of
from api.service import ServiceGiven
from matching.domain import Id

router = APIRouter(prefix="/v1/months", tags=["desk"])
MONTH = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"


@router.get("/{month}", response_model=MonthFigures, responses=problems(401, 403, 404, 422, 503))
def get_month(
    month: Annotated[str, Path(pattern=MONTH, description="YYYY-MM, this one at the latest", examples=["2026-11"])],
    service: ServiceGiven,
    actor: Annotated[Actor, Depends(keyed(Scope.READ))],
    institution_id: Annotated[Id | None, Query(description="Of this one alone", examples=["I09"])] = None,
) -> Response:
    """How far cases came in a month, how fast against the clocks and why not further, in all and by institution."""
    first, today = date.fromisoformat(f"{month}-01"), service.today()
    refuse_later({"month": first}, today, "today")
    with service.store.reading() as session:
        found = figures(session, actor, service.settings, first, service.now(), institution_id)
    return answer_of(MonthFigures, found)

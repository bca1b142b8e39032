"""Enterprises, as known on a day."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api.messages import DayAsked
from api.openapi import problems
from api.requests import answer
from api.service import ServiceGiven
from api.store import queries
from matching.domain import Enterprise, Id

router = APIRouter(prefix="/v1/enterprises", tags=["enterprises"])


@router.get("/{enterprise_id}", response_model=Enterprise, responses=problems(404, 422))
def get_enterprise(
    enterprise_id: Annotated[Id, Path(examples=["E-9"])],
    service: ServiceGiven,
    as_of: Annotated[DayAsked | None, Query(description="Today when missing", examples=["2026-01-15"])] = None,
) -> Response:
    """An enterprise's latest facts known by a day; null where a fact is unknown."""
    with service.store.reading() as session:
        return answer(queries.enterprise(session, enterprise_id, as_of or service.today()))

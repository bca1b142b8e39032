"""Enterprises, as known on a day."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from api.desk.identity import Actor, Scope
from api.desk.sight import check_enterprise
from api.enquiring import show
from api.keyed import openly
from api.messages import EnterpriseShown
from api.openapi import problems
from api.requests import answer
from api.service import ServiceGiven
from api.store import queries
from matching.domain import Day, Id

router = APIRouter(prefix="/v1/enterprises", tags=["enterprises"])


@router.get("/{enterprise_id}", response_model=EnterpriseShown, responses=problems(401, 403, 404, 422, 503))
def get_enterprise(
    enterprise_id: Annotated[Id, Path(description="One that the service knows", examples=["E00001"])],
    service: ServiceGiven,
    actor: Annotated[Actor, Depends(openly(Scope.READ))],
    as_of: Annotated[Day | None, Query(description="Today when missing", examples=["2026-01-15"])] = None,
) -> Response:
    """An enterprise's latest facts known by a day, null where one is unknown, and its readiness by that day's rules."""
    day = as_of or service.today()
    with service.store.reading() as session:
        check_enterprise(session, actor, enterprise_id)
        return answer(show(queries.enterprise(session, enterprise_id, day), day))

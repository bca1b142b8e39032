"""Whether the process is alive, and whether it can rank."""

from fastapi import APIRouter, Response

from api.messages import Health, Readiness
from api.openapi import problems
from api.requests import answer
from api.service import ServiceGiven
from api.store import queries

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Health)
async def get_health() -> Response:
    """The process is alive."""
    return answer(Health())


@router.get("/readyz", response_model=Readiness, responses=problems(503))
def get_readiness(service: ServiceGiven) -> Response:
    """The model and the catalogue in service; a problem while either is missing."""
    matcher = service.serving.matcher()
    with service.store.reading() as session:
        last = queries.last_load(session)
    return answer(
        Readiness(
            model_id=matcher.ranker.model_id,
            catalogue_version=matcher.catalogue.version,
            products=len(matcher.catalogue.products),
            institutions=len(matcher.catalogue.institutions),
            **{name: getattr(last, name) for name in ("source", "currency", "attribution", "simulated")},
        )
    )

"""The composition root: `create_app` puts the service together from its settings, and nothing happens on import."""

import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

from api import problems
from api.desk.clockwork import sweeping
from api.dispatching import CoordinationRequest
from api.messages import ListingRequest, OutcomeRequest, ReadinessRequest, RecommendationRequest, StepRequest
from api.metering import Metering
from api.openapi import Described, install_viewer
from api.pages import routing as pages
from api.requests import RequestIds
from api.routes import ROUTERS
from api.service import Service, utc_now
from api.serving import Serving
from api.settings import Settings, variables
from api.store.database import Store
from api.store.outages import StoreError
from matching.errors import BundleError, InputError

DESCRIPTION = """Ranks the financing products of many institutions for a manufacturing enterprise's need.

A score orders the products of one answer; it is no probability and no promise. Every answer is recorded
before it leaves, with all that it rests on. Errors are problem JSON (RFC 9457)."""
_log = logging.getLogger("api")


def create_app(settings: Settings, now: Callable[[], datetime] = utc_now) -> FastAPI:
    """The service over its store, migrated, and its champion, if there is one yet; `now` is its clock."""
    store = Store(settings.database_url)
    store.migrate()
    service = Service(settings, store, Serving(store, settings.models), now)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with sweeping(service):
            yield
        service.close()

    app = Described(
        title="Bank-enterprise matching",
        version=_version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        separate_input_output_schemas=False,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would lead to whatever host, over http or https, that the request claims
    )
    app.state.service = service
    app.add_middleware(Metering, meters=service.meters)
    app.add_middleware(RequestIds)  # the last that is added stands before the others
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    pages.install(app)
    install_viewer(app)
    listed = (ListingRequest, OutcomeRequest, StepRequest, CoordinationRequest)
    app.bodies = (RecommendationRequest, ReadinessRequest, *listed)
    _warm(service)
    return app


def from_environment() -> FastAPI:
    """The service as the environment sets it up, with its log: what each worker process serves.

    Where the store is gone again it ends the process with one line; of several, Uvicorn starts another in its place.
    """
    settings = Settings.from_environment()
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s: %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        return create_app(settings)
    except (InputError, StoreError) as error:
        _log.error("not started: the store of %s cannot be used: %s", variables()["database_url"], error)
        sys.exit(1)


def _version() -> str:
    try:
        return version("bank-enterprise-matching")
    except PackageNotFoundError:
        return "0"


def _warm(service: Service) -> None:
    """The first request finds the model read; a service without one starts all the same and says what is missing."""
    try:
        service.serving.matcher()
    except BundleError as error:
        _log.warning("not ready: %s", error)

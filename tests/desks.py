"""A desk for tests: a service over the small market, on any database, with a clock that tests set."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from api.desk.cases import decide
from api.desk.identity import SYSTEM, Actor, Role
from api.desk.listing import list_need
from api.desk.stages import Step
from api.desk.views import Decided, Listed
from api.messages import ListingRequest, Recommendation, RecommendationRequest
from api.recommending import make
from api.service import Service
from api.serving import Serving
from api.settings import Settings
from api.store.database import Store
from tests import bundles

NOON = datetime(2025, 1, 10, 12, tzinfo=UTC)
COMMISSION = Actor("li", Role.COMMISSION)
ADMINISTRATOR = Actor("root", Role.ADMINISTRATOR)


@dataclass
class Hands:
    """A clock that stands until it is moved."""

    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at

    def move(self, **time: float) -> None:
        self.at += timedelta(**time)


def models_of(folder: Path, bundle: Path) -> Path:
    """A folder of models whose champion is this bundle."""
    models = folder / "models"
    if not models.exists():
        shutil.copytree(bundle, models / bundle.name)
        bundles.promote(models, bundle.name)
    return models


def desk(url: str, models: Path, clock: Hands | None = None, **changes: Any) -> Service:
    """A service over a store that is there; the clock is `service.now`."""
    store = Store(url)
    return Service(
        Settings(database_url=url, models=models, **changes), store, Serving(store, models), clock or Hands()
    )


def officer(institution_id: str, name: str = "wang") -> Actor:
    return Actor(name, Role.OFFICER, institution_id)


def answered(service: Service, request: RecommendationRequest) -> Recommendation:
    """The answer to a request, on record."""
    made = make(service, request)
    service.store.recorder.add(made.record()).result()
    return made.answer


def listed(service: Service, need_id: str = "N3") -> Listed:
    return list_need(service, SYSTEM, ListingRequest(need_id=need_id))


def walk(service: Service, actor: Actor, case_id: str, *steps: Step, version: int = 1, **about: Any) -> Decided:
    """Steps one after the other; `about` goes with the last."""
    for step in steps[:-1]:
        version = decide(service, actor, case_id, step, version).version
    return decide(service, actor, case_id, steps[-1], version, **about)


def plan(session: Session, statement: Any) -> str:
    """How the database would answer: its own words, told to prefer indices where a small table would do without."""
    dialect = sqlite.dialect() if session.get_bind().dialect.name == "sqlite" else postgresql.dialect()
    written = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    if dialect.name == "postgresql":
        session.execute(text("SET LOCAL enable_seqscan = off"))
        session.execute(text("SET LOCAL enable_sort = off"))
        session.execute(text("SET LOCAL enable_bitmapscan = off"))
    explain = "EXPLAIN QUERY PLAN " if dialect.name == "sqlite" else "EXPLAIN "
    return "\n".join(str(row) for row in session.execute(text(explain + written.replace(":", r"\:"))))

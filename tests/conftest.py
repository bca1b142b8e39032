"""What every test shares: property tests draw the same examples and have no clock to beat; passwords are cheap."""

import gc
import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from hypothesis import given
from hypothesis import settings as property_settings
from hypothesis.strategies import none
from starlette.testclient import TestClient

from api.app import create_app
from api.desk import identity
from api.loading import load
from api.service import Service
from api.settings import Settings
from api.store import database as stores
from api.store.database import Store
from matching import tables
from matching.ranker import Ranker
from matching.tables import Tables
from tests import bundles, databases, desks, visitors
from training import appetites
from training.dataset import World
from training.market import simulate
from training.train import train

property_settings.register_profile("house", deadline=None, derandomize=True, database=None, max_examples=50)
property_settings.load_profile("house")

NOON = datetime(2025, 1, 10, 12, tzinfo=UTC)
SPLIT = date(2026, 1, 1)
ROUNDS = 5
FEW = 50  # grants that teach appetites, so that a market of a few hundred needs has them


@given(none())
def drawn_once(_nothing: None) -> None:
    """At its first property Hypothesis looks for who holds its random numbers, on Python 3.14 not among the frozen."""


def pytest_collection_finish() -> None:
    """What is there before the first test stays until the last: no full collection needs to look through it again."""
    drawn_once()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """To keep or check a password takes a tenth of a second of both cores on purpose, which here would be minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


class Statements(dict[tuple[Any, ...], Any]):
    """Compiled statements by what they say and by the kind of database, of whichever store."""

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get((key[0].name, *key[1:]), default)

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        super().__setitem__((key[0].name, *key[1:]), compiled)


@pytest.fixture(scope="session", autouse=True)
def warm_statements() -> Iterator[None]:
    """Each store compiles its statements once; a store a test would spend a fifth of the desk's tests on that."""
    kept, engine = Statements(), stores._engine
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "_engine", lambda url: engine(url).execution_options(compiled_cache=kept))
        yield


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small real bundle; leave it as it is."""
    return bundles.ranker().save(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def market_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bundles.market()` as a folder of tables."""
    folder = tmp_path_factory.mktemp("market")
    tables.write(bundles.market(), folder)
    return folder


@pytest.fixture(scope="session")
def deploy(tmp_path_factory: pytest.TempPathFactory, bundle: Path, market_folder: Path) -> Callable[..., Settings]:
    """Makes the settings of a service of its own: its store loaded, its models promoted, unless said otherwise."""

    def make(promoted: bool = True, loaded: bool = True, **changes: object) -> Settings:
        folder = tmp_path_factory.mktemp("service")
        models = folder / "models"
        shutil.copytree(bundle, models / bundle.name)
        if promoted:
            bundles.promote(models, bundle.name)
        settings = Settings(database_url=f"sqlite:///{folder}/service.db", models=models, **changes)
        if loaded:
            store = create_app(settings).state.service.store
            load(store, market_folder, NOON)
            store.close()
        return settings

    return make


@pytest.fixture(scope="session")
def postgres() -> Iterator[databases.Postgres]:
    """A PostgreSQL that runs for these tests; skips where none can run, which continuous integration does not."""
    running = databases.postgres()
    try:
        server = running.__enter__()
    except databases.UnavailableError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
    yield server
    running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def loaded_file(tmp_path_factory: pytest.TempPathFactory, market_folder: Path) -> Path:
    """A SQLite file with the market in it, to copy."""
    path = tmp_path_factory.mktemp("loaded") / "service.db"
    databases.fill(f"sqlite:///{path}", market_folder)
    return path


@pytest.fixture(scope="session")
def loaded_postgres(postgres: databases.Postgres, market_folder: Path) -> str:
    """The name of a PostgreSQL database with the market in it, to copy."""
    databases.fill(postgres.create(name="loaded"), market_folder)
    return "loaded"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new, empty database, on SQLite and on PostgreSQL in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/service.db"
        return
    server: databases.Postgres = request.getfixturevalue("postgres")
    with server.lend() as url:
        yield url


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """A new, empty store, migrated, on SQLite and on PostgreSQL in turn."""
    made = Store(database)
    made.migrate()
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def market_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new database that holds the market, on SQLite and on PostgreSQL in turn."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("loaded_file"), tmp_path / "service.db")
        yield f"sqlite:///{tmp_path}/service.db"
        return
    server: databases.Postgres = request.getfixturevalue("postgres")
    with server.lend(request.getfixturevalue("loaded_postgres")) as url:
        yield url


@pytest.fixture
def chongqing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The service stands eight hours before UTC."""
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def hands() -> desks.Hands:
    """A clock that stands at noon of 2025-01-10 until a test moves it."""
    return desks.Hands()


@pytest.fixture
def service(market_database: str, tmp_path: Path, bundle: Path, hands: desks.Hands) -> Iterator[Service]:
    """A service over the market, on SQLite and on PostgreSQL in turn."""
    made = desks.desk(market_database, desks.models_of(tmp_path, bundle), hands)
    yield made
    made.store.close()


@pytest.fixture(scope="session")
def prepared(deploy: Callable[..., Settings]) -> tuple[Settings, dict[str, str]]:
    """A desk with an account of each role and a few cases, to copy; and a session's token for each account."""
    settings = deploy()
    return settings, visitors.prepare(settings, lambda: NOON)


@pytest.fixture
def app(prepared: tuple[Settings, dict[str, str]], hands: desks.Hands, tmp_path: Path) -> Iterator[FastAPI]:
    """A service of its own over what was prepared once; no page needs the model."""
    made = create_app(visitors.copied(prepared[0], tmp_path, models=tmp_path / "none"), now=hands)
    yield made
    made.state.service.store.close()


@pytest.fixture
def tokens(prepared: tuple[Settings, dict[str, str]]) -> dict[str, str]:
    """A session's token for each account, to come in by without a password."""
    return prepared[1]


@pytest.fixture
def officer(app: FastAPI, tokens: dict[str, str]) -> visitors.Visitor:
    """The officer of `I1`."""
    return visitors.Visitor(app, tokens["wang.wei"])


@pytest.fixture
def other(app: FastAPI, tokens: dict[str, str]) -> visitors.Visitor:
    """The officer of `I2`."""
    return visitors.Visitor(app, tokens["zhao.min"])


@pytest.fixture
def commission(app: FastAPI, tokens: dict[str, str]) -> visitors.Visitor:
    """Somebody of the commission."""
    return visitors.Visitor(app, tokens["office"])


@pytest.fixture(scope="module")
def client(deploy: Callable[..., Settings]) -> Iterator[TestClient]:
    """A service over the market, asked from within; it is always noon of 2025-01-10."""
    with TestClient(create_app(deploy(), now=lambda: NOON)) as client:
        yield client


@pytest.fixture(scope="session")
def simulated() -> Tables:
    """A simulated market of a few hundred needs."""
    return simulate(0, 120).tables


@pytest.fixture(scope="session")
def world(simulated: Tables) -> World:
    """The simulated market as the ranker sees it."""
    return World.of(simulated)


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory, simulated: Tables) -> Path:
    """The folder of a bundle trained in a few rounds on the simulated market before `SPLIT`; leave it as it is.

    So few grants are enough for appetites that the small market has them.
    """
    models = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(appetites, "FEWEST_GRANTED", FEW)
        return models / train(simulated, models, SPLIT, rounds=ROUNDS).model_id


@pytest.fixture(scope="session")
def trained(trained_folder: Path) -> Ranker:
    """That bundle's ranker, as loaded."""
    return Ranker.load(trained_folder)


@pytest.fixture(scope="session")
def loyal() -> Tables:
    """`bundles.loyal()`: it is known by construction who takes what."""
    return bundles.loyal()


@pytest.fixture(scope="session")
def loyal_ranker(tmp_path_factory: pytest.TempPathFactory, loyal: Tables) -> Ranker:
    """Trained on the loyal enterprises' needs before 2025, all industries'."""
    return train(loyal, tmp_path_factory.mktemp("loyal"), bundles.UNTIL, all_industries=True, rounds=30)

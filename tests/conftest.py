"""What every test shares: property tests draw the same examples each run and have no clock to beat; a served market."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings as property_settings
from starlette.testclient import TestClient

from api.app import create_app
from api.loading import load
from api.settings import Settings
from matching import tables
from tests import bundles

property_settings.register_profile("house", deadline=None, derandomize=True, database=None, max_examples=50)
property_settings.load_profile("house")

NOON = datetime(2025, 1, 10, 12, tzinfo=UTC)


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


@pytest.fixture(scope="module")
def client(deploy: Callable[..., Settings]) -> Iterator[TestClient]:
    """A service over the market, asked from within; it is always noon of 2025-01-10."""
    with TestClient(create_app(deploy(), now=lambda: NOON)) as client:
        yield client

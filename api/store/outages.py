"""A store that cannot be used for a while: whatever its driver raises then is one error, which says to ask again."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from matching.errors import MatchingError

READ_ONLY = "25006"  # PostgreSQL's: another server has taken this one's place
_log = logging.getLogger("api")


class StoreError(MatchingError):
    """The store cannot be reached, has no room, only reads or stays locked: ask again in a while (HTTP 503)."""


class Outages:
    """Watches what is asked of a store, also past SQLAlchemy, where the driver's own errors arrive."""

    def __init__(self, engine: Engine) -> None:
        driver = engine.dialect.loaded_dbapi
        self._engine = engine
        self._error = driver.Error
        self._inner = driver.InternalError
        self._kinds = (
            OperationalError,
            InternalError,
            NoConnectionError,
            driver.OperationalError,
            driver.InternalError,
        )

    @contextmanager
    def told(self) -> Iterator[None]:
        """Raises `StoreError` where its body meets an outage; the log says which, whoever asks is not told."""
        try:
            yield
        except self._kinds as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            if self._is_wrong(cause):
                raise
            _log.error("the store cannot be used: %s", str(cause).partition("\n")[0])
            raise StoreError("the store cannot be used at the moment: ask again in a while") from error

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A connection past SQLAlchemy, given back at the end; one that broke is thrown away instead.

        To roll it back would fail, and the log would have that at length beside the one line that says why.
        """
        with self.told(), closing(self._engine.raw_connection()) as connection:
            try:
                yield connection
            except self._error as error:
                if self._engine.dialect.is_disconnect(error, connection.driver_connection, None):
                    connection.invalidate()
                raise

    def _is_wrong(self, cause: BaseException | None) -> bool:
        """Whether a statement is what is wrong, as inner errors are but for that of a database that only reads."""
        if isinstance(cause, self._inner):
            return getattr(cause, "sqlstate", None) != READ_ONLY
        return _is_a_statement(cause)


def _is_a_statement(cause: BaseException | None) -> bool:
    """SQLite's driver takes what is wrong with a statement for an operational error like any other."""
    code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # without one it is the driver's own, of a value
    return isinstance(cause, sqlite3.OperationalError) and code == sqlite3.SQLITE_ERROR

"""A store that cannot be used for a while: whatever its driver raises then is one error, which says to ask again."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from matching.errors import MatchingError

_log = logging.getLogger("api")


class StoreError(MatchingError):
    """The store cannot be reached, has no room or stays locked: ask again in a while (HTTP 503)."""


class Outages:
    """Watches what is asked of a store, also past SQLAlchemy, where the driver's own errors arrive."""

    def __init__(self, engine: Engine) -> None:
        self._kinds = (OperationalError, NoConnectionError, engine.dialect.loaded_dbapi.OperationalError)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Raises `StoreError` where its body meets an outage; the log says which, whoever asks is not told."""
        try:
            yield
        except self._kinds as error:
            cause = error.orig if isinstance(error, OperationalError) else error
            if _is_wrong(cause):
                raise
            _log.error("the store cannot be used: %s", str(cause).partition("\n")[0])
            raise StoreError("the store cannot be used at the moment: ask again in a while") from error


def _is_wrong(cause: BaseException | None) -> bool:
    """Whether a statement is what is wrong: SQLite's driver takes that for an operational error like any other."""
    code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # without one it is the driver's own, of a value
    return isinstance(cause, sqlite3.OperationalError) and code == sqlite3.SQLITE_ERROR

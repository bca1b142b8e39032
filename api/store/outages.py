"""A store that cannot be used for a while: whatever its driver raises then is one error, which says to ask again."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from matching.errors import MatchingError

_log = logging.getLogger("api")


class StoreError(MatchingError):
    """The store cannot be reached, has no room or stays locked: ask again in a while (HTTP 503)."""


class Outages:
    """Watches what is asked of a store, also past SQLAlchemy, where the driver's own errors arrive."""

    def __init__(self, engine: Engine) -> None:
        driver = engine.dialect.loaded_dbapi
        own = (driver.OperationalError, driver.InterfaceError)
        self._kinds = (OperationalError, InterfaceError, NoConnectionError, *own)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Raises `StoreError` where its body meets an outage; the log says which, whoever asks is not told."""
        try:
            yield
        except self._kinds as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            _log.error("the store cannot be used: %s", str(cause).partition("\n")[0])
            raise StoreError("the store cannot be used at the moment: ask again in a while") from error

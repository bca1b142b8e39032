"""The store: one engine, its schema brought up to date, and sessions to read and to write in."""

import json
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache, partial
from math import inf
from pathlib import Path
from typing import Any, cast

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, Select, Table, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, SAWarning
from sqlalchemy.orm import Session

from api.store.coalescing import Coalesced
from api.store.inserting import Inserter
from api.store.models import RecommendationRow
from api.store.outages import Outages
from api.store.recorder import Recorder
from matching.errors import Fault, InputError

MIGRATIONS = Path(__file__).parent / "migrations"
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000")
LOCKS = "-c lock_timeout=30s"  # PostgreSQL would wait for ever; as long as `busy_timeout` is for SQLite
WAITED: dict[str, int] = {  # until PostgreSQL counts as gone; TCP alone would wait a quarter of an hour for a dead host
    "connect_timeout": 10,  # seconds
    "tcp_user_timeout": 30_000,  # milliseconds: as long as for a lock
    "keepalives_idle": 10,  # seconds; who only waits for an answer sends nothing else that could be missed
    "keepalives_interval": 5,
}
HEAD = "head"
MIGRATING = 8021  # of PostgreSQL's advisory locks: replicas that start together migrate one after the other
_encode = partial(json.dumps, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class Encoded(str):
    """A document that is JSON already; it goes into the store as it is."""

    @classmethod
    def of(cls, document: Any) -> "Encoded":
        """A document as the store would write it."""
        return cls(_encode(document))


def _to_json(document: Any) -> str:
    return document if isinstance(document, Encoded) else _encode(document)


class Store:
    """The database behind the service; safe to share between threads. What `writing` held is on disk when it ends.

    Whatever is asked of it raises `StoreError` while it cannot be used.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(make_url(url))
        self._writer = self.engine.execution_options(begin="IMMEDIATE")
        self._reader = _seeing_one_state(self.engine)
        self._outages = Outages(self.engine)
        self.recorder = Recorder(Inserter(self.engine, cast(Table, RecommendationRow.__table__), self._outages))
        self._glances: dict[Select[Any], Coalesced[Any]] = {}

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the store and changes nothing."""
        with self._outages.told(), Session(self._reader) as session:
            yield session

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection for a single query, at half the cost of `reading`: for what many requests ask.

        On PostgreSQL a second query may see a later state than the first.
        """
        with self._outages.told(), self.engine.connect() as connection:
            yield connection

    def glance(self, query: Select[Any], arrived: float = inf) -> Any:
        """The first value of a query without parameters, None where there is no row; see `Coalesced` for `arrived`.

        Past SQLAlchemy's transactions: what every request asks costs a tenth of what it does in a session.
        """
        if query not in self._glances:
            statement = str(query.compile(self.engine, compile_kwargs={"literal_binds": True}))
            self._glances[query] = Coalesced(partial(self._first, statement))
        return self._glances[query].value(arrived)

    def _first(self, statement: str) -> Any:
        with (
            self._outages.connected() as connection,
            closing(connection.cursor()) as cursor,
        ):
            cursor.execute(statement)
            row = cursor.fetchone()
        return None if row is None else row[0]

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session committed at its end, or rolled back whole when its body raises."""
        with self._outages.told(), Session(self._writer) as session, session.begin():
            yield session

    def migrate(self, revision: str = HEAD) -> None:
        """Bring the schema to `revision`.

        Raises `InputError` where the store cannot be reached, or has a schema from a later version of the service.
        """
        try:
            with self._writer.begin() as connection:
                if revision != HEAD or not _up_to_date(connection):
                    _move(connection, revision)
        except CommandError as error:
            rule = "is a store of this version or an earlier one, not one that a later version has brought up to date"
            raise _refused(f"{rule}: {error}") from error
        except DatabaseError as error:
            why = str(error.orig).partition("\n")[0]
            raise _refused(f"is a store that can be reached and brought up to date: {why}") from error

    def close(self) -> None:
        """Finish what is being recorded and give the connections back."""
        self.recorder.close()
        self.engine.dispose()


def _up_to_date(connection: Connection) -> bool:
    """Whether nothing is to be done: Alembic would read all migrations to find that out."""
    return MigrationContext.configure(connection).get_current_heads() == (_latest(),)


@cache
def _latest() -> str | None:
    """The schema that this version brings a store to; read from all migrations, once."""
    return ScriptDirectory(MIGRATIONS).get_current_head()


def _move(connection: Connection, revision: str) -> None:
    """A migration waits for another one, and for tables in use, as long as these take."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:name)"), {"name": MIGRATING})
    move = command.downgrade if revision == "base" else command.upgrade
    move(migrations(connection), revision)


def _refused(rule: str) -> InputError:
    return InputError("database", [Fault("database_url", rule)])


def migrations(connection: Connection) -> Config:
    """Alembic's configuration, for the migrations that come with this package."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _engine(url: URL) -> Engine:
    remote = url.get_backend_name() != "sqlite"
    patience = _patience(url) if remote else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SAWarning)  # of an option that would be passed over
            engine = create_engine(
                url,
                json_serializer=_to_json,
                pool_pre_ping=remote,
                connect_args=patience,
                hide_parameters=True,  # an error is logged, and no log holds a session's token or an enterprise's facts
            )
    except (ImportError, NoSuchModuleError) as error:
        raise _refused(f"names an installed driver: {error}") from None
    except (ArgumentError, SAWarning, TypeError, ValueError) as error:
        why = str(error.args[0]).partition("\n")[0]
        raise _refused(f"has nothing but what its driver takes: {why}") from None
    if engine.dialect.is_async:
        raise _refused("names a driver that is not asynchronous, like postgresql+psycopg")
    if engine.dialect.name == "sqlite":
        Path(url.database or "").absolute().parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _seeing_one_state(engine: Engine) -> Engine:
    """Of PostgreSQL's transactions those that last one statement by default; SQLite's see one state anyway."""
    return engine if engine.dialect.name == "sqlite" else engine.execution_options(isolation_level="REPEATABLE READ")


def _patience(url: URL) -> dict[str, Any]:
    """How long PostgreSQL is waited for; what its URL says goes before."""
    given = url.normalized_query
    options = " ".join((LOCKS, *given.get("options", ())))
    return {"options": options} | {name: value for name, value in WAITED.items() if name not in given}


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Transactions begin where `_begin_sqlite` says so, not where Python's driver guesses."""
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes its turn at once: a reader that turned writer half-way would be refused, not queued."""
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")

"""Rows put in past SQLAlchemy's connections: what every request writes costs the interpreter less so."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import Engine, Table, insert

from api.store.outages import Outages

Columns = Mapping[str, Any]


class Inserter:
    """Inserts rows of one table: SQLAlchemy says once in which words, and how the driver takes each column's values."""

    def __init__(self, engine: Engine, table: Table, outages: Outages) -> None:
        dialect = engine.dialect
        self._outages = outages
        self._begin = "BEGIN IMMEDIATE" if dialect.name == "sqlite" else None  # psycopg begins by itself
        self._statement = str(insert(table).compile(dialect=dialect))
        self._by_place = dialect.positional
        self._processors = {c.name: c.type.dialect_impl(dialect).bind_processor(dialect) for c in table.columns}

    def __call__(self, rows: Sequence[Columns]) -> None:
        """All rows, each with all columns, in one transaction: on disk when this returns, or none where it raises."""
        with (
            self._outages.connected() as connection,
            closing(connection.cursor()) as cursor,
        ):
            if self._begin:
                cursor.execute(self._begin)
            cursor.executemany(self._statement, [self._bound(row) for row in rows])
            connection.commit()  # closing without rolls back

    def _bound(self, row: Columns) -> Any:
        bound = {name: to(row[name]) if to else row[name] for name, to in self._processors.items()}
        return tuple(bound.values()) if self._by_place else bound

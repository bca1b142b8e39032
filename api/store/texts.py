"""Searching a text for another as it stands, without patterns: both databases can, by other names."""

from typing import Any

from sqlalchemy import ColumnElement, Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.functions import GenericFunction


class Holds(GenericFunction[int]):
    """Where a text holds another, counted from 1; 0 where it does not."""

    name = "holds"
    type = Integer()
    inherit_cache = True


@compiles(Holds, "sqlite")
def _in_sqlite(element: Any, compiler: Any, **about: Any) -> str:
    return f"instr({compiler.process(element.clauses, **about)})"


@compiles(Holds, "postgresql")
def _in_postgresql(element: Any, compiler: Any, **about: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **about)})"


def holding(column: InstrumentedAttribute[str], term: str) -> list[ColumnElement[bool]]:
    """What narrows rows to those whose folded text holds a term, in either case; nothing for an empty one."""
    folded = term.strip().casefold()
    return [Holds(column, folded) > 0] if folded else []


def within(column: InstrumentedAttribute[str | None], path: str | None) -> list[ColumnElement[bool]]:
    """What narrows rows to a region, its path whole or the beginning of theirs; nothing where none is named."""
    return [(column == path) | column.startswith(path + "/", autoescape=True)] if path else []

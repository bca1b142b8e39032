"""Searching a text for another as it stands, without patterns: both databases can, by other names."""

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.ext.compiler import compiles
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

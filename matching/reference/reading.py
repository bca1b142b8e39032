"""How a dated table is read: its rows as they stand in the csv, those in force on a day, and the errors naming it."""

import csv
import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final, Protocol, TypeVar

from matching.codes import Coded
from matching.errors import Fault, InputError

VERSION_LENGTH: Final = 16


class Dated(Protocol):
    """A row in force from `valid_from` until before `valid_to`, named by `code`."""

    @property
    def code(self) -> str: ...
    @property
    def valid_from(self) -> date: ...
    @property
    def valid_to(self) -> date | None: ...


D = TypeVar("D", bound=Dated)
C = TypeVar("C", bound=Coded)


def rows(table: str) -> list[dict[str, str]]:
    """Every row of a table, cells as texts."""
    text = resources.files("matching.reference").joinpath(f"{table}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def read(table: str, build: Callable[[dict[str, str], date, date | None], D]) -> tuple[D, ...]:
    """Every row of a table as `build` makes it of its cells and its days."""
    return tuple(build(row, day(row["valid_from"]), end(row["valid_to"])) for row in rows(table))


def in_force(table: str, members: tuple[D, ...], as_of: date) -> Mapping[str, D]:
    """The rows in force on `as_of`, by code. Raises `InputError` before the table's first day."""
    first = min(row.valid_from for row in members)
    if as_of < first:
        raise too_early(table, first, as_of)
    held = {r.code: r for r in members if r.valid_from <= as_of and (r.valid_to is None or as_of < r.valid_to)}
    return MappingProxyType(held)


def member(table: str, members: Mapping[str, D], code: str, as_of: date) -> D:
    """The row `code`. Raises `InputError` where there is none."""
    if code not in members:
        raise InputError(f"reference/{table}", [Fault("code", f"is in force on {as_of}, not {code!r}")])
    return members[code]


def too_early(table: str, first: date, as_of: date) -> InputError:
    """What is raised before a table's first day."""
    return InputError(
        f"reference/{table}", [Fault("as_of", f"is at least {first}, the table's first day, not {as_of}")]
    )


def coded(kind: type[C], code: str) -> C:
    """The member of `kind` that a cell names."""
    return next(one for one in kind if one == code)


@cache
def version() -> str:
    """A hash of all the tables: a recommendation made under another one may have been judged by other rules."""
    tables = (file for file in resources.files("matching.reference").iterdir() if file.name.endswith(".csv"))
    digest = hashlib.sha256()
    for table in sorted(tables, key=lambda file: file.name):
        digest.update(table.name.encode() + b"\0" + hashlib.sha256(table.read_bytes()).digest())
    return digest.hexdigest()[:VERSION_LENGTH]


def day(text: str) -> date:
    """A cell as a date."""
    return date.fromisoformat(text)


def end(text: str) -> date | None:
    """A cell as a date, None where it is empty."""
    return day(text) if text else None

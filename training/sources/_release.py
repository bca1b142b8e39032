"""A public release's file: its bytes, its rows under the headers a reader asks for, and why rows were dropped."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pandas as pd

from matching.errors import Fault, InputError
from training.sources._values import mapped

TOLERATED: Final = 0.05
_GZIP: Final = b"\x1f\x8b"
_ENCODED: Final = "is a csv in UTF-8 or windows-1252"
_NAMED: Final = 100


@dataclass(frozen=True)
class Summary:
    """How many data rows of a release were read, how many of them became needs, and why the others did not.

    `unknown` counts by column the needs that hold a code there of which nothing is known.
    """

    source: str
    file: str
    read: int
    kept: int
    dropped: dict[str, int]
    unknown: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [("rows read", self.read), ("kept", self.kept), ("dropped", sum(self.dropped.values()))]
        lines += [(f"  {reason}", count) for reason, count in self.dropped.items()]
        lines += [(f"kept, {column} not known", count) for column, count in self.unknown.items()]
        width = max(len(label) for label, _ in lines)
        counts = [f"  {label:<{width}} {count:>9,}" for label, count in lines]
        return "\n".join([f"{self.source}: {self.file}", *counts])


class Sieve:
    """The rows still standing, indexed by data row (1-based), and a count of the others by reason."""

    def __init__(self, where: str, rows: pd.DataFrame) -> None:
        self.where = where
        self.rows = rows
        self.read = len(rows)
        self.dropped: dict[str, int] = {}
        self.unknown: dict[str, int] = {}

    def drop(self, bad: pd.Series, reason: str) -> None:
        """Leaves out the rows where `bad` is true, counted under `reason`."""
        if count := int(bad.sum()):
            self.dropped[reason] = self.dropped.get(reason, 0) + count
            self.rows = self.rows[~bad]

    def drop_malformed(self, bad: pd.Series, column: str, what: str) -> None:
        """Like `drop`, but raises `InputError` where more than 5% of all rows fail: then it is no stray row."""
        if bad.sum() > TOLERATED * self.read:
            raise InputError(self.where, [self._fault(column, what, row) for row in bad.index[bad][:_NAMED]])
        self.drop(bad, f"{column} is not {what}")

    def parse(self, column: str, change: Callable[[str], object], what: str) -> None:
        """Puts values for the texts of `column`; rows where it is empty or malformed are dropped."""
        self.drop(self.rows[column] == "", f"{column} is empty")
        values = mapped(self.rows[column], change)
        self.drop_malformed(values.isna(), column, what)
        self.rows = self.rows.assign(**{column: values[values.notna()]})

    def money(self, column: str, change: Callable[[str], object]) -> None:
        """`parse` as whole currency units above zero."""
        self.parse(column, change, "a number")
        units = pd.to_numeric(self.rows[column]).round().astype("Int64")
        self.rows = self.rows.assign(**{column: units})
        self.drop(units <= 0, f"{column} is not above zero")

    def dates(self, column: str, change: Callable[[str], object], what: str = "a date") -> None:
        """`parse` as dates, then the rows in the order of the dates; rows of one day stay in the file's order."""
        self.parse(column, change, what)
        at = pd.to_datetime(self.rows[column]).astype("datetime64[ns]")
        self.rows = self.rows.assign(**{column: at}).sort_values(column, kind="stable")

    def codes(self, column: str, change: Callable[[str], object]) -> None:
        """Puts values for the codes of `column`, none where there is no code or no known one; to be done last."""
        values = mapped(self.rows[column], change)
        if count := int((values.isna() & (self.rows[column] != "")).sum()):
            self.unknown[column] = count
        self.rows = self.rows.assign(**{column: values})

    def summary(self, source: str) -> Summary:
        """The count of rows by fate. Raises `InputError` where no row is left."""
        if self.rows.empty:
            reasons = "; ".join(f"{reason}: {count}" for reason, count in self.dropped.items())
            raise InputError(self.where, [Fault("rows", f"at least one is usable ({reasons})")])
        return Summary(source, self.where, self.read, len(self.rows), self.dropped, self.unknown)

    def _fault(self, column: str, what: str, row: int) -> Fault:
        return Fault(column, f"is {what}, not {str(self.rows.at[row, column])[:60]!r}", row)


def open_release(file: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> Sieve:
    """The rows of a csv file, plain or gzipped, under the headers `needed` and `optional`; all values are texts.

    Headers match whatever their case, spaces, underscores, hyphens and slashes; an optional one that is missing is
    empty throughout. Raises `InputError` where the file is unusable or a needed header is missing.
    """
    text = _text(file)
    header, rows = _split(file.name, text)
    places = _places(file.name, header, needed, optional)
    sieve = Sieve(file.name, pd.DataFrame({"row": rows}, index=range(1, len(rows) + 1), dtype=object))
    _drop_ragged(sieve, len(header))
    columns = {
        name: [row[place].strip() for row in sieve.rows["row"]] if place is not None else ""
        for name, place in places.items()
    }
    sieve.rows = pd.DataFrame(columns, index=sieve.rows.index, dtype=str)
    return sieve


def _drop_ragged(sieve: Sieve, width: int) -> None:
    ragged = sieve.rows["row"].map(len) != width
    if ragged.sum() > TOLERATED * sieve.read:
        faults = [
            Fault("row", f"has {width} fields like the header, not {len(sieve.rows['row'].loc[row])}", row)
            for row in ragged.index[ragged][:_NAMED]
        ]
        raise InputError(sieve.where, faults)
    sieve.drop(ragged, "row has another number of fields than the header")


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
        data = gzip.decompress(data) if data.startswith(_GZIP) else data
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(file.name, [Fault("file", f"is whole gzip: {error}")]) from None
    except OSError as error:
        raise InputError(file.name, [Fault("file", f"is readable: {error.strerror}")]) from None
    text = _decoded(file.name, data)
    if not text.strip():
        raise InputError(file.name, [Fault("file", "is not empty")])
    return text


def _decoded(where: str, data: bytes) -> str:
    text = _in_either(where, data)
    if "\0" in text:
        raise InputError(where, [Fault("file", _ENCODED)])
    return text


def _in_either(where: str, data: bytes) -> str:
    """The text in UTF-8, or else in windows-1252.

    Where most of what is not ASCII is UTF-8, the rest is broken: as windows-1252 every name would come out garbled.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        first = data.count(b"\n", 0, error.start) + 1
    text = data.decode("utf-8", "replace")
    broken, beyond_ascii = text.count("\ufffd"), len(text) - len(text.encode("ascii", "ignore"))
    if broken < beyond_ascii - broken:
        rule = f"is UTF-8 throughout: line {first} holds a byte that is none, where most of the file is"
        raise InputError(where, [Fault("file", rule)])
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        raise InputError(where, [Fault("file", _ENCODED)]) from None


def _split(where: str, text: str) -> tuple[list[str], list[list[str]]]:
    """The header and the rows below it, blank lines left out."""
    text = text.lstrip()
    first = text.partition("\n")[0]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=max(";,\t", key=first.count), strict=True)
    rows: list[list[str]] = []
    try:
        rows.extend(row for row in lines if row)
    except csv.Error as error:
        raise InputError(where, [Fault("file", f"is a csv: {error}", max(len(rows), 1))]) from None
    if len(rows[0]) < 2:
        raise InputError(where, [Fault("file", "is a csv with a header of several columns")])
    if len(rows) < 2:
        raise InputError(where, [Fault("file", "has rows below its header")])
    return rows[0], rows[1:]


def _places(where: str, header: list[str], needed: Sequence[str], optional: Sequence[str]) -> dict[str, int | None]:
    """For each name its column's place, None where an optional one is missing."""
    folded = [_folded(name) for name in header]
    faults = [Fault(name, "column is missing") for name in needed if _folded(name) not in folded]
    wanted = [*needed, *optional]
    faults += [Fault(name, "column appears once, not twice") for name in wanted if folded.count(_folded(name)) > 1]
    if faults:
        raise InputError(where, faults)
    return {name: folded.index(_folded(name)) if _folded(name) in folded else None for name in wanted}


def _folded(header: str) -> str:
    return re.sub(r"[\W_]+", "", header.casefold())

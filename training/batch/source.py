"""A folder of tables as a batch reads it: the past once, the white list and its enterprises a part at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from matching import tables as gate
from matching.converting import days
from matching.errors import Fault, InputError
from matching.schemas import FAULTS_SHOWN
from matching.tables import Tables

BATCH: Final = 16_384  # rows that are decoded at once


@dataclass(frozen=True)
class Slice:
    """Rows of the needs' file: `count` from `begin` on in a row group, which `before` rows come before."""

    group: int
    begin: int
    count: int
    before: int = 0

    @property
    def first(self) -> int:
        """The first row's place in the whole file, from 0."""
        return self.before + self.begin


def as_parquet(folder: Path, aside: Path) -> Path:
    """The folder of tables itself, or its tables as parquet in `aside` where one is a csv. Raises `InputError`."""
    gate.described(folder)
    if all(gate.file_of(folder, name).suffix == ".parquet" for name in gate.ENTITIES):
        return folder
    gate.write(gate.read(folder), aside)
    return aside


def slices(folder: Path, size: int) -> list[Slice]:
    """All needs, at most `size` at a time, none across row groups."""
    with _readable(folder, "needs"):
        about = pq.ParquetFile(folder / "needs.parquet").metadata
    counts = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
    return [
        Slice(group, begin, min(size, count - begin), sum(counts[:group]))
        for group, count in enumerate(counts)
        for begin in range(0, count, size)
    ]


def past(folder: Path, day: date) -> Tables:
    """What was known at the end of `day`, checked: products, institutions, outcomes, and the needs that have any.

    Raises `InputError` as `tables.check` does.
    """
    frames = {name: whole(folder, name) for name in ("institutions", "products", "outcomes")}
    for name, key, owners in (("needs", "need_id", "outcomes"), ("enterprises", "enterprise_id", "needs")):
        frames[name] = gate.check_table(name, _of(folder, name, key, frames[owners][key]))
    described: dict[str, Any] = gate.described(folder)
    return gate.consistent(Tables(**{**frames, **described})).before(day + timedelta(days=1))


def last_day(folder: Path) -> date:
    """The last day on which a need was posted or something came of one. Raises `InputError` where there is none."""
    found = pd.Series([_latest(folder, name, gate.DATED[name]) for name in ("needs", "outcomes")]).dropna()
    if found.empty:
        for name in ("needs", "outcomes"):
            whole(folder, name)  # a table whose every date is broken is not an empty one
        raise InputError("rank", [Fault("--as-of", "is given where tables have neither needs nor outcomes")])
    return found.max().date()


def unique_needs(folder: Path) -> None:
    """Raises `InputError` where an id is that of two needs, wherever they stand: a part only knows its own.

    Of all needs together only a hash of each id is held; the ids of equal hashes are read again, a missing one is left
    to the check of its part.
    """
    twice = _hashed_twice(folder)[:FAULTS_SHOWN]
    faults: list[Fault] = []
    seen: set[str] = set()
    for first, ids, hashes in _need_ids(folder) if len(twice) else ():
        told = ids[np.isin(hashes, twice) & ids.notna()]
        for row, need_id in zip(told.index, told, strict=True):
            if need_id in seen:
                faults.append(Fault("need_id", f"is unique, not {need_id} again", first + row + 1))
            seen.add(need_id)
    if faults:
        raise InputError("needs", faults[:FAULTS_SHOWN])


def _hashed_twice(folder: Path) -> np.ndarray:
    """The hashes that two ids or more have, by value."""
    with _readable(folder, "needs"):
        hashes = np.empty(pq.ParquetFile(folder / "needs.parquet").metadata.num_rows, np.uint64)
    for first, ids, found in _need_ids(folder):
        hashes[first : first + len(ids)] = found
    hashes.sort()
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def _need_ids(folder: Path) -> Iterator[tuple[int, pd.Series, np.ndarray]]:
    """The ids of all needs and their hashes, some at a time, each time with how many came before."""
    first = 0
    with _readable(folder, "needs"):
        for batch in pq.ParquetFile(folder / "needs.parquet").iter_batches(BATCH, columns=["need_id"]):
            ids = batch.column("need_id").cast(pa.string()).to_pandas()
            yield first, ids, pd.util.hash_pandas_object(ids, index=False, categorize=False).to_numpy()
            first += len(ids)


def white_list(folder: Path, part: Slice) -> Tables:
    """A part's needs and all facts of their enterprises, checked; the other tables are empty.

    Raises `InputError` naming the needs' rows in the whole file, and enterprises by their ids.
    """
    with _readable(folder, "needs"):
        needs = _group(folder, part.group).slice(part.begin, part.count).to_pandas()
    enterprises = _of(folder, "enterprises", "enterprise_id", needs["enterprise_id"])
    owners = enterprises["enterprise_id"].astype(str).tolist()
    with _placed(lambda row: owners[row - 1]):
        enterprises = gate.check_table("enterprises", enterprises)
    with _placed(lambda row: row + part.first):
        frames = {"needs": gate.check_table("needs", needs), "enterprises": enterprises}
        return gate.consistent(Tables(**(empty() | frames)))


@contextmanager
def _placed(place: Callable[[int], int | str]) -> Iterator[None]:
    """Turns rows of a part, counted from 1, into what they are in the whole."""
    try:
        yield
    except InputError as error:
        faults = [replace(one, row=place(one.row) if isinstance(one.row, int) else one.row) for one in error.faults]
        raise InputError(error.where, faults) from None


def whole(folder: Path, name: str) -> pd.DataFrame:
    """A table all at once, checked. Raises `InputError`."""
    with _readable(folder, name):
        frame = pd.read_parquet(folder / f"{name}.parquet")
    return gate.check_table(name, frame)


def _group(folder: Path, group: int) -> pa.Table:
    file = folder / "needs.parquet"
    return _read_group(file, file.stat().st_mtime_ns, group)


@lru_cache(maxsize=1)
def _read_group(file: Path, _stamp: int, group: int) -> pa.Table:
    """A row group of the needs, kept while its parts are asked for."""
    return pq.ParquetFile(file).read_row_group(group)


def _of(folder: Path, name: str, key: str, ids: pd.Series) -> pd.DataFrame:
    """The rows of table `name` with these ids, in the file's order."""
    wanted = pc.field(key).cast(pa.string()).isin(pa.array(ids.astype(str).unique(), pa.string()))
    with _readable(folder, name):
        file = ds.dataset(folder / f"{name}.parquet")
        scanner = file.scanner(filter=wanted, batch_size=BATCH, batch_readahead=1, fragment_readahead=1)
        return scanner.to_table().to_pandas()


def _latest(folder: Path, name: str, column: str) -> Any:
    """The last moment of a column, NaT where there is none."""
    with _readable(folder, name):
        file = pq.ParquetFile(folder / f"{name}.parquet")
        batches = file.iter_batches(BATCH, columns=[column])
        return max((days(batch.to_pandas()[column]).max() for batch in batches), default=pd.NaT)


@cache
def empty() -> dict[str, Any]:
    """Each table without a row."""
    return {name: gate.frame_of(name, []) for name in gate.ENTITIES}


@contextmanager
def _readable(folder: Path, name: str) -> Iterator[None]:
    """Turns what a broken file raises into an error that names it."""
    try:
        yield
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise InputError(str(folder / name), [Fault(name, f"file is readable: {error}")]) from None

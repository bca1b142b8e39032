"""A table's file in its folder, `NAME.parquet` or `NAME.csv`, as a frame that nobody has checked yet."""

import csv
from collections import Counter
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa

from matching.errors import Fault, InputError

LONGEST_LINE: Final = 10**5  # bytes: csv.reader takes no longer cell


def file_of(folder: Path, name: str) -> Path:
    """The file of table `name`: parquet where there is one, else csv. Raises `InputError` where there is neither."""
    files = [folder / f"{name}.{form}" for form in ("parquet", "csv")]
    for path in files:
        if path.exists():
            return path
    raise InputError(str(folder), [Fault(name, f"file is missing: {files[0].name} or {files[1].name}")])


def read_frame(folder: Path, name: str) -> pd.DataFrame:
    """The frame in the file of table `name`; a csv's cells are texts. Raises `InputError` where it cannot be read."""
    path = file_of(folder, name)
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except UnicodeDecodeError as error:
        rule = f"file is UTF-8 (spreadsheets call it CSV UTF-8), which byte {error.object[error.start]:#x} is not"
        raise InputError(str(folder / name), [Fault(name, rule)]) from None
    except (ValueError, OSError, pa.ArrowException) as error:
        raise InputError(str(folder / name), [Fault(name, f"file is readable: {error}")]) from None


def _read_csv(path: Path) -> pd.DataFrame:
    """All cells as texts; pandas takes the first cells of rows that are all too long as their index.

    A column without name and cells is none: spreadsheets leave such at the end.
    """
    names = list(pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0])
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    if not isinstance(frame.index, pd.RangeIndex):
        raise pd.errors.ParserError("rows have more cells than the header")
    if 0 < _cells_at_end(path) < len(names):
        raise pd.errors.ParserError(f"it ends in the middle of row {len(frame)}: was it copied to its end?")
    filled = [bool(name) or bool(frame.iloc[:, place].notna().any()) for place, name in enumerate(names)]
    faults = [Fault(name, "column appears once") for name, times in Counter(names).items() if name and times > 1]
    faults += [
        Fault(f"column {place + 1}", "has a name in the header, or no cells")
        for place, name in enumerate(names)
        if filled[place] and not name
    ]
    if faults:
        raise InputError(path.stem, faults)
    return frame.loc[:, filled]


def _cells_at_end(path: Path) -> int:
    """The cells of a last line that nothing ends; 0 where a line break does, or a cell has begun on an earlier line."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - LONGEST_LINE, 0))
        _, whole, last = file.read().replace(b"\r", b"\n").rpartition(b"\n")
    if not whole or last.count(b'"') % 2:
        return 0
    return len(next(csv.reader([last.decode(errors="replace")]), []))

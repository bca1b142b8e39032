"""What a batch writes: a folder of parquet parts, each moved there whole, and the one file that they become."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matching.errors import Fault, InputError
from matching.tables import ENTITIES, SEPARATOR
from training.outputs import aside_of, check_file, room_for

FILES: Final = (".parquet", ".csv")
COUNTS: Final = "counts"


def check_name(out: Path, data: Path) -> None:
    """Raises `InputError` where `out` is neither a parquet or csv file nor a folder, and as `check_file` does.

    So it does where `out` is a table of `data`: that would be lost.
    """
    named = out.absolute().name  # the root of all folders has none: nothing can lie beside it
    if not named or out.suffix not in ("", *FILES):
        raise InputError("rank", [Fault("--out", f"ends in .parquet or .csv or names a folder, not {named or '/'!r}")])
    if out.stem in ENTITIES and out.resolve().parent == data.resolve():
        raise InputError("rank", [Fault("--out", f"is none of the tables that are ranked, as {out} would be")])
    if out.suffix:
        check_file("rank", "--out", out)
    elif out.exists() and not out.is_dir():
        raise InputError("rank", [Fault("--out", f"ends in .parquet or .csv or names a folder, not the file {out}")])


def part_file(folder: Path, part: int) -> Path:
    """Where a part lies."""
    return folder / f"part-{part:05}.parquet"


def remove(folder: Path) -> None:
    """Takes a folder away at once, under another name; killed while that goes, `sweep` does the rest."""
    sweep(folder)
    if folder.exists():
        folder.replace(_gone(folder))
    sweep(folder)


def sweep(folder: Path) -> None:
    """Clears what a `remove` that was killed left of a folder."""
    shutil.rmtree(_gone(folder), ignore_errors=True)


def _gone(folder: Path) -> Path:
    return folder.with_name(f".{folder.name.lstrip('.')}.gone")


def write_part(rows: Sequence[dict[str, Any]], needs: int, schema: pa.Schema, path: Path, aside: Path) -> None:
    """The rows of so many needs as parquet, written in the folder `aside`, then moved: what is there is finished."""
    ranked = [row["need_id"] for row in rows if row.get("rank")]
    counts = ",".join(map(str, (needs, len(set(ranked)), len(ranked))))
    table = pa.Table.from_pylist(list(rows), schema=schema.with_metadata({COUNTS: counts}))
    written = aside / f"{path.name}.{uuid4().hex}"  # two processes may make a part: one was thought to be dead
    with room_for(path):
        pq.write_table(table, written)
    written.replace(path)


def counted(parts: Iterable[Path]) -> tuple[int, int, int]:
    """Open needs, those of them with a match, and matches in these parts."""
    told = [(pq.read_schema(part).metadata or {})[COUNTS.encode()].decode().split(",") for part in parts]
    needs, matched, matches = np.array(told, dtype=int).reshape(-1, 3).sum(axis=0).tolist()
    return needs, matched, matches


def join(parts: Iterable[Path], schema: pa.Schema, out: Path) -> None:
    """The parts as one file, one part in memory at a time; parquet or csv by the name's ending."""
    with room_for(out):
        (_join_parquet if out.suffix == ".parquet" else _join_csv)(parts, schema, aside_of(out))
    aside_of(out).replace(out)


def _join_parquet(parts: Iterable[Path], schema: pa.Schema, aside: Path) -> None:
    with pq.ParquetWriter(aside, schema) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part, schema=schema))


def _join_csv(parts: Iterable[Path], schema: pa.Schema, aside: Path) -> None:
    """A list is one text joined by `|`, as in all tables."""
    lists = [field.name for field in schema if pa.types.is_list(field.type)]
    whole = [field.name for field in schema if pa.types.is_integer(field.type)]
    with aside.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(schema.names) + "\n")
        for part in parts:
            frame = pq.read_table(part, schema=schema).to_pandas()
            for name in lists:
                frame[name] = frame[name].map(lambda found: SEPARATOR.join(map(str, found)), na_action="ignore")
            frame.astype(dict.fromkeys(whole, "Int64")).to_csv(file, header=False, index=False, date_format="%Y-%m-%d")

"""A batch from beginning to end: what all parts need is made once, the parts are worked off, then joined.

The work lies in a folder: `_job.json` says what was asked, `_prepared` holds the past and the catalogue as the workers
read them, `part-00000.parquet` and so on are finished parts. Killed at any moment, the same command goes on from there.
"""

import json
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from matching.errors import Fault, InputError, MatchingError
from matching.tables import ENTITIES, described, file_of
from training.batch.engines import Engine, Local
from training.batch.lock import alone
from training.batch.output import counted, join, part_file, remove, sweep
from training.batch.preparing import Plan, prepare
from training.batch.rows import Options, columns
from training.batch.working import rank_part
from training.cluster import PACKAGES
from training.outputs import aside_of, write_whole
from training.progress import Progress, silent

PART_NEEDS: Final = 2000
JOB: Final = "_job.json"
PREPARED: Final = "_prepared"


@dataclass(frozen=True)
class Done:
    """What a batch came to: open needs, those among them with a match, all matches, and parts found finished."""

    needs: int
    matched: int
    matches: int
    resumed: int


def rank_all(
    data: Path,
    bundle: Path,
    out: Path,
    as_of: date | None = None,
    options: Options | None = None,
    engine: Engine | None = None,
    part_needs: int = PART_NEEDS,
    progress: Progress = silent,
) -> Done:
    """The best products of every open need of the tables in `data`, by the ranker of `bundle`, into `out`.

    `out` is a .parquet or .csv file, or a folder of parquet parts. Rows of the tables after `as_of` (by default the
    last day in them) are not looked at; a ranker of some products only ranks those. Raises `InputError` where `out`
    holds something else than parts of this very batch, where another command ranks to it or tables change meanwhile,
    and as `tables.read` does.
    """
    options = options or Options()
    folder = out.absolute().with_name(f".{out.name}.parts") if out.suffix else out.absolute()
    asked = _asked(data, bundle, as_of, options, part_needs)
    with alone(out):
        parts = _claimed(folder, asked, anew=bool(out.suffix))
        finished = _finished(folder, parts)
        if parts is None or len(finished) < parts:
            progress("tables", 0.0)
            plan = _planned(folder, data.absolute(), bundle.absolute(), as_of, options, part_needs)
            parts, finished = len(plan.slices), _finished(folder, len(plan.slices))
            _work_off(folder, plan, finished, engine or Local(), progress)
            if _asked(data, bundle, as_of, options, part_needs) != asked:
                remove(folder)  # its parts may be of two tables
                raise InputError("rank", [Fault("DATA", f"stays as it is while it is ranked, which {data} did not")])
            write_whole(json.dumps({"asked": asked, "parts": parts}), folder / JOB)
        remove(folder / PREPARED)
        files = [part_file(folder, part) for part in range(parts)]
        done = Done(*counted(files), len(finished))
        if out.suffix:
            join(files, columns(options), out.absolute())
            remove(folder)
        return done


def _planned(
    folder: Path, data: Path, bundle: Path, as_of: date | None, options: Options, part_needs: int
) -> Plan:  # fmt: skip
    """The plan; where it cannot be made, nothing of the batch stays."""
    try:
        return prepare(folder / PREPARED, data, bundle, as_of, options, part_needs)
    except MatchingError:
        remove(folder)
        raise


def _work_off(folder: Path, plan: Plan, finished: set[int], engine: Engine, progress: Progress) -> None:
    counts = [part.count for part in plan.slices]
    pending = [part for part in range(len(counts)) if part not in finished]
    ranked = sum(counts[part] for part in finished)
    for part in engine.run(partial(rank_part, folder, folder / PREPARED), pending):
        ranked += counts[part]
        progress("ranking", ranked / sum(counts))


def _asked(
    data: Path, bundle: Path, as_of: date | None, options: Options, part_needs: int
) -> dict[str, Any]:  # fmt: skip
    """What makes two batches the same: the tables, their sizes and times of change, versions, all that was asked."""
    about = described(data)
    files = {name: file_of(data, name).stat() for name in ENTITIES}
    return {
        "tables.json": about,
        "tables": {name: [found.st_size, found.st_mtime_ns] for name, found in files.items()},
        "versions": {name: version(name) for name in PACKAGES},
        "model": bundle.name,
        "as_of": as_of and str(as_of),
        "options": asdict(options),
        "part_needs": part_needs,
    }


def _claimed(folder: Path, asked: dict[str, Any], anew: bool) -> int | None:
    """How many parts a finished batch here has; None where it is not finished, or new: then the folder is taken.

    Whatever is not this batch's begins `anew` where that is wanted. Raises `InputError` where it is not.
    """
    sweep(folder)
    sweep(folder / PREPARED)
    found = _told(folder / JOB)
    if anew and (found is None or found["asked"] != asked):
        remove(folder)
        found = None
    if found:
        if found["asked"] != asked:
            differ = ", ".join(name for name in asked if found["asked"].get(name) != asked[name])
            rule = f"is new or holds a batch of the same {differ}: {folder} is of another one; remove it first"
            raise InputError("rank", [Fault("--out", rule)])
        parts: int | None = found.get("parts")
        return parts
    if folder.exists() and set(folder.iterdir()) - {aside_of(folder / JOB)}:
        raise InputError("rank", [Fault("--out", f"is new, empty or holds a batch, which {folder} is not")])
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(json.dumps({"asked": asked}), folder / JOB)
    return None


def _told(job: Path) -> dict[str, Any] | None:
    """What a batch's folder says was asked of it; None where it is no batch's."""
    try:
        found = json.loads(job.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) and "asked" in found else None


def unfinished(folder: Path) -> bool:
    """Whether a batch that is not done lies in `folder`, or one of whose parts some are gone."""
    found = _told(folder / JOB)
    if found is None:
        return False
    parts: int | None = found.get("parts")
    return parts is None or len(_finished(folder, parts)) < parts


def _finished(folder: Path, parts: int | None) -> set[int]:
    return {part for part in range(parts or 0) if part_file(folder, part).exists()}

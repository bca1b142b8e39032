"""Public releases → tables. `read("sba504", file)` gives checked tables and a summary of the rows dropped."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from matching.errors import Fault, InputError
from matching.tables import Tables
from training.sources import bndes, sba504, ssbci, us_exim
from training.sources._release import Summary

__all__ = ["NAMES", "RECORD", "SOURCES", "Summary", "read"]

RECORD: Final = "service"  # no release: a service's own record, which `training.record` reads
SOURCES: Final[dict[str, Callable[[Path], tuple[Tables, Summary]]]] = {
    release.NAME: release.read for release in (sba504, us_exim, bndes, ssbci)
}
NAMES: Final = (*SOURCES, RECORD)


def read(source: str, file: Path) -> tuple[Tables, Summary]:
    """The checked tables in a release's file, plain or gzipped, and a summary of its rows.

    Raises `InputError` naming file, column and data row (1-based) where the file is unusable.
    """
    if source not in SOURCES:
        raise InputError("source", [Fault("source", f"is one of {', '.join(SOURCES)}, not {source!r}")])
    return SOURCES[source](Path(file))

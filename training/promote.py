"""Which bundle is in service: a pointer that moves in one step, and a log of every move that only grows."""

import errno
import fcntl
import json
import os
from collections.abc import Mapping
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any, Final

from matching.bundles import POINTER, bundle
from matching.ranker import Ranker

LOG: Final = "promotions.jsonl"


def promote(models: Path, model_id: str, at: datetime, found: Mapping[str, Any] | None = None) -> None:
    """Makes `model_id` the champion; it must load first. To roll back, promote the earlier one again.

    What a challenge `found` before it stands in the log as well: a later reader sees what the move rested on.

    Of two at once one waits for the other, so that the log's last line is the champion's. What fails leaves no line.
    Raises `NotFoundError` for an unknown id, `BundleError` for a damaged bundle.
    """
    Ranker.load(bundle(models, model_id))
    line = {"at": at.isoformat(timespec="seconds"), "champion": model_id} | (_evidence(found) if found else {})
    with (models / LOG).open("a+b", buffering=0) as log:  # a buffer would be written once more when the log is closed
        fcntl.flock(log, fcntl.LOCK_EX)
        before = log.seek(0, os.SEEK_END)
        try:
            _append(log, json.dumps(line), before)
            _move_pointer(models, model_id)
        except OSError:
            log.truncate(before)
            raise


def _append(log: FileIO, line: str, before: int) -> None:
    """A line at the end of a log of so many bytes, on the disk; what stands there without an end gets one."""
    log.seek(max(before - 1, 0))
    begun = log.read(1) not in (b"", b"\n")
    told = f"{chr(10) * begun}{line}\n".encode()
    if log.write(told) < len(told):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(log.name))
    os.fsync(log.fileno())


def _evidence(found: Mapping[str, Any]) -> dict[str, Any]:
    overall = found["slices"]["all"]
    return {
        "against": found["champion"]["model_id"],
        "from": found["from"],
        "to": found["to"],
        "needs": overall["needs"],
        "lead": overall["lead"],
        "conclusion": found["conclusion"]["verdict"],
    }


def _move_pointer(models: Path, model_id: str) -> None:
    aside = models / f".{POINTER}.part"
    with aside.open("w", encoding="utf-8") as pointer:
        pointer.write(model_id + "\n")
        pointer.flush()
        os.fsync(pointer.fileno())
    os.replace(aside, models / POINTER)

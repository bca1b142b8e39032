"""Which bundle is in service: a pointer that moves in one step, and a log of every move that only grows."""

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from matching.bundles import POINTER, bundle
from matching.ranker import Ranker

LOG: Final = "promotions.jsonl"


def promote(models: Path, model_id: str, at: datetime, found: Mapping[str, Any] | None = None) -> None:
    """Makes `model_id` the champion; it must load first. To roll back, promote the earlier one again.

    What a challenge `found` before it stands in the log as well: a later reader sees what the move rested on.

    Raises `NotFoundError` for an unknown id, `BundleError` for a damaged bundle.
    """
    Ranker.load(bundle(models, model_id))
    line = {"at": at.isoformat(timespec="seconds"), "champion": model_id} | (_evidence(found) if found else {})
    with (models / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")
        log.flush()
        os.fsync(log.fileno())
    _move_pointer(models, model_id)


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

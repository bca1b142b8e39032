"""What a run in MLflow tells of a bundle and of a report: names as MLflow allows them, and their values."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

UNTOLD: Final = ("id", "missing_rates", "sha256")  # of the manifest: for machines, and among the artifacts all the same
REFUSED: Final = re.compile(r"[^\w\-. /]", re.ASCII)  # by MLflow in a name


def parameters(manifest: Mapping[str, Any]) -> dict[str, str]:
    """What a model was trained on and with, as its manifest tells."""
    told = {name: value for name, value in manifest.items() if name not in UNTOLD}
    told["features"] = len(manifest.get("features", ()))
    return {_named(path): text(value) for path, value in _leaves(told)}


def measures(report: Mapping[str, Any]) -> dict[str, float]:
    """Every number of a report: `model/all/ndcg_at_10`, the ends of its interval as `…/low` and `…/high`."""
    numbers = ((path, value) for path, value in _leaves(report) if isinstance(value, int | float))
    kept = ((path, value) for path, value in numbers if not isinstance(value, bool) and math.isfinite(value))
    return {_named([part for part in path if part not in ("systems", "value")]): float(value) for path, value in kept}


def _leaves(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that holds no others by name, with the names that lead to it."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _named(path: Sequence[str]) -> str:
    return REFUSED.sub("", "/".join(path).replace("@", "_at_"))


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

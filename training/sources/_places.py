"""Where a US region path lies: the zip's own point, its three-digit area's, or its city's."""

import re
from functools import cache
from typing import Final

import numpy as np
import pandas as pd
import zipcodes

Point = tuple[float, float]
NOWHERE: Final[Point] = (np.nan, np.nan)
_APART: Final = re.compile(r"[\W_]+")  # what is neither letter nor digit


def located(frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with `latitude` and `longitude` of its `region`, missing where that is no US place known to the list."""
    points = {path: point(path) for path in frame["region"].dropna().drop_duplicates().tolist()}
    found = [points.get(path, NOWHERE) for path in frame["region"].tolist()]
    return frame.assign(latitude=[p[0] for p in found], longitude=[p[1] for p in found])


def point(path: str) -> Point:
    """The latitude and longitude of `US/CA/925/92507` or `US/CA/RIVERSIDE`; NaN where unknown."""
    parts = path.split("/")
    if parts[0] != "US" or len(parts) < 3:
        return NOWHERE
    places = _places()
    keys = ((parts[-1],), (parts[-1][:3],)) if parts[-1].isdigit() else ((parts[1], _letters(parts[2])),)
    return next((places[key] for key in keys if key in places), NOWHERE)


@cache
def _places() -> dict[tuple[str, ...], Point]:
    """Points by (zip,), (three digits,) and (state, city); a wide place lies where its zips lie on average."""
    groups: dict[tuple[str, ...], list[Point]] = {}
    for entry in zipcodes.list_all():
        if entry["lat"] and entry["long"]:
            here = (float(entry["lat"]), float(entry["long"]))
            names = {_letters(name) for name in (entry["city"], *entry["acceptable_cities"])}
            keys = [(entry["zip_code"],), (entry["zip_code"][:3],), *((entry["state"], name) for name in sorted(names))]
            for key in keys:
                groups.setdefault(key, []).append(here)
    return {key: (_mean([p[0] for p in points]), _mean([p[1] for p in points])) for key, points in groups.items()}


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 4)


def _letters(name: str) -> str:
    return _APART.sub("", name.upper()).replace("SAINT", "ST")

"""The one reader of the dated code tables beside it: regions, LPR, size classes, industries, clusters,
what an enterprise can change.

Every question is asked "as of" a date, so that a past recommendation replays with the rules of its day.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Final

from matching.domain import Benchmark, Coded, Size
from matching.errors import InputError
from matching.reference import reading

CITY: Final = "CN/500000"
MANUFACTURING: Final = "C"
INDUSTRIAL: Final = frozenset({"B", MANUFACTURING, "D"})  # mining; power, heat, gas and water
YUAN_PER_10K: Final = 10_000


class Zone(Coded):
    """Chongqing's four zones, by which fairness is watched."""

    CENTRAL_CITY = "central_city", "中心城区", "Central city"
    NEW_URBAN = "new_urban", "主城新区", "New urban area"
    NORTH_EAST = "north_east", "渝东北", "North-east"
    SOUTH_EAST = "south_east", "渝东南", "South-east"


class ClusterTier(Coded):
    """The four groups of the "33618" manufacturing clusters."""

    LEADING = "leading", "主导产业集群", "Leading"
    PILLAR = "pillar", "支柱产业集群", "Pillar"
    CHARACTERISTIC = "characteristic", "特色优势产业集群", "Characteristic"
    NEW_STAR = "new_star", "“新星”产业集群", "New star"


@dataclass(frozen=True)
class Region:
    """A district in force from `valid_from` until before `valid_to`; `successor` is what it became."""

    code: str
    name_zh: str
    name_en: str
    zone: Zone
    valid_from: date
    valid_to: date | None
    successor: str | None

    @property
    def path(self) -> str:
        """The district as an enterprise's `region`: `CN/500000/500103`."""
        return f"{CITY}/{self.code}"


@dataclass(frozen=True)
class Industry:
    """A division of GB/T 4754's section C."""

    code: str
    name_zh: str
    name_en: str
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True)
class Cluster:
    """One of the "33618" clusters; `trust` is A where read in an official text, C where common knowledge."""

    code: str
    tier: ClusterTier
    name_zh: str
    name_en: str
    trust: str
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True)
class Change:
    """A fact that an enterprise can change, to `value` where one is named, with the days of work that it takes.

    `way` is the only one, `up` or `down`, in which a number is to be moved; empty for both.
    """

    field: str
    value: str
    way: str
    effort_days: int
    advice_zh: str
    advice_en: str
    valid_from: date
    valid_to: date | None

    @property
    def code(self) -> str:
        """Field and value: what names a row."""
        return f"{self.field}={self.value}"


@lru_cache(maxsize=64)
def regions(as_of: date) -> Mapping[str, Region]:
    """The districts in force on `as_of`, by code. Raises `InputError` before the table's first row."""
    return reading.in_force("regions", _regions(), as_of)


def region(code: str, as_of: date) -> Region:
    """The district `code` as in force on `as_of`. Raises `InputError` where it is not. Source: GB/T 2260."""
    return reading.member("regions", regions(as_of), code, as_of)


def successor(code: str, as_of: date) -> str:
    """What district `code` has become by `as_of`: itself while in force. Raises `InputError` for an unknown code."""
    in_force = regions(as_of)
    known = _regions_by_code()
    while code not in in_force and code in known and known[code].valid_from <= as_of:
        code = known[code].successor or ""
    return reading.member("regions", in_force, code, as_of).code


@lru_cache(maxsize=65536)
def region_names(path: str, as_of: date) -> tuple[str, ...]:
    """`path` and all it lies in, coarse to fine, under every name known by `as_of`.

    Chongqing's districts answer to their successor and to all that it replaced: from 2025-11-06 on, Yubei is found
    as Yubei, as Jiangbei and as Liangjiang New Area. Paths elsewhere are only split.
    """
    parts = path.split("/")
    names = tuple("/".join(parts[: i + 1]) for i in range(len(parts)))
    if not path.startswith(CITY + "/"):
        return names
    return names + tuple(f"{CITY}/{code}" for code in _kin(parts[2], as_of) if code != parts[2])


def zone(path: str | None, as_of: date) -> Zone | None:
    """The zone of a region path; None outside Chongqing's districts and before the table's first day."""
    parts = (path or "").split("/")
    if len(parts) < 3 or "/".join(parts[:2]) != CITY or not _kin(parts[2], as_of):
        return None
    return regions(as_of)[successor(parts[2], as_of)].zone


@lru_cache(maxsize=4096)
def lpr(benchmark: Benchmark, as_of: date) -> float:
    """The loan prime rate in force on `as_of`, in basis points a year. Raises `InputError` before 2019-08-20."""
    days, rates = _lpr()
    at = bisect_right(days, as_of)
    if at == 0:
        raise reading.too_early("lpr", days[0], as_of)
    return rates[at - 1][benchmark]


def size_class(employees: int | None, revenue: int | None, as_of: date) -> Size | None:
    """The size class of an industrial enterprise by employees and yearly revenue in yuan; None where one is missing.

    Starts at large and goes one class down wherever either lower limit fails. Source: the standard of 18 June 2011.
    Raises `InputError` before that day.
    """
    if employees is None or revenue is None:
        return None
    for size, least_employees, least_revenue in _size_limits(as_of):
        if employees >= least_employees and revenue >= least_revenue:
            return size
    return Size.MICRO


@lru_cache(maxsize=64)
def industries(as_of: date) -> Mapping[str, Industry]:
    """The manufacturing divisions in force on `as_of`, by code. Raises `InputError` before the first row."""
    return reading.in_force("industries", _industries(), as_of)


def industry(code: str, as_of: date) -> Industry:
    """The manufacturing division `code` (13-43). Raises `InputError` for another. Source: GB/T 4754-2017."""
    return reading.member("industries", industries(as_of), code, as_of)


def is_manufacturing(path: str | None) -> bool:
    """Whether an industry path (`C/34/344`: the ISIC section first, in every release) is manufacturing; None is not."""
    return path is not None and path.split("/", 1)[0] == MANUFACTURING


def is_industrial(path: str | None) -> bool:
    """Whether an industry path is of industry in the sense of `size_class`'s standard; None is not."""
    return path is not None and path.split("/", 1)[0] in INDUSTRIAL


@lru_cache(maxsize=64)
def clusters(as_of: date) -> Mapping[str, Cluster]:
    """The manufacturing clusters in force on `as_of`, by code. Raises `InputError` before the first row."""
    return reading.in_force("clusters", _clusters(), as_of)


def cluster(code: str, as_of: date) -> Cluster:
    """The cluster `code`. Raises `InputError` where it is not in force on `as_of`."""
    return reading.member("clusters", clusters(as_of), code, as_of)


@lru_cache(maxsize=64)
def changes(as_of: date) -> Mapping[str, tuple[Change, ...]]:
    """By fact, what an enterprise can change it to on `as_of`, the least effort first; no other fact can be changed.

    Raises `InputError` before the table's first row.
    """
    held: dict[str, list[Change]] = {}
    for row in sorted(reading.in_force("changes", _changes(), as_of).values(), key=lambda row: row.effort_days):
        held.setdefault(row.field, []).append(row)
    return MappingProxyType({field: tuple(rows) for field, rows in held.items()})


@lru_cache(maxsize=4096)
def _kin(code: str, as_of: date) -> tuple[str, ...]:
    """The district that `code` has become by `as_of`, and all the districts which that one replaced."""
    if as_of < min(row.valid_from for row in _regions()):
        return ()
    try:
        heir = successor(code, as_of)
    except InputError:
        return ()
    begun = [row.code for row in _regions() if row.valid_from <= as_of]
    return tuple(other for other in begun if successor(other, as_of) == heir)


@cache
def _regions_by_code() -> Mapping[str, Region]:
    return {row.code: row for row in _regions()}


@cache
def _regions() -> tuple[Region, ...]:
    return reading.read(
        "regions",
        lambda r, start, end: Region(
            r["code"], r["name_zh"], r["name_en"], reading.coded(Zone, r["zone"]), start, end, r["successor"] or None
        ),
    )


@cache
def _industries() -> tuple[Industry, ...]:
    return reading.read("industries", lambda r, start, end: Industry(r["code"], r["name_zh"], r["name_en"], start, end))


@cache
def _clusters() -> tuple[Cluster, ...]:
    return reading.read(
        "clusters",
        lambda r, start, end: Cluster(
            r["code"], reading.coded(ClusterTier, r["tier"]), r["name_zh"], r["name_en"], r["trust"], start, end
        ),
    )


@cache
def _changes() -> tuple[Change, ...]:
    return reading.read(
        "changes",
        lambda r, start, end: Change(
            r["field"], r["code"], r["way"], int(r["effort_days"]), r["advice_zh"], r["advice_en"], start, end
        ),
    )


@cache
def _lpr() -> tuple[list[date], list[dict[Benchmark, float]]]:
    rows = reading.rows("lpr")
    return [reading.day(row["valid_from"]) for row in rows], [
        {b: float(row[f"{b}_bp"]) for b in Benchmark} for row in rows
    ]


@lru_cache(maxsize=64)
def _size_limits(as_of: date) -> tuple[tuple[Size, int, int], ...]:
    """The limits in force on `as_of`, large first: class, employees, revenue in yuan."""
    rows = reading.rows("size_classes")
    days = sorted({reading.day(row["valid_from"]) for row in rows})
    if as_of < days[0]:
        raise reading.too_early("size_classes", days[0], as_of)
    latest = str(days[bisect_right(days, as_of) - 1])
    chosen = [row for row in rows if row["valid_from"] == latest]
    limits = [
        (reading.coded(Size, row["size"]), int(row["min_employees"]), int(row["min_revenue_10k"]) * YUAN_PER_10K)
        for row in chosen
    ]
    return tuple(sorted(limits, key=lambda limit: -limit[1]))

"""The catalogue: all products of all institutions as numpy columns, one row a version of a product."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import accumulate
from typing import Final, Self, TypeVar

import numpy as np
import numpy.typing as npt

from matching import reference
from matching.domain import Benchmark, Institution, Kind, Product
from matching.errors import Fault, InputError

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
T = TypeVar("T", bound=np.generic)
EPOCH: Final = date(1970, 1, 1)
KINDS: Final = tuple(Kind)
_LIMITS: Final = (("min_amount", "max_amount"), ("min_term", "max_term"), ("valid_from", "valid_to"))
_VERSION_LENGTH: Final = 16
_NOBODY: Final = np.array([], dtype=np.intp)


def day_of(moment: date) -> int:
    """Days since 1970-01-01."""
    return moment.toordinal() - EPOCH.toordinal()


class Catalogue:
    """Products as read-only columns, rows ordered by (product_id, valid_from); never changed, only swapped whole.

    `products`, `ids` and `institution_ids` name the rows; `kind_code` and `institution_code` are positions in `KINDS`
    and `institutions`. `places` holds each institution's latitude and longitude.
    Amounts (yuan), terms (months), `spread_bp` and `capacity` (yuan a year) are
    float64, NaN where none is stated. `valid_from` and `valid_to` (exclusive, NaN while open) are days since 1970;
    `ends` is the day on which the row really ends: its `valid_to` or the next version's first day, else infinity.
    `version` is a hash of the content. Made by `Catalogue.of`.
    """

    def __init__(self, products: tuple[Product, ...], institutions: tuple[Institution, ...]) -> None:
        self.products = products
        self.institutions = institutions
        self.ids: npt.NDArray[np.str_] = np.array([p.product_id for p in products], dtype=np.str_)
        self.institution_ids: npt.NDArray[np.str_] = np.array([p.institution_id for p in products], dtype=np.str_)
        self.kind_code = _codes([p.kind for p in products], KINDS)
        self.places = _places(institutions)
        self.institution_code = _codes([p.institution_id for p in products], [i.institution_id for i in institutions])
        self.min_amount = _numbers([p.min_amount for p in products])
        self.max_amount = _numbers([p.max_amount for p in products])
        self.min_term = _numbers([p.min_term for p in products])
        self.max_term = _numbers([p.max_term for p in products])
        self.spread_bp = _numbers([p.spread_bp for p in products])
        self.capacity = _numbers([p.capacity for p in products])
        self.valid_from = _numbers([day_of(p.valid_from) for p in products])
        self.valid_to = _numbers([None if p.valid_to is None else day_of(p.valid_to) for p in products])
        self._superseded = _superseded(self.ids, self.valid_from)
        self.ends = _read_only(np.fmin(self.valid_to, self._superseded))
        self._benchmark_code = _codes([p.benchmark for p in products], (*Benchmark, None))
        self._unknown_home = np.array([0.0 if i.region else np.nan for i in institutions])
        self._at_home = _at_home(institutions)
        self.version = _version(products, institutions)

    @classmethod
    def of(cls, products: Iterable[Product], institutions: Iterable[Institution]) -> Self:
        """A catalogue of these, in whatever order they come.

        Raises `InputError` for a key given twice, an institution that is missing, a lower limit above its upper one.
        """
        rows = tuple(sorted(products, key=lambda p: (p.product_id, p.valid_from)))
        owners = tuple(sorted(institutions, key=lambda i: i.institution_id))
        faults = [*_twice(rows, owners), *_without_institution(rows, owners), *_crossed(rows)]
        if faults:
            raise InputError("catalogue", faults)
        return cls(rows, owners)

    def __len__(self) -> int:
        return len(self.products)

    def index_as_of(self, as_of: date) -> Rows:
        """The rows offered on `as_of`, at most one a product, ascending."""
        day = day_of(as_of)
        return np.flatnonzero((self.valid_from <= day) & (day < self.ends))

    def known_as_of(self, as_of: date) -> Rows:
        """One row for each product begun by `as_of`, its latest version by then, ended or not; ascending."""
        day = day_of(as_of)
        return np.flatnonzero((self.valid_from <= day) & (day < self._superseded))

    def institution_of(self, row: int) -> Institution:
        """The institution whose product stands in `row`."""
        return self.institutions[int(self.institution_code[row])]

    def home_levels(self, region: str | None) -> Floats:
        """How many levels of a region path each row's institution shares with `region`; NaN where unknown."""
        shared = self._unknown_home.copy() if region else np.full(len(self._unknown_home), np.nan)
        for prefix in _prefixes(region):
            shared[self._at_home.get(prefix, _NOBODY)] += 1.0
        return np.asarray(shared[self.institution_code])

    def rate_bp(self, as_of: date) -> Floats:
        """Each row's rate on `as_of`: benchmark LPR plus spread, in basis points; NaN where either is unknown."""
        base = np.array([_lpr(benchmark, as_of) for benchmark in Benchmark] + [np.nan])
        return np.asarray(base[self._benchmark_code] + self.spread_bp)


def _codes(values: Sequence[object], members: Sequence[object]) -> Rows:
    position = {member: i for i, member in enumerate(members)}
    return _read_only(np.array([position[value] for value in values], dtype=np.intp))


def _numbers(values: Sequence[float | None]) -> Floats:
    return _read_only(np.array([np.nan if value is None else value for value in values], dtype=np.float64))


def _places(institutions: Sequence[Institution]) -> Floats:
    """Latitude and longitude of each institution; NaN where unknown."""
    return _read_only(np.array([(i.latitude, i.longitude) for i in institutions], dtype=np.float64).reshape(-1, 2))


def _prefixes(region: str | None) -> list[str]:
    """The region and all regions that hold it."""
    return list(accumulate(region.split("/"), "{}/{}".format)) if region else []


def _at_home(institutions: Sequence[Institution]) -> dict[str, Rows]:
    """By region, the institutions that are in it."""
    found: dict[str, list[int]] = {}
    for position, institution in enumerate(institutions):
        for prefix in _prefixes(institution.region):
            found.setdefault(prefix, []).append(position)
    return {prefix: np.array(positions, dtype=np.intp) for prefix, positions in found.items()}


def _superseded(ids: npt.NDArray[np.str_], valid_from: Floats) -> Floats:
    """The first day of each row's next version; infinity for the last."""
    following = np.append(valid_from[1:], np.inf)
    last = np.append(ids[1:] != ids[:-1], True)[: len(ids)]
    return np.where(last, np.inf, following[: len(ids)])


def _read_only(array: npt.NDArray[T]) -> npt.NDArray[T]:
    array.setflags(write=False)
    return array


def _lpr(benchmark: Benchmark, as_of: date) -> float:
    try:
        return reference.lpr(benchmark, as_of)
    except InputError:
        return np.nan


def _version(products: Iterable[Product], institutions: Iterable[Institution]) -> str:
    digest = hashlib.sha256()
    for row in (*institutions, *products):
        digest.update(row.model_dump_json().encode() + b"\n")
    return digest.hexdigest()[:_VERSION_LENGTH]


def _twice(products: tuple[Product, ...], institutions: tuple[Institution, ...]) -> list[Fault]:
    keys = Counter((p.product_id, str(p.valid_from)) for p in products)
    ids = Counter(i.institution_id for i in institutions)
    faults = [Fault("product_id+valid_from", "is unique", ", ".join(key)) for key, n in keys.items() if n > 1]
    return faults + [Fault("institution_id", "is unique", key) for key, n in ids.items() if n > 1]


def _without_institution(products: tuple[Product, ...], institutions: tuple[Institution, ...]) -> list[Fault]:
    known = {i.institution_id for i in institutions}
    rule = "exists among the institutions, not {!r}"
    return [
        Fault("institution_id", rule.format(p.institution_id), p.product_id)
        for p in products
        if p.institution_id not in known
    ]


def _crossed(products: tuple[Product, ...]) -> list[Fault]:
    return [
        Fault(low, f"is not above {high}", product.product_id)
        for product in products
        for low, high in _LIMITS
        if _above(getattr(product, low), getattr(product, high))
    ]


def _above(low: int | date | None, high: int | date | None) -> bool:
    if isinstance(low, date) and isinstance(high, date):
        return low > high
    return isinstance(low, int) and isinstance(high, int) and low > high

"""The one gate where frames become trusted tables: each by itself (`schemas`), then against each other.

A folder of tables holds one file a table, `NAME.parquet` or `NAME.csv`, and `tables.json`, which is written last.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, Self

import numpy as np
import pandas as pd
from pydantic.fields import FieldInfo

from matching import clauses
from matching.catalogue import Catalogue, Rows
from matching.converting import days
from matching.domain import Entity, Institution, Product, Rule
from matching.errors import Fault, InputError
from matching.files import file_of, read_frame
from matching.lookup import among
from matching.schemas import ENTITIES, FAULTS_SHOWN, KEYS, SEPARATOR, check_table, is_list, is_rules, schema

__all__ = [
    "DATED",
    "ENTITIES",
    "KEYS",
    "SEPARATOR",
    "Tables",
    "catalogue_of",
    "check",
    "check_table",
    "consistent",
    "described",
    "entities",
    "file_of",
    "frame_of",
    "read",
    "records",
    "schema",
    "write",
]

FORMAT: Final = 1
DATED: Final = {"enterprises": "as_of", "products": "valid_from", "needs": "posted_at", "outcomes": "at"}
REFERENCES: Final = [
    ("products", "institution_id", "institutions"),
    ("needs", "enterprise_id", "enterprises"),
    ("outcomes", "need_id", "needs"),
    ("outcomes", "product_id", "products"),
]


@dataclass(frozen=True)
class Tables:
    """The five checked frames and what they are: where they come from and in which currency money is counted.

    `simulated` is true for the embedded market; `attribution` is the credit line that a release's licence asks for.
    """

    enterprises: pd.DataFrame
    institutions: pd.DataFrame
    products: pd.DataFrame
    needs: pd.DataFrame
    outcomes: pd.DataFrame
    source: str = "unknown"
    currency: str = "CNY"
    attribution: str = ""
    simulated: bool = False

    def __iter__(self) -> Iterator[tuple[str, pd.DataFrame]]:
        return iter((name, getattr(self, name)) for name in ENTITIES)

    def map(self, change: Callable[[str, pd.DataFrame], pd.DataFrame]) -> Self:
        """The same tables with `change(name, frame)` for each frame."""
        frames: dict[str, Any] = {name: change(name, frame) for name, frame in self}
        return replace(self, **frames)

    def before(self, until: date) -> Self:
        """Only rows dated before `until`: what was known on that morning."""
        return self.map(lambda name, frame: _before(name, frame, until))


ABOUT: Final[dict[str, type]] = {
    field.name: type(field.default) for field in fields(Tables) if field.name not in ENTITIES
}


def check(tables: Tables) -> Tables:
    """All five tables checked, each by itself and then against each other. Raises `InputError`."""
    return consistent(tables.map(check_table))


def consistent(tables: Tables) -> Tables:
    """Tables that are checked each by itself, checked against each other. Raises `InputError`."""
    faults = [fault for column in REFERENCES for fault in _dangling(tables, *column)]
    faults += _out_of_time(tables) + (_crossed(tables.products) or _misruled(tables.products))
    if faults:
        raise InputError("tables", faults)
    return tables


def read(folder: Path | str, until: date | None = None) -> Tables:
    """The tables of a folder, checked; with `until`, rows from that date on are left out before anything sees them.

    Raises `InputError` where a file is missing, empty or broken, or a row breaks a rule.
    """
    folder = Path(folder)
    about = described(folder)
    frames: dict[str, Any] = {name: read_frame(folder, name) for name in ENTITIES}
    tables = Tables(**frames, **about)
    if until is None:
        return check(tables)
    try:
        return check(tables.before(until))
    except InputError as error:
        raise InputError(error.where, _in_file(error, tables, until)) from None


def write(tables: Tables, folder: Path | str, form: Literal["parquet", "csv"] = "parquet") -> None:
    """Checked tables into a folder, as `parquet` or `csv`; the same tables give the same bytes.

    What lay there before is replaced once all are written: the disk may be full. `tables.json` comes last, so that a
    half-written folder is none.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".") as aside:
        for name, frame in tables:
            part = Path(aside) / f"{name}.{form}"
            if form == "csv":
                frame.to_csv(part, index=False, date_format="%Y-%m-%d")
            else:
                frame.to_parquet(part, index=False)
        (folder / "tables.json").unlink(missing_ok=True)
        for name in ENTITIES:
            for old in ("parquet", "csv"):
                (folder / f"{name}.{old}").unlink(missing_ok=True)
            (Path(aside) / f"{name}.{form}").replace(folder / f"{name}.{form}")
    about = {"format": FORMAT} | {name: getattr(tables, name) for name in ABOUT}
    (folder / "tables.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def entities(name: str, frame: pd.DataFrame) -> list[Entity]:
    """The rows of a checked frame as entities."""
    return [ENTITIES[name].model_validate(row) for row in records(name, frame)]


def catalogue_of(tables: Tables) -> Catalogue:
    """What checked tables offer. Raises `InputError` as `Catalogue.of`."""
    products = map(Product.model_validate, records("products", tables.products))
    return Catalogue.of(products, map(Institution.model_validate, records("institutions", tables.institutions)))


def records(name: str, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a checked frame as plain values: None for missing, tuples for lists, rules parsed."""
    columns = {field: _plain(info, frame[field]) for field, info in ENTITIES[name].model_fields.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def frame_of(name: str, rows: list[Any]) -> pd.DataFrame:
    """Entities (or dicts like them) as a checked frame; an empty list or text is a missing one. Raises `InputError`."""
    dicts = [row.model_dump(mode="json") if isinstance(row, Entity) else row for row in rows]
    columns = ENTITIES[name].model_fields
    data = {field: [_cell(row.get(field)) for row in dicts] for field in columns}
    return check_table(name, pd.DataFrame(data, columns=list(columns), dtype=object))


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], dict | Rule):
            return json.dumps([_jsonable(rule) for rule in value], ensure_ascii=False)
        return SEPARATOR.join(value) if value else None
    return value


def _jsonable(rule: Any) -> Any:
    return rule.model_dump(mode="json") if isinstance(rule, Rule) else rule


def _plain(info: FieldInfo, column: pd.Series) -> list[Any]:
    found = column.dt.date if pd.api.types.is_datetime64_any_dtype(column) else column.astype(object)
    told = found.to_numpy(dtype=object, copy=True)
    told[column.isna().to_numpy()] = None
    values: list[Any] = told.tolist()
    if is_rules(info):
        return [value and tuple(json.loads(value)) for value in values]
    if is_list(info):
        return [value and tuple(value.split(SEPARATOR)) for value in values]
    return values


def _dangling(tables: Tables, table: str, column: str, target: str) -> list[Fault]:
    values = getattr(tables, table)[column]
    lost = values.index[~among(values, getattr(tables, target)[column])]
    rule = f"exists in {target}"
    return [Fault(f"{table}.{column}", f"{rule}, not {values[i]!r}", int(i) + 1) for i in lost[:FAULTS_SHOWN]]


def _out_of_time(tables: Tables) -> list[Fault]:
    """Needs before their enterprise's first facts, outcomes before their need was posted or their product offered.

    Hence what `before` leaves of checked tables refers to nothing that it took away.
    """
    needs, outcomes = tables.needs, tables.outcomes
    known = tables.enterprises.groupby("enterprise_id")["as_of"].min()
    posted = needs.set_index("need_id")["posted_at"]
    offered = tables.products.groupby("product_id")["valid_from"].min()
    return [
        *_early("needs.posted_at", needs["posted_at"], known, needs["enterprise_id"], "its enterprise's first facts"),
        *_early("outcomes.at", outcomes["at"], posted, outcomes["need_id"], "its need was posted"),
        *_early("outcomes.at", outcomes["at"], offered, outcomes["product_id"], "its product was offered"),
    ]


def _early(field: str, dates: pd.Series, floors: pd.Series, keys: pd.Series, what: str) -> list[Fault]:
    early = dates.index[dates < floors.reindex(keys).to_numpy()]
    return [Fault(field, f"is not before {what}", int(i) + 1) for i in early[:FAULTS_SHOWN]]


def _crossed(products: pd.DataFrame) -> list[Fault]:
    faults = []
    for low, high in (("min_amount", "max_amount"), ("min_term", "max_term"), ("valid_from", "valid_to")):
        crossed = products.index[(products[low] > products[high]).fillna(False)]
        faults += [Fault(f"products.{low}", f"is not above {high}", int(i) + 1) for i in crossed[:FAULTS_SHOWN]]
    return faults


def _misruled(products: pd.DataFrame) -> list[Fault]:
    """Own rules that cannot be judged or contradict each other; the row is the product's id."""
    ruled = entities("products", products[products["rules"].notna()])
    try:
        clauses.read([product for product in ruled if isinstance(product, Product)])
    except InputError as error:
        return [Fault(f"products.{fault.field}", fault.rule, fault.row) for fault in error.faults]
    return []


def _before(name: str, frame: pd.DataFrame, until: date) -> pd.DataFrame:
    return frame[_is_before(name, frame, until)].reset_index(drop=True)


def _is_before(name: str, frame: pd.DataFrame, until: date) -> pd.Series:
    """By row whether it is dated before `until`; one without a readable date is, for the check to name it."""
    if DATED.get(name) not in frame.columns:
        return pd.Series(True, index=frame.index)
    return ~(days(frame[DATED[name]]) >= pd.Timestamp(until))


def _in_file(error: InputError, given: Tables, until: date) -> list[Fault]:
    """The faults of rows before `until`, each row as its file counts it: whoever mends it looks there."""

    @cache  # there may be a fault for every row
    def kept(name: str) -> Rows:
        return np.flatnonzero(_is_before(name, getattr(given, name), until))

    found: list[Fault] = []
    for fault in error.faults:
        name = fault.field.partition(".")[0] if error.where == "tables" else error.where
        row = int(kept(name)[fault.row - 1]) + 1 if isinstance(fault.row, int) else fault.row
        found.append(replace(fault, row=row))
    return found


def described(folder: Path) -> dict[str, Any]:
    """What `tables.json` says of a folder. Raises `InputError` where it is missing or wrong."""
    path = folder / "tables.json"
    if not path.exists():
        raise InputError(str(path), [Fault("tables.json", "file is missing: is this a folder of tables?")])
    try:
        about = json.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin every file with a mark
    except ValueError as error:
        raise InputError(str(path), [Fault("tables.json", f"is JSON: {error}")]) from None
    if not isinstance(about, dict):
        about = {}
    found = about.pop("format", None)
    if found is None:
        by_hand = f'tables written by hand need {{"format": {FORMAT}}} here; import or simulate others again'
        raise InputError(str(path), [Fault("format", f"is {FORMAT}: {by_hand}")])
    if found != FORMAT:
        rule = f"is {FORMAT}, not {found!r}: import or simulate the tables again"
        raise InputError(str(path), [Fault("format", rule)])
    faults = [Fault(name, "is no fact of tables") for name in about if name not in ABOUT]
    kinds = {str: "is text", bool: "is true or false"}
    faults += [
        Fault(name, kinds[kind]) for name, kind in ABOUT.items() if not isinstance(about.get(name, kind()), kind)
    ]
    if faults:
        raise InputError(str(path), faults)
    return about

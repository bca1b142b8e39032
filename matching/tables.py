"""The one gate where a frame becomes trusted. Schemas come from `domain`; parquet and csv go in and out.

In a frame a missing value is NA, a tuple of codes is one text joined by `|`, rules are a JSON text, and dates are
`datetime64[ns]`. A folder of tables holds one file a table, `NAME.parquet` or `NAME.csv`, and `tables.json`.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import date
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Self, Union, get_args, get_origin

import numpy as np
import pandas as pd
import pandera.pandas as pa
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from matching.domain import Enterprise, Entity, Institution, Need, Outcome, Product, Rule
from matching.errors import Fault, InputError

FORMAT: Final = 1
SEPARATOR: Final = "|"
ENTITIES: Final[dict[str, type[Entity]]] = {
    "enterprises": Enterprise,
    "institutions": Institution,
    "products": Product,
    "needs": Need,
    "outcomes": Outcome,
}
KEYS: Final = {
    "enterprises": ["enterprise_id", "as_of"],
    "institutions": ["institution_id"],
    "products": ["product_id", "valid_from"],
    "needs": ["need_id"],
    "outcomes": ["need_id", "product_id", "stage"],
}
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
        return replace(self, **{name: change(name, frame) for name, frame in self})

    def before(self, until: date) -> Self:
        """Only rows dated before `until`: what was known on that morning."""
        return self.map(lambda name, frame: _before(name, frame, until))


def schema(name: str) -> pa.DataFrameSchema:
    """The pandera schema of table `name`, derived from its entity: columns, types, ranges, codes and key."""
    columns = {field: _column(info) for field, info in ENTITIES[name].model_fields.items()}
    return pa.DataFrameSchema(columns, strict=True, coerce=True, ordered=False)


def check_table(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` as table `name`: missing optional columns added, types coerced, rows in their given order.

    Raises `InputError` naming each field and row (1-based) that breaks a rule.
    """
    frame = _with_columns(name, frame)
    try:
        checked = schema(name).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        raise InputError(name, _faults(error, frame)) from None
    faults = _duplicates(name, checked)
    if faults:
        raise InputError(name, faults)
    return checked


def check(tables: Tables) -> Tables:
    """All five tables checked, each by itself and then against each other. Raises `InputError`."""
    tables = tables.map(check_table)
    faults = [fault for column in REFERENCES for fault in _dangling(tables, *column)]
    faults += _out_of_time(tables) + _crossed(tables.products)
    if faults:
        raise InputError("tables", faults)
    return tables


def read(folder: Path | str, until: date | None = None) -> Tables:
    """The tables of a folder, checked; with `until`, rows from that date on are left unread.

    Raises `InputError` where a file is missing, empty or broken, or a row breaks a rule.
    """
    folder = Path(folder)
    about = _read_about(folder / "tables.json")
    frames = {name: _read_frame(folder, name, until) for name in ENTITIES}
    return check(Tables(**frames, **about))


def write(tables: Tables, folder: Path | str, form: str = "parquet") -> None:
    """Checked tables into a folder, as `parquet` or `csv`; the same tables give the same bytes."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables:
        if form == "csv":
            frame.to_csv(folder / f"{name}.csv", index=False, date_format="%Y-%m-%d")
        else:
            frame.to_parquet(folder / f"{name}.parquet", index=False)
    about = {f.name: getattr(tables, f.name) for f in fields(Tables) if f.name not in ENTITIES}
    (folder / "tables.json").write_text(json.dumps({"format": FORMAT} | about, indent=2, ensure_ascii=False) + "\n")


def entities(name: str, frame: pd.DataFrame) -> list[Entity]:
    """The rows of a checked frame as entities."""
    return [ENTITIES[name].model_validate(row) for row in records(name, frame)]


def records(name: str, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a checked frame as plain values: None for missing, tuples for lists, rules parsed."""
    columns = {field: _plain(info, frame[field]) for field, info in ENTITIES[name].model_fields.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def frame_of(name: str, rows: list[Any]) -> pd.DataFrame:
    """Entities (or dicts like them) as a checked frame."""
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
    if pd.api.types.is_datetime64_any_dtype(column):
        values: list[Any] = [None if pd.isna(v) else v.date() for v in column]
    else:
        values = [None if pd.isna(v) else v for v in column.astype(object)]
    if _is_rules(info):
        return [v and tuple(json.loads(v)) for v in values]
    if get_origin(_inner(info)) is tuple:
        return [v and tuple(v.split(SEPARATOR)) for v in values]
    return values


def _inner(info: FieldInfo) -> Any:
    """The annotation less its `None`."""
    if get_origin(info.annotation) in (Union, UnionType):
        return next(arg for arg in get_args(info.annotation) if arg is not NoneType)
    return info.annotation


def _bare(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """An annotation without `Annotated`, and the constraints that stood in it."""
    metadata = getattr(annotation, "__metadata__", ())
    found = tuple(part for meta in metadata for part in (meta.metadata if isinstance(meta, FieldInfo) else [meta]))
    return getattr(annotation, "__origin__", annotation) if metadata else annotation, found


def _is_rules(info: FieldInfo) -> bool:
    inner = _inner(info)
    return get_origin(inner) is tuple and get_args(inner)[0] is Rule


def _column(info: FieldInfo) -> pa.Column:
    inner, constraints = _bare(_inner(info))
    constraints = (*info.metadata, *constraints)
    if get_origin(inner) is tuple:
        dtype, checks = "str", [_list_check(info)]
    elif isinstance(inner, type) and issubclass(inner, Enum):
        codes = [member.value for member in inner]
        dtype, checks = "str", [pa.Check.isin(codes, error=f"is one of {', '.join(codes)}")]
    else:
        dtype = {date: "datetime64[ns]", bool: "boolean", int: "Int64", float: "float64", str: "str"}[inner]
        checks = [made for part in constraints for made in _checks(part)]
        checks += [_finite()] if inner is float else []
    return pa.Column(dtype, checks, nullable=not info.is_required(), coerce=True)


def _finite() -> pa.Check:
    return pa.Check(lambda s: np.isfinite(s), error="is a finite number")


def _checks(part: Any) -> list[pa.Check]:
    match part:
        case Ge():
            return [pa.Check.ge(part.ge, error=f"is at least {part.ge}")]
        case Gt():
            return [pa.Check.gt(part.gt, error=f"is above {part.gt}")]
        case Le():
            return [pa.Check.le(part.le, error=f"is at most {part.le}")]
        case Lt():
            return [pa.Check.lt(part.lt, error=f"is below {part.lt}")]
        case MinLen():
            return [pa.Check.str_length(min_value=part.min_length, error="is not empty")]
        case MaxLen():
            return [pa.Check.str_length(max_value=part.max_length, error=f"has at most {part.max_length} characters")]
    pattern = getattr(part, "pattern", None)
    return [pa.Check.str_matches(pattern, error=f"matches {pattern}")] if pattern else []


def _list_check(info: FieldInfo) -> pa.Check:
    """Each text parses as the field's tuple; distinct texts are parsed once."""
    adapter: TypeAdapter[Any] = TypeAdapter(_inner(info))
    rules = _is_rules(info)

    def valid(text: str) -> bool:
        try:
            adapter.validate_json(text) if rules else adapter.validate_python(tuple(text.split(SEPARATOR)))
        except ValidationError:
            return False
        return True

    def check(column: pd.Series) -> pd.Series:
        return column.map({text: valid(text) for text in column.unique()}).astype(bool)

    return pa.Check(check, error="is a JSON list of rules" if rules else f"is a list of known codes joined by {SEPARATOR}")


def _with_columns(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    fields_ = ENTITIES[name].model_fields
    unknown = [column for column in frame.columns if column not in fields_]
    missing = [field for field, info in fields_.items() if info.is_required() and field not in frame.columns]
    faults = [Fault(str(column), "is no column of this table") for column in unknown]
    faults += [Fault(column, "column is missing") for column in missing]
    if faults:
        raise InputError(name, faults)
    return frame.reindex(columns=list(fields_)).reset_index(drop=True)


def _faults(error: pa.errors.SchemaErrors, frame: pd.DataFrame) -> list[Fault]:
    faults = []
    for case in error.failure_cases.drop_duplicates(["column", "index"]).itertuples():
        rule = _rule_text(str(case.check))
        row = None if pd.isna(case.index) else int(case.index) + 1
        value = case.failure_case if row is None else frame[case.column].iloc[row - 1]
        faults.append(Fault(str(case.column), f"{rule}, not {_short(value)}", row))
    return faults


def _rule_text(check: str) -> str:
    if check == "not_nullable":
        return "is present"
    if check.startswith(("coerce_dtype", "dtype")):
        kind = check.split("'")[1] if "'" in check else check
        return {"Int64": "is a whole number", "datetime64[ns]": "is a date (YYYY-MM-DD)", "float64": "is a number"}.get(
            kind, f"is {kind}"
        )
    return check


def _short(value: object) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def _duplicates(name: str, frame: pd.DataFrame) -> list[Fault]:
    key = KEYS[name]
    twice = frame.index[frame.duplicated(key)]
    return [Fault("+".join(key), f"is unique, not {_key_text(frame.loc[i, key])} again", int(i) + 1) for i in twice[:100]]


def _key_text(row: Any) -> str:
    return ", ".join(str(v.date()) if isinstance(v, pd.Timestamp) else str(v) for v in row)


def _dangling(tables: Tables, table: str, column: str, target: str) -> list[Fault]:
    values = getattr(tables, table)[column]
    lost = values.index[~values.isin(getattr(tables, target)[column])]
    return [Fault(f"{table}.{column}", f"exists in {target}, not {values[i]!r}", int(i) + 1) for i in lost[:100]]


def _out_of_time(tables: Tables) -> list[Fault]:
    """Outcomes before their need was posted or their product was offered."""
    outcomes = tables.outcomes
    posted = outcomes["need_id"].map(tables.needs.set_index("need_id")["posted_at"])
    offered = outcomes["product_id"].map(tables.products.groupby("product_id")["valid_from"].min())
    faults = []
    for floor, what in ((posted, "is not before its need was posted"), (offered, "is not before its product was offered")):
        early = outcomes.index[(outcomes["at"] < floor).fillna(False)]
        faults += [Fault("outcomes.at", what, int(i) + 1) for i in early[:100]]
    return faults


def _crossed(products: pd.DataFrame) -> list[Fault]:
    faults = []
    for low, high in (("min_amount", "max_amount"), ("min_term", "max_term"), ("valid_from", "valid_to")):
        crossed = products.index[(products[low] > products[high]).fillna(False)]
        faults += [Fault(f"products.{low}", f"is not above {high}", int(i) + 1) for i in crossed[:100]]
    return faults


def _before(name: str, frame: pd.DataFrame, until: date) -> pd.DataFrame:
    if name not in DATED:
        return frame
    return frame[pd.to_datetime(frame[DATED[name]]) < pd.Timestamp(until)].reset_index(drop=True)


def _read_about(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise InputError(str(path), [Fault("tables.json", "file is missing: is this a folder of tables?")])
    try:
        about = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(str(path), [Fault("tables.json", f"is not JSON: {error}")]) from None
    if about.pop("format", None) != FORMAT:
        raise InputError(str(path), [Fault("format", f"is {FORMAT}: import or simulate the tables again")])
    return dict(about)


def _read_frame(folder: Path, name: str, until: date | None) -> pd.DataFrame:
    parquet, csv = folder / f"{name}.parquet", folder / f"{name}.csv"
    try:
        if parquet.exists():
            filters = [(DATED[name], "<", pd.Timestamp(until))] if until and name in DATED else None
            return pd.read_parquet(parquet, filters=filters)
        if csv.exists():
            frame = pd.read_csv(csv, dtype=str, keep_default_na=False, na_values=[""])
            return _before(name, frame, until) if until else frame
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise InputError(str(folder / name), [Fault(name, f"file is readable: {error}")]) from None
    raise InputError(str(folder), [Fault(name, f"file is missing: {parquet.name} or {csv.name}")])

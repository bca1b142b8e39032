"""The check of one frame against its entity: columns, types, ranges, codes and key, all derived from `domain`.

In a checked frame a missing value is NA, a tuple of codes is one text joined by `|`, rules are a JSON text, and dates
are `datetime64[ns]`. An empty text is a missing one, so that csv and parquet say the same.
"""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import numpy as np
import pandas as pd
import pandera.pandas as pa
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from matching.domain import Coded, Enterprise, Entity, Institution, Need, Outcome, Product, Rule
from matching.errors import Fault, InputError
from matching.faults import faults_of

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
FAULTS_SHOWN: Final = 100
_DTYPES: Final = {date: "datetime64[ns]", bool: "boolean", int: "Int64", float: "float64", str: "str"}
_WORDS: Final = {"true": True, "1": True, "false": False, "0": False}
_HALVES: Final = re.compile("[\ud800-\udfff]")
_KINDS: Final = {
    "datetime64[ns]": "is a date (YYYY-MM-DD)",
    "boolean": "is true or false",
    "Int64": "is a whole number",
    "float64": "is a number",
    "str": "is text",
}


def check_table(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` as table `name`: missing optional columns added, types coerced, rows in their given order.

    Raises `InputError` naming each field and row (1-based) that breaks a rule.
    """
    given = _with_columns(name, frame)
    checked, faults = _coerced(name, given)
    told = {(fault.field, fault.row) for fault in faults}
    faults += [fault for fault in _broken(name, checked, given) if (fault.field, fault.row) not in told]
    faults = faults or _duplicates(name, checked)
    if faults:
        raise InputError(name, faults)
    return checked


@cache
def schema(name: str) -> pa.DataFrameSchema:
    """The pandera schema of table `name`, derived from its entity: columns, types, ranges and codes."""
    columns = {field: _column(info) for field, info in ENTITIES[name].model_fields.items()}
    return pa.DataFrameSchema(columns, strict=True, coerce=True, ordered=False)


def is_list(info: FieldInfo) -> bool:
    """Whether the field holds several values."""
    return get_origin(_inner(info)[0]) is tuple


def is_rules(info: FieldInfo) -> bool:
    """Whether the field holds a product's own rules."""
    return is_list(info) and get_args(_inner(info)[0])[0] is Rule


def _inner(info: FieldInfo) -> tuple[Any, tuple[Any, ...]]:
    """The annotation less its `None` and its `Annotated`, and all constraints on it."""
    inner = info.annotation
    if get_origin(inner) in (Union, UnionType):
        inner = next(arg for arg in get_args(inner) if arg is not NoneType)
    if get_origin(inner) is not Annotated:
        return inner, tuple(info.metadata)
    bare, *metadata = get_args(inner)
    found = [part for meta in metadata for part in (meta.metadata if isinstance(meta, FieldInfo) else [meta])]
    return bare, (*info.metadata, *found)


def _dtype(info: FieldInfo) -> str:
    inner, _ = _inner(info)
    return "str" if get_origin(inner) is tuple or issubclass(inner, Enum) else _DTYPES[inner]


def _column(info: FieldInfo) -> pa.Column:
    inner, constraints = _inner(info)
    if is_list(info):
        checks = [_list_check(info)]
    elif issubclass(inner, Enum):
        codes = [member.value for member in inner]
        checks = [pa.Check.isin(codes, error=f"is one of {', '.join(codes)}")]
    else:
        checks = [made for part in constraints for made in _checks(part)]
        checks += [pa.Check(np.isfinite, error="is a finite number")] if inner is float else []
    return pa.Column(_dtype(info), checks, nullable=not info.is_required(), coerce=True)


def _checks(part: Any) -> list[pa.Check]:
    match part:
        case Ge():
            return [pa.Check.ge(_limit(part.ge), error=f"is at least {part.ge}")]
        case Gt():
            return [pa.Check.gt(_limit(part.gt), error=f"is above {part.gt}")]
        case Le():
            return [pa.Check.le(_limit(part.le), error=f"is at most {part.le}")]
        case Lt():
            return [pa.Check.lt(_limit(part.lt), error=f"is below {part.lt}")]
        case MinLen():
            return [pa.Check.str_length(min_value=part.min_length, error="is not empty")]
        case MaxLen():
            return [pa.Check.str_length(max_value=part.max_length, error=f"has at most {part.max_length} characters")]
    pattern = getattr(part, "pattern", None)
    return [_by_value(lambda text: re.fullmatch(pattern, text) is not None, f"matches {pattern}")] if pattern else []


def _limit(value: Any) -> Any:
    return pd.Timestamp(value) if isinstance(value, date) else value


def _by_value(holds: Callable[[str], bool], error: str) -> pa.Check:
    """A check that asks of each distinct text once."""
    return pa.Check(
        lambda column: column.map({text: holds(text) for text in column.unique()}).astype(bool), error=error
    )


def _list_check(info: FieldInfo) -> pa.Check:
    adapter, rules = _list_adapter(info), is_rules(info)  # once, for all texts of a column
    return _by_value(lambda text: _list_error(adapter, rules, text) is None, _list_rule(info))


def _list_error(adapter: TypeAdapter[Any], rules: bool, text: str) -> ValidationError | None:
    """What is wrong with the text of a list, a JSON one of rules or one joined by `SEPARATOR`, if anything is."""
    try:
        adapter.validate_json(text) if rules else adapter.validate_python(tuple(text.split(SEPARATOR)))
    except ValidationError as error:
        return error
    return None


def _list_adapter(info: FieldInfo) -> TypeAdapter[Any]:
    inner, constraints = _inner(info)
    return TypeAdapter(Annotated[(inner, *constraints)] if constraints else inner)


def _misread(info: FieldInfo, value: Any) -> str:
    """Which of a cell's rules is none, where and why, in brackets: rules are long, and what is wrong in them is not."""
    error = _list_error(_list_adapter(info), True, value) if isinstance(value, str) else None
    if error is None:
        return ""
    first = error.errors(include_url=False)[0]
    place, *within = first["loc"] or (None,)
    if not isinstance(place, int):
        return ""
    fault = faults_of([{**first, "loc": within}], "as a whole")[0]
    return f" (rule {place + 1}, {fault.field}: {fault.rule})"


def _list_rule(info: FieldInfo) -> str:
    if is_rules(info):
        return "is a JSON list of rules"
    member = get_args(_inner(info)[0])[0]
    codes = ", ".join(member) if isinstance(member, type) and issubclass(member, Coded) else "values"
    return f"is a list joined by {SEPARATOR} of {codes}"


def _with_columns(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    known = ENTITIES[name].model_fields
    faults = [Fault(str(column), "is no column of this table") for column in frame.columns if column not in known]
    faults += [Fault(str(column), "column is given once") for column in frame.columns[frame.columns.duplicated()]]
    missing = [field for field, info in known.items() if info.is_required() and field not in frame.columns]
    faults += [Fault(column, "column is missing") for column in missing]
    if faults:
        raise InputError(name, faults)
    return frame.reindex(columns=list(known)).reset_index(drop=True)


def _coerced(name: str, given: pd.DataFrame) -> tuple[pd.DataFrame, list[Fault]]:
    """Each column in its type; what does not convert becomes NA and a fault of its row."""
    fields, faults = ENTITIES[name].model_fields, []
    checked = _empty(name).reindex(given.index)
    for field in given.columns[given.notna().any()]:  # few of most tables: elsewhere nothing is to convert or to lose
        info, dtype, column = fields[field], _dtype(fields[field]), given[field]
        checked[field] = column if column.dtype == dtype and dtype != "str" else _CONVERT[dtype](column)
        rule = _list_rule(info) if is_list(info) else _KINDS[dtype]
        lost = _lost(column, checked[field])[:FAULTS_SHOWN]
        rows = zip(lost.index.tolist(), lost, strict=True)
        faults += [Fault(field, f"{rule}, not {_short(value)}", row + 1) for row, value in rows]
    return checked, faults


@cache
def _empty(name: str) -> pd.DataFrame:
    """Table `name` without a row, each column in its type."""
    return pd.DataFrame({field: pd.Series(dtype=_dtype(info)) for field, info in ENTITIES[name].model_fields.items()})


def _lost(column: pd.Series, converted: pd.Series) -> pd.Series:
    """The values that did not convert; an empty text is a missing one, and lists are not compared with a text."""
    gone = column[column.notna().to_numpy() & converted.isna().to_numpy()]
    if gone.empty:
        return gone
    return gone[[not isinstance(value, str) or value != "" for value in gone]].astype(object)


def _texts(column: pd.Series) -> pd.Series:
    """Texts, and whole numbers as their digits: an id may have been read as a number."""
    if column.dtype != "str":
        values = column.astype(object)
        column = values.where(values.map(_is_text).astype(bool), None).astype("str")
    empty = column == ""
    return column.mask(empty) if empty.any() else column


def _is_text(value: Any) -> bool:
    """Whether it is a text that can be written, as half of a surrogate pair cannot, or a whole number."""
    if isinstance(value, str):
        return not _HALVES.search(value)
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def days(column: pd.Series) -> pd.Series:
    """Dates as `datetime64[ns]`; what is no date, has a time of day or a time zone becomes NaT."""
    none = pd.Series(pd.NaT, index=column.index, dtype="datetime64[ns]")
    if pd.api.types.is_numeric_dtype(column.dtype):
        return none
    if column.dtype.kind == "O" and column.dtype != "str":
        column = column.astype(object).where(column.map(_is_moment), None)
    read = pd.to_datetime(column, format="%Y-%m-%d", errors="coerce")
    if read.dt.tz is not None:
        return none
    inside = read.between(pd.Timestamp(1678, 1, 1), pd.Timestamp(2262, 1, 1)) & (read == read.dt.normalize())
    return read.where(inside).astype("datetime64[ns]")


def _is_moment(value: Any) -> bool:
    """Whether it may be a date: times of several zones in one column are more than pandas can read."""
    return isinstance(value, str | date | np.datetime64) and getattr(value, "tzinfo", None) is None


def _numbers(column: pd.Series) -> pd.Series:
    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        column = column.astype(object).map(_number)
    return column.astype("float64")


def _number(value: Any) -> float:
    """A text or number as the nearest double (pandas' own reading of texts is off by a bit here and there), or NaN."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, str | int | float | Decimal | np.number):
        return np.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return np.nan


def _wholes(column: pd.Series) -> pd.Series:
    if pd.api.types.is_signed_integer_dtype(column.dtype):
        return column.astype("Int64")
    numbers = _numbers(column)
    whole = (numbers == np.floor(numbers)) & (numbers.abs() < 2.0**63)
    return numbers.where(whole).astype("Int64")


def _flags(column: pd.Series) -> pd.Series:
    """Words and 0 or 1; beside gaps these may have been written as floats."""
    return column.astype(object).map(lambda v: _WORDS.get(str(v).lower().removesuffix(".0"))).astype("boolean")


_CONVERT: Final = {"datetime64[ns]": days, "boolean": _flags, "Int64": _wholes, "float64": _numbers, "str": _texts}


def _broken(name: str, frame: pd.DataFrame, given: pd.DataFrame) -> list[Fault]:
    """The rules that a coerced frame breaks; a column that may be empty and is has none to break."""
    filled = frame.columns[frame.notna().any()]
    asked = [field for field, column in schema(name).columns.items() if not column.nullable or field in filled]
    try:
        _part(name, tuple(asked)).validate(frame[asked], lazy=True, inplace=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.drop_duplicates(["column", "index"])
        return [_fault(ENTITIES[name].model_fields[case.column], case, given) for case in cases.itertuples()]
    return []


@lru_cache(maxsize=64)
def _part(name: str, fields: tuple[str, ...]) -> pa.DataFrameSchema:
    """The rules of these columns alone: to make them takes longer than to hold a small table against them.

    They have their types by now: to look at these, too, would double the time.
    """
    columns = schema(name).columns
    return pa.DataFrameSchema({field: _untyped(columns[field]) for field in fields})


def _untyped(column: pa.Column) -> pa.Column:
    return pa.Column(None, column.checks, nullable=column.nullable)


def _fault(info: FieldInfo, case: Any, given: pd.DataFrame) -> Fault:
    rule = "is present" if case.check == "not_nullable" else str(case.check)
    row = int(case.index)
    value = given[case.column].iloc[row]
    why = _misread(info, value) if is_rules(info) else ""
    return Fault(str(case.column), f"{rule}{why}, not {_short(value)}", row + 1)


def _short(value: object) -> str:
    text = repr(value.tolist() if isinstance(value, np.generic | np.ndarray) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def _duplicates(name: str, frame: pd.DataFrame) -> list[Fault]:
    key = KEYS[name]
    twice = frame.index[frame.duplicated(key)][:FAULTS_SHOWN]
    return [Fault("+".join(key), f"is unique, not {_key_text(frame.loc[i, key])} again", int(i) + 1) for i in twice]


def _key_text(row: Any) -> str:
    return ", ".join(str(v.date()) if isinstance(v, pd.Timestamp) else str(v) for v in row)

"""The check of one frame against its entity: columns, types, ranges, codes and key, all derived from `domain`.

In a checked frame a missing value is NA, a tuple of codes is one text joined by `|`, rules are a JSON text, and dates
are `datetime64[ns]`. An empty text is a missing one, so that csv and parquet say the same.
"""

import re
from collections.abc import Callable
from datetime import date
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import numpy as np
import pandas as pd
import pandera.pandas as pa
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from matching.converting import CONVERT
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
_KINDS: Final = {
    "datetime64[ns]": "is a date (YYYY-MM-DD)",
    "boolean": "is true or false",
    "Int64": "is a whole number",
    "float64": "is a number",
    "str": "is text",
}
Demand = tuple[Callable[[pd.Series], Any], str]  # whether each known value holds, and the rule in words


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
    checks = [pa.Check(holds, error=error) for holds, error in _demands(info)]
    return pa.Column(_dtype(info), checks, nullable=not info.is_required(), coerce=True)


def _demands(info: FieldInfo) -> list[Demand]:
    """What is asked of a field's values where they are given."""
    inner, constraints = _inner(info)
    if is_list(info):
        return [_list_demand(info)]
    if issubclass(inner, Enum):
        codes = [member.value for member in inner]
        return [(lambda column: column.isin(codes), f"is one of {', '.join(codes)}")]
    finite: list[Demand] = [(np.isfinite, "is a finite number")] if inner is float else []
    return [made for part in constraints for made in _demand(part)] + finite


def _demand(part: Any) -> list[Demand]:
    match part:
        case Ge():
            return [(lambda column: column >= _limit(part.ge), f"is at least {part.ge}")]
        case Gt():
            return [(lambda column: column > _limit(part.gt), f"is above {part.gt}")]
        case Le():
            return [(lambda column: column <= _limit(part.le), f"is at most {part.le}")]
        case Lt():
            return [(lambda column: column < _limit(part.lt), f"is below {part.lt}")]
        case MinLen():
            return [(lambda column: column.str.len() >= part.min_length, "is not empty")]
        case MaxLen():
            return [(lambda column: column.str.len() <= part.max_length, f"has at most {part.max_length} characters")]
    pattern = getattr(part, "pattern", None)
    return [_by_value(re.compile(pattern).fullmatch, f"matches {pattern}")] if pattern else []


def _limit(value: Any) -> Any:
    return pd.Timestamp(value) if isinstance(value, date) else value


def _by_value(holds: Callable[[str], object], error: str) -> Demand:
    """Asks of each distinct text once."""

    def each(column: pd.Series) -> pd.Series:
        code, texts = pd.factorize(column)
        return pd.Series(np.array([bool(holds(text)) for text in texts.tolist()], dtype=bool)[code], column.index)

    return each, error


def _list_demand(info: FieldInfo) -> Demand:
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
    for field in _filled(given):  # few of most tables: elsewhere nothing is to convert or to lose
        info, dtype, column = fields[field], _dtype(fields[field]), given[field]
        checked[field] = column if column.dtype == dtype and dtype != "str" else CONVERT[dtype](column)
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


def _broken(name: str, frame: pd.DataFrame, given: pd.DataFrame) -> list[Fault]:
    """The rules that a coerced frame breaks. Only of columns that break one is the schema asked which, and where."""
    fields, filled = ENTITIES[name].model_fields, _filled(frame)
    asked = [field for field, info in fields.items() if info.is_required() or field in filled]
    asked = [field for field in asked if not _meets(name, field, frame[field])]
    if not asked:
        return []
    try:
        _part(name, asked).validate(frame[asked], lazy=True, inplace=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.drop_duplicates(["column", "index"])
        return [_fault(fields[case.column], case, given) for case in cases.itertuples()]
    return []


def _filled(frame: pd.DataFrame) -> list[str]:
    """The columns with a value."""
    return frame.columns[np.flatnonzero(frame.notna().to_numpy().any(axis=0))].tolist()


def _meets(name: str, field: str, column: pd.Series) -> bool:
    """Whether a coerced column breaks no rule: what the schema asks, without the time it takes to say where."""
    known = column.dropna()
    required = ENTITIES[name].model_fields[field].is_required()
    complete = len(known) == len(column) or not required
    return complete and all(np.asarray(holds(known)).all() for holds, _ in _demands_of(name)[field])


@cache
def _demands_of(name: str) -> dict[str, list[Demand]]:
    return {field: _demands(info) for field, info in ENTITIES[name].model_fields.items()}


def _part(name: str, fields: list[str]) -> pa.DataFrameSchema:
    """The rules of these columns alone. They have their types by now: to look at these, too, would double the time."""
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

"""A column in the type of its field; what does not convert becomes NA."""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd

_WORDS: Final = {"true": True, "1": True, "false": False, "0": False}
_HALVES: Final = re.compile("[\ud800-\udfff]")


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


CONVERT: Final[dict[str, Callable[[pd.Series], pd.Series]]] = {
    "datetime64[ns]": days,
    "boolean": _flags,
    "Int64": _wholes,
    "float64": _numbers,
    "str": _texts,
}

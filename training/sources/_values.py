"""The texts of a public release as values: numbers, dates, identifiers and places. None means malformed."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from typing import Final

import pandas as pd

from matching.domain import MAX_MONEY

FIRST_YEAR: Final = 1950
LAST_YEAR: Final = 2100
_STATE_CODES: Final = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA"
    " RI SC SD TN TX UT VT VA WA WV WI WY DC PR VI GU AS MP FM MH PW"
)
STATES: Final = frozenset(_STATE_CODES.split())
NO_NAME: Final = frozenset(
    {"", "N A", "NA", "NAN", "NONE", "NULL", "UNKNOWN", "NOT APPLICABLE", "NOT AVAILABLE", "TO BE DETERMINED"}
    | {"SEM NOME", "MISSNG INACTV LENDER", "MISSING INACTIVE LENDER"}
)
_POINT: Final = re.compile(r"\$?(-?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d*)?)")
_COMMA: Final = re.compile(r"-?(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d*)?")
_CENTS: Final = re.compile(r"-?\d+\.\d{1,2}")
_ISO: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?")
_SLASHED: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: .*)?")
_ZIP: Final = re.compile(r"(\d{3,5})(?:\.0|-?\d{4})?")
_UNSAFE: Final = re.compile(r"[\s/|\x00-\x1f\x7f]+")


def number(text: str) -> float | None:
    """A number with a decimal point: `3825000.0`, `$3,825,000`."""
    match = _POINT.fullmatch(text)
    return _bounded(match[1].replace(",", "")) if match else None


def brazilian_number(text: str) -> float | None:
    """A number with thousands points and a decimal comma: `7.028.400`, `7.028.400,50`; also plain `7028400.50`."""
    if _COMMA.fullmatch(text):
        return _bounded(text.replace(".", "").replace(",", "."))
    return _bounded(text) if _CENTS.fullmatch(text) else None


def month_first(text: str) -> date | None:
    """An ISO date, or one with the month first: `2005-12-31`, `12/31/2005`."""
    return _date(text, day=1, month=0)


def day_first(text: str) -> date | None:
    """An ISO date, or one with the day first: `2005-12-31`, `31/12/2005`."""
    return _date(text, day=0, month=1)


def year(text: str) -> date | None:
    """The first of January of a year: `2011`, `2011.0`."""
    value = number(text)
    return date(int(value), 1, 1) if value and value.is_integer() and FIRST_YEAR <= value <= LAST_YEAR else None


def mapped(column: pd.Series, change: Callable[[str], object]) -> pd.Series:
    """`change` of each text, computed once for each distinct text."""
    return column.map({text: change(text) for text in column.drop_duplicates().tolist()})


def mapped_rows(change: Callable[..., object], *columns: pd.Series) -> pd.Series:
    """`change` of each row's texts, computed once for each distinct row."""
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    values = {row: change(*row) for row in set(rows)}
    return pd.Series([values[row] for row in rows], index=columns[0].index, dtype=object)


def whole(column: pd.Series, low: int, high: int) -> pd.Series:
    """Texts as whole numbers; missing where empty, malformed or not in `low` to `high`."""
    values = pd.to_numeric(mapped(column, number)).round()
    return values.where(values.between(low, high)).astype("Int64")


def identifier(text: str, length: int = 128) -> str:
    """A text that fits `domain.Id`: slashes, bars and control characters become spaces, runs of spaces one.

    One or two dots alone are no id, but empty.
    """
    made = _UNSAFE.sub(" ", text).strip()[:length].strip()
    return "" if made in (".", "..") else made


def nameless(text: str) -> bool:
    """Whether a text stands where a name is missing, in either case and with any signs: `N/A`, `<null>`, `-`."""
    return re.sub(r"[\W_]+", " ", text).strip().upper() in NO_NAME


def capitals(text: str, length: int = 128) -> str:
    """An identifier in capitals."""
    return identifier(text.upper(), length)


def slug(text: str) -> str:
    """A code in lower-case ascii: `PSI - Exportação` is `psi_exportacao`."""
    return re.sub(r"[^a-z0-9]+", "_", plain(text).lower()).strip("_")


def plain(text: str) -> str:
    """A text without its accents."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def undotted(code: str) -> str:
    """A code of digits as it was: a column with gaps that pandas has written again holds `333512.0`."""
    return code.removesuffix(".0")


def us_zip_region(state: str, zip_code: str) -> str | None:
    """`US/CA/925/92507`, or as much of it as is known."""
    match = _ZIP.fullmatch(zip_code)
    digits = match[1].zfill(5) if match else ""
    return us_region(state, *((digits[:3], digits) if digits.strip("0") else ()))


def us_region(state: str, *finer: str) -> str | None:
    """`US/CA/RIVERSIDE`: the state, in either case, and the finer parts that are not empty; None without a state."""
    state = state.upper()
    if state not in STATES:
        return None
    return "/".join(["US", state, *filter(None, (capitals(part, 60) for part in finer))])


def _bounded(text: str) -> float | None:
    value = float(text)
    return value if abs(value) <= MAX_MONEY else None


def _date(text: str, day: int, month: int) -> date | None:
    iso, slashed = _ISO.fullmatch(text), _SLASHED.fullmatch(text)
    if iso:
        parts = [int(part) for part in iso.groups()]
    elif slashed:
        parts = [int(slashed[3]), int(slashed[1 + month]), int(slashed[1 + day])]
    else:
        return None
    if not FIRST_YEAR <= parts[0] <= LAST_YEAR:
        return None
    try:
        return date(*parts)
    except ValueError:
        return None

"""What pydantic found wrong, in the house's words: which field, which item, which rule."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from matching.errors import Fault

SHOWN = 60
RULES: Mapping[str, str] = {
    "missing": "is present",
    "extra_forbidden": "is a known field",
    "greater_than": "is above {gt}",
    "greater_than_equal": "is at least {ge}",
    "less_than": "is below {lt}",
    "less_than_equal": "is at most {le}",
    "string_too_long": "has at most {max_length} characters",
    "string_too_short": "has at least {min_length} characters",
    "string_pattern_mismatch": "matches {pattern}",
    "too_short": "has at least {min_length} items",
    "too_long": "has at most {max_length} items",
    "enum": "is one of {expected}",
    "literal_error": "is one of {expected}",
    "finite_number": "is a finite number",
    "json_invalid": "is JSON: {error}",
    "value_error": "{error}",
}
TYPES: Mapping[str, str] = {
    "int": "is a whole number",
    "float": "is a number",
    "date": "is a date (YYYY-MM-DD)",
    "bool": "is true or false",
    "string": "is a text",
    "tuple": "is a list",
    "list": "is a list",
    "model": "is an object",
}


def faults_of(errors: Iterable[Mapping[str, Any]], whole: str) -> list[Fault]:
    """pydantic's `errors` as faults; `whole` names the field of an error that concerns the input as a whole."""
    return [_fault(error, whole) for error in errors]


def _fault(error: Mapping[str, Any], whole: str) -> Fault:
    """List indices leave the field's path; the last of them is the item's number, counted from 1."""
    names = [short(part) for part in error["loc"] if isinstance(part, str)]
    items = [part + 1 for part in error["loc"] if isinstance(part, int)]
    return Fault(".".join(names) or whole, _rule(error), items[-1] if items else None)


def _rule(error: Mapping[str, Any]) -> str:
    kind, value = error["type"], error.get("input")
    pattern = RULES.get(kind) or TYPES.get(kind.split("_")[0])
    text = pattern.format(**error.get("ctx", {})) if pattern else str(error["msg"])
    text = text.replace("' or '", "', '").replace("'", "") if kind in ("enum", "literal_error") else text
    said = kind in ("missing", "json_invalid", "extra_forbidden", "value_error") or isinstance(value, dict | list)
    return short(text, 300) if said else f"{short(text, 300)}, not {_value(value)}"


def short(text: str, limit: int = SHOWN) -> str:
    """The beginning of a text that may be a megabyte."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _value(value: object) -> str:
    if isinstance(value, str):
        return repr(short(value))
    if type(value) is date:
        return str(value)
    try:
        return short(json.dumps(value, default=repr))
    except ValueError:  # Python refuses to print a whole number of more than 4,300 digits
        return "a number of thousands of digits"

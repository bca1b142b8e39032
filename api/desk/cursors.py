"""A place in a sorted list as a text for an address: opaque to who reads it, refused when it was altered."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from matching.errors import Fault, InputError

# needs that nobody is left for, by when that was or when they were settled
NEEDS: Final = ("open", "overdue", "settled")
TIMES: Final = ("due", "opened", "changed", *NEEDS)
AMOUNT: Final = "amount"
EVENTS: Final = "events"  # all cases' events, by their number
WIDEST: Final = 2**63
LONGEST: Final = 800  # of a cursor: an id has up to 128 characters, each of at most four bytes
_ID: Final = re.compile(r"[\w.\-]{1,64}")
_NEED_ID: Final = re.compile(r"[^/|\x00-\x1f\ud800-\udfff]{1,128}")  # half a pair is no character that a store holds


@dataclass(frozen=True)
class Place:
    """Beside which row a page lies: the value that it is sorted by and its id; `back` for the page before it."""

    back: bool
    value: datetime | float
    case_id: str


def pack(place: Place, sort: str) -> str:
    """A place of a list sorted so."""
    value = place.value.isoformat() if isinstance(place.value, datetime) else place.value
    told = json.dumps([str(sort), place.back, value, place.case_id], ensure_ascii=False)  # ids may be Chinese
    return base64.urlsafe_b64encode(told.encode()).decode()


def unpack(text: str, sort: str) -> Place:
    """The place that a text stands for. Raises `InputError` where it stands for none, or of another order."""
    try:
        of, back, value, case_id = json.loads(base64.urlsafe_b64decode(text.encode()))
        value = _time(value) if sort in TIMES else _number(value, whole=sort in (AMOUNT, EVENTS))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise _unreadable() from None
    known = _NEED_ID if sort in NEEDS else _ID
    if of != sort or not known.fullmatch(str(case_id)):
        raise _unreadable()
    return Place(bool(back), value, str(case_id))


def _time(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo is not None:
        raise ValueError("has a zone, which no stored time has")
    return value


def _number(value: object, whole: bool) -> float:
    """JSON's numbers are wider than a column: true, NaN and 10^30 are none of a row."""
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise ValueError("is no number of this column")
    if not abs(value) < WIDEST:
        raise ValueError("is wider than a column")
    return value


def _unreadable() -> InputError:
    return InputError("request", [Fault("cursor", "is one that a page of this order gave")])

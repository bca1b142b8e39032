"""How a ranking may be asked for: what a caller without types can get wrong is told before any work."""

from collections.abc import Collection
from datetime import date

from matching.codes import Kind
from matching.domain import Need
from matching.errors import Fault, InputError


def check_day(as_of: date) -> None:
    """Raises `InputError` where it is no plain date: of a moment it is not known whose day it is."""
    if type(as_of) is not date:
        raise _refused("as_of", f"is a datetime.date, not {as_of!r}")


def check_count(top_k: int) -> None:
    """Raises `InputError` where it is below 0."""
    if top_k < 0:
        raise _refused("top_k", f"is at least 0, not {top_k}")


def of_kinds(need: Need, kinds: Collection[Kind] | None) -> Need:
    """The need for these kinds alone, as it is where none are given. Raises `InputError` for what is no kind."""
    if kinds is None:
        return need
    try:
        return need.model_copy(update={"kinds": tuple(map(Kind, kinds))})
    except ValueError:
        raise _refused("kinds", f"are of {', '.join(Kind)}, not {kinds!r}") from None


def _refused(field: str, rule: str) -> InputError:
    return InputError("request", [Fault(field, rule)])

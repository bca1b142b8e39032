"""What can go wrong, as the caller sees it.

MatchingError
├── InputError       the caller sent or pointed at something unusable: mend the input (HTTP 422)
├── NotFoundError    a well-formed id names nothing (HTTP 404)
└── BundleError      a model on disk is missing, damaged or of another contract: mend the deployment (HTTP 503)
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an input: which field, which row or item, which rule it breaks."""

    field: str
    rule: str
    row: int | str | None = None

    def __str__(self) -> str:
        row = "" if self.row is None else f" (row {self.row})"
        return f"{self.field}{row}: {self.rule}"


class MatchingError(Exception):
    """The root: catch this to catch all that this library raises on purpose."""


class InputError(MatchingError):
    """An input breaks rules; `faults` names each field, row and rule. `where` is the table, file or request."""

    shown = 5

    def __init__(self, where: str, faults: Sequence[Fault]) -> None:
        self.where = where
        self.faults = tuple(faults)
        rest = len(self.faults) - self.shown
        more = f"; and {rest} more" if rest > 0 else ""
        super().__init__(f"{where}: " + "; ".join(map(str, self.faults[: self.shown])) + more)

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, tuple[Fault, ...]]]:
        """What another process makes it from."""
        return type(self), (self.where, self.faults)


class NotFoundError(MatchingError):
    """`what` (an entity's name) has no member `key`."""

    def __init__(self, what: str, key: str) -> None:
        self.what = what
        self.key = key
        super().__init__(f"{what} {key!r} does not exist")

    def __reduce__(self) -> tuple[type["NotFoundError"], tuple[str, str]]:
        """What another process makes it from."""
        return type(self), (self.what, self.key)


class BundleError(MatchingError):
    """A bundle cannot be read, or does not fit this version's contract; the message says what to do."""

"""What is stored as entities: a row that another version of the service wrote, and this one cannot read, is named."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import ValidationError

from api.store.arrays import PackedError
from matching.domain import Entity
from matching.errors import MatchingError
from matching.faults import faults_of

E = TypeVar("E", bound=Entity)


class UnreadableError(MatchingError):
    """A stored row is of another version's form: load its table again, or start its writer (HTTP 503)."""


def stored(kind: type[E], document: Any, name: str | None = None, key: str | None = None) -> E:
    """A stored document as an entity. Raises `UnreadableError` naming it and its fields, but none of its values.

    The error calls it after its kind and its own id, unless `name` and `key` say what it is stored as.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        what = name or kind.__name__.lower()
        fields = ", ".join(dict.fromkeys(fault.field for fault in faults_of(error.errors(), what)))
        if key is None and isinstance(document, dict):
            key = document.get(f"{what}_id")
        raise UnreadableError(
            f"{what} {key!r} was stored by another version of the service, this one cannot read its {fields}"
        ) from error


@contextmanager
def unpacking(name: str, key: str) -> Iterator[None]:
    """Its body unpacks what a row holds. Raises `UnreadableError` naming the row where that cannot be."""
    try:
        yield
    except PackedError as error:
        raise UnreadableError(
            f"{name} {key!r} was stored by another version of the service or damaged since, this one cannot unpack it"
        ) from error

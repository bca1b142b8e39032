"""Looking once for many: who waits for the same thing shares one look at it, which began after all of them had come."""

from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import Generic, TypeVar

T = TypeVar("T")


class Coalesced(Generic[T]):
    """A look at what others may change at any time. Under load requests queue, and each would look for itself.

    Nobody is told anything older than their own question: that is what `arrived`, by `perf_counter`, is for.
    """

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._last: tuple[float, T] | None = None

    def value(self, arrived: float = inf) -> T:
        """What the last look found if it began after `arrived`, else what a look now finds; it raises as that does."""
        last = self._last
        if last is None or last[0] <= arrived:
            began = perf_counter()
            last = self._last = began, self._look()
        return last[1]

"""Long work: how far it is, and all cores at it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from joblib import Parallel, delayed

Progress = Callable[[str, float], None]
Asked = TypeVar("Asked")
T = TypeVar("T")


def silent(_step: str, _share: float) -> None:
    """A `Progress` that shows nothing: (step, share done)."""


def on_all_cores(step: str, work: Callable[[Asked], T], asked: Sequence[Asked], progress: Progress = silent) -> list[T]:
    """What `work` gives for each one asked, in order; on threads, as most of it runs outside the interpreter."""
    found = []
    threads = Parallel(n_jobs=-1, prefer="threads", return_as="generator")
    for done, item in enumerate(threads(delayed(work)(one) for one in asked), start=1):
        found.append(item)
        progress(step, done / len(asked))
    return found

"""Where the parts of a batch are worked off: the processes of this machine, or a Dask cluster."""

import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from threading import Thread
from time import sleep
from typing import Protocol, TypeVar

from joblib import Parallel, cpu_count, delayed

from matching.errors import Fault, InputError
from training.cluster import SECONDS, connected

T = TypeVar("T")


class Engine(Protocol):
    """What works parts off; results come as they are done."""

    def run(self, work: Callable[[int], T], parts: Sequence[int]) -> Iterator[T]: ...


@dataclass(frozen=True)
class Local:
    """So many processes of this machine; by default one a core. One part is worked off in this process."""

    processes: int | None = None

    def run(self, work: Callable[[int], T], parts: Sequence[int]) -> Iterator[T]:
        """The results, as they are done. Raises `InputError` where the system ends a process."""
        processes = min(self.processes or cpu_count(), len(parts))
        if processes:
            with warnings.catch_warnings():
                # To joblib what a process keeps of contexts looks like a leak: it goes on in another, nothing is lost.
                warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
                ended = {"initializer": _end_with, "initargs": (os.getpid(),)}
                parallel = Parallel(processes, return_as="generator_unordered", **ended)
                try:
                    yield from parallel(delayed(work)(part) for part in parts)
                except BrokenProcessPool:
                    rule = "suffices, which ended one of the processes: take fewer --processes or a smaller --part"
                    raise InputError("rank", [Fault("memory", rule)]) from None


def _end_with(parent: int) -> None:
    """Ends this process once its parent is gone, as when that was killed: joblib lets it wait for work for minutes."""

    def watch() -> None:
        while os.getppid() == parent:
            sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, name="parent", daemon=True).start()


@dataclass(frozen=True)
class Cluster:
    """The workers of a Dask cluster, by its scheduler's address; they see the same folders under the same names.

    So many `seconds` the scheduler may take to answer.
    """

    scheduler: str
    seconds: int = SECONDS

    def run(self, work: Callable[[int], T], parts: Sequence[int]) -> Iterator[T]:
        """The results, as they are done. Raises `InputError` as `connected` does."""
        with connected(self.scheduler, self.seconds) as client:
            from distributed import as_completed

            for future in as_completed(client.map(work, parts, pure=False)):
                yield future.result()

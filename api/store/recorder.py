"""Group commit: records that wait at a moment go into one transaction: their requests share the wait for the disk."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Final

from api.store.inserting import Columns
from api.store.outages import StoreError

MOST: Final = 64
_Waiting = tuple[Columns, "Future[None]"]


class Recorder:
    """Writes recommendations in a thread of its own, which begins with the first; `insert` puts all or none in."""

    def __init__(self, insert: Callable[[Sequence[Columns]], None]) -> None:
        self._insert = insert
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._lock = Lock()
        self._thread: Thread | None = None

    def add(self, columns: Columns) -> "Future[None]":
        """The record is on disk when the future is done; it holds what the store raised, where it could not be."""
        future: Future[None] = Future()
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="recorder", daemon=True)
                self._thread.start()
            self._queue.put((columns, future))
        return future

    def close(self) -> None:
        """Writes what still waits, and ends the thread; a later `add` begins another."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._queue.put(None)
                thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            waiting, ended = self._with_others(first)
            self._write([one for one in waiting if one[1].set_running_or_notify_cancel()])
            if ended:
                return

    def _with_others(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """All that waits by now, and whether the end is among it."""
        waiting = [first]
        while len(waiting) < MOST:
            try:
                one = self._queue.get_nowait()
            except Empty:
                break
            if one is None:
                return waiting, True
            waiting.append(one)
        return waiting, False

    def _write(self, waiting: Sequence[_Waiting]) -> None:
        """All in one transaction; where that fails each half in its own, so that one bad record fails no other.

        While the store cannot be used all fail at once: to try each would keep those that come after waiting. By
        halves a bad one among many costs a few transactions, and a store that goes meanwhile is waited for twice.
        """
        try:
            if waiting:
                self._insert([columns for columns, _ in waiting])
        except StoreError as error:
            for _, future in waiting:
                future.set_exception(error)
        except Exception as error:
            if len(waiting) == 1:
                waiting[0][1].set_exception(error)
            else:
                half = len(waiting) // 2
                self._write(waiting[:half])
                self._write(waiting[half:])
        else:
            for _, future in waiting:
                future.set_result(None)

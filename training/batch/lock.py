"""One batch at a time to one place: a lock of the system, which it takes back from a process that is killed."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matching.errors import Fault, InputError


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Nobody else ranks to `out` meanwhile. Raises `InputError` where somebody does already.

    The file that is locked lies beside `out`, as what is in the folder of parts comes and goes. A batch that is killed
    leaves it behind unlocked, which the next one takes over; one that ends takes it away, which `filelock` would not.
    """
    whole = out.absolute()
    path = whole.with_name(f".{whole.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _locked(path, out)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # still locked: whoever opened it before finds that it is no longer the one
        os.close(file)


def _locked(path: Path, out: Path) -> int:
    """The file, open and locked; one that its owner removed while this waited to open it is not the one."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
                return file
        except BlockingIOError:
            os.close(file)
            rule = f"is written by one command at a time: another one is ranking to {out}"
            raise InputError("rank", [Fault("--out", rule)]) from None
        os.close(file)

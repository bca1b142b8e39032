"""Where results go: whether they can be written is said before the work, and they are there whole or not at all."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from matching.errors import Fault, InputError

LOGGED: Final = "logged.parquet"  # beside the tables of a service's record: features as it logged them
FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ASIDE_BYTES: Final = 16  # what names of what is written aside have more than that of the file


def check_file(command: str, option: str, path: Path | None) -> None:
    """Raises `InputError` where `path`, if one is given, is a folder, lies in none that can be written, or is too long.

    What is no file, as /dev/stdout, is written into.
    """
    if path is None:
        return
    if path.is_dir():
        raise InputError(command, [Fault(option, f"is a file, not the folder {path}")])
    if not path.absolute().parent.is_dir():
        raise InputError(command, [Fault(option, f"lies in a folder that exists, not {path.parent}")])
    if path.exists() and not path.is_file():
        return
    folder = path.resolve().parent if path.is_symlink() else path.absolute().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(command, [Fault(option, f"lies in a folder that can be written, not {path.parent}")])
    most = os.pathconf(folder, "PC_NAME_MAX") - ASIDE_BYTES
    if (size := len(os.fsencode(path.name))) > most:
        raise InputError(command, [Fault(option, f"has a name of at most {most} bytes, not {size}: {path.name}")])


def check_folder(command: str, option: str, path: Path) -> None:
    """Raises `InputError` where `path`, or what it lies in, is a file or cannot be written."""
    found = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    if not found.is_dir():
        raise InputError(command, [Fault(option, f"is a folder, or can be made one, which {path} is not")])
    if not os.access(found, os.W_OK | os.X_OK):
        rule = f"is a folder that can be written, or lies in one, which {found} is not"
        raise InputError(command, [Fault(option, rule)])


def report_files(json_file: Path | None, html: Path | None) -> Path | None:
    """Where a report's page goes: where it is asked for, else beside the JSON. Raises `InputError` as `check_file`."""
    check_file("evaluate", "--json", json_file)
    page = html or (json_file and json_file.with_suffix(".html"))
    check_file("evaluate", "--html", page)
    if page and json_file and page.resolve() == json_file.resolve():
        raise InputError("evaluate", [Fault("--html", f"is another file than that of --json, not {page} too")])
    return page


def aside_of(path: Path) -> Path:
    """Where a file is written before it is moved to `path` whole."""
    return path.with_name(f".{path.name}.part")


def write_whole(text: str, path: Path) -> None:
    """A text file that is there whole or, to whoever is killed meanwhile, as it was before."""
    if path.is_symlink() or (path.exists() and not path.is_file()):  # as /dev/stdout: written into, not replaced
        path.write_text(text, encoding="utf-8")
        return
    with room_for(path):
        aside_of(path).write_text(text, encoding="utf-8")
    aside_of(path).replace(path)


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Names what there was no room for where a disk is full or a quota used up: the system does not."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL or error.filename is not None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from None


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """One command at a time in `folder`, which is made where there is none: others wait until this one is done."""
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some disks of a network cannot lock a folder: there nobody waits
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)

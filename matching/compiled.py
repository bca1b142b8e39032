"""Compiled kernels on disk are forgotten once a source that they were compiled from is another.

Numba keeps a kernel for as long as the file that holds it stays as it is. But a kernel is compiled with what it calls
and reads in other modules, such as a feature's place among all: where only those change it would go on as before, and
its figures would be wrong without a word.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

_IMPORTS: Final = re.compile(rb"^from matching(?:\.(\w+)[\w.]* import| import (.+))", re.MULTILINE)
_KERNEL: Final = b"@njit"


def forget_outdated(package: Path) -> None:
    """Of each module with kernels, the compiled ones that were made from other sources than those in the folder.

    A note beside them says from which. Where the folder cannot be written in, nothing compiled lies there either.
    """
    sources: dict[str, bytes] = {}
    for path in sorted(package.rglob("*.py")):  # a folder is one module
        name = path.relative_to(package).parts[0].removesuffix(".py")
        sources[name] = sources.get(name, b"") + path.read_bytes()
    imports = {name: imported(text) for name, text in sources.items()}
    kept = package / "__pycache__"
    with suppress(OSError):
        kept.mkdir(exist_ok=True)
        for name in sorted(name for name, text in sources.items() if _KERNEL in text):
            _forget(kept, name, _digest(sources, _reached(name, imports)))


def anything_compiled(package: Path = Path(__file__).parent) -> bool:
    """Whether any kernel lies compiled beside its module; after an installation none does."""
    return any((package / "__pycache__").glob("*.nbi"))


def imported(source: bytes) -> set[str]:
    """The modules of this library that a source imports at its top."""
    found = (module or names for module, names in _IMPORTS.findall(source))
    return {name for names in found for name in names.decode().split(", ")}


def _forget(kept: Path, name: str, digest: str) -> None:
    note = kept / f"{name}.sources"
    if note.exists() and note.read_text(encoding="utf-8") == digest:
        return
    for compiled in kept.glob(f"{name}.*.nb[ic]"):
        compiled.unlink(missing_ok=True)
    note.write_text(digest, encoding="utf-8")


def _reached(name: str, imports: Mapping[str, Iterable[str]]) -> set[str]:
    """The module and all that it imports, and what these do."""
    found, waiting = set(), [name]
    while waiting:
        one = waiting.pop()
        if one not in found and one in imports:
            found.add(one)
            waiting.extend(imports[one])
    return found


def _digest(sources: Mapping[str, bytes], names: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(hashlib.sha256(sources[name]).digest())
    return digest.hexdigest()

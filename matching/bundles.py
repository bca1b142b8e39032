"""Where models live: a folder of bundles, each under its id, and the pointer to the champion among them."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from matching.errors import BundleError, NotFoundError

POINTER: Final = "champion"


def bundle(models: Path, model_id: str) -> Path:
    """The folder of bundle `model_id`. Raises `NotFoundError` where there is none."""
    folder = models / model_id
    if Path(model_id).name != model_id or not (folder / "manifest.json").is_file():
        raise NotFoundError("model", model_id)
    return folder


def manifests(models: Path) -> list[Path]:
    """The manifests of the bundles in a folder by id; hidden ones are of what a save that was killed left."""
    return sorted(path for path in models.glob("*/manifest.json") if not path.parent.name.startswith("."))


def promoted(models: Path) -> str:
    """The id of the bundle in service, whether it is there or not.

    Raises `BundleError` while nothing was promoted, and where the pointer cannot be read.
    """
    try:
        return (models / POINTER).read_bytes().decode().strip()
    except FileNotFoundError:
        raise BundleError(
            f"no champion in {models}: train one, then `python -m training promote --models {models} ID`"
        ) from None
    except (OSError, ValueError) as error:
        raise BundleError(f"the pointer to the champion cannot be read: {error}") from None


def promotion(models: Path) -> tuple[int, int] | None:
    """What tells each promotion from the one before, that of the same bundle too; None where there is none."""
    try:
        found = (models / POINTER).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def champion(models: Path) -> Path:
    """The folder of the bundle in service. Raises `BundleError` while there is none that can be read."""
    model_id = promoted(models)
    try:
        return bundle(models, model_id)
    except NotFoundError:
        raise BundleError(f"the champion {model_id!r} is not in {models}: promote another") from None
    except OSError as error:
        raise BundleError(f"the champion {model_id!r} cannot be read: {error}") from None


def sha256_of(path: Path) -> str:
    """The hash that a manifest has of a file."""
    return sha256(path.read_bytes()).hexdigest()


def unaltered(folder: Path, hashes: Mapping[str, str | None]) -> None:
    """Raises `BundleError` for the first file by name that is missing, or not what was saved with the bundle."""
    for name, expected in hashes.items():
        try:
            found = sha256_of(folder / name)
        except FileNotFoundError:
            raise BundleError(f"{folder.name}: {name} is missing; copy the whole bundle again") from None
        except OSError as error:
            raise BundleError(f"{folder.name}: {name} cannot be read: {error.strerror}") from None
        if found != expected:
            raise BundleError(f"{folder.name}: {name} was altered since training; copy the bundle again")

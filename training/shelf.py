"""A folder of models as it lies there: its whole bundles, the reports of `evaluate` beside them, its promotions.

A bundle is read without being loaded: one of an earlier version, which this one cannot serve, is whole all the same.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from matching.bundles import POINTER, manifests, promoted, unaltered
from matching.errors import BundleError, Fault, InputError
from matching.ranker import CARD, FILES, MANIFEST
from training.promote import LOG

OF_A_BUNDLE: Final = {*FILES, MANIFEST}
PICTURES: Final = (".png", ".svg")


@dataclass(frozen=True)
class Report:
    """A report of `evaluate`: `found` as it stands in `file`."""

    file: Path
    found: Mapping[str, Any]

    @property
    def files(self) -> Iterator[Path]:
        """The report and, where it was drawn beside it, its page."""
        yield self.file
        page = self.file.with_suffix(".html")
        if page.is_file():
            yield page


@dataclass(frozen=True)
class Bundle:
    """A bundle that is whole, with the reports on it, the latest one last."""

    folder: Path
    manifest: Mapping[str, Any]
    reports: Sequence[Report]

    @property
    def model_id(self) -> str:
        return self.folder.name

    @property
    def made(self) -> float:
        """When, in seconds. The manifest is the last file of a bundle to be written, and a copy keeps its time."""
        return (self.folder / MANIFEST).stat().st_mtime

    @property
    def files(self) -> Iterator[tuple[Path, str]]:
        """What there is to read and to look at, each with the part it belongs to."""
        for name in (MANIFEST, CARD):
            if (self.folder / name).is_file():
                yield self.folder / name, ""
        for path in sorted(self.folder.iterdir()):
            if path.suffix in PICTURES:
                yield path, "plots"
        for report in self.reports:
            for path in report.files:
                yield path, "evaluation"


@dataclass(frozen=True)
class Shelf:
    """The whole bundles in the order in which they were made; why others are none; who was promoted, line by line."""

    bundles: Sequence[Bundle]
    damaged: Sequence[str]
    promotions: Sequence[Mapping[str, Any]]
    champion: str | None

    @classmethod
    def of(cls, models: Path) -> Self:
        """Raises `InputError` where there is no bundle, or the log of promotions cannot be read."""
        folders = [path.parent for path in manifests(models)]
        if not folders:
            raise InputError(str(models), [Fault("MODELS", "holds at least one model")])
        reports = _reports(models)
        bundles, damaged = [], []
        for folder in sorted(folders):
            try:
                bundles.append(Bundle(folder, _whole(folder), reports.get(folder.name, ())))
            except BundleError as error:
                damaged.append(str(error))
        bundles.sort(key=lambda one: (one.made, one.model_id))
        champion = promoted(models) if (models / POINTER).exists() else None
        return cls(bundles, damaged, _promotions(models / LOG), champion)

    @property
    def challenger(self) -> str | None:
        """The model in shadow; None while nothing was promoted.

        No record is kept of what `challenge` compared. So it is the bundle that never was the champion and was trained
        until the latest day, the one made last of several: what `challenge.challengers` has last. One trained until an
        earlier day than the champion is in nobody's shadow.
        """
        until = {one.model_id: str(one.manifest["until"]) for one in self.bundles}
        if self.champion is None:
            return None
        former = {line["champion"] for line in self.promotions} | {self.champion}
        since = until.get(self.champion, "")
        others = [model_id for model_id in until if model_id not in former and until[model_id] >= since]
        return max(reversed(others), key=until.__getitem__, default=None)


def _whole(folder: Path) -> dict[str, Any]:
    """The manifest of a bundle that is as it was saved. Raises `BundleError` of any other."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        named, until, hashes = manifest["id"], manifest["until"], dict(manifest["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder.name}: the manifest cannot be read: {error!r}") from None
    if named != folder.name or not isinstance(until, str):
        raise BundleError(f"{folder.name}: the manifest is that of {named}, trained until {until}")
    unaltered(folder, hashes)
    return manifest


def _reports(models: Path) -> dict[str, list[Report]]:
    """By model the reports in its bundle or beside all of them, the latest one last."""
    found: dict[str, list[Report]] = {}
    paths = [path for pattern in ("*.json", "*/*.json") for path in models.glob(pattern)]
    for path in sorted(paths, key=lambda path: (path.stat().st_mtime, path)):
        if path.name not in OF_A_BUNDLE and (report := _report(path)):
            found.setdefault(str(report["model_id"]), []).append(Report(path, report))
    return found


def _report(path: Path) -> dict[str, Any] | None:
    """The report in a file, if it is one: other JSON may lie there, as that of `challenge`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {"model_id", "systems"} <= found.keys() else None


def _promotions(log: Path) -> list[dict[str, Any]]:
    if not log.is_file():
        return []
    found = []
    for number, line in enumerate(log.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.append(json.loads(line))
            found[-1]["champion"]
        except (ValueError, KeyError, TypeError):
            rule = f"is an object that names a champion in each line, not so in line {number}"
            raise InputError("track", [Fault(str(log), rule)]) from None
    return found

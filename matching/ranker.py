"""The ranker: a choice model and a LambdaRank forest over the features, their memory, and the chance beside the score.

A bundle is a folder without code: LightGBM's text, the history as arrays, all else as JSON. The
hash of these is the model's id, and the same data, seed and versions give the same bytes. The card beside them is
made from them, for people; no other file depends on it.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from matching.appetite import PARTS, SLOPES, Appetite, moved
from matching.bundles import sha256_of, unaltered
from matching.calibration import SILENT, Calibration
from matching.card import card
from matching.catalogue import Rows
from matching.choice import COLUMNS, Choice
from matching.errors import BundleError
from matching.features import APPETITE_COLUMNS, FEATURES
from matching.forest import Booster, Forest, Scorer, Stored, scorer
from matching.history import History, Numbers
from matching.memory import PARAMETERS, Kernel
from matching.scaling import over
from matching.shapley import Walk, contributions

FORMAT: Final = 1
FOREST: Final = "forest.txt"
HISTORY: Final = "history.npz"
KERNELS: Final = "kernels.json"
CHOICE: Final = "choice.json"
CALIBRATION: Final = "calibration.json"
APPETITE: Final = "appetite.json"
MANIFEST: Final = "manifest.json"
CARD: Final = "card.md"
FILES: Final = (FOREST, CHOICE, APPETITE, CALIBRATION, HISTORY, KERNELS)
NEEDED: Final = {"id": str, "missing_rates": dict, "sha256": dict}  # of the manifest, beside what is checked by value
LIBRARIES: Final = ("lightgbm", "numpy", "scipy", "numba")

APPETITE_WEIGHT: Final = 8.0  # of what was shown and refused, against who took what: tells far more where it is known


@dataclass(frozen=True)
class Ranker:
    """A fitted ranker: `choice` and `booster` score the rows that `features.Builder` makes from the rest.

    A score is the sum of the two: each is right where the other is weak, and their errors differ. Where it is on record
    what was shown and refused, the appetites' log chances come on top.

    `manifest` is the bundle's: format, id, features in order, missing rates, training window, seed, versions.
    """

    booster: Booster
    choice: Choice
    history: History
    kernels: tuple[Kernel, ...]
    manifest: Mapping[str, Any]
    calibration: Calibration = SILENT
    appetites: tuple[Appetite, ...] = ()

    @cached_property
    def forest(self) -> Scorer:
        """The booster, made ready for fast scoring."""
        return scorer(self.booster)

    @property
    def model_id(self) -> str:
        """The bundle's id: the training window's end and a hash of its content."""
        return str(self.manifest["id"])

    @property
    def currency(self) -> str:
        """In what money was counted where it learned; yuan where its manifest does not say."""
        return str(self.manifest.get("currency", "CNY"))

    def score(self, features: Numbers) -> Numbers:
        """A score a row of float64 [n, len(FEATURES)]; higher is better, comparable within one need only."""
        if len(features) == 0:
            return np.zeros(0)
        leaning: Numbers = features[:, list(APPETITE_COLUMNS)].sum(axis=1)
        return self.forest.score(features) + self.choice.score(features) + APPETITE_WEIGHT * leaning

    def contributions(self, features: Numbers, count: int, odds: Sequence[Numbers] = ()) -> Numbers:
        """float64 [count, PARTS]: what each part adds to the score of each of the first rows over the others' mean one.

        `odds` are the parts of each appetite's log-odds (`Bound.parts`); without them all that an appetite adds stands
        in its own column.
        Exact: interventional Shapley values of the forest (Lundberg et al., 2020), differences of the choice model,
        Aumann-Shapley values of the appetites. They sum to score less mean score, and what is the same in a row and all
        of the others gets exactly 0. At least one other row is needed.
        Raises `BundleError` where LightGBM itself scores the forest.
        """
        found = np.zeros((count, len(PARTS)))
        found[:, : len(FEATURES)] = contributions(*self._explainable, features, count)
        found[:, COLUMNS] += over(self.choice.parts(features), count)
        for stage, column in enumerate(APPETITE_COLUMNS):
            if odds:
                self._lean(found, stage, odds[stage], count)
            else:
                found[:, column] += APPETITE_WEIGHT * over(features[:, [column]], count)[:, 0]
        return found

    def _lean(self, found: Numbers, stage: int, parts: Numbers, count: int) -> None:
        """Adds what the parts of one appetite's odds move the score by."""
        added = APPETITE_WEIGHT * moved(self.appetites[stage].intercept, parts, count)
        first = len(FEATURES) + stage * len(SLOPES)
        found[:, : len(FEATURES)] += added[:, : len(FEATURES)]
        found[:, first : first + len(SLOPES)] += added[:, len(FEATURES) :]

    @cached_property
    def _explainable(self) -> tuple[Forest, Walk]:
        if not isinstance(self.forest, Forest):
            raise BundleError(f"{self.model_id}: its forest cannot be explained; train it with trees that can")
        return self.forest, Walk.of(self.forest)

    def chance(self, features: Numbers, scores: Numbers, kinds: Rows) -> Numbers:
        """P(granted | applied) of one need's candidates, from their `score`; NaN where the bundle states none.

        `kinds` [n] are positions in `catalogue.KINDS`. Never falls with the score within a kind.
        """
        return self.calibration.chance(features, scores, kinds)

    def surprises(self, features: Numbers) -> list[str]:
        """Features that miss values here and never did in training: the forest takes such a value for 0."""
        with np.errstate(invalid="ignore"):
            doubtful = np.isnan(features.sum(axis=0))  # a missing value makes the sum one
        return [FEATURES[i] for i in np.flatnonzero(doubtful & self._always_known) if np.isnan(features[:, i]).any()]

    @cached_property
    def _always_known(self) -> NDArray[np.bool_]:
        """The features that missed no value in training, as a mask."""
        return np.array([self.manifest["missing_rates"][name] == 0 for name in FEATURES])

    def save(self, models: Path) -> Path:
        """The bundle as `models/ID`, written aside and moved there whole; an equal one that loads is left as it is."""
        folder = models / self.model_id
        if _loads(folder):
            return folder
        aside = models / f".{self.model_id}.part"
        aside.mkdir(parents=True, exist_ok=True)
        for name, content in _files(self.booster, self.choice, self.kernels, self.calibration, self.appetites).items():
            (aside / name).write_text(content, encoding="utf-8")
        self.history.save(aside / HISTORY)
        text = card(self.manifest, self.kernels, self.choice, self.appetites)
        (aside / CARD).write_text(text, encoding="utf-8")
        hashes = {name: sha256_of(aside / name) for name in FILES}
        text = json.dumps({**self.manifest, "sha256": hashes}, indent=2) + "\n"
        (aside / MANIFEST).write_text(text, encoding="utf-8")
        damaged = models / f".{self.model_id}.damaged"
        shutil.rmtree(damaged, ignore_errors=True)  # of a save that was interrupted here
        if folder.exists():
            folder.replace(damaged)  # a folder cannot be moved onto one that is not empty
        aside.replace(folder)
        shutil.rmtree(damaged, ignore_errors=True)
        return folder

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The ranker of a bundle.

        Raises `BundleError` where a file is missing, altered or not readable, or where the bundle was made for other
        features.
        """
        manifest = _manifest(folder)
        unaltered(folder, {name: manifest["sha256"].get(name) for name in FILES})
        kernels = tuple(_kernel(entry, folder) for entry in json.loads((folder / KERNELS).read_text(encoding="utf-8")))
        booster = Stored((folder / FOREST).read_text(encoding="utf-8"))
        choice = _choice(json.loads((folder / CHOICE).read_text(encoding="utf-8")), folder)
        calibration = _calibration(json.loads((folder / CALIBRATION).read_text(encoding="utf-8")), folder)
        appetites = _appetites(json.loads((folder / APPETITE).read_text(encoding="utf-8")), folder)
        return cls(booster, choice, History.load(folder / HISTORY), kernels, manifest, calibration, appetites)


def manifest(
    booster: Booster,
    choice: Choice,
    history: History,
    kernels: tuple[Kernel, ...],
    features: Numbers,
    about: Mapping[str, Any],
    calibration: Calibration = SILENT,
    appetites: tuple[Appetite, ...] = (),
) -> dict[str, Any]:
    """The bundle's manifest: what it expects, what it was trained on (`about`, with `until`), and its id."""
    missing = np.isnan(features).mean(axis=0)
    contents = {
        "format": FORMAT,
        "features": list(FEATURES),
        "missing_rates": {name: round(float(rate), 6) for name, rate in zip(FEATURES, missing, strict=True)},
        "versions": {name: version(name) for name in LIBRARIES},
        **about,
    }
    digest = hashlib.sha256(json.dumps(contents, sort_keys=True).encode())
    for content in _files(booster, choice, kernels, calibration, appetites).values():
        digest.update(content.encode())
    digest.update(history.digest().encode())
    return {"id": f"{about['until'].replace('-', '')}-{digest.hexdigest()[:12]}", **contents}


def _files(
    booster: Booster,
    choice: Choice,
    kernels: tuple[Kernel, ...],
    calibration: Calibration,
    appetites: tuple[Appetite, ...],
) -> dict[str, str]:
    weights = [{"level": k.level, "weights": dict(zip(PARAMETERS, k.weights.tolist(), strict=True))} for k in kernels]
    parts = {KERNELS: weights, CHOICE: choice.to_dict(), CALIBRATION: calibration.to_dict()}
    parts[APPETITE] = [appetite.to_dict() for appetite in appetites]
    return {FOREST: booster.model_to_string()} | {
        name: json.dumps(part, indent=2) + "\n" for name, part in parts.items()
    }


def _loads(folder: Path) -> bool:
    try:
        Ranker.load(folder)
    except BundleError:
        return False
    return True


def _manifest(folder: Path) -> dict[str, Any]:
    """Why it cannot be read is said without where it lies: who asks the service reads this too."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(f"{folder.name}: the manifest cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BundleError(f"{folder.name}: the manifest cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise BundleError(f"{folder.name}: the manifest cannot be read: it is no object")
    if found.get("format") != FORMAT:
        raise BundleError(f"{folder.name}: bundle format {found.get('format')}, not {FORMAT}; train it again")
    if found.get("features") != list(FEATURES):
        raise BundleError(f"{folder.name}: made for other features than this version builds; train it again")
    lost = [name for name, kind in NEEDED.items() if not isinstance(found.get(name), kind)]
    lost = lost or [f"the missing rate of {name}" for name in FEATURES if name not in found["missing_rates"]][:1]
    if lost:
        raise BundleError(f"{folder.name}: the manifest cannot be read: it lacks {', '.join(lost)}")
    return found


def _kernel(entry: Mapping[str, Any], folder: Path) -> Kernel:
    if set(entry["weights"]) != set(PARAMETERS):
        raise BundleError(f"{folder.name}: made for another memory than this version's; train it again")
    return Kernel(entry["level"], np.array([entry["weights"][name] for name in PARAMETERS]))


def _choice(found: Mapping[str, Any], folder: Path) -> Choice:
    try:
        return Choice.from_dict(found)
    except (KeyError, ValueError):
        raise BundleError(f"{folder.name}: made for another choice model than this version's; train it again") from None


def _calibration(found: Mapping[str, Any], folder: Path) -> Calibration:
    try:
        return Calibration.from_dict(found)
    except (KeyError, ValueError):
        raise BundleError(f"{folder.name}: made for another calibration than this version's; train it again") from None


def _appetites(found: Sequence[Mapping[str, Any]], folder: Path) -> tuple[Appetite, ...]:
    try:
        return tuple(Appetite.from_dict(entry) for entry in found)
    except (KeyError, ValueError):
        raise BundleError(f"{folder.name}: made for another appetite than this version's; train it again") from None

"""What a peer is: a system by its name, fitted on what was known at the split, then asked query by query."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Final, Self

from matching.features import Builder
from matching.history import Numbers
from matching.ranker import Ranker
from training.dataset import Group, Query, World
from training.progress import Progress, silent
from training.train import build_groups, learnable

THREADS: Final = 2


@dataclass(frozen=True)
class Past:
    """What peers learn from.

    `known` holds the rows before `since` and nothing else; `queries` and `groups` are its needs, those that our model
    learns from, the groups in our features. `world` is what the test queries are coded in: of its history a peer reads
    the events before a query's month. `builder` makes our features of a test query.
    """

    world: World
    known: World
    since: date
    all_industries: bool
    queries: Sequence[Query]
    groups: Sequence[Group]
    builder: Builder

    @classmethod
    def of(
        cls,
        world: World,
        ranker: Ranker,
        since: date,
        all_industries: bool = False,
        seed: int = 0,
        progress: Progress = silent,
    ) -> Self:
        """The past of `world` at a split; the features use the ranker's kernels."""
        known = World.of(world.tables.before(since))
        asked = learnable(known, all_industries)
        groups = build_groups(_builder(known, ranker), asked, seed, progress)
        return cls(world, known, since, all_industries, asked, groups, _builder(world, ranker))


class Peer(ABC):
    """A system to compare with: `fit` once, `scores` for each query."""

    name: ClassVar[str]

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    @abstractmethod
    def fit(self, past: Past) -> Self:
        """Ready to be asked; raises `ImportError` where its library is not installed."""

    @abstractmethod
    def scores(self, query: Query) -> Numbers:
        """A score for each of the query's candidates; called from several threads."""


class Refitted(Peer):
    """A peer that learns anew as the history grows."""

    @abstractmethod
    def refit(self, day: int) -> None:
        """Called before the queries of each month with its first day (days since 1970): learn from what came before."""


def _builder(world: World, ranker: Ranker) -> Builder:
    return Builder.of(world.history, ranker.kernels, world.catalogue)

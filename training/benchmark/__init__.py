"""The benchmark: our model and its peers on the same queries and candidates, as `training.evaluate` has them.

A system's weights are learned from what was known at the split; what it keeps of past outcomes grows with each month
of the test, for our model and the peers alike. A peer whose library is not installed is named with the reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final, NamedTuple, TypeVar

import pandas as pd
from joblib import Parallel, delayed

from matching.errors import Fault, InputError
from matching.history import Numbers
from matching.ranker import Ranker
from matching.tables import Tables
from training.benchmark.collaborative import Ease, LeastSquares, Neighbours, Pairwise
from training.benchmark.hybrid import Hybrid
from training.benchmark.ours import Xgboost, Yeti
from training.benchmark.peer import THREADS, Past, Peer, Refitted
from training.benchmark.raw import RawColumns
from training.benchmark.shares import BackOffShares
from training.dataset import Query, Where, World, each_found, examined, in_one_currency, narrowed
from training.evaluate import MODEL, Scored, lead, report, score
from training.progress import Progress, silent
from training.train import train

PEERS: Final[tuple[type[Peer], ...]] = (
    BackOffShares,
    Neighbours,
    LeastSquares,
    Pairwise,
    Ease,
    Hybrid,
    RawColumns,
    Xgboost,
    Yeti,
)
T = TypeVar("T")


def named(texts: Sequence[str] | None) -> tuple[type[Peer], ...]:
    """The peers whose name holds one of the texts, in capitals or not; all of them without any."""
    for text in texts or ():
        if not any(text.casefold() in peer.name.casefold() for peer in PEERS):
            rule = f"is part of a peer's name ({'; '.join(peer.name for peer in PEERS)}), not {text!r}"
            raise InputError("benchmark", [Fault("--peer", rule)])
    return tuple(peer for peer in PEERS if not texts or any(text.casefold() in peer.name.casefold() for text in texts))


class Seconds(NamedTuple):
    """What a system took to learn (None: it was there already), each month's refit included, and to score."""

    fit: float | None
    score: float


def benchmark(
    tables: Tables,
    since: date,
    until: date | None = None,
    where: Where | None = None,
    all_industries: bool = False,
    ranker: Ranker | None = None,
    seed: int = 0,
    peers: Sequence[type[Peer]] = PEERS,
    years: int = 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """`evaluate`'s report on our model and the peers, with `lead`, `seconds` and `not_installed`, each by system.

    `lead[NAME][SLICE][METRIC]` is our model less the peer, {value, low, high} over enterprises; `seconds[NAME]` is
    {fit, score}. Without a `ranker`, one is trained on the rows before `since`. With more `years` than one, those that
    end before `since` are asked too, each of systems that learned from the rows before it, and all are reported as one.
    """
    if ranker and years > 1:
        raise InputError(
            "benchmark", [Fault("--years", "is 1 where a model is given: each year has a model of its own")]
        )
    if ranker:
        in_one_currency("benchmark", tables, ranker.manifest)
    world = World.of(narrowed(tables, each_found(tables, where or {})))
    contest = _Contest(tables, world, where, all_industries, ranker, seed, peers, progress)
    rounds = [contest.asked(*span) for span in _spans(since, until, years)]
    scored = [item for each in rounds for item in each.scored]
    return report(scored, seed) | {
        "lead": {name: lead(scored, name, seed) for name in scored[0].scores if name != MODEL},
        "seconds": {name: _summed([each.seconds[name] for each in rounds])._asdict() for name in rounds[0].seconds},
        "feature_seconds": sum(each.feature_seconds for each in rounds),
        "not_installed": rounds[0].not_installed,
        "model_id": ", ".join(each.model_id for each in rounds),
        "source": tables.source,
        "from": str(since),
        "to": str(until) if until else None,
        "years": years,
        "where": {column: list(values) for column, values in (where or {}).items()},
        "all_industries": all_industries,
        "gain": "taken",
    }


class Round(NamedTuple):
    """One split: what every system said after it, and what that took."""

    scored: Sequence[Scored]
    seconds: dict[str, Seconds]
    feature_seconds: float
    not_installed: dict[str, str]
    model_id: str


def _spans(since: date, until: date | None, years: int) -> list[tuple[date, date | None]]:
    """The test from `since` on, and before it the years that end there, the earliest first."""
    starts = [_years_before(since, back) for back in range(years - 1, -1, -1)]
    return list(zip(starts, [*starts[1:], until], strict=True))


def _years_before(day: date, years: int) -> date:
    """The same day of an earlier year; of a leap year's last of February, the day before."""
    return (pd.Timestamp(day) - pd.DateOffset(years=years)).date()


@dataclass(frozen=True)
class _Contest:
    """What all rounds share; `given` is the ranker to ask, None where each round trains one."""

    tables: Tables
    world: World
    where: Where | None
    all_industries: bool
    given: Ranker | None
    seed: int
    peers: Sequence[type[Peer]]
    progress: Progress

    def asked(self, since: date, until: date | None) -> Round:
        """All systems, learned before `since`, asked from there to before `until`."""
        asked = examined("benchmark", self.world, since, until, self.all_industries)
        seconds: dict[str, Seconds] = {}
        ranker, fit = self._ranker(since)
        scored, took = _timed(lambda: score(self.world, ranker, asked, [], self.progress))
        seconds[MODEL] = Seconds(fit, took)
        past, took = _timed(lambda: Past.of(self.world, ranker, since, self.all_industries, self.seed, self.progress))
        peers = [peer(self.seed) for peer in self.peers]
        scored, not_installed = _with_peers(scored, past, peers, seconds, self.progress)
        return Round(scored, seconds, took, not_installed, ranker.model_id)

    def _ranker(self, since: date) -> tuple[Ranker, float | None]:
        """The ranker given, or one trained on the rows before `since`, and the seconds that took."""
        if self.given is None:
            with TemporaryDirectory() as folder:
                models = Path(folder)
                return _timed(lambda: self._trained(models, since))
        until = self.given.manifest["until"]
        if until > str(since):
            raise InputError("benchmark", [Fault("--model", f"is trained on rows before {since}, not before {until}")])
        return self.given, None

    def _trained(self, models: Path, since: date) -> Ranker:
        return train(self.tables, models, since, self.where, self.all_industries, self.seed, progress=self.progress)


def _summed(seconds: Sequence[Seconds]) -> Seconds:
    """Over all rounds; a model that was there already took no time to learn in any."""
    fits = [each.fit for each in seconds if each.fit is not None]
    return Seconds(sum(fits) if fits else None, sum(each.score for each in seconds))


def _with_peers(
    scored: Sequence[Scored], past: Past, peers: Sequence[Peer], seconds: dict[str, Seconds], progress: Progress
) -> tuple[list[Scored], dict[str, str]]:
    """The peers' scores beside our model's, and why a peer has none; adds to `seconds`."""
    found, not_installed = list(scored), {}
    asked = [item.query for item in scored]
    for done, peer in enumerate(peers):
        progress("peers", done / len(peers))
        try:
            columns, seconds[peer.name] = _run(peer, past, asked)
        except ImportError as error:
            not_installed[peer.name] = str(error)
            continue
        found = [
            replace(item, scores={**item.scores, peer.name: column})
            for item, column in zip(found, columns, strict=True)
        ]
    progress("peers", 1.0)
    return found, not_installed


def _run(peer: Peer, past: Past, asked: Sequence[Query]) -> tuple[list[Numbers], Seconds]:
    """The peer's scores of each query, and what it took."""
    _, fit = _timed(lambda: peer.fit(past))
    columns: list[Numbers] = []
    scoring = 0.0
    with Parallel(n_jobs=THREADS, prefer="threads") as threads:
        for day, month in groupby(asked, key=lambda query: query.context.day):
            if isinstance(peer, Refitted):
                fit += _timed(partial(peer.refit, day))[1]
            found, took = _timed(partial(threads, [delayed(peer.scores)(query) for query in month]))
            columns += found
            scoring += took
    return columns, Seconds(fit, scoring)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """What `work` gives, and the seconds it took."""
    begun = perf_counter()
    found = work()
    return found, perf_counter() - begun

"""The tuned back-off: the baseline of `training.baselines` as a peer, fitted as `training.evaluate` fits it."""

from typing import Self

from matching.history import Numbers, cutoff
from training.baselines import BackOff
from training.benchmark.peer import Past, Peer
from training.dataset import Query, queries
from training.evaluate import TUNING_YEARS


class BackOffShares(Peer):
    """Weighted shares over a ladder of contexts, tuned on the last years before the split."""

    name = "back-off shares, tuned"

    def fit(self, past: Past) -> Self:
        begin = cutoff(past.since)
        known = queries(past.world, begin.replace(year=begin.year - TUNING_YEARS), past.since, past.all_industries)
        self._system = BackOff(self._seed).fit(past.world.history, known)
        return self

    def scores(self, query: Query) -> Numbers:
        return self._system.scores(query)

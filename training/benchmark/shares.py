"""The tuned back-off: the baseline of `training.baselines` as a peer, fitted as `training.evaluate` fits it."""

from typing import Self

from matching.history import Numbers
from training.baselines import BackOff
from training.benchmark.peer import Past, Peer
from training.dataset import Query
from training.evaluate import tuning


class BackOffShares(Peer):
    """Weighted shares over a ladder of contexts, tuned on the last years before the split."""

    name = "back-off shares, tuned"

    def fit(self, past: Past) -> Self:
        asked = tuning(past.known, past.since, past.all_industries)
        self._system = BackOff(self._seed).fit(past.known.history, asked).on(past.world.history)
        return self

    def scores(self, query: Query) -> Numbers:
        return self._system.scores(query)

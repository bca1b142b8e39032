"""Collaborative filtering over enterprise × product: implicit's ALS, BPR and item-kNN, and EASE.

All are fitted anew each month on every outcome taken before it, each counting half after a year. Popularity in the
region is added to an enterprise's preferences, which the best brings to 1, and is all there is for one that took
nothing yet. Both numbers, and those below, were chosen on bndes in 2011, a year before its test.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Final, Self
from warnings import catch_warnings, simplefilter

import numpy as np
from scipy.sparse import csr_matrix

from matching.history import CODES, Numbers
from training.baselines import RecentInRegion
from training.benchmark.peer import THREADS, Past, Refitted
from training.dataset import Query

ENTERPRISE: Final = CODES.index("enterprise")
HALF_LIFE: Final = 365  # days
LOCAL: Final = 1.0  # the weight of popularity in the region
FACTORS: Final = 32
NEAR: Final = 100
RIDGE: Final = 50.0
OWN: Final = 0.3


class Collaborative(Refitted):
    """A system that knows an enterprise by what it took."""

    def fit(self, past: Past) -> Self:
        self._history = past.world.history
        self._fallback = RecentInRegion().fit(self._history, [])
        return self

    def refit(self, day: int) -> None:
        past = slice(0, self._history.until(day))
        taken = self._history.taken[past]
        places = (self._history.codes[past, ENTERPRISE][taken], self._history.product[past][taken])
        counts = 0.5 ** ((day - self._history.day[past][taken]) / HALF_LIFE)
        shape = (self._history.vocabulary[ENTERPRISE].size, self._history.products.size)
        self._counts = csr_matrix((counts.astype(np.float32), places), shape=shape)
        self._known = np.diff(self._counts.indptr) > 0
        self._learn(self._counts)

    def scores(self, query: Query) -> Numbers:
        local = self._fallback.scores(query)
        firm = int(query.context.codes[ENTERPRISE])
        if firm < 0 or not self._known[firm]:
            return local
        liked = np.append(self._preferences(firm), 0.0)  # the last for a product without a past
        return liked[query.candidates] / max(liked.max(), 1e-9) + LOCAL * local

    @abstractmethod
    def _learn(self, counts: csr_matrix) -> None:
        """Fits to how often, of late, each enterprise took each product."""

    @abstractmethod
    def _preferences(self, firm: int) -> Numbers:
        """A known enterprise's score for every product of the history."""


class _Factors(Collaborative):
    """A factorisation: a preference is the product of two vectors."""

    _model: Any

    def _preferences(self, firm: int) -> Numbers:
        return np.asarray(self._model.item_factors @ self._model.user_factors[firm], dtype=np.float64)


class LeastSquares(_Factors):
    """implicit's alternating least squares (Hu, Koren, Volinsky 2008)."""

    name = "implicit ALS"

    def fit(self, past: Past) -> Self:
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        self._make: Callable[..., Any] = AlternatingLeastSquares
        self._limit: Callable[..., Any] = threadpool_limits
        return super().fit(past)

    def _learn(self, counts: csr_matrix) -> None:
        settings = {"factors": FACTORS, "regularization": 0.1, "alpha": 4.0}
        with self._limit(1, "blas"):  # its threads and those of BLAS would fight
            self._model = self._make(**settings, random_state=self._seed, num_threads=THREADS)
            self._model.fit(counts, show_progress=False)


class Pairwise(_Factors):
    """implicit's Bayesian personalised ranking (Rendle 2009); on one thread, since two race and no seed helps."""

    name = "implicit BPR"

    def fit(self, past: Past) -> Self:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        self._make: Callable[..., Any] = BayesianPersonalizedRanking
        return super().fit(past)

    def _learn(self, counts: csr_matrix) -> None:
        self._model = self._make(factors=FACTORS, learning_rate=0.05, random_state=self._seed, num_threads=1)
        self._model.fit(counts, show_progress=False)


class Neighbours(Collaborative):
    """implicit's item-kNN: products are near that the same enterprises took."""

    name = "implicit item-kNN"

    def fit(self, past: Past) -> Self:
        from implicit.nearest_neighbours import CosineRecommender

        self._make: Callable[..., Any] = CosineRecommender
        return super().fit(past)

    def _learn(self, counts: csr_matrix) -> None:
        self._model = self._make(K=NEAR, num_threads=THREADS)
        with catch_warnings():
            simplefilter("ignore")  # it warns of a matrix of its own making
            self._model.fit(counts, show_progress=False)

    def _preferences(self, firm: int) -> Numbers:
        return np.asarray((self._counts[firm] @ self._model.similarity).todense(), dtype=np.float64).ravel()


class Ease(Collaborative):
    """EASE (Steck 2019): the ridge regression of each product on all others, in closed form.

    It was made for films, which nobody takes twice, and gives a product's own past no weight; here that has `OWN`.
    """

    name = "EASE"

    def _learn(self, counts: csr_matrix) -> None:
        gram = (counts.T @ counts).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += RIDGE
        inverse = np.linalg.inv(gram)
        self._weights = -inverse / np.diag(inverse)
        self._weights[np.diag_indices_from(gram)] = OWN

    def _preferences(self, firm: int) -> Numbers:
        return np.asarray(self._counts[firm] @ self._weights, dtype=np.float64).ravel()

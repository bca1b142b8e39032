"""LightFM (Kula 2015): a factorisation whose vectors are sums over facts, learned with the WARP loss."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, Self

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, hstack, identity

from matching.history import MISSING, NUMBERS, Codes, History, Numbers
from training.benchmark.peer import Past, Refitted
from training.dataset import Query, World, queries
from training.metrics import by_enterprise, ndcg

AMOUNT: Final = NUMBERS.index("amount")
BANDS: Final = 60  # amounts by doublings
COMPONENTS: Final = 64
EPOCHS: Final = 20
RATE: Final = 0.05
YEAR: Final = 365
HALF_LIVES: Final = (YEAR, 2 * YEAR, 10 * YEAR)  # days


class Hybrid(Refitted):
    """A need is the sum of its enterprise, region, industry, size, purpose and amount; a product of its id, institution
    and type. Fitted anew each month, on one thread, since two race and no seed helps.

    How fast an outcome fades is chosen on the year before the split; components and epochs on bndes in 2011.
    """

    name = "LightFM hybrid WARP"

    def fit(self, past: Past) -> Self:
        from lightfm import LightFM

        self._make = LightFM
        self._history = past.world.history
        self._products = _product_facts(self._history)
        begin = past.since - timedelta(days=YEAR)
        told = World(past.known.tables, past.world.history, past.world.catalogue)  # what a need took by the split
        known = queries(told, begin, past.since, past.all_industries)
        self._half_life = HALF_LIVES[0]
        if known and known[0].context.until:
            self._half_life = max(HALF_LIVES, key=lambda days: self._worth(days, known))
        return self

    def refit(self, day: int) -> None:
        past = slice(0, self._history.until(day))
        taken = self._history.taken[past]
        facts = _need_facts(self._history, self._history.codes[past][taken], self._history.numbers[past][taken])
        places = (np.arange(facts.shape[0]), self._history.product[past][taken])
        shape = (facts.shape[0], self._history.products.size)
        ones = np.ones(facts.shape[0], dtype=np.float32)
        fading = 0.5 ** ((day - self._history.day[past][taken]) / self._half_life)
        weights = (fading / np.sqrt(fading.mean())).astype(np.float32)
        model: Any = self._make(no_components=COMPONENTS, loss="warp", learning_rate=RATE, random_state=self._seed)
        model.fit(
            coo_matrix((ones, places), shape=shape),
            user_features=facts,
            item_features=self._products,
            sample_weight=coo_matrix((weights, places), shape=shape),
            epochs=EPOCHS,
            num_threads=1,
        )
        biases, vectors = model.get_item_representations(self._products)
        self._needs = model.user_embeddings
        self._biases = np.append(biases, biases.min())  # the last for a product without a past
        self._vectors = np.vstack([vectors, np.zeros_like(vectors[:1])])

    def _worth(self, half_life: int, known: Sequence[Query]) -> float:
        """NDCG@10 on `known` when fitted before the first of them."""
        self._half_life = half_life
        self.refit(known[0].context.day)
        firms = [query.enterprise.enterprise_id for query in known]
        return by_enterprise([ndcg(self.scores(query), query.gains) for query in known], firms)

    def scores(self, query: Query) -> Numbers:
        facts = _need_facts(self._history, query.context.codes[None], query.context.numbers[None])
        need = np.asarray(facts @ self._needs).ravel()
        return np.asarray(self._vectors[query.candidates] @ need + self._biases[query.candidates], dtype=np.float64)


def _need_facts(history: History, codes: Codes, numbers: Numbers) -> csr_matrix:
    """Needs × facts: 1 where a need has the fact."""
    band = np.nan_to_num(numbers[:, AMOUNT] / np.log(2), nan=MISSING).astype(np.int32)
    sizes = [*(texts.size for texts in history.vocabulary), BANDS]
    columns = np.column_stack([codes, np.minimum(band, BANDS - 1)])
    first = np.cumsum([0, *sizes[:-1]])
    row, column = np.nonzero(columns >= 0)
    places = (row, (columns + first)[row, column])
    return csr_matrix((np.ones(row.size, dtype=np.float32), places), shape=(len(codes), sum(sizes)))


def _product_facts(history: History) -> csr_matrix:
    """Products × (product, institution, type)."""
    size = history.products.size
    ones, rows = np.ones(size, dtype=np.float32), np.arange(size)
    institution = csr_matrix((ones, (rows, history.institution_of)), shape=(size, history.institutions.size))
    type_ = csr_matrix((ones, (rows, history.type_of)), shape=(size, history.types.size))
    return csr_matrix(hstack([identity(size, dtype=np.float32), institution, type_]))

"""LightFM (Kula 2015): a factorisation whose vectors are sums over facts, learned with the WARP loss."""

from typing import Any, Final, Self

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, hstack, identity

from matching.history import MISSING, NUMBERS, Codes, History, Numbers
from training.benchmark.peer import Past, Peer
from training.dataset import Query

AMOUNT: Final = NUMBERS.index("amount")
BANDS: Final = 60  # amounts by doublings
COMPONENTS: Final = 32
EPOCHS: Final = 20
RATE: Final = 0.05


class Hybrid(Peer):
    """A need is the sum of its enterprise, region, industry, size, purpose and amount; a product that of its id,
    institution and type. Fitted anew each month; on one thread, since two race and no seed helps.
    """

    name = "LightFM hybrid WARP"

    def fit(self, past: Past) -> Self:
        from lightfm import LightFM

        self._make = LightFM
        self._history = past.world.history
        self._products = _product_facts(self._history)
        return self

    def refit(self, day: int) -> None:
        past = slice(0, self._history.until(day))
        taken = self._history.taken[past]
        facts = _need_facts(self._history, self._history.codes[past][taken], self._history.numbers[past][taken])
        chosen = self._history.product[past][taken]
        shape = (chosen.size, self._history.products.size)
        pairs = coo_matrix((np.ones(chosen.size, dtype=np.float32), (np.arange(chosen.size), chosen)), shape=shape)
        model: Any = self._make(no_components=COMPONENTS, loss="warp", learning_rate=RATE, random_state=self._seed)
        model.fit(pairs, user_features=facts, item_features=self._products, epochs=EPOCHS, num_threads=1)
        biases, vectors = model.get_item_representations(self._products)
        self._needs = model.user_embeddings
        self._biases = np.append(biases, biases.min())  # the last for a product without a past
        self._vectors = np.vstack([vectors, np.zeros_like(vectors[:1])])

    def scores(self, query: Query) -> Numbers:
        facts = _need_facts(self._history, query.context.codes[None], query.context.numbers[None])
        need = np.asarray(facts @ self._needs).ravel()
        return np.asarray(self._vectors[query.candidates] @ need + self._biases[query.candidates], dtype=np.float64)


def _need_facts(history: History, codes: Codes, numbers: Numbers) -> csr_matrix:
    """Needs × facts, each row's known facts summing to 1."""
    band = np.nan_to_num(numbers[:, AMOUNT] / np.log(2), nan=MISSING).astype(np.int32)
    sizes = [*(texts.size for texts in history.vocabulary), BANDS]
    columns = np.column_stack([codes, np.minimum(band, BANDS - 1)])
    first = np.cumsum([0, *sizes[:-1]])
    row, column = np.nonzero(columns >= 0)
    places = (row, (columns + first)[row, column])
    facts = csr_matrix((np.ones(row.size, dtype=np.float32), places), shape=(len(codes), sum(sizes)))
    return _averaged(facts)


def _product_facts(history: History) -> csr_matrix:
    """Products × (product, institution, type), each row summing to 1."""
    size = history.products.size
    ones, rows = np.ones(size, dtype=np.float32), np.arange(size)
    institution = csr_matrix((ones, (rows, history.institution_of)), shape=(size, history.institutions.size))
    type_ = csr_matrix((ones, (rows, history.type_of)), shape=(size, history.types.size))
    return _averaged(hstack([identity(size, dtype=np.float32), institution, type_]).tocsr())


def _averaged(facts: csr_matrix) -> csr_matrix:
    known = np.maximum(np.asarray(facts.sum(axis=1)).ravel(), 1)
    return csr_matrix(facts.multiply(1 / known[:, None]), dtype=np.float32)

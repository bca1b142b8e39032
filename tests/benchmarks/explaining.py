"""Reasons for ten matches against stock LightGBM on a thousand candidates: `python -m tests.benchmarks.explaining`.

Both in one run, on one thread; `pred_contrib` is LightGBM's own explanation of the ten.
"""

from dataclasses import replace

import numpy as np

from matching.catalogue import Catalogue
from matching.matcher import Matcher
from matching.reasons import explained, reference_rows
from tests import bundles
from tests import factories as make
from tests.benchmarks.scoring import LEAVES, TREES, best_ms, booster, candidates

CANDIDATES, MATCHES = 1000, 10
SIZES = ((TREES, LEAVES), (120, 8))


def measure(trees: int, leaves: int) -> None:
    """Prints a line for a forest of this size."""
    stock = booster(trees, leaves)
    products = [make.product(product_id=f"P{i:04}") for i in range(CANDIDATES)]
    ranker = replace(bundles.ranker(appetites=bundles.leaning()), booster=stock)
    matcher = Matcher(Catalogue.of(products, [make.institution()]), ranker)
    firm, need = make.enterprise(), make.need()
    rows = candidates(CANDIDATES, np.random.default_rng(2))
    ranking = matcher.rank(firm, need, as_of=make.DAY, top_k=MATCHES)
    ranking = replace(ranking, features=rows, scores=matcher.ranker.score(rows))
    references = rows[reference_rows(ranking.scores)]
    theirs = best_ms(lambda: stock.predict(rows, num_threads=1))
    contrib = best_ms(lambda: stock.predict(rows[:MATCHES], num_threads=1, pred_contrib=True))
    bare = best_ms(lambda: matcher.ranker.contributions(rows[:MATCHES], references))
    ours = best_ms(lambda: explained(matcher, ranking, firm, need))
    print(
        f"{trees} trees of {leaves} leaves: {MATCHES} matches against {len(references)} references {bare:.2f} ms, with "
        f"words {ours:.2f} ms; Booster.predict of {CANDIDATES} {theirs:.2f} ms: {ours / theirs:.2f} of it (at most 1); "
        f"pred_contrib of {MATCHES} {contrib:.2f} ms"
    )


def main() -> None:
    """One line a size of forest."""
    for trees, leaves in SIZES:
        measure(trees, leaves)


if __name__ == "__main__":
    main()

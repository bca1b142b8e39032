"""Reasons for ten matches against stock LightGBM on a thousand candidates: `python -m tests.benchmarks.explaining`.

Both in one run, on one thread; `pred_contrib` is LightGBM's own explanation of the ten. The last line holds the reasons
against the rest of a ranking, over the needs of a made-up market.
"""

from dataclasses import replace
from statistics import median
from time import perf_counter

import numpy as np

from matching.catalogue import Catalogue
from matching.matcher import Matcher
from matching.reasons import explained, reference_rows
from matching.tables import catalogue_of
from tests import bundles
from tests import factories as make
from tests.benchmarks.batch import market, ranker
from tests.benchmarks.scoring import LEAVES, TREES, best_ms, booster, candidates

CANDIDATES, MATCHES, NEEDS = 1000, 10, 200
SIZES = ((TREES, LEAVES), (120, 8))


def measure(trees: int, leaves: int) -> None:
    """Prints a line for a forest of this size."""
    stock = booster(trees, leaves)
    products = [make.product(product_id=f"P{i:04}") for i in range(CANDIDATES)]
    model = replace(bundles.ranker(appetites=bundles.leaning()), booster=stock)
    matcher = Matcher(Catalogue.of(products, [make.institution()]), model)
    firm, need = make.enterprise(), make.need()
    rows = candidates(CANDIDATES, np.random.default_rng(2))
    ranking = matcher.rank(firm, need, as_of=make.DAY, top_k=MATCHES)
    ranking = replace(ranking, features=rows, scores=matcher.ranker.score(rows))
    references = rows[reference_rows(ranking.scores)]
    both = np.concatenate([rows[:MATCHES], references])
    theirs = best_ms(lambda: stock.predict(rows, num_threads=1))
    contrib = best_ms(lambda: stock.predict(rows[:MATCHES], num_threads=1, pred_contrib=True))
    bare = best_ms(lambda: matcher.ranker.contributions(both, MATCHES))
    ours = best_ms(lambda: explained(matcher, ranking, firm, need))
    print(
        f"{trees} trees of {leaves} leaves: {MATCHES} matches against {len(references)} references {bare:.2f} ms, with "
        f"words {ours:.2f} ms; Booster.predict of {CANDIDATES} {theirs:.2f} ms: {ours / theirs:.2f} of it (at most 1); "
        f"pred_contrib of {MATCHES} {contrib:.2f} ms"
    )


def whole() -> None:
    """Prints what rankings of a thousand products take, and their reasons."""
    tables = market(NEEDS, CANDIDATES)
    matcher, ranked, reasoned = Matcher(catalogue_of(tables), ranker(tables)), list[float](), list[float]()
    for i in range(NEEDS):
        firm = make.enterprise(enterprise_id=f"E{i}", revenue=1_000_000 * (i + 1))
        need = make.need(enterprise_id=f"E{i}", amount=500_000 + 10_000 * i)
        begin = perf_counter()
        ranking = matcher.rank(firm, need, as_of=make.DAY, top_k=MATCHES)
        between = perf_counter()
        explained(matcher, ranking, firm, need)
        ranked.append(1000 * (between - begin))
        reasoned.append(1000 * (perf_counter() - between))
    rest, ours = median(ranked), median(reasoned)
    shares = f"{ours / rest:.2f} of it (at most 1)"
    print(f"a ranking of {CANDIDATES} products {rest:.2f} ms, its reasons {ours:.2f} ms: {shares}")


def main() -> None:
    """One line a size of forest, and one of rankings as a whole."""
    for trees, leaves in SIZES:
        measure(trees, leaves)
    whole()


if __name__ == "__main__":
    main()

"""Which failing products are worth a fix: those within least effort, with the rank that each would then have."""

from collections.abc import Collection
from datetime import date
from typing import Final

import numpy as np

from matching.asking import of_kinds
from matching.catalogue import Rows
from matching.domain import Change, Enterprise, Fix, Kind, Need
from matching.fixes import applied, fixes_of
from matching.matcher import Matcher, Ranking
from matching.rules import Verdicts

SHORTLIST: Final = 3  # how many times as many fixes are ranked as are returned


def advise(
    matcher: Matcher,
    enterprise: Enterprise,
    need: Need,
    *,
    as_of: date,
    limit: int = 5,
    kinds: Collection[Kind] | None = None,
    among: Rows | None = None,
) -> tuple[Fix, ...]:
    """At most `limit` fixes, of least effort and then of best rank: the place by score among the then eligible.

    Where many cost the same effort, those that score best as things stand are ranked. Raises `InputError` as
    `fixes_of` does, and where `as_of` is no plain date or one of `kinds` is none.
    """
    need = of_kinds(need, kinds)
    verdicts = matcher.rulebook.judge(enterprise, need, as_of, among)
    rankings: dict[tuple[Change, ...], Ranking] = {}
    ranked = []
    for fix in _shortlist(matcher, verdicts, limit * SHORTLIST):
        if fix.changes not in rankings:
            fixed = applied(fix.changes, enterprise, need)
            rankings[fix.changes] = matcher.rank(*fixed, as_of=as_of, top_k=0, among=among)
        ranked.append(_ranked(fix, matcher, rankings[fix.changes]))
    return tuple(sorted(ranked, key=lambda fix: (fix.effort_days, fix.rank or 0, fix.product_id))[:limit])


def _shortlist(matcher: Matcher, verdicts: Verdicts, count: int) -> list[Fix]:
    """The fixes of least effort, among equals those of the products that score best on the facts as they are."""
    found = fixes_of(verdicts, matcher.ranker.currency)
    if len(found) <= count:
        return list(found)
    case = verdicts.case
    row_of = dict(zip(matcher.catalogue.ids[verdicts.rows].tolist(), verdicts.rows.tolist(), strict=True))
    rows = np.array([row_of[fix.product_id] for fix in found], dtype=np.intp)
    order = np.argsort(rows)
    scores = np.empty(len(rows))
    scores[order] = matcher.ranker.score(matcher.builder.build(case.enterprise, case.need, case.as_of, rows[order]))
    best = np.lexsort((-scores, np.array([fix.effort_days for fix in found])))
    return [found[i] for i in best[:count]]


def _ranked(fix: Fix, matcher: Matcher, ranking: Ranking) -> Fix:
    place = int(np.flatnonzero(matcher.catalogue.ids[ranking.rows] == fix.product_id)[0])
    score = ranking.scores[place]
    above = (ranking.scores > score).sum() + (ranking.scores[:place] == score).sum()
    return fix.model_copy(update={"rank": int(above) + 1, "candidates": len(ranking.rows)})

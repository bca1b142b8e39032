"""One need read in depth: what its enterprise is shown, what is to be asked, what would make more eligible."""

import numpy as np
import pandas as pd

from matching.advice import advise
from matching.domain import Reason, Result
from matching.errors import NotFoundError
from matching.matcher import Matcher, Ranking
from matching.reasons import why
from training.breakdown import institution_labels
from training.dataset import Query, World
from training.evaluate import Evaluation
from training.worst import named


def asked(found: Evaluation, need_id: str) -> Query:
    """The query of a need that was measured. Raises `NotFoundError` where there is none."""
    for item in found.scored:
        if item.query.need_id == need_id:
            return item.query
    raise NotFoundError("need", need_id)


def matches(ranking: Ranking, world: World, need_id: str) -> pd.DataFrame:
    """rank, product, chance, to ask, came of it: a row a match, with the rules to be reviewed and the stages on record.

    The chance is NaN where the model states none.
    """
    labels, outcomes = institution_labels(world), world.tables.outcomes
    mine = outcomes[outcomes["need_id"] == need_id].sort_values("at", kind="stable")
    stages = mine.groupby("product_id")["stage"].agg(", ".join).to_dict()
    rows = [
        {
            "rank": match.rank,
            "product": named(world, int(ranking.rows[place]), labels),
            "chance": match.chance,
            "to ask": "; ".join(v.message_en or v.rule for v in match.verdicts if v.result is Result.REVIEW),
            "came of it": stages.get(match.product_id, ""),
        }
        for match, place in zip(ranking.matches, ranking.first.tolist(), strict=True)
    ]
    columns = ["rank", "product", "chance", "to ask", "came of it"]
    return pd.DataFrame(rows, columns=columns).astype({"chance": float})


def reasons(ranking: Ranking, most: int = 3) -> pd.DataFrame:
    """rank, effect, weight, reason: why the first `most` matches stand where they do, of an explained ranking."""
    rows = [(match.rank, *_told(reason)) for match in ranking.matches[:most] for reason in match.reasons or ()]
    return pd.DataFrame(rows, columns=["rank", "effect", "weight", "reason"])


def below(matcher: Matcher, ranking: Ranking, query: Query) -> pd.DataFrame:
    """effect, weight, reason: why what was taken, the best of several, scores as it does against the first match.

    Empty where it is the first match, or nothing taken was a candidate.
    """
    taken = np.flatnonzero(np.isin(ranking.rows, query.rows[query.gains > 0]))
    found: tuple[Reason, ...] = ()
    if len(taken):
        ids = matcher.catalogue.ids[ranking.rows]
        best, first = str(ids[taken[np.argmax(ranking.scores[taken])]]), ranking.matches[0].product_id
        if best != first:
            found = why(matcher, ranking, query.enterprise, query.need, best, first)
    return pd.DataFrame(map(_told, found), columns=["effect", "weight", "reason"])


def verdicts(ranking: Ranking, rank: int = 1) -> pd.DataFrame:
    """result, rule, asked, actual, clause: what each rule says of the match at `rank`."""
    rows = [
        (str(one.result), one.message_en or one.rule, one.threshold, one.actual or "not known", one.clause)
        for match in ranking.matches[rank - 1 : rank]
        for one in match.verdicts
    ]
    return pd.DataFrame(rows, columns=["result", "rule", "asked", "actual", "clause"])


def fixes(matcher: Matcher, world: World, query: Query, most: int = 5) -> pd.DataFrame:
    """product, days, rank then, changes: what would make products eligible, of those that had an outcome lately."""
    labels, rows = institution_labels(world), world.active(query.as_of)
    row_of = dict(zip(world.catalogue.ids[rows].tolist(), rows.tolist(), strict=True))
    found = advise(matcher, query.enterprise, query.need, as_of=query.as_of, limit=most, among=rows)
    told = [
        (
            named(world, row_of[fix.product_id], labels),
            fix.effort_days,
            f"{fix.rank} of {fix.candidates}",
            "; ".join(change.text_en for change in fix.changes),
        )
        for fix in found
    ]
    return pd.DataFrame(told, columns=["product", "days", "rank then", "changes"])


def _told(reason: Reason) -> tuple[str, float, str]:
    return str(reason.effect), reason.weight, reason.text_en

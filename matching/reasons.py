"""Reasons: why a match stands above the other products that this very enterprise could have had.

A reason's weight is the sum of what its features add to the score over the mean of a fixed set of references: the
enterprise's own candidates, at even steps down the ranking. What is common to all of them cancels. A feature that is
missing, or that speaks of a fact which the enterprise did not state, counts in no reason.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matching.catalogue import Rows
from matching.codes import Effect
from matching.domain import Enterprise, Need, Reason
from matching.errors import NotFoundError
from matching.facts import derived
from matching.features import FEATURES
from matching.history import Numbers
from matching.matcher import Matcher, Ranking
from matching.topics import SAID, Topic

MOST: Final = 4
REFERENCES: Final = 64
LEAST: Final = 1e-6  # a smaller weight is rounding
_FACTS: Final = sorted({said.needs for said in SAID.values()} - {""})
_CANDIDATES: Final = ("候选产品中位数", "median of the candidates")
_OTHER: Final = ("对比产品", "the other product")


def explained(matcher: Matcher, ranking: Ranking, enterprise: Enterprise, need: Need) -> Ranking:
    """The ranking of `need` with at most four reasons a match, the weightiest first.

    A single candidate has none. Raises `BundleError` as `Ranker.contributions` does.
    """
    if not ranking.matches:
        return ranking
    at = [_place(matcher, ranking, match.product_id) for match in ranking.matches]
    references = ranking.features[reference_rows(ranking.scores)]
    teller = _Teller(references, _unstated(enterprise, need, ranking), _CANDIDATES)
    added = matcher.ranker.contributions(ranking.features[at], references)
    matches = tuple(
        match.model_copy(update={"reasons": teller.reasons(weights, ranking.features[row])})
        for match, weights, row in zip(ranking.matches, added, at, strict=True)
    )
    return replace(ranking, matches=matches)


def why(
    matcher: Matcher, ranking: Ranking, enterprise: Enterprise, need: Need, product_id: str, over: str
) -> tuple[Reason, ...]:
    """Why candidate `product_id` scores above candidate `over`, or below: at most four reasons, the weightiest first.

    Raises `NotFoundError` where one is no candidate of the ranking, and `BundleError` as `Ranker.contributions` does.
    """
    row, other = (ranking.features[[_place(matcher, ranking, one)]] for one in (product_id, over))
    added = matcher.ranker.contributions(row, other)
    return _Teller(other, _unstated(enterprise, need, ranking), _OTHER).reasons(added[0], row[0])


def reference_rows(scores: Numbers) -> Rows:
    """At most 64 candidates, at even steps from the best to the worst; equal scores in the order of the candidates."""
    order = np.argsort(-scores, kind="stable")
    steps = np.linspace(0, len(scores) - 1, min(len(scores), REFERENCES))
    return np.asarray(order[steps.round().astype(np.intp)], dtype=np.intp)


@dataclass(frozen=True)
class _Teller:
    """Puts contributions into words, beside the references' medians; silent on what rests on `unstated` facts."""

    references: Numbers
    unstated: NDArray[np.bool_]
    beside: tuple[str, str]

    def reasons(self, added: Numbers, values: Numbers) -> tuple[Reason, ...]:
        """At most four reasons from what each feature adds [FEATURES] and its value [FEATURES]."""
        topics: dict[Topic, list[int]] = defaultdict(list)
        for i in np.flatnonzero(np.isfinite(values) & ~self.unstated & (added != 0)).tolist():
            topics[SAID[FEATURES[i]].topic].append(i)
        weights = {topic: float(added[members].sum()) for topic, members in topics.items()}
        first = sorted(weights, key=lambda topic: (-abs(weights[topic]), topic.code))[:MOST]
        return tuple(
            self._reason(topic, weights[topic], self._fact(topics[topic], weights[topic], added, values), values)
            for topic in first
            if abs(weights[topic]) >= LEAST
        )

    def _fact(self, members: list[int], weight: float, added: Numbers, values: Numbers) -> int:
        """The feature that moves the score most in the reason's direction, one that shows a difference first."""

        def telling(i: int) -> tuple[bool, float]:
            said, usual, moved = SAID[FEATURES[i]], self._usual(i), float(added[i] * np.sign(weight))
            return moved > 0 and (usual is None or said.shown(usual) != said.shown(float(values[i]))), moved

        return max(members, key=telling)

    def _usual(self, feature: int) -> float | None:
        """The median of the references that know the feature."""
        known = self.references[np.isfinite(self.references[:, feature]), feature]
        return float(np.median(known)) if len(known) else None

    def _reason(self, topic: Topic, weight: float, feature: int, values: Numbers) -> Reason:
        said, value = SAID[FEATURES[feature]], float(values[feature])
        usual = self._usual(feature)
        zh, en = said.shown(value)
        if usual is not None:
            usual_zh, usual_en = said.shown(usual)
            zh, en = f"{zh}（{self.beside[0]}：{usual_zh}）", f"{en} ({self.beside[1]}: {usual_en})"
        return Reason(
            code=topic.code,
            effect=Effect.RAISES if weight > 0 else Effect.LOWERS,
            weight=weight,
            feature=FEATURES[feature],
            value=value,
            usual=usual,
            text_zh=f"{topic.zh}；{said.zh}：{zh}",
            text_en=f"{topic.en}; {said.en}: {en}",
        )


def _place(matcher: Matcher, ranking: Ranking, product_id: str) -> int:
    found = np.flatnonzero(matcher.catalogue.ids[ranking.rows] == product_id)
    if len(found) == 0:
        raise NotFoundError("candidate", product_id)
    return int(found[0])


def _unstated(enterprise: Enterprise, need: Need, ranking: Ranking) -> NDArray[np.bool_]:
    """The features that no reason may rest on: of facts not known, or the same for all candidates."""
    lacking = {name for name in _FACTS if derived(name, enterprise, need, ranking.as_of) is None}
    return np.array([name not in SAID or SAID[name].needs in lacking for name in FEATURES])

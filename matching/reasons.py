"""Reasons: why a match stands above the other products that this very enterprise could have had.

A reason's weight is the sum of what its features add to the score over the mean of a fixed set of references: the
enterprise's own candidates, at even steps down the ranking. What is common to all of them cancels. A feature that is
missing, or that speaks of a fact which the enterprise did not state, counts in no reason; nor does a slope of an
appetite that was never learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matching.appetite import PARTS
from matching.catalogue import Rows
from matching.codes import Effect
from matching.domain import Enterprise, Need, Reason
from matching.errors import NotFoundError
from matching.facts import derived
from matching.features import FEATURES
from matching.history import Numbers
from matching.leanings import LEANINGS
from matching.levels import LEVELS
from matching.matcher import Matcher, Ranking
from matching.topics import SAID

MOST: Final = 4
REFERENCES: Final = 64
LEAST: Final = 1e-6  # a smaller weight is rounding
_SAID: Final = {**SAID, **LEANINGS}
_FACTS: Final = sorted({said.needs for said in _SAID.values()} - {""})
_TOPICS: Final = sorted({said.topic for said in _SAID.values()}, key=lambda topic: topic.code)
_NEEDS: Final = [_SAID[name].needs if name in _SAID else None for name in PARTS]  # None: said in no reason
_WORDS: Final = {i: _SAID[name] for i, name in enumerate(PARTS) if name in _SAID}
_TOPIC_OF: Final = np.array([_TOPICS.index(_SAID[name].topic) if name in _SAID else -1 for name in PARTS])
_MEMBERS: Final = [np.flatnonzero(t == _TOPIC_OF).tolist() for t in range(len(_TOPICS))]
_Beside = tuple[tuple[str, str], tuple[str, str]]  # what a feature's value is set beside, and what a slope's is
_CANDIDATES: Final[_Beside] = (
    ("候选产品中位数", "median of the candidates"),
    ("候选产品平均", "mean of the candidates"),
)
_OTHER: Final[_Beside] = (("对比产品", "the other product"), ("对比产品", "the other product"))


def explained(matcher: Matcher, ranking: Ranking, enterprise: Enterprise, need: Need) -> Ranking:
    """The ranking of `need` with at most four reasons a match, the weightiest first.

    A single candidate has none. Raises `BundleError` as `Ranker.contributions` does.
    """
    if not ranking.matches:
        return ranking
    asked, first = (enterprise, need), ranking.first.tolist()
    told = _told(matcher, ranking, asked, first, reference_rows(ranking.scores), _CANDIDATES)
    matches = zip(ranking.matches, told, strict=True)
    return replace(ranking, matches=tuple(match.model_copy(update={"reasons": found}) for match, found in matches))


def why(
    matcher: Matcher, ranking: Ranking, enterprise: Enterprise, need: Need, product_id: str, over: str
) -> tuple[Reason, ...]:
    """Why candidate `product_id` scores above candidate `over`, or below: at most four reasons, the weightiest first.

    Raises `NotFoundError` where one is no candidate of the ranking, and `BundleError` as `Ranker.contributions` does.
    """
    ours, other = _places(matcher, ranking, [product_id, over])
    return _told(matcher, ranking, (enterprise, need), [ours], np.array([other]), _OTHER)[0]


def reference_rows(scores: Numbers) -> Rows:
    """At most 64 candidates, at even steps from the best to the worst; equal scores in the order of the candidates."""
    order = np.argsort(-scores, kind="stable")
    steps = np.linspace(0, len(scores) - 1, min(len(scores), REFERENCES))
    return np.asarray(order[steps.round().astype(np.intp)], dtype=np.intp)


def _told(
    matcher: Matcher,
    ranking: Ranking,
    asked: tuple[Enterprise, Need],
    places: Sequence[int],
    references: Rows,
    beside: _Beside,
) -> list[tuple[Reason, ...]]:
    """The reasons of the candidates in `places` against those in `references`."""
    chosen = [*places, *references]
    both = ranking.features[chosen]
    rows, others = both[: len(places)], both[len(places) :]
    odds = [np.split(parts, [len(places)]) for parts in _odds(matcher, ranking, asked, both, ranking.rows[chosen])]
    added = matcher.ranker.contributions(rows, others, [(ours, theirs) for ours, theirs in odds])
    slopes = [theirs[:, len(FEATURES) :].mean(axis=0) for _, theirs in odds] or [np.zeros(len(PARTS) - len(FEATURES))]
    values = _values(rows, [ours for ours, _ in odds])
    teller = _Teller(np.concatenate([_median(others), *slopes]), _unstated(*asked, ranking.as_of), beside)
    return teller.reasons(added, values)


def _odds(
    matcher: Matcher, ranking: Ranking, asked: tuple[Enterprise, Need], features: Numbers, rows: Rows
) -> list[Numbers]:
    """The parts of each appetite's log-odds, of candidates with these features in these rows of the catalogue."""
    context = matcher.ranker.history.context(*asked, ranking.as_of)
    codes = [getattr(matcher.builder.roster, level)[rows] for level in LEVELS]
    return [bound.parts(context, features, codes) for bound in matcher.appetites]


def _values(features: Numbers, odds: Sequence[Numbers]) -> Numbers:
    """The features, and the slopes' parts; NaN where they say nothing, or where there are no appetites [n, PARTS]."""
    slopes = [np.where(parts == 0, np.nan, parts)[:, len(FEATURES) :] for parts in odds]
    lacking = np.full((len(features), len(PARTS) - len(FEATURES)), np.nan)
    return np.concatenate([features, *(slopes or [lacking])], axis=1)


class _Said(NamedTuple):
    """What is said of one match: each part's contribution and value, and whether it counts [PARTS]."""

    added: list[float]
    values: list[float]
    known: list[bool]


@dataclass(frozen=True)
class _Teller:
    """Puts contributions into words, beside the `usual` values [PARTS]; silent on what rests on `unstated` facts."""

    usual: Numbers
    unstated: NDArray[np.bool_]
    beside: _Beside

    def reasons(self, added: Numbers, values: Numbers) -> list[tuple[Reason, ...]]:
        """At most four reasons a row from what each part adds [n, PARTS] and its value [n, PARTS]."""
        known = np.isfinite(values) & (np.isfinite(self.usual) & ~self.unstated)
        weights = _by_topic(added, known)
        first = np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :MOST].tolist()
        rows = map(_Said, added.tolist(), values.tolist(), known.tolist())
        return [
            tuple(self._reason(t, row[t], said) for t in topics if abs(row[t]) >= LEAST)
            for topics, row, said in zip(first, weights.tolist(), rows, strict=True)
        ]

    @cached_property
    def _shown(self) -> dict[int, tuple[str, str]]:
        """The usual values in words, by part, as they are asked for."""
        return {}

    def _beside(self, i: int) -> tuple[str, str]:
        if i not in self._shown:
            self._shown[i] = _WORDS[i].shown(float(self.usual[i]))
        return self._shown[i]

    def _fact(self, t: int, sign: int, said: _Said) -> tuple[int, tuple[str, str]]:
        """The part that moves the score most in the reason's direction, one that shows a difference first; in words."""
        members = [i for i in _MEMBERS[t] if said.known[i]]
        falling = sorted(members, key=lambda i: sign * said.added[i], reverse=True)
        for i in falling:
            shown = _WORDS[i].shown(said.values[i])
            if sign * said.added[i] > 0 and shown != self._beside(i):
                return i, shown
        return falling[0], _WORDS[falling[0]].shown(said.values[falling[0]])

    def _reason(self, t: int, weight: float, said: _Said) -> Reason:
        topic, (feature, (zh, en)) = _TOPICS[t], self._fact(t, 1 if weight > 0 else -1, said)
        words, (usual_zh, usual_en) = _WORDS[feature], self._beside(feature)
        beside = self.beside[feature >= len(FEATURES)]
        return Reason(
            code=topic.code,
            effect=Effect.RAISES if weight > 0 else Effect.LOWERS,
            weight=weight,
            feature=PARTS[feature],
            value=said.values[feature],
            usual=float(self.usual[feature]),
            text_zh=f"{topic.zh}；{words.zh}：{zh}（{beside[0]}：{usual_zh}）",
            text_en=f"{topic.en}; {words.en}: {en} ({beside[1]}: {usual_en})",
        )


def _by_topic(added: Numbers, known: NDArray[np.bool_]) -> Numbers:
    """What the known parts of each topic add [n, TOPICS]."""
    topics = len(_TOPICS) * np.arange(len(added))[:, None] + _TOPIC_OF
    found = np.bincount(topics[known], added[known], len(added) * len(_TOPICS))
    return np.asarray(found, dtype=np.float64).reshape(len(added), len(_TOPICS))


def _places(matcher: Matcher, ranking: Ranking, product_ids: Sequence[str]) -> list[int]:
    place = {product_id: i for i, product_id in enumerate(matcher.catalogue.ids[ranking.rows].tolist())}
    for product_id in product_ids:
        if product_id not in place:
            raise NotFoundError("candidate", product_id)
    return [place[product_id] for product_id in product_ids]


def _median(rows: Numbers) -> Numbers:
    """Of each column's known values; NaN where there is none."""
    known = np.isfinite(rows)
    count = np.count_nonzero(known, axis=0)
    ordered = np.sort(np.where(known, rows, np.inf), axis=0)
    middle = np.stack([np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(rows) - 1)])
    return np.where(count > 0, np.take_along_axis(ordered, middle, axis=0).mean(axis=0), np.nan)


def _unstated(enterprise: Enterprise, need: Need, as_of: date) -> NDArray[np.bool_]:
    """The parts that no reason may rest on: of facts not known, or the same for all candidates."""
    lacking = {None, *(name for name in _FACTS if derived(name, enterprise, need, as_of) is None)}
    return np.array([needs in lacking for needs in _NEEDS])

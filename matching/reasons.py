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
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
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
from matching.trees import Integers

MOST: Final = 4
REFERENCES: Final = 64
LEAST: Final = 1e-6  # a smaller weight is rounding
_SAID: Final = {**SAID, **LEANINGS}
_WORDS: Final = {i: _SAID[name] for i, name in enumerate(PARTS) if name in _SAID}
_BEGINS: Final = {i: (f"{w.topic.zh}；{w.zh}：", f"{w.topic.en}; {w.en}: ") for i, w in _WORDS.items()}
_CODES: Final = sorted({words.topic.code for words in _WORDS.values()})
_TOPIC_OF: Final = np.array([_CODES.index(_WORDS[i].topic.code) if i in _WORDS else -1 for i in range(len(PARTS))])
_LARGEST: Final = int(np.bincount(_TOPIC_OF[_TOPIC_OF >= 0]).max())
_FACTS: Final = sorted({words.needs for words in _WORDS.values()} - {""})
_RESTING: Final = {f: np.array([i in _WORDS and _WORDS[i].needs == f for i in range(len(PARTS))]) for f in _FACTS}
_SLOPES_AT: Final = len(FEATURES)
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
    order, count = np.argsort(-scores, kind="stable"), min(len(scores), REFERENCES)
    steps = np.arange(count) * ((len(scores) - 1) / max(count - 1, 1))
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
    chosen, count = np.concatenate([places, references]), len(places)
    features = ranking.features[chosen]
    odds = _odds(matcher, ranking, asked, features, ranking.rows[chosen])
    added = matcher.ranker.contributions(features, count, odds)
    slopes = [parts[:, _SLOPES_AT:] for parts in odds] or [np.zeros((len(chosen), len(PARTS) - _SLOPES_AT))]
    values = np.concatenate([features, *slopes], axis=1)
    told = _tellable(added, values, _unstated(*asked, ranking.as_of))
    return _Teller(values, count, beside).reasons(*_weightiest(told, _TOPIC_OF))


def _odds(
    matcher: Matcher, ranking: Ranking, asked: tuple[Enterprise, Need], features: Numbers, rows: Rows
) -> list[Numbers]:
    """The parts of each appetite's log-odds, of candidates with these features in these rows of the catalogue."""
    context = matcher.ranker.history.context(*asked, ranking.as_of)
    codes = [getattr(matcher.builder.roster, level)[rows] for level in LEVELS]
    return [bound.parts(context, features, codes) for bound in matcher.appetites]


class _Usual(NamedTuple):
    """What is usual of a part: as a number, as it is shown in zh and en, and how a text ends with it in each."""

    value: float
    shown: tuple[str, str]
    ends: tuple[str, str]


@dataclass(frozen=True)
class _Teller:
    """Puts reasons into words: `values` [n, PARTS] of the first `count` rows beside what is usual among the others."""

    values: Numbers
    count: int
    beside: _Beside

    def reasons(self, weights: Numbers, parts: Integers) -> list[tuple[Reason, ...]]:
        """At most four reasons a row, as `_weightiest` gives them."""
        rows = zip(weights.tolist(), parts.tolist(), strict=True)
        return [
            tuple(self._reason(row, weight, falling) for weight, falling in zip(*found, strict=True) if weight)
            for row, found in enumerate(rows)
        ]

    def _reason(self, row: int, weight: float, falling: list[int]) -> Reason:
        """By the first of the parts that shows a difference; where none does, by the one that they end with.

        That one is set beside the least and the most among the others: nobody sees why what is usual moves a score.
        """
        for part in falling:
            value, usual = float(self.values[row, part]), self._usual(part)
            shown = _WORDS[part].shown(value)
            if shown != usual.shown:
                break
        begins, ends = _BEGINS[part], usual.ends if shown != usual.shown else self._span(part) or usual.ends
        return Reason(
            code=_WORDS[part].topic.code,
            effect=Effect.RAISES if weight > 0 else Effect.LOWERS,
            weight=weight,
            feature=PARTS[part],
            value=value,
            usual=usual.value,
            text_zh=f"{begins[0]}{shown[0]}{ends[0]}",
            text_en=f"{begins[1]}{shown[1]}{ends[1]}",
        )

    def _span(self, part: int) -> tuple[str, str] | None:
        """How a text ends with the least and the most among the others; None where they show no difference."""
        others = self.values[self.count :, part]
        known = others[np.isfinite(others)]
        least, most = (_WORDS[part].shown(float(value)) for value in (known.min(), known.max()))
        if least == most:
            return None
        return f"（候选产品：{least[0]}至{most[0]}）", f" (the candidates: {least[1]} to {most[1]})"

    @cached_property
    def _known(self) -> dict[int, _Usual]:
        """What is usual, by part, as it is asked for."""
        return {}

    def _usual(self, part: int) -> _Usual:
        if part not in self._known:
            others, slope = self.values[self.count :, part], part >= _SLOPES_AT
            value = _mean(others) if slope else _median(others)
            shown, (zh, en) = _WORDS[part].shown(value), self.beside[slope]
            self._known[part] = _Usual(value, shown, (f"（{zh}：{shown[0]}）", f" ({en}: {shown[1]})"))
        return self._known[part]


@njit(cache=True, nogil=True)
def _tellable(added: Any, values: Any, unstated: Any) -> Any:
    """What each part adds [n, PARTS]; 0 where no reason may rest on it.

    Its value must be known of the row and of one of the others, which follow it in `values`; a slope of 0 says nothing.
    """
    found, count = np.zeros(added.shape), len(added)
    for part in range(added.shape[1]):
        other = count
        while other < len(values) and not np.isfinite(values[other, part]):
            other += 1
        if other == len(values) or unstated[part]:
            continue
        for row in range(count):
            if np.isfinite(values[row, part]) and (part < _SLOPES_AT or values[row, part] != 0):
                found[row, part] = added[row, part]
    return found


@njit(cache=True, nogil=True)
def _weightiest(told: Any, topic_of: Any) -> Any:
    """The weights of each row's weightiest topics [n, MOST], 0 where there are fewer, and the parts behind each.

    Those parts [n, MOST, …] that move the score in the weight's direction, by how far, and the first again in the end.
    """
    weights, parts = np.zeros((len(told), MOST)), np.zeros((len(told), MOST, _LARGEST + 1), dtype=np.int64)
    topics = np.empty(topic_of.max() + 1)
    for row in range(len(told)):
        topics[:] = 0.0
        for part in range(len(topic_of)):
            if topic_of[part] >= 0:
                topics[topic_of[part]] += told[row, part]
        for place in range(MOST):
            topic = 0
            for other in range(len(topics)):
                topic = other if abs(topics[other]) > abs(topics[topic]) else topic
            if abs(topics[topic]) < LEAST:
                break
            weights[row, place], topics[topic] = topics[topic], 0.0
            _fall(told[row], np.sign(weights[row, place]), topic_of, topic, parts[row, place])
    return weights, parts


@njit(cache=True, nogil=True)
def _fall(told: Any, sign: float, topic_of: Any, topic: int, found: Any) -> None:
    """Writes which parts of the topic have this sign, the furthest first, and that one in all places left."""
    size = 0
    for part in range(len(told)):
        if topic_of[part] == topic and sign * told[part] > 0:
            place = size
            while place > 0 and sign * told[found[place - 1]] < sign * told[part]:
                found[place] = found[place - 1]
                place -= 1
            found[place] = part
            size += 1
    found[size:] = found[0]


@njit(cache=True, nogil=True)
def _mean(values: Any) -> Any:
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


@njit(cache=True, nogil=True)
def _median(values: Any) -> Any:
    """Of the known values, of which there is one."""
    known = np.sort(values[np.isfinite(values)])
    return (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2


def _places(matcher: Matcher, ranking: Ranking, product_ids: Sequence[str]) -> list[int]:
    place = {product_id: i for i, product_id in enumerate(matcher.catalogue.ids[ranking.rows].tolist())}
    for product_id in product_ids:
        if product_id not in place:
            raise NotFoundError("candidate", product_id)
    return [place[product_id] for product_id in product_ids]


def _unstated(enterprise: Enterprise, need: Need, as_of: date) -> NDArray[np.bool_]:
    """The parts that no reason may rest on: of facts not known, or the same for all candidates."""
    found = _TOPIC_OF < 0
    for name, resting in _RESTING.items():
        if derived(name, enterprise, need, as_of) is None:
            found |= resting
    return found

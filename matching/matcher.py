"""The use case: rules → features → scores → top k. The service and `evaluate` both rank through here."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from math import isnan

import numpy as np

from matching.asking import check_count, of_kinds
from matching.catalogue import Catalogue, Rows
from matching.codes import Order
from matching.domain import Enterprise, Kind, Match, Need
from matching.exposure import Exposure, Places
from matching.features import Builder
from matching.history import Numbers
from matching.neutral import neutral
from matching.ranker import Ranker
from matching.rules import Rulebook, Verdicts


@dataclass(frozen=True)
class Ranking:
    """All that was known and concluded for one need: what is answered, recorded, and replayed.

    `rows` are the candidates (rows of the catalogue, nothing fails), `features` float64 [rows, FEATURES], `scores` and
    `chances` (NaN where none is stated) theirs, in the same order; `matches` the best `top_k`, `first` their places in
    `rows`; `failed` counts the products that failed each rule;
    `surprises` names features that miss values here and never did in training; `order` is what the matches are in.
    """

    as_of: date
    model_id: str
    catalogue_version: str
    rows: Rows
    features: Numbers
    scores: Numbers
    chances: Numbers
    first: Rows
    matches: tuple[Match, ...]
    failed: dict[str, int]
    surprises: tuple[str, ...]
    order: Order = Order.MODEL


class Matcher:
    """Ranks a catalogue's products for needs with one ranker; immutable, so threads share it and swaps are whole."""

    def __init__(self, catalogue: Catalogue, ranker: Ranker) -> None:
        self.catalogue = catalogue
        self.ranker = ranker
        self.rulebook = Rulebook(catalogue)
        self.appetites = tuple(appetite.bound(ranker.history) for appetite in ranker.appetites)
        self.builder = Builder.of(ranker.history, ranker.kernels, catalogue, self.appetites)
        self.places = Places(catalogue, ranker.history, self.builder.roster)

    def rank(
        self,
        enterprise: Enterprise,
        need: Need,
        *,
        as_of: date,
        top_k: int = 10,
        kinds: Collection[Kind] | None = None,
        among: Rows | None = None,
        exposure: Exposure | None = None,
        order: Order = Order.MODEL,
        tell: bool = True,
    ) -> Ranking:
        """The best `top_k` eligible products for `need` as of a date; `among` limits the rows that are considered.

        Reads no outcome from the first day of `as_of`'s month on. Equal scores rank by product id. Under `exposure`
        a better product may have to give way, and the matches are fewer where it cannot be met with all. In the neutral
        `order` no model has a say in the matches, nor do they state a score or a chance. Only where it is to `tell`
        are there verdicts, counts of what failed and surprises; without costs less. Raises `InputError` where `as_of`
        is no plain date, `top_k` is below 0 or one of `kinds` is none.
        """
        check_count(top_k)
        need = of_kinds(need, kinds)
        verdicts = self.rulebook.judge(enterprise, need, as_of, among)
        rows = verdicts.rows[verdicts.eligible]
        features = self.builder.build(enterprise, need, as_of, rows)
        scores = self.ranker.score(features)
        chances = self.ranker.chance(features, scores, self.catalogue.kind_code[rows])
        placed = scores if order is Order.MODEL else neutral(self.catalogue, rows, as_of)
        first = self.places.first(rows, placed, as_of, top_k, exposure)
        return Ranking(
            as_of=as_of,
            model_id=self.ranker.model_id,
            catalogue_version=self.catalogue.version,
            rows=rows,
            features=features,
            scores=scores,
            chances=chances,
            first=first,
            matches=self._matches(verdicts if tell else None, rows, scores, chances, first, order),
            failed=verdicts.failed if tell else {},
            surprises=tuple(self.ranker.surprises(features)) if tell else (),
            order=order,
        )

    def _matches(
        self, verdicts: Verdicts | None, rows: Rows, scores: Numbers, chances: Numbers, first: Rows, order: Order
    ) -> tuple[Match, ...]:
        eligible, said = np.flatnonzero(verdicts.eligible) if verdicts else rows, order is Order.MODEL
        ids = self.catalogue.ids[rows[first]].tolist()
        best = zip(ids, scores[first].tolist(), chances[first].tolist(), eligible[first].tolist(), strict=True)
        return tuple(
            Match(
                product_id=product_id,
                rank=rank,
                score=score if said else None,
                chance=chance if said and not isnan(chance) else None,
                verdicts=verdicts.of(place) if verdicts else (),
            )
            for rank, (product_id, score, chance, place) in enumerate(best, start=1)
        )

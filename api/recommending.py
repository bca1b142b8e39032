"""The use case: a request becomes a ranking, and the ranking a record on disk, before anything is answered."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from math import inf
from time import perf_counter
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from api.desk.identity import aware, plain
from api.enquiring import asked_enterprise, refuse_later
from api.keyed import LaterAsker
from api.messages import (
    Asked,
    CandidateFeatures,
    ProductFix,
    RankedProduct,
    Recommendation,
    RecommendationRequest,
    Record,
)
from api.service import Service
from api.store import arrays, queries
from api.store.database import Encoded
from api.store.models import RecommendationRow
from api.store.reading import stored, unpacking
from matching.advice import advise
from matching.asking import of_kinds
from matching.catalogue import Catalogue, Rows
from matching.codes import Order
from matching.domain import Enterprise, Fix, Match, Need, Product, Verdict
from matching.errors import BundleError, Fault, InputError
from matching.features import FEATURES
from matching.financing import Financing
from matching.fixes import fixes_of
from matching.matcher import Matcher, Ranking
from matching.reasons import explained
from matching.reference import reading
from matching.sizing import suggest

FIXES = 5
_ANSWER = TypeAdapter(Recommendation)
FEATURE_NAMES = Encoded.of(FEATURES)  # the same in every record


@dataclass(frozen=True)
class Made:
    """An answer before it is in the store: what was asked, the answer, and the other columns of its record."""

    asked: Asked
    answer: Recommendation
    columns: dict[str, Any]

    @cached_property
    def row(self) -> RecommendationRow:
        """The record, its documents as the store gives them back."""
        documents = {"request": self.asked.model_dump(mode="json"), "answer": self.answer.model_dump(mode="json")}
        return RecommendationRow(**self.columns, **documents)

    @cached_property
    def content(self) -> bytes:
        """The answer as JSON: it leaves as it is recorded."""
        return _ANSWER.dump_json(self.answer)

    def record(self) -> dict[str, Any]:
        """All columns of the record, for `Recorder.add`."""
        documents = {"request": Encoded(self.asked.model_dump_json()), "answer": Encoded(self.content, "utf-8")}
        return self.columns | documents | {"feature_names": FEATURE_NAMES}


async def recommend_in_turn(service: Service, request: RecommendationRequest, asker: LaterAsker) -> Made:
    """The answer to a request, its record on disk: first come, first ranked, a few at a time.

    Who waits for the disk keeps nobody from ranking. `asker` raises where whoever asks may not.
    """
    answered: Future[Made] = Future()
    service.rankers.submit(_recommend, service, request, asker, perf_counter(), answered)
    return await asyncio.wrap_future(answered)


def _recommend(
    service: Service,
    request: RecommendationRequest,
    asker: LaterAsker,
    arrived: float,
    answered: "Future[Made]",
) -> None:
    """Ranks, and leaves it to the recorder to say so when the record is on disk: the loop wakes up once."""
    if answered.cancelled():
        return
    began = perf_counter()
    try:
        asker(arrived=arrived)
        made = make(service, request, arrived)
        ranked = perf_counter()
        recorded = service.store.recorder.add(made.record())
    except Exception as error:
        _settle(answered, error)
    else:
        recorded.add_done_callback(lambda done: _recorded(service, began, ranked, done, answered, made))


def _recorded(
    service: Service, began: float, ranked: float, done: "Future[None]", answered: "Future[Made]", made: Made
) -> None:
    error = done.exception()
    if error is None:
        service.meters.recommended(ranked - began, perf_counter() - ranked)
    _settle(answered, error or made)


def _settle(answered: "Future[Made]", outcome: Made | BaseException) -> None:
    if not answered.set_running_or_notify_cancel():
        return
    if isinstance(outcome, BaseException):
        answered.set_exception(outcome)
    else:
        answered.set_result(outcome)


def make(service: Service, request: RecommendationRequest, arrived: float = inf) -> Made:
    """The answer to a request that came at `arrived`, for the caller to put its record into the store."""
    now = service.now()
    recommendation_id = f"{plain(now):%Y%m%dT%H%M%S%f}-{secrets.token_hex(8)}"
    return remake(service.serving.matcher(arrived), _asked(service, request, recommendation_id), recommendation_id, now)


def remake(matcher: Matcher, asked: Asked, recommendation_id: str, now: datetime) -> Made:
    """What a matcher answers, with all that the answer rests on; the same for the same matcher and `asked`."""
    ranking = matcher.rank(
        asked.enterprise,
        asked.need,
        as_of=asked.as_of,
        top_k=asked.top_k,
        kinds=asked.kinds,
        exposure=asked.exposure,
        order=asked.order,
    )
    if asked.explain and asked.order is Order.MODEL:  # a neutral order has no model's reasons
        ranking = explained(matcher, ranking, asked.enterprise, asked.need)
    product_ids = matcher.catalogue.ids[ranking.rows].tolist()
    answer = _answer(recommendation_id, asked, ranking, matcher.catalogue, _fixes(matcher, asked))
    return Made(asked, answer, _columns(answer, ranking, product_ids, now))


def recall(service: Service, recommendation_id: str, features: bool) -> Record:
    """The record of an answer given before. Raises `NotFoundError`."""
    with service.store.reading() as session:
        row = queries.recommendation(session, recommendation_id, features)
    return Record(
        **stored(Recommendation, row.answer, "recommendation", row.recommendation_id).model_dump(),
        created_at=aware(row.created_at),
        rules_version=row.rules_version,
        request=stored(Asked, row.request, "recommendation", row.recommendation_id),
        features=_features(row) if features else None,
    )


def _asked(service: Service, request: RecommendationRequest, recommendation_id: str) -> Asked:
    as_of = request.as_of or service.today()
    enterprise = asked_enterprise(service, request, as_of)
    need = _need(request, enterprise, as_of, f"need-{recommendation_id}")
    refuse_later({"enterprise.as_of": enterprise.as_of, "need.posted_at": need.posted_at}, as_of)
    return Asked(
        enterprise=enterprise,
        need=need,
        top_k=request.top_k,
        kinds=request.kinds,
        as_of=as_of,
        exposure=request.exposure,
        fix=request.fix,
        explain=request.explain,
        stack=request.stack,
        order=request.order,
    )


def _need(request: RecommendationRequest, enterprise: Enterprise, as_of: date, need_id: str) -> Need:
    given = request.need
    owner = enterprise.enterprise_id
    if given.enterprise_id not in (None, owner):
        raise InputError("request", [Fault("need.enterprise_id", f"is {owner!r} as the enterprise, or absent")])
    defaults = {"need_id": need_id, "enterprise_id": owner, "posted_at": as_of}
    return Need.model_validate(defaults | given.model_dump(exclude_none=True))


def _fixes(matcher: Matcher, asked: Asked) -> tuple[ProductFix, ...] | None:
    if not asked.fix:
        return None
    return _of_products(_found_fixes(matcher, asked), matcher.catalogue, matcher.catalogue.known_as_of(asked.as_of))


def _of_products(found: Sequence[Fix], catalogue: Catalogue, rows: Rows) -> tuple[ProductFix, ...]:
    """The fixes with what names their products, which are among these rows."""
    row_of = dict(zip(catalogue.ids[rows].tolist(), rows.tolist(), strict=True))
    return tuple(ProductFix(**vars(fix), **_named(catalogue.products[row_of[fix.product_id]])) for fix in found)


@dataclass(frozen=True)
class Judged:
    """What the catalogue in service says of an institution's products: verdicts by id, what to fix by least effort."""

    verdicts: Mapping[str, tuple[Verdict, ...]] = field(default_factory=dict)
    fixes: tuple[ProductFix, ...] = ()


def own_judged(service: Service, asked: Asked, institution_id: str) -> Judged:
    """What an institution's own products pass and fail, and what would make the failing ones eligible.

    Nothing while there is no model in service.
    """
    try:
        matcher = service.serving.matcher()
    except BundleError:
        return Judged()
    catalogue = matcher.catalogue
    known = catalogue.known_as_of(asked.as_of)
    own = known[catalogue.institution_ids[known] == institution_id]
    judged = matcher.rulebook.judge(asked.enterprise, asked.need, asked.as_of, own)
    verdicts = {product_id: judged.of(i) for i, product_id in enumerate(catalogue.ids[own].tolist())}
    return Judged(verdicts, _of_products(fixes_of(judged, matcher.ranker.currency)[:FIXES], catalogue, own))


def helpful_fixes(service: Service, asked: Asked) -> tuple[ProductFix, ...] | None:
    """What would make products eligible that are not, today, by the catalogue in service; None without a model."""
    try:
        matcher = service.serving.matcher()
    except BundleError:
        return None
    return _fixes(matcher, asked.model_copy(update={"fix": True, "as_of": service.today()}))


def _found_fixes(matcher: Matcher, asked: Asked) -> tuple[Fix, ...]:
    """The fixes of least effort; with the rank by score that each would have unless no model is to have a say."""
    if asked.order is Order.MODEL:
        return advise(matcher, asked.enterprise, asked.need, as_of=asked.as_of, limit=FIXES, kinds=asked.kinds)
    need = of_kinds(asked.need, asked.kinds)
    return fixes_of(matcher.rulebook.judge(asked.enterprise, need, asked.as_of), matcher.ranker.currency)[:FIXES]


def _answer(
    recommendation_id: str,
    asked: Asked,
    ranking: Ranking,
    catalogue: Catalogue,
    fixes: tuple[ProductFix, ...] | None,
) -> Recommendation:
    matches = zip(ranking.matches, ranking.rows[ranking.first].tolist(), strict=True)
    financing = Financing(asked.enterprise, asked.need, asked.as_of) if asked.stack else None
    return Recommendation(
        id=recommendation_id,
        enterprise_id=asked.enterprise.enterprise_id,
        need_id=asked.need.need_id,
        as_of=ranking.as_of,
        model_id=ranking.model_id,
        catalogue_version=ranking.catalogue_version,
        candidates=len(ranking.rows),
        failed=ranking.failed,
        surprises=ranking.surprises,
        order=ranking.order,
        order_zh=ranking.order.zh,
        order_en=ranking.order.en,
        matches=tuple(_ranked(match, catalogue, row, financing) for match, row in matches),
        stack_basis=financing.basis if financing else None,
        sizing=suggest(asked.enterprise, asked.need, asked.as_of),
        fixes=fixes,
    )


def _ranked(match: Match, catalogue: Catalogue, row: int, financing: Financing | None) -> RankedProduct:
    product = catalogue.products[row]
    stack = None
    if financing:
        stack = financing.of(product, float(catalogue.rate_bp(financing.as_of)[row]), match.chance)
    return RankedProduct(**vars(match), **_named(product), stack=stack)


def _named(product: Product) -> dict[str, Any]:
    """What names a product in an answer."""
    return {name: getattr(product, name) for name in ("institution_id", "name_zh", "name_en", "kind", "type")}


def _columns(answer: Recommendation, ranking: Ranking, product_ids: list[str], now: datetime) -> dict[str, Any]:
    return {
        "recommendation_id": answer.id,
        "created_at": plain(now),
        "enterprise_id": answer.enterprise_id,
        "need_id": answer.need_id,
        "as_of": answer.as_of,
        "model_id": answer.model_id,
        "catalogue_version": answer.catalogue_version,
        "rules_version": reading.version(),
        "feature_names": list(FEATURES),
        "product_ids": arrays.pack_ids(product_ids),
        "scores": arrays.pack_vector(ranking.scores),
        "features": arrays.pack_matrix(ranking.features),
    }


def _features(row: RecommendationRow) -> tuple[CandidateFeatures, ...]:
    names = row.feature_names
    with unpacking("recommendation", row.recommendation_id):
        values = arrays.unpack_matrix(row.features, len(names)).astype(object)
        ids, scores = arrays.unpack_ids(row.product_ids), arrays.unpack_vector(row.scores).tolist()
    values[~np.isfinite(values.astype(np.float64))] = None
    columns = zip(ids, scores, values, strict=True)
    return tuple(
        CandidateFeatures(product_id=product_id, score=score, values=dict(zip(names, line, strict=True)))
        for product_id, score, line in columns
    )

"""A recommendation computed again from the versions that it was made of, and where it comes out otherwise."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from api.desk.identity import aware
from api.messages import Asked, Difference, Replay
from api.recommending import Made, remake
from api.service import Service
from api.store import arrays, queries
from api.store.models import RecommendationRow
from api.store.reading import UnreadableError, stored, unpacking
from matching.errors import BundleError, NotFoundError
from matching.faults import short
from matching.matcher import Matcher
from matching.reference import reading

MOST: Final = 20


def replay(service: Service, recommendation_id: str) -> Replay:
    """Rank again with the recorded request, model and catalogue. Raises `NotFoundError` for an unknown record."""
    with service.store.reading() as session:
        row = queries.recommendation(session, recommendation_id, features=True)
    try:
        matcher = _matcher(service, row)
        asked = stored(Asked, row.request, "recommendation", row.recommendation_id)
        made = remake(matcher, asked, recommendation_id, aware(row.created_at))
        with unpacking("recommendation", recommendation_id):
            found = tuple(_differences(row, made))
    except (NotFoundError, BundleError, UnreadableError) as error:
        return Replay(equal=None, why=str(error))
    return Replay(equal=not found, differences=found[:MOST])


def _matcher(service: Service, row: RecommendationRow) -> Matcher:
    """The one in service where it is of the same versions, else one made anew of what was kept."""
    try:
        current = service.serving.matcher()
    except BundleError:
        current = None
    if current is not None and (current.ranker.model_id, current.catalogue.version) == (
        row.model_id,
        row.catalogue_version,
    ):
        return current
    return service.serving.former(row.model_id, row.catalogue_version)


def _differences(row: RecommendationRow, made: Made) -> Iterator[Difference]:
    if row.rules_version not in (None, reading.version()):
        yield _difference("rules_version", row.rules_version, reading.version())
    yield from _compared("", row.answer, made.row.answer)
    yield from _candidates(row, made.row)


def _compared(where: str, was: Any, now: Any) -> Iterator[Difference]:
    """Every leaf that differs; a field that the record did not have yet says nothing."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name, value in was.items():
            yield from _compared(f"{where}.{name}" if where else name, value, now.get(name))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for i, (one, other) in enumerate(zip(was, now, strict=True), start=1):
            yield from _compared(f"{where}[{i}]", one, other)
    elif was != now:
        yield _difference(where, was, now)


def _candidates(row: RecommendationRow, made: RecommendationRow) -> Iterator[Difference]:
    """Of candidates, scores and features, to the last bit."""
    ids, names = arrays.unpack_ids(row.product_ids), row.feature_names
    if ids != arrays.unpack_ids(made.product_ids) or names != made.feature_names:
        yield _difference("candidates", ids, arrays.unpack_ids(made.product_ids))
        return
    was, now = (arrays.unpack_vector(one.scores) for one in (row, made))
    for i in np.flatnonzero(was != now):
        yield _difference(f"scores.{ids[i]}", was[i], now[i])
    before, after = (arrays.unpack_matrix(one.features, len(names)) for one in (row, made))
    for i, j in np.argwhere((before != after) & ~(np.isnan(before) & np.isnan(after))):
        yield _difference(f"features.{ids[i]}.{names[j]}", before[i, j], after[i, j])


def _difference(where: str, was: object, now: object) -> Difference:
    return Difference(where=where, was=short(str(was), 200), now=short(str(now), 200))

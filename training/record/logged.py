"""What the ranker saw when it answered: one row for each product that something came of, as it was logged."""

import zlib
from collections.abc import Collection
from operator import itemgetter
from struct import Struct, error
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, Select, Table, select

MARK: Final = b"Z"
HEAD: Final = Struct("<cq")
AT_ONCE: Final = 100  # records in memory: a driver would fetch all of them before it gives the first
ABOUT = ("recommendation_id", "created_at", "need_id", "model_id", "catalogue_version", "rules_version")
RANKED = ("product_id", "rank", "score")
BROKEN = (zlib.error, error, pa.ArrowException, ValueError, OSError, IndexError, MemoryError)  # as of other bytes
DAMAGED = "features in a damaged answer"


def logged(
    connection: Connection, known: dict[str, Table], pairs: Collection[tuple[str, str]]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """A row for each recorded candidate whose (need, product) is among `pairs`, in the order of the answers.

    Columns: what names the record and its versions, `product_id`, `rank` by score, `score`, and the features by name.
    And how many answers are damaged and have no rows: what came of them is known all the same.
    """
    wanted: dict[str, set[str]] = {}
    for need_id, product_id in pairs:
        wanted.setdefault(need_id, set()).add(product_id)
    rows: list[dict[str, Any]] = []
    damaged = 0
    for record in connection.execute(_of_needs(known).execution_options(yield_per=AT_ONCE)):
        try:
            rows += _rows(record, wanted.get(record.need_id, set()))
        except BROKEN:
            damaged += 1
    rows.sort(key=itemgetter("created_at", "recommendation_id"))
    found = pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*ABOUT, *RANKED])
    return found, {DAMAGED: damaged} if damaged else {}


def _of_needs(known: dict[str, Table]) -> Select[Any]:
    """The records of needs that something came of: most others were only asked for, and each is some 100 kB."""
    asked, cases, outcomes = known["recommendations"], known["cases"].c, known["outcomes"].c
    needs = select(cases.need_id).union(select(outcomes.need_id))
    return select(asked).where(asked.c.need_id.in_(needs))


def _rows(record: Any, product_ids: Collection[str]) -> list[dict[str, Any]]:
    ids = _unpacked(record.product_ids).decode().split("\n")
    places = [i for i, product_id in enumerate(ids) if product_id in product_ids]
    if not places:
        return []
    scores, names = _numbers(record.scores), record.feature_names
    features = _numbers(record.features).reshape(len(names), -1).T
    order = np.argsort(-scores, kind="stable")
    rank = np.empty(len(order), dtype=int)
    rank[order] = np.arange(1, len(order) + 1)
    about = {name: getattr(record, name) for name in ABOUT}
    return [
        about
        | {"product_id": ids[i], "rank": int(rank[i]), "score": float(scores[i])}
        | dict(zip(names, features[i].tolist(), strict=True))
        for i in places
    ]


def _numbers(packed: bytes) -> np.ndarray:
    """As the store packs them: little-endian float64."""
    return np.frombuffer(_unpacked(packed), dtype="<f8")


def _unpacked(packed: bytes) -> bytes:
    """Zstandard after a mark and the size, as the service writes it; zlib, as it once did."""
    if packed[:1] != MARK:
        return zlib.decompress(packed)
    _, size = HEAD.unpack_from(packed)
    if size < 0:
        raise ValueError("a size is no less than 0")
    found: bytes = pa.decompress(packed[HEAD.size :], size, codec="zstd", asbytes=True)
    return found

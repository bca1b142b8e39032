"""Another product of the same institution: which there are, with their ranks, and how a case changes to one."""

from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.desk.queue import UNSTATED
from api.desk.views import OwnProduct
from api.service import Service
from api.store import arrays, queries
from api.store.desk_models import CaseRow
from api.store.models import ProductRow, RecommendationRow
from api.store.reading import stored
from matching.domain import Product
from matching.errors import Fault, InputError

Ranks = dict[str, tuple[int, float]]


def ranks(row: RecommendationRow) -> Ranks:
    """The rank and score of every candidate by product id, as the model ordered them; `row` has its arrays."""
    ids, scores = arrays.unpack_ids(row.product_ids), arrays.unpack_vector(row.scores)
    order = np.argsort(-scores, kind="stable")
    return {ids[i]: (rank, float(scores[i])) for rank, i in enumerate(order, start=1)}


def own_products(session: Session, case: CaseRow, as_of: date, found: Ranks) -> list[OwnProduct]:
    """The products that the case's institution offers on a day, ranked ones first."""
    offered = select(ProductRow.document).where(
        ProductRow.institution_id == case.institution_id, *queries.offered(as_of)
    )
    products = [stored(Product, document) for document in session.scalars(offered)]
    nowhere: tuple[int | None, float | None] = (None, None)
    own = [_own(p, case, *found.get(p.product_id, nowhere)) for p in products]
    return sorted(own, key=lambda one: (one.rank is None, one.rank or 0, one.product.product_id))


def _own(product: Product, case: CaseRow, rank: int | None, score: float | None) -> OwnProduct:
    return OwnProduct(product, rank, score, product.product_id == case.product_id)


def replace_product(service: Service, session: Session, case: CaseRow, product_id: str | None) -> dict[str, Any]:
    """Change a held case to another product of its institution; says what was replaced by what.

    Raises `InputError` where none, the same, another institution's or one that is not offered today is named.
    """
    row = queries.recommendation(session, case.recommendation_id, features=True)
    own = {one.product.product_id: one for one in own_products(session, case, service.today(), ranks(row))}
    chosen = own.get(product_id or "")
    if chosen is None or chosen.current:
        raise InputError("request", [Fault("product_id", "is another product that the institution offers today")])
    stated = {match["product_id"]: match["chance"] for match in row.answer["matches"]}
    chance = stated.get(chosen.product.product_id)
    detail = {"from": case.product_id, "from_rank": case.rank, "to": chosen.product.product_id, "to_rank": chosen.rank}
    case.product_id, case.kind = chosen.product.product_id, chosen.product.kind.value
    case.product_zh, case.product_en = chosen.product.name_zh, chosen.product.name_en
    case.rank, case.score = chosen.rank or 0, chosen.score
    case.chance = UNSTATED if chance is None else chance
    return detail

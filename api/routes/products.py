"""Products, as offered on a day."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from api.desk.identity import Scope
from api.keyed import openly
from api.messages import ProductPage
from api.openapi import problems
from api.requests import answer
from api.service import ServiceGiven
from api.store import queries
from matching.domain import Day, Id, Kind, Product

router = APIRouter(prefix="/v1/products", tags=["products"], dependencies=[Depends(openly(Scope.READ))])


@router.get("", response_model=ProductPage, responses=problems(401, 403, 422, 503))
def get_products(
    service: ServiceGiven,
    kind: Annotated[Kind | None, Query(description="Only products of this kind", examples=["credit"])] = None,
    institution_id: Annotated[Id | None, Query(description="Only this one's products", examples=["I09"])] = None,
    as_of: Annotated[Day | None, Query(description="Today when missing", examples=["2026-01-15"])] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="How many on a page")] = 100,
    offset: Annotated[int, Query(ge=0, le=10**9, description="How many to pass over")] = 0,
) -> Response:
    """The products offered on a day, ordered by id, page by page."""
    with service.store.reading() as session:
        total, items = queries.products(session, as_of or service.today(), kind, institution_id, limit, offset)
    return answer(ProductPage(total=total, limit=limit, offset=offset, items=items))


@router.get("/{product_id}", response_model=Product, responses=problems(401, 403, 404, 422, 503))
def get_product(
    product_id: Annotated[Id, Path(description="As `GET /v1/products` lists it", examples=["P058"])],
    service: ServiceGiven,
    as_of: Annotated[Day | None, Query(description="Today when missing", examples=["2026-01-15"])] = None,
) -> Response:
    """A product's latest version begun by a day; its `valid_to` says whether it has ended."""
    with service.store.reading() as session:
        return answer(queries.product(session, product_id, as_of or service.today()))

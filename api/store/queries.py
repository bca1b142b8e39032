"""What the service asks of its store: rows come out as entities, and an id that names nothing raises NotFoundError.

A row that this version cannot read raises `UnreadableError`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, insert, select, text, tuple_, update
from sqlalchemy.orm import Session, aliased, undefer

from api.store import arrays
from api.store.desk_models import CatalogueRow
from api.store.models import (
    Base,
    EnterpriseRow,
    InstitutionRow,
    LoadRow,
    NeedRow,
    ProductRow,
    RecommendationRow,
)
from api.store.reading import stored, unpacking
from matching.catalogue import Catalogue
from matching.domain import Enterprise, Entity, Institution, Kind, Need, Product
from matching.errors import NotFoundError

TABLES: Mapping[type[Entity], type[Base]] = {
    Institution: InstitutionRow,
    Product: ProductRow,
    Enterprise: EnterpriseRow,
    Need: NeedRow,
}
KEYS_ASKED = 500
REVISION = select(func.max(LoadRow.load_id))
SIMULATED = select(LoadRow.simulated).order_by(LoadRow.load_id.desc()).limit(1)
_LATEST = (
    select(EnterpriseRow.document)
    .where(EnterpriseRow.enterprise_id == bindparam("enterprise_id"), EnterpriseRow.as_of <= bindparam("as_of"))
    .order_by(EnterpriseRow.as_of.desc())
    .limit(1)
)


def enterprise(connection: Connection | Session, enterprise_id: str, as_of: date) -> Enterprise:
    """The enterprise's latest facts known by `as_of`."""
    found = connection.scalar(_LATEST, {"enterprise_id": enterprise_id, "as_of": as_of})
    if found is None:
        raise NotFoundError(f"enterprise known by {as_of}", enterprise_id)
    return stored(Enterprise, found)


def need(session: Session, need_id: str) -> Need:
    """A need as posted."""
    query = select(NeedRow.document).where(NeedRow.need_id == need_id)
    return stored(Need, _found(session, query, "need", need_id))


def posted_at(session: Session, need_id: str) -> date:
    """The day of a need that the service knows, from its table or from a recommendation. Raises `NotFoundError`.

    The recommendation is held until the transaction ends, so that it is not forgotten before what is to rest on it.
    """
    posted = session.scalar(select(NeedRow.posted_at).where(NeedRow.need_id == need_id))
    if posted is not None:
        return posted
    asked = select(RecommendationRow.request).where(RecommendationRow.need_id == need_id)
    first = asked.order_by(RecommendationRow.created_at).limit(1).with_for_update(read=True, key_share=True)
    request: dict[str, Any] = _found(session, first, "need", need_id)
    return date.fromisoformat(request["need"]["posted_at"])


def versions(session: Session, product_id: str) -> list[Product]:
    """All versions of a product, none for an unknown one."""
    rows = session.scalars(select(ProductRow.document).where(ProductRow.product_id == product_id))
    return [stored(Product, document) for document in rows]


def product(session: Session, product_id: str, as_of: date) -> Product:
    """The product's latest version begun by `as_of`, ended or not."""
    query = (
        select(ProductRow.document)
        .where(ProductRow.product_id == product_id, ProductRow.valid_from <= as_of)
        .order_by(ProductRow.valid_from.desc())
        .limit(1)
    )
    return stored(Product, _found(session, query, f"product offered by {as_of}", product_id))


def products(
    session: Session, as_of: date, kind: Kind | None, institution_id: str | None, limit: int, offset: int
) -> tuple[int, list[Product]]:
    """How many products are offered on `as_of`, of a kind or institution if named, and one page of them by id."""
    wanted = offered(as_of)
    if kind is not None:
        wanted.append(ProductRow.kind == kind.value)
    if institution_id is not None:
        wanted.append(ProductRow.institution_id == institution_id)
    total = session.scalar(select(func.count()).select_from(ProductRow).where(*wanted)) or 0
    page = select(ProductRow.document).where(*wanted).order_by(ProductRow.product_id).limit(limit).offset(offset)
    return total, [stored(Product, document) for document in session.scalars(page)]


def offered(as_of: date) -> list[ColumnElement[bool]]:
    """The version in force: the latest begun by that day, unless it has ended."""
    other = aliased(ProductRow)
    latest = (
        select(func.max(other.valid_from))
        .where(other.product_id == ProductRow.product_id, other.valid_from <= as_of)
        .scalar_subquery()
    )
    return [ProductRow.valid_from == latest, ProductRow.valid_to.is_(None) | (ProductRow.valid_to > as_of)]


def catalogue(session: Session) -> tuple[list[Product], list[Institution]]:
    """Every version of every product, and the institutions.

    All rows are fetched before one is read: while an error in between is kept, SQLite would go on showing an old state.
    """
    rows = session.scalars(select(ProductRow.document)).all()
    owners = session.scalars(select(InstitutionRow.document)).all()
    return [stored(Product, row) for row in rows], [stored(Institution, row) for row in owners]


def keep_catalogue(session: Session, served: Catalogue) -> None:
    """A catalogue that is served is kept for ever, so that what it answered can be replayed."""
    if session.get(CatalogueRow, served.version) is None:
        rows = {
            "products": [product.model_dump(mode="json", exclude_none=True) for product in served.products],
            "institutions": [owner.model_dump(mode="json", exclude_none=True) for owner in served.institutions],
        }
        document = arrays.pack_text(json.dumps(rows, ensure_ascii=False))
        session.add(CatalogueRow(version=served.version, document=document))


def kept_catalogue(session: Session, version: str) -> Catalogue:
    """A catalogue as it was served. Raises `NotFoundError` where it was never kept."""
    row = session.get(CatalogueRow, version)
    if row is None:
        raise NotFoundError("catalogue", version)
    with unpacking("catalogue", version):
        rows = json.loads(arrays.unpack_text(row.document))
    products = [stored(Product, document) for document in rows["products"]]
    return Catalogue.of(products, [stored(Institution, document) for document in rows["institutions"]])


def last_load(session: Session) -> LoadRow | None:
    """The latest load; its number is the catalogue's revision."""
    return session.scalars(select(LoadRow).order_by(LoadRow.load_id.desc()).limit(1)).first()


def hold_loads(session: Session) -> None:
    """Nobody else loads until this transaction ends; on SQLite nobody else writes anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE loads IN SHARE ROW EXCLUSIVE MODE"))


def currency(session: Session) -> str:
    """That of the tables in service."""
    last = last_load(session)
    return last.currency if last else "CNY"


def recommendation(session: Session, recommendation_id: str, features: bool = False) -> RecommendationRow:
    """A record, with the arrays of all its candidates when `features` are asked for."""
    query = select(RecommendationRow).where(RecommendationRow.recommendation_id == recommendation_id)
    if features:
        columns = (RecommendationRow.product_ids, RecommendationRow.scores, RecommendationRow.features)
        query = query.options(*map(undefer, columns))
    row: RecommendationRow = _found(session, query, "recommendation", recommendation_id)
    return row


def _found(session: Session, query: Select[Any], what: str, key: str) -> Any:
    found = session.scalars(query).first()
    if found is None:
        raise NotFoundError(what, key)
    return found


def upsert(session: Session, entities: Iterable[Entity]) -> None:
    """Entities into their tables: a known key takes the new facts, a new key is added, none is removed."""
    rows: dict[type[Base], list[dict[str, Any]]] = {}
    for entity in entities:
        model, row = _row_of(entity)
        rows.setdefault(model, []).append(row)
    for model, table_rows in rows.items():
        _upsert_rows(session, model, table_rows)


def _upsert_rows(session: Session, model: type[Base], rows: list[dict[str, Any]]) -> None:
    names = [column.name for column in model.__mapper__.primary_key]
    keys = [tuple(row[name] for name in names) for row in rows]
    known = _known(session, [getattr(model, name) for name in names], keys)
    changes = {False: insert(model), True: update(model)}
    for is_known, change in changes.items():
        some = [row for row, key in zip(rows, keys, strict=True) if (key in known) is is_known]
        if some:
            session.execute(change, some)


def _known(
    session: Session, columns: Sequence[ColumnElement[Any]], keys: list[tuple[Any, ...]]
) -> set[tuple[Any, ...]]:
    """The keys that have a row; asked for some at a time, since a statement takes only so many values."""
    known: set[tuple[Any, ...]] = set()
    for start in range(0, len(keys), KEYS_ASKED):
        asked = keys[start : start + KEYS_ASKED]
        known.update(tuple(key) for key in session.execute(select(*columns).where(tuple_(*columns).in_(asked))))
    return known


def _row_of(entity: Entity) -> tuple[type[Base], dict[str, Any]]:
    """The row's table and columns: its key and what is asked for, and the document."""
    model = TABLES[type(entity)]
    columns = {
        column.name: getattr(entity, column.name) for column in model.__table__.columns if column.name != "document"
    }
    return model, columns | {"document": entity.model_dump(mode="json", exclude_none=True)}

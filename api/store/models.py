"""The store's tables: the key and what is asked for as columns, the whole entity as one JSON document beside them.

A new field of an entity needs no migration. Money stands in the documents as JSON's whole numbers. Times are UTC.
"""

from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ID = String(128)
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
}


class Base(DeclarativeBase):
    """The root of all rows; every constraint has a name, so that a migration can change it."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {dict[str, Any]: JSON, list[str]: JSON}


class InstitutionRow(Base):
    """An institution."""

    __tablename__ = "institutions"

    institution_id: Mapped[str] = mapped_column(ID, primary_key=True)
    document: Mapped[dict[str, Any]]


class ProductRow(Base):
    """A product's version, in force from `valid_from` until before the next version or `valid_to`."""

    __tablename__ = "products"

    product_id: Mapped[str] = mapped_column(ID, primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_to: Mapped[date | None]
    institution_id: Mapped[str] = mapped_column(ID, ForeignKey("institutions.institution_id"), index=True)
    kind: Mapped[str] = mapped_column(String(16), index=True)
    document: Mapped[dict[str, Any]]


class EnterpriseRow(Base):
    """An enterprise's facts as known on `as_of`."""

    __tablename__ = "enterprises"

    enterprise_id: Mapped[str] = mapped_column(ID, primary_key=True)
    as_of: Mapped[date] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]]


class NeedRow(Base):
    """A need as posted; its enterprise has facts of several dates, so no foreign key can name it."""

    __tablename__ = "needs"

    need_id: Mapped[str] = mapped_column(ID, primary_key=True)
    enterprise_id: Mapped[str] = mapped_column(ID, index=True)
    posted_at: Mapped[date]
    document: Mapped[dict[str, Any]]


class RecommendationRow(Base):
    """A recommendation: what was asked, what was answered, and all that the ranking rested on.

    `product_ids`, `scores` and `features` cover every candidate in the ranker's order, compressed (`arrays.py`).
    """

    __tablename__ = "recommendations"
    __table_args__ = (Index(None, "enterprise_id", "created_at"),)

    recommendation_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(index=True)
    enterprise_id: Mapped[str] = mapped_column(ID)
    need_id: Mapped[str] = mapped_column(ID, index=True)
    as_of: Mapped[date]
    model_id: Mapped[str] = mapped_column(ID)
    catalogue_version: Mapped[str] = mapped_column(ID)
    rules_version: Mapped[str | None] = mapped_column(ID)  # earlier records have none
    request: Mapped[dict[str, Any]]
    answer: Mapped[dict[str, Any]]
    feature_names: Mapped[list[str]]
    product_ids: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    scores: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    features: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class LoadRow(Base):
    """One load of a folder of tables, never changed afterwards; the last one's number is the catalogue's revision."""

    __tablename__ = "loads"

    load_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    loaded_at: Mapped[datetime]
    fingerprint: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(String(16))
    attribution: Mapped[str] = mapped_column(Text)
    simulated: Mapped[bool]

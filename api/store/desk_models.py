"""The desk's tables: who may come in, which needs are listed, whose turn each is, and every step that was taken.

Times are UTC without a zone. A case never changes its institution: when it is declined or overdue, the next one gets
a case of its own. At most one case of a need is open, and an institution gets each need once: indices see to both.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from api.store.models import ID, Base

TOKEN = String(64)
WORD = String(16)
NAME = String(64)
LABEL = String(200)
OPEN = text("closed_at IS NULL")
COUNTED = ("step", "from_stage", "to_stage", "late", "took")  # of an event, in a month
WAITING: Any = {f"{database}_where": text("due_at IS NOT NULL") for database in ("sqlite", "postgresql")}
EXHAUSTED: Any = {f"{database}_where": text("exhausted_at IS NOT NULL") for database in ("sqlite", "postgresql")}
SETTLED: Any = {f"{database}_where": text("settled_at IS NOT NULL") for database in ("sqlite", "postgresql")}
NARROWED = ("kind", "stage", "size", "region", "amount", "search")  # by which a queue is narrowed
SORTED = (("due_at", "case_id", *NARROWED), ("amount", "case_id"), ("chance", "case_id"), ("opened_at", "case_id"))


class AccountRow(Base):
    """Somebody who signs in; `name` is case-folded, `institution_id` an officer's alone."""

    __tablename__ = "accounts"

    account_id: Mapped[str] = mapped_column(TOKEN, primary_key=True)
    name: Mapped[str] = mapped_column(NAME, unique=True)
    role: Mapped[str] = mapped_column(WORD)
    institution_id: Mapped[str | None] = mapped_column(ID, ForeignKey("institutions.institution_id"))
    password_hash: Mapped[str] = mapped_column(Text)
    failures: Mapped[int]
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class SessionRow(Base):
    """A sign-in: the token itself is in the browser's cookie alone, here is its SHA-256."""

    __tablename__ = "sessions"

    token_hash: Mapped[str] = mapped_column(TOKEN, primary_key=True)
    account_id: Mapped[str] = mapped_column(TOKEN, ForeignKey("accounts.account_id"), index=True)
    csrf: Mapped[str] = mapped_column(TOKEN)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class KeyRow(Base):
    """An API key: shown once, kept as SHA-256; bound to an institution it sees that one's cases alone."""

    __tablename__ = "api_keys"

    key_id: Mapped[str] = mapped_column(TOKEN, primary_key=True)
    label: Mapped[str] = mapped_column(NAME)
    hash: Mapped[str] = mapped_column(TOKEN)
    scopes: Mapped[list[str]]
    institution_id: Mapped[str | None] = mapped_column(ID, ForeignKey("institutions.institution_id"))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class CatalogueRow(Base):
    """A catalogue that was served, whole and compressed (`arrays.pack_text`), so that old answers can be replayed."""

    __tablename__ = "catalogues"

    version: Mapped[str] = mapped_column(ID, primary_key=True)
    document: Mapped[bytes] = mapped_column(LargeBinary)


class ListingRow(Base):
    """A need on the white list and the recommendation that says in which order institutions get it.

    `screen` is what was found when it was screened (`api.desk.screening`), NULL where it was not, or elsewhere.
    `enterprise_id`, `search` and `region` are as a case has them, for a need that never has one too.
    `exhausted_at` is when nobody was left to give it to. What stands after it is of its coordination from then on, as
    the last step left it: `version` counts the steps, from 1 on. Neither of its indices holds the many needs that are
    with an institution: SQLite would count the open ones through all that are not settled.
    """

    __tablename__ = "listings"
    __table_args__ = (
        Index("ix_listings_exhausted_at", "exhausted_at", "need_id", "settled_at", **EXHAUSTED),
        Index("ix_listings_settled_at", "settled_at", "need_id", **SETTLED),
        Index("ix_listings_listed_at", "listed_at", "enterprise_id"),
    )

    need_id: Mapped[str] = mapped_column(ID, primary_key=True)
    recommendation_id: Mapped[str] = mapped_column(
        String(64), ForeignKey("recommendations.recommendation_id"), index=True
    )
    listed_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(LABEL)
    screen: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    enterprise_id: Mapped[str] = mapped_column(ID, server_default="")
    search: Mapped[str] = mapped_column(Text, server_default="")
    region: Mapped[str | None] = mapped_column(LABEL)
    exhausted_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    office: Mapped[str | None] = mapped_column(LABEL)
    until: Mapped[date | None]
    result: Mapped[str | None] = mapped_column(WORD)
    settled_at: Mapped[datetime | None]


class CoordinationRow(Base):
    """A step of a need's coordination; rows are only ever added, which triggers see to.

    `office` and `until` are a dispatch's, `result` is a settlement's; `key` is the client's own name for the step.
    """

    __tablename__ = "coordination_events"

    event_id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    need_id: Mapped[str] = mapped_column(ID, ForeignKey("listings.need_id"), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(LABEL)
    step: Mapped[str] = mapped_column(WORD)
    version: Mapped[int]
    office: Mapped[str | None] = mapped_column(LABEL)
    until: Mapped[date | None]
    result: Mapped[str | None] = mapped_column(WORD)
    text: Mapped[str] = mapped_column(Text)
    key: Mapped[str | None] = mapped_column(LABEL, unique=True)


class CaseRow(Base):
    """A match at an institution's desk; `version` counts its changes, `due_at` is null once it has ended.

    What the queue shows, sorts, filters and searches by stands here once more. `chance` is -1 where none is stated;
    `search` is the enterprise's and the need's ids and the name, case-folded. The queue's own order has all that it is
    narrowed by in its indices, so that no row is read in vain.
    """

    __tablename__ = "cases"
    __table_args__ = (
        Index("ix_cases_need_open", "need_id", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),
        Index("ix_cases_need_institution", "need_id", "institution_id", unique=True),
        *(Index(f"ix_cases_{by[0]}", *by, **WAITING) for by in SORTED),
        *(
            Index(f"ix_cases_institution_{by[0]}", "institution_id", *by, **WAITING)
            for by in SORTED
        ),
        Index("ix_cases_changed_at", "changed_at", "case_id", "closed_at"),
        Index("ix_cases_institution_changed_at", "institution_id", "changed_at", "case_id", "closed_at"),
    )  # fmt: skip

    case_id: Mapped[str] = mapped_column(TOKEN, primary_key=True)
    need_id: Mapped[str] = mapped_column(ID)
    product_id: Mapped[str] = mapped_column(ID)
    institution_id: Mapped[str] = mapped_column(ID, ForeignKey("institutions.institution_id"))
    enterprise_id: Mapped[str] = mapped_column(ID)
    recommendation_id: Mapped[str] = mapped_column(
        String(64), ForeignKey("recommendations.recommendation_id"), index=True
    )
    rank: Mapped[int]
    stage: Mapped[str] = mapped_column(WORD)
    version: Mapped[int]
    opened_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    enterprise_name: Mapped[str | None] = mapped_column(LABEL)
    search: Mapped[str] = mapped_column(Text)
    region: Mapped[str | None] = mapped_column(LABEL)
    size: Mapped[str | None] = mapped_column(WORD)
    amount: Mapped[int] = mapped_column(BigInteger)
    term_months: Mapped[int | None]
    purpose: Mapped[str | None] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(WORD)
    product_zh: Mapped[str] = mapped_column(LABEL)
    product_en: Mapped[str] = mapped_column(LABEL)
    score: Mapped[float | None] = mapped_column(Float)
    chance: Mapped[float] = mapped_column(Float)


class EventRow(Base):
    """A step of a case; rows are only ever added, which triggers see to.

    `actor` is an account's name, `key:label` or `system`; `took` the seconds spent in `from_stage`, `late` whether its
    clock had run out; `detail` the amount and rate granted, or the product before and after; `key` the client's own
    name for the step, so that a repeated one is known. What a month counts stands in the indices.
    """

    __tablename__ = "case_events"
    __table_args__ = (
        Index("ix_case_events_at", "at", "institution_id", *COUNTED),
        Index("ix_case_events_institution_at", "institution_id", "at", *COUNTED),
    )

    event_id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    case_id: Mapped[str] = mapped_column(TOKEN, ForeignKey("cases.case_id"), index=True)
    institution_id: Mapped[str] = mapped_column(ID)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(LABEL)
    step: Mapped[str] = mapped_column(WORD)
    from_stage: Mapped[str | None] = mapped_column(WORD)
    to_stage: Mapped[str] = mapped_column(WORD)
    reason_codes: Mapped[list[str]]
    text: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]]
    took: Mapped[int] = mapped_column(BigInteger)
    late: Mapped[bool]
    key: Mapped[str | None] = mapped_column(LABEL, unique=True)


class OutcomeRow(Base):
    """An outcome as a platform reported it; the same `key` again is the same outcome, told by its `fingerprint`."""

    __tablename__ = "outcomes"

    outcome_id: Mapped[str] = mapped_column(TOKEN, primary_key=True)
    key: Mapped[str] = mapped_column(LABEL, unique=True)
    fingerprint: Mapped[str] = mapped_column(TOKEN)
    received_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(LABEL)
    need_id: Mapped[str] = mapped_column(ID, index=True)
    product_id: Mapped[str] = mapped_column(ID)
    case_id: Mapped[str | None] = mapped_column(TOKEN, ForeignKey("cases.case_id"))
    document: Mapped[dict[str, Any]]

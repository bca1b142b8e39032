"""Whose a listed need is, what it is found by, and where: one that no product suits has no case that says so."""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

ID, LABEL = sa.String(128), sa.String(200)
LISTINGS = sa.table(
    "listings",
    sa.column("need_id", ID),
    sa.column("recommendation_id", sa.String(64)),
    sa.column("enterprise_id", ID),
    sa.column("search", sa.Text),
    sa.column("region", LABEL),
)
RECOMMENDATIONS = sa.table(
    "recommendations",
    sa.column("recommendation_id", sa.String(64)),
    sa.column("enterprise_id", ID),
    sa.column("request", sa.JSON),
)
INDEX: Final = "ix_listings_listed_at"
AT_ONCE: Final = 1000


def upgrade() -> None:
    op.add_column("listings", sa.Column("enterprise_id", ID, nullable=False, server_default=""))
    op.add_column("listings", sa.Column("search", sa.Text, nullable=False, server_default=""))
    op.add_column("listings", sa.Column("region", LABEL))
    last = ""
    while found := _some(last):
        told = {"enterprise_id": "owner", "search": "found_by", "region": "place"}
        fill = LISTINGS.update().where(LISTINGS.c.need_id == sa.bindparam("key"))
        op.get_bind().execute(fill.values({name: sa.bindparam(key) for name, key in told.items()}), found)
        last = found[-1]["key"]
    _replace(["listed_at", "enterprise_id"])


def downgrade() -> None:
    _replace(["listed_at"])
    for name in ("region", "search", "enterprise_id"):
        op.drop_column("listings", name)


def _replace(columns: list[str]) -> None:
    op.drop_index(INDEX, "listings")
    op.create_index(INDEX, "listings", columns)


def _some(last: str) -> list[dict[str, Any]]:
    """The next listed needs after one, with what is to be kept of each."""
    record, listing = RECOMMENDATIONS.c, LISTINGS.c
    query = sa.select(listing.need_id, record.enterprise_id, record.request)
    query = query.join_from(LISTINGS, RECOMMENDATIONS, listing.recommendation_id == record.recommendation_id)
    query = query.where(listing.need_id > last).order_by(listing.need_id).limit(AT_ONCE)
    return [_kept(*row) for row in op.get_bind().execute(query)]


def _kept(need_id: str, enterprise_id: str, request: dict[str, Any]) -> dict[str, Any]:
    """As the service writes them; what another version's record does not say is left out."""
    firm = request.get("enterprise") or {}
    parts = (enterprise_id, firm.get("name"), need_id)
    return {
        "key": need_id,
        "owner": enterprise_id,
        "found_by": " ".join(part.casefold() for part in parts if part),
        "place": firm.get("region"),
    }

"""What was found when a listed need was screened for the white list; needs that are listed already have no screen."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

INDEX = "ix_listings_listed_at"


def upgrade() -> None:
    op.add_column("listings", sa.Column("screen", sa.JSON))
    op.create_index(INDEX, "listings", ["listed_at"])


def downgrade() -> None:
    op.drop_index(INDEX, "listings")
    op.drop_column("listings", "screen")

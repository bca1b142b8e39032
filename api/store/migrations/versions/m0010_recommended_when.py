"""Recommendations by when they were made: what is kept no longer is found among the old ones alone."""

from typing import Final

from alembic import op

revision = "0010"
down_revision = "0009"

INDEX: Final = "ix_recommendations_created_at"


def upgrade() -> None:
    op.create_index(INDEX, "recommendations", ["created_at"])


def downgrade() -> None:
    op.drop_index(INDEX, "recommendations")

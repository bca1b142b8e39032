"""A month's figures are read from indices alone: what they count of an event stands in them."""

from alembic import op

revision = "0003"
down_revision = "0002"

COUNTED = ["step", "from_stage", "to_stage", "late", "took"]


def upgrade() -> None:
    _replace(["at", "institution_id", *COUNTED], ["institution_id", "at", *COUNTED])


def downgrade() -> None:
    _replace(["at"], ["institution_id", "at"])


def _replace(of_all: list[str], of_one: list[str]) -> None:
    for name, columns in (("ix_case_events_at", of_all), ("ix_case_events_institution_at", of_one)):
        op.drop_index(name, "case_events")
        op.create_index(name, "case_events", columns)

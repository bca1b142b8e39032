"""The queue's own order holds in its indices whatever a queue is narrowed by; an open case is one with a due time.

That a case has not ended was read from its row: a database that looks for `closed_at IS NULL` in an index must ask the
row for it, although the index holds no other cases.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NARROWED = ["kind", "stage", "size", "region", "amount", "search"]
SORTED = (["amount", "case_id"], ["chance", "case_id"], ["opened_at", "case_id"])


def upgrade() -> None:
    _open_ones("due_at IS NOT NULL", ["due_at", "case_id", *NARROWED])
    _replace(["changed_at", "case_id", "closed_at"])


def downgrade() -> None:
    _open_ones("closed_at IS NULL", ["due_at", "case_id", "search"])
    _replace(["changed_at", "case_id"])


def _open_ones(condition: str, due: list[str]) -> None:
    kept = sa.text(condition)
    for by in (due, *SORTED):
        _replace(by, {"sqlite_where": kept, "postgresql_where": kept})


def _replace(by: list[str], kept: dict[str, Any] | None = None) -> None:
    """The index of all cases in this order, and that of each institution's."""
    for name, columns in ((f"ix_cases_{by[0]}", by), (f"ix_cases_institution_{by[0]}", ["institution_id", *by])):
        op.drop_index(name, "cases")
        op.create_index(name, "cases", columns, **(kept or {}))

"""What becomes of a listed need that nobody is left for: where it was dispatched to, and how it was settled."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ID, WORD, LABEL = sa.String(128), sa.String(16), sa.String(200)
REFUSED = "rows are only ever added"
TABLE = "coordination_events"
STATE: dict[str, Any] = {"office": LABEL, "until": sa.Date, "result": WORD, "settled_at": sa.DateTime}


def upgrade() -> None:
    op.add_column("listings", sa.Column("version", sa.Integer, nullable=False, server_default="1"))
    for name, kind in STATE.items():
        op.add_column("listings", sa.Column(name, kind))
    _create_index("exhausted_at", "need_id", "settled_at")
    _create_index("settled_at", "need_id")
    _create_events()
    for statement in _triggers():
        op.execute(statement)


def downgrade() -> None:
    op.drop_table(TABLE)
    for name in ("ix_listings_exhausted_at", "ix_listings_settled_at"):
        op.drop_index(name, "listings")
    for name in ("version", *STATE):
        op.drop_column("listings", name)


def _create_index(first: str, *others: str) -> None:
    """Of those needs alone that have its first column: most are with an institution, and have neither."""
    there = sa.text(f"{first} IS NOT NULL")
    columns = [first, *others]
    op.create_index(f"ix_listings_{first}", "listings", columns, sqlite_where=there, postgresql_where=there)


def _create_events() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        TABLE,
        sa.Column("event_id", number, autoincrement=True, nullable=False),
        sa.Column("need_id", ID, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("actor", LABEL, nullable=False),
        sa.Column("step", WORD, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("office", LABEL),
        sa.Column("until", sa.Date),
        sa.Column("result", WORD),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("key", LABEL),
        sa.PrimaryKeyConstraint("event_id", name=op.f(f"pk_{TABLE}")),
        sa.UniqueConstraint("key", name=op.f(f"uq_{TABLE}_key")),
        sa.ForeignKeyConstraint(["need_id"], ["listings.need_id"], name=op.f(f"fk_{TABLE}_need_id_listings")),
    )
    for column in ("need_id", "at"):
        op.create_index(op.f(f"ix_{TABLE}_{column}"), TABLE, [column])


def _triggers() -> list[str]:
    """No statement changes or removes an event, whoever sends it."""
    if op.get_bind().dialect.name == "postgresql":
        return [
            _refused("append_only", f"UPDATE OR DELETE ON {TABLE}", "ROW"),
            _refused("no_truncate", f"TRUNCATE ON {TABLE}", "STATEMENT"),
        ]
    same = f"SELECT 1 FROM {TABLE} WHERE event_id = NEW.event_id OR key = NEW.key"
    whens = {
        "update": f"BEFORE UPDATE ON {TABLE}",
        "delete": f"BEFORE DELETE ON {TABLE}",
        "replace": f"BEFORE INSERT ON {TABLE} WHEN EXISTS ({same})",
    }
    return [
        f"CREATE TRIGGER {TABLE}_no_{name} {when} BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
        for name, when in whens.items()
    ]


def _refused(name: str, when: str, each: str) -> str:
    return f"CREATE TRIGGER {TABLE}_{name} BEFORE {when} FOR EACH {each} EXECUTE FUNCTION refuse_change()"

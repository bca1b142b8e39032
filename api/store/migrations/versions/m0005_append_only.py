"""What only grows stays whole against every statement: events against TRUNCATE and REPLACE too, outcomes like events.

SQLite fires no trigger for a row that `INSERT OR REPLACE` removes, PostgreSQL none for each row of a TRUNCATE.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

REFUSED = "rows are only ever added"
KEPT = {"case_events": "event_id", "outcomes": "outcome_id"}


def upgrade() -> None:
    for statement in _made():
        op.execute(statement)


def downgrade() -> None:
    for statement in _made():
        made = statement.split()
        on = f" ON {made[made.index('ON') + 1]}" if _postgresql() else ""
        op.execute(f"DROP TRIGGER {made[2]}{on}")


def _made() -> list[str]:
    if _postgresql():
        return [_refused("outcomes_append_only", "UPDATE OR DELETE ON outcomes", "ROW")] + [
            _refused(f"{table}_no_truncate", f"TRUNCATE ON {table}", "STATEMENT") for table in KEPT
        ]
    changes = [f"outcomes_no_{change} BEFORE {change} ON outcomes" for change in ("update", "delete")]
    replaced = [
        f"{table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS "
        f"(SELECT 1 FROM {table} WHERE {key} = NEW.{key} OR key = NEW.key)"
        for table, key in KEPT.items()
    ]
    return [f"CREATE TRIGGER {one} BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END" for one in changes + replaced]


def _refused(name: str, when: str, each: str) -> str:
    return f"CREATE TRIGGER {name} BEFORE {when} FOR EACH {each} EXECUTE FUNCTION refuse_change()"


def _postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"

"""Events become visible in the order of their numbers: one transaction after the other adds them.

PostgreSQL draws a number when a row is added and shows it when its transaction ends: of two at once the later number
could be seen first, and who follows the events would never look below it again. A trigger for each statement fires
before the number is drawn; what it holds ends with the transaction. SQLite has one writer at a time anyway.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

TURN = 8022  # of PostgreSQL's advisory locks; 8021 is for migrations
TAKEN = f"BEGIN PERFORM pg_advisory_xact_lock({TURN}); RETURN NULL; END"


def upgrade() -> None:
    if _postgresql():
        op.execute(f"CREATE FUNCTION take_turn() RETURNS trigger LANGUAGE plpgsql AS '{TAKEN}'")
        op.execute(
            "CREATE TRIGGER case_events_in_turn BEFORE INSERT ON case_events "
            "FOR EACH STATEMENT EXECUTE FUNCTION take_turn()"
        )


def downgrade() -> None:
    if _postgresql():
        op.execute("DROP TRIGGER case_events_in_turn ON case_events")
        op.execute("DROP FUNCTION take_turn()")


def _postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"

"""The desk: accounts, sessions, keys, the catalogues that were served, listings, cases with their events, outcomes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.String(128)
TOKEN = sa.String(64)
WORD = sa.String(16)
NAME = sa.String(64)
LABEL = sa.String(200)
COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
OPEN = sa.text("closed_at IS NULL")
TABLES = ("outcomes", "case_events", "cases", "listings", "catalogues", "api_keys", "sessions", "accounts")
REFUSED = "case_events: rows are only ever added"


def upgrade() -> None:
    op.add_column("recommendations", sa.Column("rules_version", ID))
    _create_identity()
    _create_record()
    _create_cases()
    _create_events()
    _protect_events()


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")
    with op.batch_alter_table("recommendations") as batch:
        batch.drop_column("rules_version")


def _create_identity() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", TOKEN, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("role", WORD, nullable=False),
        sa.Column("institution_id", ID),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("locked_until", sa.DateTime),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("disabled_at", sa.DateTime),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_accounts_name")),
        _of_institution("accounts"),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", TOKEN, nullable=False),
        sa.Column("account_id", TOKEN, nullable=False),
        sa.Column("csrf", TOKEN, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("fk_sessions_account_id_accounts")),
    )
    op.create_index(op.f("ix_sessions_account_id"), "sessions", ["account_id"])
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"])
    op.create_table(
        "api_keys",
        sa.Column("key_id", TOKEN, nullable=False),
        sa.Column("label", NAME, nullable=False),
        sa.Column("hash", TOKEN, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("institution_id", ID),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("revoked_at", sa.DateTime),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
        _of_institution("api_keys"),
    )


def _create_record() -> None:
    op.create_table(
        "catalogues",
        sa.Column("version", ID, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_catalogues")),
    )
    op.create_table(
        "listings",
        sa.Column("need_id", ID, nullable=False),
        sa.Column("recommendation_id", sa.String(64), nullable=False),
        sa.Column("listed_at", sa.DateTime, nullable=False),
        sa.Column("actor", LABEL, nullable=False),
        sa.Column("exhausted_at", sa.DateTime),
        sa.PrimaryKeyConstraint("need_id", name=op.f("pk_listings")),
        _of_recommendation("listings"),
    )
    op.create_index(op.f("ix_listings_recommendation_id"), "listings", ["recommendation_id"])


def _create_cases() -> None:
    op.create_table(
        "cases",
        sa.Column("case_id", TOKEN, nullable=False),
        sa.Column("need_id", ID, nullable=False),
        sa.Column("product_id", ID, nullable=False),
        sa.Column("institution_id", ID, nullable=False),
        sa.Column("enterprise_id", ID, nullable=False),
        sa.Column("recommendation_id", sa.String(64), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("stage", WORD, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("opened_at", sa.DateTime, nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
        sa.Column("due_at", sa.DateTime),
        sa.Column("closed_at", sa.DateTime),
        sa.Column("enterprise_name", LABEL),
        sa.Column("search", sa.Text, nullable=False),
        sa.Column("region", LABEL),
        sa.Column("size", WORD),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("term_months", sa.Integer),
        sa.Column("purpose", sa.String(32)),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("product_zh", LABEL, nullable=False),
        sa.Column("product_en", LABEL, nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("chance", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_cases")),
        _of_institution("cases"),
        _of_recommendation("cases"),
    )
    op.create_index(op.f("ix_cases_recommendation_id"), "cases", ["recommendation_id"])
    op.create_index("ix_cases_need_open", "cases", ["need_id"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index("ix_cases_need_institution", "cases", ["need_id", "institution_id"], unique=True)
    for by in (["due_at", "case_id", "search"], ["amount", "case_id"], ["chance", "case_id"], ["opened_at", "case_id"]):
        _index_open(f"ix_cases_{by[0]}", by)
        _index_open(f"ix_cases_institution_{by[0]}", ["institution_id", *by])
    op.create_index("ix_cases_changed_at", "cases", ["changed_at", "case_id"])
    op.create_index("ix_cases_institution_changed_at", "cases", ["institution_id", "changed_at", "case_id"])


def _index_open(name: str, columns: list[str]) -> None:
    op.create_index(name, "cases", columns, sqlite_where=OPEN, postgresql_where=OPEN)


def _create_events() -> None:
    op.create_table(
        "case_events",
        sa.Column("event_id", COUNTER, autoincrement=True, nullable=False),
        sa.Column("case_id", TOKEN, nullable=False),
        sa.Column("institution_id", ID, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("actor", LABEL, nullable=False),
        sa.Column("step", WORD, nullable=False),
        sa.Column("from_stage", WORD),
        sa.Column("to_stage", WORD, nullable=False),
        sa.Column("reason_codes", sa.JSON, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.Column("took", sa.BigInteger, nullable=False),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("key", LABEL),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_case_events")),
        sa.UniqueConstraint("key", name=op.f("uq_case_events_key")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_case_events_case_id_cases")),
    )
    op.create_index(op.f("ix_case_events_case_id"), "case_events", ["case_id"])
    op.create_index(op.f("ix_case_events_at"), "case_events", ["at"])
    op.create_index("ix_case_events_institution_at", "case_events", ["institution_id", "at"])
    op.create_table(
        "outcomes",
        sa.Column("outcome_id", TOKEN, nullable=False),
        sa.Column("key", LABEL, nullable=False),
        sa.Column("fingerprint", TOKEN, nullable=False),
        sa.Column("received_at", sa.DateTime, nullable=False),
        sa.Column("actor", LABEL, nullable=False),
        sa.Column("need_id", ID, nullable=False),
        sa.Column("product_id", ID, nullable=False),
        sa.Column("case_id", TOKEN),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("outcome_id", name=op.f("pk_outcomes")),
        sa.UniqueConstraint("key", name=op.f("uq_outcomes_key")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_outcomes_case_id_cases")),
    )
    op.create_index(op.f("ix_outcomes_need_id"), "outcomes", ["need_id"])


def _protect_events() -> None:
    """No statement changes or removes an event, whoever sends it."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{REFUSED}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER case_events_append_only BEFORE UPDATE OR DELETE ON case_events "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER case_events_no_{change.lower()} BEFORE {change} ON case_events "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
        )


def _of_institution(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_institution_id_institutions")
    return sa.ForeignKeyConstraint(["institution_id"], ["institutions.institution_id"], name=name)


def _of_recommendation(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_recommendation_id_recommendations")
    return sa.ForeignKeyConstraint(["recommendation_id"], ["recommendations.recommendation_id"], name=name)

"""The first tables: entities as loaded, recommendations as answered, loads as they happened."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.String(128)


def upgrade() -> None:
    _create_entities()
    _create_recommendations()
    op.create_table(
        "loads",
        sa.Column("load_id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("loaded_at", sa.DateTime, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("currency", sa.String(16), nullable=False),
        sa.Column("attribution", sa.Text, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("load_id", name=op.f("pk_loads")),
    )


def downgrade() -> None:
    for table in ("loads", "recommendations", "needs", "enterprises", "products", "institutions"):
        op.drop_table(table)


def _create_entities() -> None:
    op.create_table(
        "institutions",
        sa.Column("institution_id", ID, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("institution_id", name=op.f("pk_institutions")),
    )
    op.create_table(
        "products",
        sa.Column("product_id", ID, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_to", sa.Date),
        sa.Column("institution_id", ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("product_id", "valid_from", name=op.f("pk_products")),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institutions.institution_id"], name=op.f("fk_products_institution_id_institutions")
        ),
    )
    op.create_index(op.f("ix_products_institution_id"), "products", ["institution_id"])
    op.create_index(op.f("ix_products_kind"), "products", ["kind"])
    op.create_table(
        "enterprises",
        sa.Column("enterprise_id", ID, nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("enterprise_id", "as_of", name=op.f("pk_enterprises")),
    )
    op.create_table(
        "needs",
        sa.Column("need_id", ID, nullable=False),
        sa.Column("enterprise_id", ID, nullable=False),
        sa.Column("posted_at", sa.Date, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("need_id", name=op.f("pk_needs")),
    )
    op.create_index(op.f("ix_needs_enterprise_id"), "needs", ["enterprise_id"])


def _create_recommendations() -> None:
    op.create_table(
        "recommendations",
        sa.Column("recommendation_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("enterprise_id", ID, nullable=False),
        sa.Column("need_id", ID, nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("model_id", ID, nullable=False),
        sa.Column("catalogue_version", ID, nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
        sa.Column("feature_names", sa.JSON, nullable=False),
        sa.Column("product_ids", sa.LargeBinary, nullable=False),
        sa.Column("scores", sa.LargeBinary, nullable=False),
        sa.Column("features", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("recommendation_id", name=op.f("pk_recommendations")),
    )
    op.create_index(
        op.f("ix_recommendations_enterprise_id_created_at"), "recommendations", ["enterprise_id", "created_at"]
    )
    op.create_index(op.f("ix_recommendations_need_id"), "recommendations", ["need_id"])

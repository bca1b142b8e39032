"""How Alembic reaches the database: on the connection it is handed, in that connection's transaction."""

from alembic import context

from api.store.desk_models import Base  # the root of all rows, those of `models` among them

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()

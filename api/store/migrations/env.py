"""How Alembic reaches the database: on the connection it is handed, in that connection's transaction."""

from alembic import context

from api.store.desk_models import CaseRow  # one of all rows: those of `models` and of the desk share their metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=CaseRow.metadata)
context.run_migrations()

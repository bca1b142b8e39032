"""How Alembic reaches the database: on the connection it is handed, in that connection's transaction."""

from alembic import context

from api.store import desk_models  # noqa: F401  its rows too hang on `Base`
from api.store.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()

"""The schema of the store, step by step; Alembic runs what is missing when the service starts."""

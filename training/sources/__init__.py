"""Public releases, each read into the five tables."""

"""The project's tests: one file a module, and the house tests."""

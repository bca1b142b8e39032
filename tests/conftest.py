"""What every test shares: property tests draw the same examples each run and have no clock to beat."""

from hypothesis import settings

settings.register_profile("house", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("house")

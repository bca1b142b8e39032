"""Speed, measured by hand: `python -m tests.benchmarks.NAME` prints ratios of one run; pytest does not collect it."""

"""Offline: simulate, import, train, evaluate, rank, promote."""

import os

# LightGBM's threads keep their cores busy while they wait for each other, unless told to sleep before it is loaded:
# where anything else works on these cores, a service say, a forest takes several times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

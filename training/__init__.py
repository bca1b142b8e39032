"""Offline: simulate, import, train, evaluate, rank, promote."""

"""The desk: who may do what, a match's way through the funnel, and what is kept of it."""

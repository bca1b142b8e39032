"""Fitting by L-BFGS-B. SciPy's optimiser, slow to import, is loaded where something is learned: serving needs none."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from matching.history import Numbers


def least(
    loss: Callable[[Numbers], tuple[float, Numbers]],
    start: Numbers,
    bounds: Sequence[tuple[float, float]] | None = None,
    **options: Any,
) -> Numbers:
    """Where `loss`, which gives its value and its slope, is least: found from `start`, within `bounds`."""
    from scipy.optimize import minimize

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(found.x, dtype=np.float64)

"""Fitting by L-BFGS-B. SciPy's optimiser, slow to import, is loaded where something is learned: serving needs none."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from matching.history import Numbers


def least(
    loss: Callable[[Numbers], tuple[float, Numbers]],
    start: Numbers,
    bounds: Sequence[tuple[float | None, float | None]] | None = None,
    **options: Any,
) -> Numbers:
    """Where `loss`, which gives its value and its slope, is least: found from `start`, within `bounds`, `alone`."""
    from scipy.optimize import minimize

    with alone():
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(found.x, dtype=np.float64)


def alone() -> AbstractContextManager[Any]:
    """While it is entered BLAS uses one thread.

    How many threads share a sum shows in its last bits, so that a model would hang on the number of cores.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limits

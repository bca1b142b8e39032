"""How far a term goes beyond the longest that measures admit: three years, and five where a condition holds."""

from datetime import date

import numpy as np
import numpy.typing as npt

from matching import reference
from matching.domain import Enterprise, Need
from matching.errors import InputError
from matching.reference import programmes
from matching.sizing import cash_cycle

Numbers = npt.NDArray[np.float64]


def above_cycle_limit(enterprise: Enterprise, need: Need, as_of: date) -> int | None:
    """Months of a working capital loan beyond three years, five where the cash cycle is long; None where unknown."""
    limit, mark = limits("working_capital_term", as_of), programmes.assumption("long_cycle_months", as_of)
    if limit is None:
        return None
    cycle = cash_cycle(enterprise)
    return _above(limit, need, None if cycle is None or mark is None else cycle > mark.value)


def above_pledge_limit(enterprise: Enterprise, need: Need, as_of: date) -> int | None:
    """Months of an IP pledge loan beyond three years, five in a manufacturing cluster; None where unknown."""
    limit = limits("ip_pledge_term", as_of)
    if limit is None:
        return None
    return _above(limit, need, None if enterprise.cluster is None else enterprise.cluster in key_clusters(as_of))


def key_clusters(as_of: date) -> frozenset[str]:
    """The key sectors of a day: the "33618" clusters in force, none before the first."""
    try:
        return frozenset(reference.clusters(as_of))
    except InputError:
        return frozenset()


def limits(code: str, as_of: date) -> tuple[float, float] | None:
    """The usual and the long limit of a kind of term in months; None where no rule of the day states them."""
    usual, long = (programmes.assumption(name, as_of) for name in (code, f"{code}_long"))
    return (float(usual.value), float(long.value)) if usual and long else None


def above(term: Numbers, limit: tuple[float, float], longer: Numbers) -> Numbers:
    """Months above the longest term, elementwise: the long one of `limit` where `longer` is 1, the usual where it is 0.

    Where it is NaN, unknown, a term between the two is neither within nor above: NaN.
    """
    usual, long = limit
    unknown = np.isnan(longer)
    longest = np.where((longer > 0) | (unknown & (term > long)), long, usual)
    found: Numbers = np.where(unknown & (term > usual) & (term <= long), np.nan, term - longest)
    return found


def _above(limit: tuple[float, float], need: Need, longer: bool | None) -> int | None:
    if need.term_months is None:
        return None
    known = np.array([np.nan if longer is None else float(longer)])
    found = float(above(np.array([float(need.term_months)]), limit, known)[0])
    return None if np.isnan(found) else int(found)

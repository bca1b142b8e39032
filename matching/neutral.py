"""An order that no model made: eligible products by price, then term, then name."""

from datetime import date

import numpy as np

from matching.catalogue import Catalogue, Floats, Rows


def neutral(catalogue: Catalogue, rows: Rows, as_of: date) -> Floats:
    """Each of `rows`' places as scores, 0 for the first, below it for the others: higher comes first, none are equal.

    The lowest rate of the day first, an unknown one last; then the longest term, longest where no limit is stated; then
    the name in zh and in en; last the product id, in whose order the rows stand.
    """
    rates, terms = catalogue.rate_bp(as_of)[rows], catalogue.max_term[rows]
    names = [(catalogue.products[row].name_zh, catalogue.products[row].name_en) for row in rows]
    keys = zip(
        np.where(np.isnan(rates), np.inf, rates).tolist(),
        np.where(np.isnan(terms), -np.inf, -terms).tolist(),
        names,
        strict=True,
    )
    order = [place for _, place in sorted((key, place) for place, key in enumerate(keys))]
    places = np.empty(len(rows))
    places[order] = -np.arange(len(rows))
    return places

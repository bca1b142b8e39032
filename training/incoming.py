"""What comes in: a row a need, with what it asks and what was known of its enterprise on the day it was posted."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd

from matching.domain import Coded, Enterprise, Need
from training import overview
from training.dataset import World, posted

_NEED: Final = ("amount", "term_months", "purpose", "kinds", "collateral")
_ENTERPRISE: Final = ("size", "region", "industry", "ownership", "cluster", "tax_grade", "first_loan")
_NUMBERS: Final = ("employees", "revenue")
FACTS: Final[Mapping[str, str]] = {
    **{name: str(Need.model_fields[name].title) for name in _NEED},
    **{name: str(Enterprise.model_fields[name].title) for name in (*_ENTERPRISE, *_NUMBERS)},
    "age": "Age in years",
    "debt_ratio": "Debt ratio",
}


def incoming(world: World, since: date, until: date | None, all_industries: bool = False) -> pd.DataFrame:
    """need_id, enterprise_id, posted_at and `FACTS` of every need posted from `since` to before `until`.

    Whether anything was taken for it or not. A region is cut at the coarsest level that tells these enterprises apart,
    a district stands under the name that it has in the end; an industry is its division.
    """
    pairs = posted(world, set(world.tables.needs["need_id"]), since, until, all_industries)
    columns = ["need_id", "enterprise_id", "posted_at", *FACTS]
    frame = pd.DataFrame([_row(need, firm) for need, firm in pairs], columns=columns)
    if frame.empty:
        return frame
    last = frame["posted_at"].max()
    named = {"industry": overview.industries(frame, last), "region": overview.regions(frame["region"], last)}
    return frame.assign(**named)


def _row(need: Need, firm: Enterprise) -> dict[str, Any]:
    return {
        **{name: getattr(need, name) for name in ("need_id", "enterprise_id", "posted_at")},
        **{name: _said(getattr(need, name)) for name in _NEED},
        **{name: _said(getattr(firm, name)) for name in (*_ENTERPRISE, *_NUMBERS)},
        "age": (need.posted_at - firm.founded).days / 365.25 if firm.founded else np.nan,
        "debt_ratio": firm.liabilities / firm.assets if firm.liabilities is not None and firm.assets else np.nan,
    }


def _said(value: Any) -> Any:
    """Codes in words, several of them as one, so that a bin has a name; everything else as it is."""
    if isinstance(value, tuple):
        return ", ".join(sorted(_said(one) for one in value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.en if isinstance(value, Coded) else value

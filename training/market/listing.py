"""What tiers and boards ask of simulated enterprises: their niche, research, rights and scores, as their lists suggest.

Drawn apart from the rest of the market, so that it stays as it was when they change.
"""

from typing import Final

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from training.market.figures import money, recorded

Numbers = NDArray[np.float64]
LADDER: Final = ("innovative", "specialised", "little_giant")
MISSING: Final = {  # share of rows without the fact
    "revenue_prior": 0.25, "rd_spend_prior": 0.35, "growth_two_years": 0.3, "main_business_share": 0.4,
    "niche_years": 0.35, "niche_share": 0.5, "niche_rank": 0.7, "key_link": 0.5, "class_one_ip": 0.3,
    "rd_staff_share": 0.5, "new_equity": 0.4, "innovation_score": 0.5, "specialisation_score": 0.5, "fast_track": 0.5,
}  # fmt: skip


def listing(rng: Generator, facts: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """More facts for the rows of `facts`, as they truly are and as recorded; the higher the tier, the better."""
    firm = facts["firm"].to_numpy()
    habit = rng.normal(0, 1, (firm.max() + 1, 12))[firm]
    held = facts["tiers"].fillna("").str.split("|")
    rung = held.map(lambda tiers: sum(tier in tiers for tier in LADDER)).to_numpy(float)
    true = pd.DataFrame(_past(facts, habit) | _niche(facts, habit, rung) | _strength(facts, habit, rung))
    gaps = rng.random((firm.max() + 1, len(MISSING)))[firm] < list(MISSING.values())
    return true, recorded(true, dict(zip(MISSING, gaps.T, strict=True)))


def _past(facts: pd.DataFrame, habit: Numbers) -> dict[str, Numbers]:
    """The year before, as this year's growth has it."""
    growth = facts["growth"].to_numpy(float)
    research = facts["rd_spend"].to_numpy(float) / (1 + growth) * np.exp(0.15 * habit[:, 0])
    return {
        "revenue_prior": money(facts["revenue"].to_numpy(float) / (1 + growth)),
        "rd_spend_prior": money(research),
        "growth_two_years": (growth + 0.02 * habit[:, 1]).clip(-0.8, 3).round(3),
    }


def _niche(facts: pd.DataFrame, habit: Numbers, rung: Numbers) -> dict[str, Numbers | NDArray[np.bool_]]:
    share = (0.04 * np.exp(0.45 * rung + 0.6 * habit[:, 2])).clip(0.001, 0.8).round(3)
    return {
        "main_business_share": (0.84 + 0.04 * rung + 0.07 * habit[:, 3]).clip(0.3, 1).round(3),
        "niche_years": np.minimum(facts["age"].to_numpy(), (2 + 2 * rung) * np.exp(0.4 * habit[:, 4])).round(1),
        "niche_share": share,
        "niche_rank": np.ceil(0.5 / share),
        "key_link": rung + habit[:, 5] > 1,
    }


def _strength(facts: pd.DataFrame, habit: Numbers, rung: Numbers) -> dict[str, Numbers]:
    rights = facts["patents"].to_numpy(float) * (0.1 + 0.1 * rung)
    return {
        "class_one_ip": np.floor(rights * np.exp(0.4 * habit[:, 6])),
        "rd_staff_share": (0.12 + 0.05 * rung + 0.08 * habit[:, 7]).clip(0, 0.9).round(3),
        "new_equity": money(np.where(habit[:, 8] + 0.4 * rung > 1.5, 2e7 * np.exp(habit[:, 8] - 1), 0)),
        "innovation_score": (52 + 8 * rung + 9 * habit[:, 9]).clip(0, 100).round(1),
        "specialisation_score": (45 + 9 * rung + 9 * habit[:, 10]).clip(0, 100).round(1),
        "fast_track": habit[:, 11] + 0.5 * rung > 2.2,
    }

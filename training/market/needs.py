"""Simulated needs over three years: who asks, how much, how long, for what, with which security; what is recorded."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from matching.domain import Collateral, Kind, Purpose
from training.market.enterprises import Enterprises, Numbers
from training.market.figures import terms
from training.market.places import REFORM
from training.market.products import DAYS, START

NEEDS_AN_ENTERPRISE: Final = 2.2  # in three years, on average
PURPOSES: Final = list(Purpose)
COLLATERAL: Final = list(Collateral)
KINDS: Final = list(Kind)
# share of revenue asked, spread of its log, and terms in months, by purpose
ASKED: Final[dict[Purpose, tuple[float, tuple[int, ...]]]] = {
    Purpose.WORKING_CAPITAL: (0.12, (6, 12, 12, 24, 36)),
    Purpose.FIXED_ASSET: (0.25, (36, 60, 84, 120)),
    Purpose.TECHNICAL_UPGRADE: (0.15, (24, 36, 48, 60, 84)),
    Purpose.EQUIPMENT: (0.10, (12, 24, 36, 48, 60)),
    Purpose.RESEARCH: (0.06, (12, 24, 36)),
    Purpose.EXPORT: (0.10, (3, 6, 12)),
    Purpose.ORDERS: (0.08, (3, 6, 12)),
    Purpose.REFINANCING: (0.12, (1, 3, 6, 12, 24, 36)),
}
AMOUNT_LOG_SD: Final = 0.6
AMOUNTS: Final = (1e5, 1.5e9)
MISSING_TERM: Final = 0.05
MISSING_PURPOSE: Final = 0.02
MISSING_COLLATERAL: Final = 0.18
ANY_KIND: Final = 0.65  # share of needs that name no kind


@dataclass(frozen=True)
class Needs:
    """Arrays over needs in order of posting; `row` is the row of facts known then. Missing: -1, NaN or `*_known` false.

    `purpose`, `offers` and `terms` are the truth; `said_purpose`, `said_term`, `says_offers` what the table holds.
    """

    table: pd.DataFrame
    row: NDArray[np.int64]
    day: NDArray[np.int64]
    amount: Numbers
    purpose: NDArray[np.int64]
    said_purpose: NDArray[np.int64]
    said_term: Numbers
    kinds: NDArray[np.bool_]
    offers: NDArray[np.bool_]
    says_offers: NDArray[np.bool_]
    terms: pd.DataFrame

    @property
    def reformed(self) -> NDArray[np.int64]:
        """1 where the need was posted after the districts' reform."""
        return (self.day >= (REFORM - START).days).astype(int)


def needs(rng: Generator, firms: Enterprises) -> Needs:
    """Needs spread over the window; better and growing enterprises ask more often."""
    last = firms.facts.drop_duplicates("firm", keep="last")
    appetite = np.exp(1.2 * last["growth"].to_numpy() + 0.12 * (last["log_revenue"].to_numpy() - 17.5))
    counts = rng.poisson(NEEDS_AN_ENTERPRISE * appetite / appetite.mean())
    firm = np.repeat(last["firm"].to_numpy(), counts)
    day = np.sort(rng.integers(0, DAYS, len(firm)))
    firm = rng.permutation(firm)
    row = _rows_known(firms.facts, firm, day)
    facts = firms.facts.iloc[row].reset_index(drop=True)
    purpose = _purposes(rng, facts)
    amount = _amounts(rng, facts, purpose)
    term = np.array([rng.choice(ASKED[PURPOSES[p]][1]) for p in purpose], float)
    kinds = _kinds(rng, facts, purpose)
    offers = _offers(rng, facts, purpose)
    said_term = np.where(rng.random(len(day)) < MISSING_TERM, np.nan, term)
    said_purpose = np.where(rng.random(len(day)) < MISSING_PURPOSE, -1, purpose)
    says_offers = (rng.random(len(day)) >= MISSING_COLLATERAL) & offers.any(axis=1)
    true, said = terms(rng.spawn(1)[0], facts, purpose, amount)
    found = Needs(pd.DataFrame(), row, day, amount, purpose, said_purpose, said_term, kinds, offers, says_offers, true)
    return replace(found, table=pd.concat([_table(found, facts), said], axis=1))


def _rows_known(facts: pd.DataFrame, firm: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
    """The latest row of each firm that is not after the day."""
    since = (facts["as_of"] - START).dt.days.to_numpy()
    keys = facts["firm"].to_numpy() * (DAYS + 1) + since
    return np.searchsorted(keys, firm * (DAYS + 1) + day, side="right") - 1


def _purposes(rng: Generator, facts: pd.DataFrame) -> NDArray[np.int64]:
    high_tech = facts["tiers"].fillna("").str.contains("high_tech").to_numpy()
    exporter = facts["group"].isin([0, 1, 6]).to_numpy()
    indebted = facts["debt_ratio"].to_numpy() - 0.45
    logits = {
        Purpose.WORKING_CAPITAL: 1.0 + 0 * indebted,
        Purpose.FIXED_ASSET: -0.4 + 3 * facts["growth"].to_numpy(),
        Purpose.TECHNICAL_UPGRADE: -0.8 + 1.4 * facts["reserve_list"].to_numpy(),
        Purpose.EQUIPMENT: 0.1 + 2 * facts["growth"].to_numpy(),
        Purpose.RESEARCH: -1.2 + 1.1 * high_tech,
        Purpose.EXPORT: -1.2 + 1.0 * exporter,
        Purpose.ORDERS: -0.4 + 0 * indebted,
        Purpose.REFINANCING: -0.5 + 3 * indebted - 3 * facts["first_loan"].to_numpy(),
    }
    scores = np.stack([logits[p] for p in PURPOSES], axis=1)
    return (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)


def _amounts(rng: Generator, facts: pd.DataFrame, purpose: NDArray[np.int64]) -> Numbers:
    """A share of revenue, to two significant figures."""
    share = np.array([ASKED[p][0] for p in PURPOSES])[purpose]
    amount = share * facts["revenue"].to_numpy() * np.exp(rng.normal(0, AMOUNT_LOG_SD, len(facts)))
    amount = amount.clip(*AMOUNTS)
    unit = 10 ** (np.floor(np.log10(amount)) - 1)
    return np.round(np.round(amount / unit) * unit)


def _kinds(rng: Generator, facts: pd.DataFrame, purpose: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Kinds wanted: any, or credit with leasing where equipment is bought and bonds where the enterprise is large."""
    machines = np.isin(purpose, [PURPOSES.index(Purpose.EQUIPMENT), PURPOSES.index(Purpose.TECHNICAL_UPGRADE)])
    large = facts["log_revenue"].to_numpy() > 18.5
    draw = rng.random((len(facts), 3))
    odds = np.stack([np.full(len(facts), 0.95), 0.05 + 0.6 * large, 0.1 + 0.6 * machines], axis=1)
    wanted = draw < odds
    anything = (rng.random(len(facts)) < ANY_KIND) | ~wanted.any(axis=1)
    return wanted | anything[:, None]


def _offers(rng: Generator, facts: pd.DataFrame, purpose: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Security at hand, in the order of `Collateral`."""
    size = (facts["log_revenue"].to_numpy() - 17.5) / 1.5
    has_orders = purpose == PURPOSES.index(Purpose.ORDERS)
    odds = {
        Collateral.REAL_ESTATE: 1 / (1 + np.exp(-0.2 - 0.6 * size)),
        Collateral.EQUIPMENT: 0.55 * (facts["equipment"].to_numpy() > 1e6),
        Collateral.RECEIVABLES: 0.55 * (facts["receivables"].to_numpy() > 1e6),
        Collateral.ORDERS: 0.2 + 0.65 * has_orders,
        Collateral.PATENTS: 0.65 * (facts["patents"].to_numpy() >= 2),
        Collateral.GUARANTEE: np.full(len(facts), 0.5),
    }
    return rng.random((len(facts), len(COLLATERAL))) < np.stack([odds[c] for c in COLLATERAL], axis=1)


def _table(found: Needs, facts: pd.DataFrame) -> pd.DataFrame:
    some = np.logical_not(found.kinds.all(axis=1))
    return pd.DataFrame(
        {
            "need_id": [f"N{i:06d}" for i in range(len(facts))],
            "enterprise_id": facts["enterprise_id"],
            "posted_at": START + pd.to_timedelta(found.day, unit="D"),
            "amount": found.amount.astype(int),
            "term_months": pd.array(found.said_term, "Float64"),
            "purpose": [PURPOSES[p].value if p >= 0 else None for p in found.said_purpose],
            "kinds": _joined(found.kinds, KINDS, some),
            "collateral": _joined(found.offers, COLLATERAL, found.says_offers),
        }
    )


def _joined(
    flags: NDArray[np.bool_], codes: list[Kind] | list[Collateral], stated: NDArray[np.bool_]
) -> list[str | None]:
    rows = zip(flags, stated, strict=True)
    return ["|".join(code for code, on in zip(codes, row, strict=True) if on) if said else None for row, said in rows]

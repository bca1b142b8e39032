"""Simulated enterprises: facts that hang together as real ones do and drift by half-years; what of them is recorded."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from matching import reference
from training.market.figures import figures, money
from training.market.listing import listing
from training.market.places import REFORM, Places, industries

AS_OF: Final = pd.to_datetime(
    ["2023-07-01", "2024-01-01", "2024-07-01", "2025-01-01", "2025-07-01", "2026-01-01"]
)  # half-years of reporting; the first is on the day of the first need
REVENUE_LOG_MEAN: Final = 17.1  # about 27 million yuan: a platform's enterprises are small, not micro
REVENUE_LOG_SD: Final = 1.5  # one in forty above 500 million
MISSING: Final = {  # share of rows without the fact for an average enterprise; small ones leave out more
    "latitude": 0.10, "size": 0.04, "ownership": 0.10, "founded": 0.03, "employees": 0.08, "revenue": 0.10,
    "growth": 0.22, "profit": 0.22, "assets": 0.16, "liabilities": 0.20, "rd_spend": 0.30, "patents": 0.15,
    "equipment": 0.25, "receivables": 0.28, "tax_grade": 0.12, "tiers": 0.05, "cluster": 0.10, "first_loan": 0.12,
    "reserve_list": 0.15,
}  # fmt: skip
MISSING_BY_SIZE: Final = 0.5  # log-odds of a gap, for each standard deviation of log revenue below the mean
MISSING_WHEN_BAD: Final = 0.9  # log-odds more where the fact would look bad: losses, tax grade C or D, heavy debt
MISSING_STICKY: Final = 0.7  # a gap mostly stays from one half-year to the next
OWNERSHIP: Final = ("private", "state", "foreign")
STEMS: Final = "渝巴江云峰川岭岳澜泽恒启瑞宏盛远承昱钧霖朗岑沐屹衡砺澄骁"
TRADES: Final = {
    "vehicles": "汽车部件", "electronics": "电子科技", "equipment": "机械制造", "materials": "材料",
    "chemicals": "化工", "food": "食品", "light": "轻工", "health": "医药科技",
}  # fmt: skip
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Enterprises:
    """`facts` holds the truth and `recorded` the same rows with gaps, sorted by (`firm`, `as_of`); money is in yuan.

    `facts` has more columns than the domain: the indices firm, trade, district, group; log_revenue, debt_ratio,
    margin, age.
    """

    facts: pd.DataFrame
    recorded: pd.DataFrame


def enterprises(rng: Generator, count: int, where: Places) -> Enterprises:
    """`count` enterprises, a row each half-year, and one more on the reform's day for those whose district it ends."""
    fixed = _fixed(rng, count, where)
    states = [_first_state(rng, fixed)]
    for _ in AS_OF[1:]:
        states.append(_next_state(rng, states[-1]))
    halves = [_facts(fixed, state, as_of) for state, as_of in zip(states, AS_OF, strict=True)]
    gaps = _gaps(rng, halves)
    moved = fixed["district"].map(dict(enumerate(where.codes != where.successors))).to_numpy()
    before = AS_OF.get_loc(AS_OF[AS_OF < REFORM][-1])
    halves.append(halves[before][moved].assign(as_of=REFORM))
    gaps.append(gaps[before][moved])
    facts = pd.concat(halves, ignore_index=True)
    facts["region"] = where.paths(facts["district"].to_numpy(), (facts["as_of"] >= REFORM).to_numpy())
    order = facts.sort_values(["firm", "as_of"], kind="stable").index
    facts, missing = facts.loc[order].reset_index(drop=True), np.concatenate(gaps)[order]
    apart = rng.spawn(1)[0]
    more, said = zip(figures(apart, facts), listing(apart.spawn(1)[0], facts), strict=True)
    return Enterprises(pd.concat([facts, *more], axis=1), pd.concat([_recorded(facts, missing), *said], axis=1))


def _fixed(rng: Generator, count: int, where: Places) -> pd.DataFrame:
    """What does not change: place, industry, founding, ownership, name, and latent ability."""
    trade = industries()
    kind = rng.choice(len(trade), count, p=trade["share"].to_numpy())
    district = rng.choice(len(where.codes), count, p=where.weights)
    age_days = (rng.gamma(2.2, 4.5, count) * 365).astype(int) + 240
    fixed = trade.iloc[kind].drop(columns="share").rename(columns={"path": "industry"}).reset_index(drop=True)
    fixed["firm"], fixed["trade"] = np.arange(count), kind
    fixed["enterprise_id"] = [f"E{i:05d}" for i in range(count)]
    fixed["district"] = district
    place = where.centres[district] + rng.normal(0, 0.06, (count, 2))
    fixed["latitude"], fixed["longitude"] = place.round(4).T
    fixed["founded"] = AS_OF[0] - pd.to_timedelta(age_days, unit="D")
    fixed["ownership"] = rng.choice(OWNERSHIP, count, p=[0.88, 0.07, 0.05])
    fixed["ability"] = rng.normal(0, 1, count)
    fixed["name"] = _names(rng, fixed["group"].to_numpy())
    return fixed


def _names(rng: Generator, group: NDArray[np.int64]) -> list[str]:
    """Invented names: the city, three characters, the trade, the form."""
    trades = list(TRADES.values())
    picks = rng.integers(0, len(STEMS), (len(group), 3))
    return [
        f"重庆{''.join(STEMS[i] for i in pick)}{trades[g]}有限公司"
        for pick, g in zip(picks.tolist(), group, strict=True)
    ]


def _first_state(rng: Generator, fixed: pd.DataFrame) -> dict[str, Numbers]:
    """What drifts, in scales without bounds: size, debt, margin, growth, inclinations."""
    count = len(fixed)
    ability = fixed["ability"].to_numpy()
    age = np.log((AS_OF[0] - fixed["founded"]).dt.days.to_numpy() / 365)
    state_owned = (fixed["ownership"] == "state").to_numpy()
    size = 0.35 * ability + 0.45 * (age - 2) + 1.0 * state_owned + rng.normal(0, 0.85, count)
    revenue = REVENUE_LOG_MEAN + REVENUE_LOG_SD * size
    return {
        "revenue": revenue,
        "labour": np.log(fixed["productivity"].to_numpy() * 1e4) + 0.1 * (size - 1) + rng.normal(0, 0.4, count),
        "turnover": rng.normal(0.05, 0.35, count),
        "debt": -0.1 - 0.45 * ability + 0.15 * size + rng.normal(0, 0.7, count),
        "margin": 0.045 + 0.025 * ability + rng.normal(0, 0.035, count),
        "growth": 0.06 + 0.06 * ability - 0.02 * age + rng.normal(0, 0.12, count),
        "research": -3.6 + 0.45 * ability + np.isin(fixed["group"], [1, 2, 7]) * 0.5 + rng.normal(0, 0.5, count),
        "patents": 1.1 + 0.6 * ability + 0.5 * size + rng.normal(0, 0.7, count),
        "machines": -1.35 + rng.normal(0, 0.5, count),
        "dues": -1.6 + rng.normal(0, 0.45, count),
        "tax": 0.75 * ability + 0.25 * size + rng.normal(0, 0.8, count),
        "lists": 0.8 * ability + 0.5 * size + np.isin(fixed["group"], [1, 2, 7]) * 0.4 + rng.normal(0, 0.6, count),
        "loans": 0.9 * size + 0.3 * age + rng.normal(0, 0.8, count),
        "reserve": 0.4 * ability + 0.5 * size + rng.normal(0, 1, count),
    }


def _next_state(rng: Generator, state: dict[str, Numbers]) -> dict[str, Numbers]:
    """Half a year on: revenue follows growth, growth returns to its mean, the rest wanders a little."""
    count = len(state["revenue"])
    after = {name: values + rng.normal(0, 0.08, count) for name, values in state.items()}
    after["revenue"] = state["revenue"] + state["growth"] / 2 + rng.normal(0, 0.04, count)
    after["growth"] = 0.06 + 0.8 * (state["growth"] - 0.06) + rng.normal(0, 0.07, count)
    after["margin"] = state["margin"] + rng.normal(0, 0.008, count)
    return after


def _facts(fixed: pd.DataFrame, state: dict[str, Numbers], as_of: pd.Timestamp) -> pd.DataFrame:
    """The domain's facts of all enterprises on one day."""
    revenue = np.exp(state["revenue"]).clip(2e5, 5e10)
    assets = revenue / np.exp(state["turnover"])
    debt = 0.97 / (1 + np.exp(-state["debt"]))
    facts = fixed.drop(columns=["productivity", "ability"]).assign(as_of=as_of)
    facts["employees"] = np.maximum(3, revenue / np.exp(state["labour"])).round()
    facts["revenue"], facts["assets"], facts["liabilities"] = money(revenue), money(assets), money(assets * debt)
    facts["growth"] = state["growth"].clip(-0.8, 3).round(3)
    facts["profit"] = money(revenue * state["margin"].clip(-0.3, 0.35))
    facts["rd_spend"] = money(revenue * np.exp(state["research"]).clip(0, 0.3))
    facts["patents"] = np.expm1(state["patents"]).clip(0, 3000).round()
    facts["equipment"] = money(assets * np.exp(state["machines"]).clip(0, 0.7))
    facts["receivables"] = money(revenue * np.exp(state["dues"]).clip(0, 0.7))
    facts["tax_grade"] = np.array(list("DCBA"))[np.digitize(state["tax"], [-1.9, -1.2, 0.5])]
    facts["tiers"] = _tiers(state["lists"], np.log(revenue))
    facts["first_loan"] = state["loans"] < -0.2
    facts["reserve_list"] = state["reserve"] > 0.5
    facts["log_revenue"], facts["debt_ratio"], facts["margin"] = np.log(revenue), debt, state["margin"]
    facts["age"] = (as_of - fixed["founded"]).dt.days / 365.25
    facts.loc[(facts["age"] < 3) & (facts["tax_grade"] == "B"), "tax_grade"] = "M"
    staff = zip(facts["employees"].astype(int), facts["revenue"].astype(int), strict=True)
    facts["size"] = [str(reference.size_class(*pair, as_of.date())) for pair in staff]
    return facts


def _tiers(lists: Numbers, log_revenue: Numbers) -> list[str | None]:
    """Lists an enterprise is on: the higher tiers include the lower ones; the yearly lists take large ones."""
    ladder = [("high_tech", 0.4), ("innovative", 0.7), ("specialised", 1.2), ("little_giant", 2.1), ("champion", 3.2)]
    big = [("double_hundred", 20.2), ("chain_leader", 21.6)]
    found = []
    for score, size in zip(lists, log_revenue, strict=True):
        tiers = [name for name, floor in ladder if score > floor] + [name for name, floor in big if size > floor]
        found.append("|".join(tiers) or None)
    return found


def _gaps(rng: Generator, halves: list[pd.DataFrame]) -> list[NDArray[np.bool_]]:
    """For each half-year, which facts of `MISSING` are not recorded: more for small ones and for bad facts."""
    rates = np.array(list(MISSING.values()))
    count = len(halves[0])
    habit = rng.normal(0, 0.8, (count, 1))
    sticky = rng.random((count, len(rates)))
    gaps = []
    for facts in halves:
        small = (REVENUE_LOG_MEAN - facts["log_revenue"].to_numpy()) / REVENUE_LOG_SD
        odds = np.log(rates / (1 - rates)) + MISSING_BY_SIZE * small[:, None] + habit + MISSING_WHEN_BAD * _bad(facts)
        draw = np.where(rng.random(sticky.shape) < MISSING_STICKY, sticky, rng.random(sticky.shape))
        gaps.append(draw < 1 / (1 + np.exp(-odds)))
    return gaps


def _bad(facts: pd.DataFrame) -> Numbers:
    """1 where a fact would look bad to a lender, in the order of `MISSING`."""
    bad = np.zeros((len(facts), len(MISSING)))
    names = list(MISSING)
    bad[:, names.index("profit")] = facts["profit"] < 0
    bad[:, names.index("tax_grade")] = facts["tax_grade"].isin(["C", "D"])
    bad[:, names.index("liabilities")] = facts["debt_ratio"] > 0.75
    return bad


def _recorded(facts: pd.DataFrame, missing: NDArray[np.bool_]) -> pd.DataFrame:
    """The rows as the tables hold them."""
    recorded = facts.drop(columns=["firm", "trade", "district", "group", "log_revenue", "debt_ratio", "margin", "age"])
    for name, gap in zip(MISSING, missing.T, strict=True):
        column = recorded[name].astype("boolean") if recorded[name].dtype == bool else recorded[name]
        recorded[name] = column.mask(gap)
    recorded["longitude"] = recorded["longitude"].mask(recorded["latitude"].isna())
    return recorded

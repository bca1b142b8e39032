"""The market month by month: what is known on the first day decides the month's chances; outcomes then change it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from matching.domain import DeclineReason, Kind, Stage
from training.market.appetite import (
    APPLY_CEILING,
    GRANT_LEVEL,
    KNOWN_BEFORE,
    LOYALTY,
    MONTHS,
    REFUSED_BEFORE,
    RULE_BROKEN,
    SIZE_SCORE,
    TAX_SCORE,
    UNSECURED,
    Asked,
    apply_odds,
    grant_parts,
)
from training.market.eligibility import broken, built_in, secured
from training.market.funnel import OPEN_DAYS, Capacity, Chances, Course, Slate, follow, show, within
from training.market.products import DAYS, START
from training.market.world import World

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]
NEVER: Final = 10**6
YEAR: Final = 365
PRICED: Final = (Stage.APPLIED, Stage.GRANTED, Stage.DRAWN)
ORDER: Final = ("need_id", "position", "product_id", "at", "stage")


@dataclass(frozen=True)
class Record:
    """What the simulation leaves behind: the record, and the truth."""

    enterprises: pd.DataFrame
    outcomes: pd.DataFrame
    truth: pd.DataFrame


@dataclass
class _Past:
    """What came of earlier months, as events: days, enterprises, institutions, products."""

    borrowed: Whole
    decisions: list[pd.DataFrame] = field(default_factory=list)

    def known(self, day: int) -> pd.DataFrame:
        """Decisions before a day."""
        if not self.decisions:
            return pd.DataFrame({"day": [], "firm": [], "institution": [], "product": [], "won": []}, dtype=int)
        events = pd.concat(self.decisions, ignore_index=True)
        return events[events["day"] < day]

    def first_loan(self, flags: pd.Series, firm: Whole, month_start: Whole) -> pd.Series:
        """Flags less those of enterprises that drew on a product before the month their facts are from."""
        return flags.astype(object).mask((self.borrowed[firm] < month_start) & flags.notna(), False)


@dataclass(frozen=True)
class _Pairs:
    """Chances of a month's needs over all versions, and why each grant is likely or not."""

    eligible: NDArray[np.bool_]
    applies: Numbers
    granted: Numbers
    parts: dict[str, Numbers]
    rate_bp: Numbers


def run(rng: Generator, made: World, position_bias: float, progress: Callable[[int, int], None] | None) -> Record:
    """All months in order."""
    past = _Past(np.full(made.firms.facts["firm"].max() + 1, NEVER))
    capacity = Capacity(made.products)
    starts = [(month - START).days for month in pd.date_range(START, periods=MONTHS + 1, freq="MS")]
    shown, truths = [], []
    for month, (start, end) in enumerate(pairwise(starts)):
        at = slice(*np.searchsorted(made.needs.day, [start, end]))
        events = past.known(start)
        pairs = _pairs(made, past, events, at, month, start)
        truths.append(_truth(made, pairs, at))
        slate = _slate(rng, made, pairs, events, at, start)
        course = _follow(rng, made, pairs, slate, at, capacity, position_bias)
        _remember(past, made, slate, course, at)
        shown.append(_shown(made, pairs, slate, course, at))
        if progress:
            progress(month + 1, MONTHS)
    outcomes = _outcomes(pd.concat(shown, ignore_index=True))
    return Record(_enterprises(made, past), _sorted(outcomes), _sorted(pd.concat(truths)))


def _pairs(made: World, past: _Past, events: pd.DataFrame, at: slice, month: int, start: int) -> _Pairs:
    """What the first day of the month knows of relations decides, with facts and appetites, each pair's chances."""
    products, needs = made.products, made.needs
    true, recorded = (_lent(made, past, facts, at) for facts in (made.true, made.recorded))
    asked = _asked(true, needs.amount[at], needs.purpose[at], month)
    rate_bp = products.rate_bp((START + pd.Timedelta(start, "D")).date())
    parts = grant_parts(made.appetite, products, asked)
    won, lost = (_met(made, events[events["won"] == flag], true["firm"]) for flag in (1, 0))
    parts["credit_record"] = REFUSED_BEFORE * lost + RULE_BROKEN * broken(products, true, True)
    parts["collateral"] = np.where(secured(products, needs, at), 0.0, UNSECURED)
    odds = apply_odds(made.appetite, products, asked, rate_bp) + LOYALTY * won
    eligible = built_in(products, needs, made.firms, at) & (broken(products, recorded, False) == 0)
    granted = _chance(GRANT_LEVEL + sum(parts.values()) + KNOWN_BEFORE * won)
    return _Pairs(eligible, APPLY_CEILING * _chance(odds), granted, parts, rate_bp)


def _lent(made: World, past: _Past, facts: pd.DataFrame, at: slice) -> pd.DataFrame:
    """The month's facts with `first_loan` as it stood when they were taken."""
    chosen = facts.iloc[at]
    true = made.true.iloc[at]
    flags = past.first_loan(chosen["first_loan"], true["firm"].to_numpy(), _month_day(true["as_of"]))
    return chosen.assign(first_loan=flags, firm=true["firm"])


def _month_day(moments: pd.Series) -> Whole:
    """The first day of each moment's month, counted from `START`."""
    return (moments.dt.to_period("M").dt.start_time - START).dt.days.to_numpy()


def _asked(true: pd.DataFrame, amount: Numbers, purpose: Whole, month: int) -> Asked:
    tiers = true["tiers"].fillna("").str.split("|").map(lambda held: sum(map(bool, held)))
    return Asked(
        month=month,
        group=true["group"].to_numpy(),
        district=true["district"].to_numpy(),
        purpose=purpose,
        amount=amount,
        size=np.asarray(true["size"].map(SIZE_SCORE), dtype=np.float64),
        debt=true["debt_ratio"].to_numpy(float),
        tax=np.asarray(true["tax_grade"].map(TAX_SCORE), dtype=np.float64),
        tiers=tiers.clip(upper=4).to_numpy(float),
        margin=true["margin"].to_numpy(float),
        growth=true["growth"].to_numpy(float),
        age=true["age"].to_numpy(float),
        log_revenue=true["log_revenue"].to_numpy(float),
    )


def _met(made: World, events: pd.DataFrame, firm: pd.Series) -> NDArray[np.bool_]:
    """(need, version): whether the enterprise has met the product's institution in these events."""
    met = np.zeros((made.firms.facts["firm"].max() + 1, len(made.appetite.size)), bool)
    met[events["firm"], events["institution"]] = True
    return met[firm][:, made.products.institution]


def _chance(odds: NDArray[Any]) -> Numbers:
    return 1 / (1 + np.exp(-odds))


def _truth(made: World, pairs: _Pairs, at: slice) -> pd.DataFrame:
    need, version = np.nonzero(pairs.eligible)
    granted = pairs.granted[need, version]
    return pd.DataFrame(
        {
            "need_id": made.needs.table["need_id"].to_numpy()[at][need],
            "product_id": made.products.table["product_id"].to_numpy()[version],
            "chance": (pairs.applies[need, version] * granted).astype(np.float32),
            "granted": granted.astype(np.float32),
        }
    )


def _slate(rng: Generator, made: World, pairs: _Pairs, events: pd.DataFrame, at: slice, start: int) -> Slate:
    """What the policy shows for the month's needs that are not still open."""
    recent = events.loc[(events["won"] == 1) & (events["day"] >= start - YEAR), "product"].astype(int)
    grants = np.bincount(recent, minlength=made.products.product.max() + 1)[made.products.product]
    closed = made.needs.day[at] < DAYS - OPEN_DAYS
    return show(rng, pairs.eligible & closed[:, None], grants.astype(float), pairs.rate_bp)


def _follow(
    rng: Generator, made: World, pairs: _Pairs, slate: Slate, at: slice, capacity: Capacity, position_bias: float
) -> Course:
    picked = slate.need, slate.version
    chances = Chances(
        applies=pairs.applies[picked],
        granted=pairs.granted[picked],
        parts={name: part[picked] for name, part in pairs.parts.items()},
    )
    asked = made.needs.day[at][slate.need], made.needs.amount[at][slate.need]
    return follow(rng, slate, chances, asked, made.products, capacity, position_bias, APPLY_CEILING)


def _remember(past: _Past, made: World, slate: Slate, course: Course, at: slice) -> None:
    """Decisions as events (one for want of capacity says nothing of the enterprise), and who has drawn a loan."""
    firm = made.true["firm"].to_numpy()[at][slate.need]
    won, lost = course.days[Stage.GRANTED], course.days[Stage.DECLINED]
    judged = (won >= 0) | ((lost >= 0) & (course.reason != DeclineReason.CAPACITY.value))
    events = pd.DataFrame(
        {
            "day": np.maximum(won, lost),
            "firm": firm,
            "institution": made.products.institution[slate.version],
            "product": made.products.product[slate.version],
            "won": (won >= 0).astype(int),
        }
    )
    past.decisions.append(events[judged])
    drawn = course.days[Stage.DRAWN]
    credit = (made.products.table["kind"] == Kind.CREDIT.value).to_numpy()[slate.version] & within(drawn)
    np.minimum.at(past.borrowed, firm[credit], drawn[credit])


def _shown(made: World, pairs: _Pairs, slate: Slate, course: Course, at: slice) -> pd.DataFrame:
    """The month's shown pairs, a row each, with the day of every stage in a column of its name."""
    need = at.start + slate.need
    return pd.DataFrame(
        {
            "need_id": made.needs.table["need_id"].to_numpy()[need],
            "product_id": made.products.table["product_id"].to_numpy()[slate.version],
            "position": slate.position,
            "propensity": slate.propensity,
            "asked": made.needs.amount[need],
            "granted_amount": course.granted_amount,
            "rate_bp": pairs.rate_bp[slate.version],
            "reason_code": course.reason,
        }
        | {stage.value: days for stage, days in course.days.items()}
    )


def _outcomes(shown: pd.DataFrame) -> pd.DataFrame:
    """A row for each stage reached inside the window; amount and price stand from the application on."""
    return pd.concat([_reached(shown, stage) for stage in Stage], ignore_index=True)


def _reached(shown: pd.DataFrame, stage: Stage) -> pd.DataFrame:
    rows = shown[within(shown[stage.value].to_numpy())]
    given = rows["granted_amount"] if stage in (Stage.GRANTED, Stage.DRAWN) else rows["asked"]
    outcomes = rows[["need_id", "product_id", "position", "propensity"]].copy()
    outcomes["stage"] = stage.value
    outcomes["at"] = START + pd.to_timedelta(rows[stage.value], unit="D")
    outcomes["amount"] = given if stage in PRICED else np.nan
    outcomes["rate_bp"] = rows["rate_bp"] if stage in PRICED else np.nan
    outcomes["reason_code"] = rows["reason_code"] if stage is Stage.DECLINED else None
    return outcomes


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame in the order of its key, whatever order the months gave it."""
    return frame.sort_values([name for name in ORDER if name in frame], kind="stable", ignore_index=True)


def _enterprises(made: World, past: _Past) -> pd.DataFrame:
    """The recorded facts, `first_loan` ending with the first loan drawn."""
    facts, recorded = made.firms.facts, made.firms.recorded
    flags = past.first_loan(recorded["first_loan"], facts["firm"].to_numpy(), _month_day(facts["as_of"]))
    return recorded.assign(first_loan=flags)

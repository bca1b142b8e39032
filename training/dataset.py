"""Outcomes → queries → ranking groups. Facts and history come from before a need's month, targets from after.

A query is a need of which something was taken; its candidates are the products in force that day, that no rule fails,
with an outcome in the three years before the first day of its month. Where a service recorded what it showed, a
training group holds only that: what was never shown was never refused. What was shown one at a time, until one was
taken, compares nothing: the last would win over all that the model had put before it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matching import tables as gate
from matching.catalogue import Catalogue, Rows, day_of
from matching.domain import Enterprise, Need, Stage
from matching.errors import Fault, InputError
from matching.features import FEATURES
from matching.history import Codes, Context, History, Numbers, cutoff
from matching.lookup import among
from matching.outcomes import TAKEN, history_of
from matching.reference import is_manufacturing
from matching.roster import Roster
from matching.rules import Rulebook
from matching.tables import Tables

ACTIVE_YEARS: Final = 3
GRADES: Final = {Stage.APPLIED: 1, Stage.DECLINED: 1, Stage.GRANTED: 3, Stage.DRAWN: 3}
MOST_CANDIDATES: Final = 100
_RANKED_FIRST: Final = FEATURES.index("product_memory_product")

Where = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Query:
    """A need to rank for: candidate `rows` of the catalogue, their codes in the history, and what each was worth.

    `gains` is 1 for a product taken, else 0; `grades` by `GRADES`; `shown` marks what the service showed (none where
    that is not recorded).
    """

    need: Need
    enterprise: Enterprise
    context: Context
    rows: Rows
    candidates: Codes
    gains: Numbers
    grades: Codes
    shown: np.ndarray

    @property
    def need_id(self) -> str:
        """The need's id."""
        return self.need.need_id

    @property
    def as_of(self) -> date:
        """The day of ranking: when the need was posted."""
        return self.need.posted_at


@dataclass(frozen=True)
class Group:
    """One query's rows for training: features [n, FEATURES], grades [n], whose they are and of which day."""

    enterprise_id: str
    day: int
    features: Numbers
    grades: Codes


@dataclass(frozen=True)
class World:
    """Checked tables as the ranker sees them: history, catalogue and rules."""

    tables: Tables
    history: History
    catalogue: Catalogue

    @classmethod
    def of(cls, tables: Tables) -> Self:
        """Everything made once from `tables`."""
        return cls(tables, history_of(tables), gate.catalogue_of(tables))

    @cached_property
    def rulebook(self) -> Rulebook:
        """The catalogue's rules."""
        return Rulebook(self.catalogue)

    @cached_property
    def roster(self) -> Roster:
        """The catalogue in the history's codes."""
        return Roster.of(self.catalogue, self.history)

    def active(self, as_of: date) -> Rows:
        """The rows in force on `as_of` whose product had an outcome in the three years before its month."""
        rows = self.catalogue.index_as_of(as_of)
        return rows[self._alive(cutoff(as_of))[self.roster.product[rows]]]

    def _alive(self, last: date) -> NDArray[np.bool_]:
        """Which of the history's products had an outcome in the three years before the month that begins then."""
        if last not in self._alive_by_month:
            first = last.replace(year=last.year - ACTIVE_YEARS)
            events = slice(self.history.until(day_of(first)), self.history.until(day_of(last)))
            alive = np.zeros(len(self.history.products) + 1, dtype=bool)
            alive[self.history.product[events]] = True
            self._alive_by_month[last] = alive
        return self._alive_by_month[last]

    @cached_property
    def _alive_by_month(self) -> dict[date, NDArray[np.bool_]]:
        """What is kept of `_alive`: the queries of a month look through the same years."""
        return {}


def in_one_currency(command: str, tables: Tables, manifest: Mapping[str, Any]) -> None:
    """Raises `InputError` where a model learned what amounts mean in another currency than the tables'."""
    learned = manifest.get("currency", tables.currency)
    if learned != tables.currency:
        raise InputError(command, [Fault("currency", f"is {learned} as the model's, not {tables.currency}")])


def narrowed(tables: Tables, where: Where) -> Tables:
    """The tables with only those versions of products whose columns hold one of the values, and their outcomes."""
    if not where:
        return tables
    products = _ended(tables.products)
    for column, values in where.items():
        if column not in products:
            raise InputError("--where", [Fault(column, f"is a product column, one of {', '.join(products.columns)}")])
        products = products[tables.products.loc[products.index, column].astype(str).isin(values)]
    if products.empty:
        raise InputError("--where", [Fault("+".join(where), "keeps at least one product")])
    kept = _began_with(tables.outcomes, tables.products, products.index)

    def narrow(name: str, frame: pd.DataFrame) -> pd.DataFrame:
        return {"products": products, "outcomes": tables.outcomes.iloc[kept]}.get(name, frame).reset_index(drop=True)

    return tables.map(narrow)


def each_found(tables: Tables, where: Where) -> Where:
    """`where`. Raises `InputError` where one of its values is no product's, which would narrow more than was asked for.

    That holds of whole tables alone: before a split, what has that value may not have begun.
    """
    for column, values in where.items():
        known = set(tables.products[column].astype(str)) if column in tables.products else set(values)
        lost = [value for value in values if value not in known]
        if lost:
            raise InputError("--where", [Fault(column, f"is one that a product has, not {lost[0]!r}")])
    return where


def _began_with(outcomes: pd.DataFrame, products: pd.DataFrame, chosen: pd.Index) -> Codes:
    """Rows of the outcomes whose need and product came together while one of the `chosen` versions was in force.

    What came of that later belongs to it, whatever the product is by then.
    """
    versions = products[["product_id", "valid_from"]].assign(chosen=products.index.isin(chosen))
    begun = outcomes.groupby(["need_id", "product_id"])["at"].transform("min")
    keys = outcomes[["product_id"]].assign(row=np.arange(len(outcomes)), begun=begun).sort_values("begun")
    found = pd.merge_asof(
        keys, versions.sort_values("valid_from"), left_on="begun", right_on="valid_from", by="product_id"
    )
    return np.sort(found.loc[found["chosen"].eq(True), "row"].to_numpy())


def _ended(products: pd.DataFrame) -> pd.DataFrame:
    """Each version ends where the next of its product begins, so that it stays ended when that one is left out."""
    following = products.sort_values("valid_from").groupby("product_id")["valid_from"].shift(-1)
    return products.assign(valid_to=np.fmin(products["valid_to"], following.reindex(products.index)))


def queries(
    world: World,
    since: date | None = None,
    until: date | None = None,
    all_industries: bool = False,
    most: int = 0,
    fill: bool = False,
    without: Collection[str] = (),
) -> list[Query]:
    """The queries of needs posted from `since` to before `until`, in time order; the `most` latest where given.

    With `fill`, those of other industries make up what manufacturing lacks of `most`; needs `without` are left out.
    """
    outcomes = world.tables.outcomes
    taken = set(outcomes.loc[outcomes["stage"].isin(TAKEN), "need_id"].tolist()).difference(without)
    pairs = posted(world, taken, since, until, all_industries, most, fill)
    grades = _grades(outcomes[among(outcomes["need_id"], [need.need_id for need, _ in pairs])])
    return [query(world, need, firm, grades[need.need_id]) for need, firm in pairs]


def examined(command: str, world: World, since: date, until: date | None, all_industries: bool) -> list[Query]:
    """The queries that a test asks. Raises `InputError` where there is none, naming the option to mend."""
    if until and until <= since:
        raise InputError(command, [Fault("--to", f"is after --from ({since}), not {until}")])
    found = queries(world, since, until, all_industries)
    if found:
        return found
    others = [] if all_industries else queries(world, since, until, all_industries=True)
    if others:
        rule = f"is given where no query is known to be a manufacturing enterprise's: none of {len(others)} is"
        raise InputError(command, [Fault("--all-industries", rule)])
    raise InputError(
        command, [Fault("--from", f"leaves a need that a product was taken for, not none from {since} on")]
    )


def posted(
    world: World,
    need_ids: Collection[str],
    since: date | None,
    until: date | None,
    all_industries: bool,
    most: int = 0,
    fill: bool = False,
) -> list[tuple[Need, Enterprise]]:
    """Those of the needs posted from `since` to before `until`, and their enterprises; as in `queries`."""
    needs = world.tables.needs.sort_values(["posted_at", "need_id"], kind="stable")
    needs = needs[among(needs["need_id"], need_ids) & _between(needs["posted_at"], since, until)]
    return list(with_enterprises(world.tables, needs.iloc[_latest(world.tables, needs, all_industries, most, fill)]))


def _latest(tables: Tables, needs: pd.DataFrame, all_industries: bool, most: int, fill: bool) -> Rows:
    """Which of the needs are among the `most` latest of their industries; as in `queries`."""
    every = np.arange(len(needs))
    if all_industries:
        return every[-most:]
    facts = _facts_of(tables, needs).to_numpy(dtype=np.float64)
    known = ~np.isnan(facts)
    made = np.zeros(len(needs), dtype=bool)
    industries = tables.enterprises["industry"].iloc[facts[known].astype(int)].fillna("")
    made[known] = [is_manufacturing(industry) for industry in industries.tolist()]
    chosen = np.flatnonzero(made)[-most:]
    lacking = most - len(chosen) if fill else 0
    others = np.setdiff1d(every, chosen)[-lacking:] if lacking > 0 else every[:0]
    return np.union1d(chosen, others)


def _facts_of(tables: Tables, needs: pd.DataFrame, as_of: date | None = None) -> pd.Series:
    """For each need the row of its enterprise's facts as last known when it was posted, or on `as_of`; NaN for none."""
    facts = tables.enterprises[["enterprise_id", "as_of"]].assign(row=range(len(tables.enterprises)))
    day = needs["posted_at"] if as_of is None else pd.Timestamp(as_of).as_unit("ns")
    keys = needs[["need_id", "enterprise_id"]].assign(day=day).sort_values("day", kind="stable")
    found = pd.merge_asof(
        keys, facts.sort_values("as_of", kind="stable"), left_on="day", right_on="as_of", by="enterprise_id"
    ).set_index("need_id")["row"]
    return found.reindex(needs["need_id"])


def with_enterprises(
    tables: Tables, needs: pd.DataFrame, as_of: date | None = None
) -> Iterable[tuple[Need, Enterprise]]:
    """Each need and its enterprise's facts as last known when it was posted, or on `as_of` where that is given."""
    rows = _facts_of(tables, needs, as_of)
    known = iter(gate.entities("enterprises", tables.enterprises.iloc[rows.dropna().astype(int)]))
    for need, row in zip(gate.entities("needs", needs), rows, strict=True):
        assert isinstance(need, Need)
        firm = Enterprise(enterprise_id=need.enterprise_id, as_of=need.posted_at) if pd.isna(row) else next(known)
        assert isinstance(firm, Enterprise)
        yield need, firm


def query(world: World, need: Need, enterprise: Enterprise, grades: Mapping[str, tuple[int, bool]]) -> Query:
    """One need's query; `grades` gives (grade, shown) by product id."""
    verdicts = world.rulebook.judge(enterprise, need, need.posted_at, world.active(need.posted_at))
    rows = verdicts.rows[verdicts.eligible]
    ids, grade, shown = world.catalogue.ids[rows], np.zeros(len(rows), np.int32), np.zeros(len(rows), bool)
    for product_id, found in grades.items():  # few, where there may be thousands of candidates
        place = ids == product_id
        grade[place], shown[place] = found
    return Query(
        need=need,
        enterprise=enterprise,
        context=world.history.context(enterprise, need, need.posted_at),
        rows=rows,
        candidates=world.roster.product[rows],
        gains=(grade >= GRADES[Stage.GRANTED]).astype(np.float64),
        grades=grade,
        shown=shown,
    )


class Builds(Protocol):
    """What builds the features of a need's candidates: a `Builder`, or one that keeps what it built."""

    def build(self, enterprise: Enterprise, need: Need, as_of: date, rows: Rows) -> Numbers: ...


def group(builder: Builds, asked: Query, seed: int = 0) -> Group | None:
    """The query's training rows, or None where nobody applied for any of them.

    Of more than `MOST_CANDIDATES` candidates, half are those that the memory ranks first and half are drawn at
    random, so that the forest meets both what it must tell apart and what it must keep down.
    """
    keep = np.flatnonzero(asked.shown) if asked.shown.any() else np.arange(len(asked.rows))
    if not asked.grades[keep].any():
        return None
    features = builder.build(asked.enterprise, asked.need, asked.as_of, asked.rows)
    if len(keep) > MOST_CANDIDATES:
        keep = keep[_thinned(features[keep], asked.grades[keep], seed)]
    rows = np.ascontiguousarray(features[keep])  # as the one matrix of all groups is stored
    return Group(asked.enterprise.enterprise_id, asked.context.day, rows, asked.grades[keep])


def _thinned(features: Numbers, grades: Codes, seed: int) -> Rows:
    half = MOST_CANDIDATES // 2
    hard = np.argsort(-features[:, _RANKED_FIRST], kind="stable")[:half]
    easy = np.random.default_rng(seed).choice(len(features), half, replace=False)
    return np.unique(np.concatenate([hard, easy, np.flatnonzero(grades)]))


def apart(outcomes: pd.DataFrame) -> frozenset[str]:
    """The needs whose products were shown one at a time: a position twice, or one product alone."""
    shown = outcomes[outcomes["stage"] == Stage.SHOWN]
    again = shown.duplicated(["need_id", "position"], keep=False) & shown["position"].notna()
    alone = ~shown.duplicated("need_id", keep=False)
    return frozenset(shown.loc[again | alone, "need_id"].tolist())


def _grades(outcomes: pd.DataFrame) -> dict[str, dict[str, tuple[int, bool]]]:
    """By need, each product's best grade and whether it was shown."""
    found: dict[str, dict[str, tuple[int, bool]]] = {}
    columns: list[Any] = [outcomes[name].tolist() for name in ("need_id", "product_id", "stage")]
    for need_id, product_id, stage in zip(*columns, strict=True):
        best, shown = found.setdefault(need_id, {}).get(product_id, (0, False))
        found[need_id][product_id] = (max(best, GRADES.get(stage, 0)), shown or stage == Stage.SHOWN)
    return found


def _between(moments: pd.Series, since: date | None, until: date | None) -> pd.Series:
    mask = pd.Series(True, index=moments.index)
    if since is not None:
        mask &= moments >= pd.Timestamp(since)
    if until is not None:
        mask &= moments < pd.Timestamp(until)
    return mask

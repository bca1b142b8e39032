"""The queue over a hundred thousand open matches, on SQLite and PostgreSQL: `python -m tests.benchmarks.queue`.

Prints the best milliseconds of each kind of page, for an officer and for the commission, and the plan of the first.
"""

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert, text
from sqlalchemy.dialects import postgresql, sqlite

from api.desk.cursors import unpack
from api.desk.identity import Actor, plain
from api.desk.month import month
from api.desk.overview import overview
from api.desk.queue import Filters, Show, Sort, cursor_at, following, overdue, page, query_of
from api.settings import Settings
from api.store import queries
from api.store.database import Store
from api.store.desk_models import CaseRow, EventRow
from api.store.models import RecommendationRow
from matching.codes import Kind
from tests import factories as make
from tests.benchmarks.scoring import best_ms
from tests.databases import UnavailableError, postgres
from tests.desks import COMMISSION, NOON, officer

MATCHES, INSTITUTIONS, SIZE = 100_000, 46, 50
ENDED = 0.1  # on top of the open ones
ASKED = {
    "first page": {},
    "overdue": {"show": Show.OVERDUE},
    "bonds": {"kind": Kind.BOND},
    "search, many": {"search": "机械"},
    "search, one": {"search": "e0004711"},
    "search, none": {"search": "nobody"},
    "ended": {"show": Show.ENDED},
}


def fill(store: Store) -> None:
    """Institutions, one recommendation that all matches rest on, and the matches, drawn at random."""
    with store.writing() as session:
        owners = [make.institution(institution_id=f"I{i:02}") for i in range(INSTITUTIONS)]
        queries.upsert(session, owners)
        session.add(recommendation())
    rows = list(matches())
    for start in range(0, len(rows), 5000):
        with store.writing() as session:
            session.execute(insert(CaseRow), rows[start : start + 5000])
            session.execute(insert(EventRow), [one for row in rows[start : start + 5000] for one in events(row)])
    tidy = "VACUUM ANALYZE" if store.engine.dialect.name == "postgresql" else "ANALYZE"  # as its daemon does
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(tidy))


def events(row: dict[str, Any]) -> Iterator[dict[str, object]]:
    """That a case was opened, and an answer hours later."""
    about = {"reason_codes": [], "text": "", "detail": {}, "actor": "system"}
    about |= {name: row[name] for name in ("case_id", "institution_id")}
    hours = row["amount"] % 40
    yield about | {
        "step": "open",
        "to_stage": "suggested",
        "from_stage": None,
        "at": row["opened_at"],
        "took": 0,
        "late": False,
    }
    yield about | {
        "step": "accept",
        "to_stage": "accepted",
        "from_stage": "suggested",
        "took": hours * 3600,
        "at": row["opened_at"] + timedelta(hours=hours),
        "late": hours > 24,
    }


def recommendation() -> RecommendationRow:
    """A record of nothing."""
    ids = dict.fromkeys(("recommendation_id", "enterprise_id", "need_id", "model_id", "catalogue_version"), "R")
    empty = {"product_ids": b"", "scores": b"", "features": b"", "request": {}, "answer": {}, "feature_names": []}
    return RecommendationRow(**ids, **empty, created_at=plain(NOON), as_of=NOON.date())


def matches() -> Iterator[dict[str, Any]]:
    """A hundred thousand open ones, and those that have ended."""
    rng, now = np.random.default_rng(0), plain(NOON)
    for i in range(int(MATCHES * (1 + ENDED))):
        opened = now - timedelta(minutes=int(rng.integers(0, 60 * 24 * 30)))
        ended = i >= MATCHES
        yield {
            "case_id": f"{rng.integers(2**63):024x}",
            "need_id": f"N{i:07}",
            "product_id": "P1",
            "institution_id": f"I{int(INSTITUTIONS * rng.random() ** 2):02}",
            "enterprise_id": f"E{i % 40_000:07}",
            "recommendation_id": "R",
            "rank": 1,
            "stage": "declined" if ended else "suggested",
            "version": 1,
            "opened_at": opened,
            "changed_at": opened,
            "due_at": None if ended else opened + timedelta(days=29),
            "closed_at": opened if ended else None,
            "enterprise_name": f"重庆第{i}号机械有限公司",
            "search": f"e{i % 40_000:07} 重庆第{i}号机械有限公司 n{i:07}",
            "region": "CN/500000/500106",
            "size": "small",
            "amount": int(rng.lognormal(15, 1)),
            "term_months": 12,
            "purpose": "working_capital",
            "kind": "bond" if rng.random() < 0.02 else "credit",
            "product_zh": "流动资金贷款",
            "product_en": "Working capital loan",
            "score": float(rng.normal()),
            "chance": float(rng.random()),
        }


def measure(store: Store) -> None:
    """A line a question; the last page is reached by its cursor."""
    for actor in (officer("I00"), COMMISSION):
        with store.reading() as session:
            print(f"  {actor.role}: {page(session, actor, NOON, Filters(), Sort.DUE, SIZE).total:,} open")
            for name, about in ASKED.items():
                call = asked(session, actor, Sort.DUE, **about)
                print(f"    {name:<14} {best_ms(call, 0.5):7.1f} ms")
            for sort in (Sort.AMOUNT, Sort.CHANCE, Sort.OPENED, Sort.CHANGED):
                print(f"    by {sort.value:<11} {best_ms(asked(session, actor, sort), 0.5):7.1f} ms")
            deep = page(session, actor, NOON, Filters(), Sort.DUE, SIZE).after
            for _ in range(20):
                deep = page(session, actor, NOON, Filters(), Sort.DUE, SIZE, deep).after or deep
            turn(session, actor)
            turned = partial(page, session, actor, NOON, Filters(), Sort.DUE, SIZE, deep)
            print(f"    page 22        {best_ms(turned, 0.5):7.1f} ms")
            counted = partial(month, session, actor, Settings(), NOON.date(), NOON)
            print(f"    the month      {best_ms(counted, 0.5):7.1f} ms")
            beside = partial(overview, session, actor, NOON.date(), NOON)
            print(f"    the overview   {best_ms(beside, 0.5):7.1f} ms")
            print(f"    {plan(session, actor, deep)}")


def turn(session, actor: Actor) -> None:
    """Lines for what a page asks besides: how many are overdue, and which case comes next."""
    print(f"    how many late  {best_ms(partial(overdue, session, actor, NOON, Filters()), 0.5):7.1f} ms")
    for name, kept in (("next case", Filters()), ("next bond", Filters(kind=Kind.BOND))):
        item = page(session, actor, NOON, kept, Sort.DUE, SIZE).items[-1]
        cursor = cursor_at(item, kept, Sort.DUE)
        then = partial(following, session, actor, NOON, kept, Sort.DUE, item.case_id, cursor)
        print(f"    {name:<14} {best_ms(then, 0.5):7.1f} ms")


def asked(session, actor: Actor, sort: Sort, **about):
    """A call that reads a first page."""
    return lambda: page(session, actor, NOON, Filters(**about), sort, SIZE)


def plan(session, actor: Actor, cursor: str) -> str:
    """How the database reads a later page."""
    sqlite_used = session.bind.dialect.name == "sqlite"
    statement = query_of(actor, NOON, Filters(), Sort.DUE, SIZE, unpack(cursor, Sort.DUE))
    dialect = sqlite.dialect() if sqlite_used else postgresql.dialect()
    written = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})).replace(":", r"\:")
    explain = "EXPLAIN QUERY PLAN " if sqlite_used else "EXPLAIN "
    return " / ".join(str(row[-1]).strip() for row in session.execute(text(explain + written)))


def main() -> None:
    """SQLite, then PostgreSQL where it can be started."""
    with tempfile.TemporaryDirectory() as folder:
        run("SQLite", f"sqlite:///{Path(folder)}/service.db")
    try:
        with postgres() as server:
            run("PostgreSQL", server.create())
    except UnavailableError as error:
        print(error)


def run(name: str, url: str) -> None:
    """Fill a store and measure."""
    store = Store(url)
    store.migrate()
    fill(store)
    print(f"{name}: {MATCHES:,} open matches of {INSTITUTIONS} institutions, pages of {SIZE}")
    measure(store)
    store.close()


if __name__ == "__main__":
    main()

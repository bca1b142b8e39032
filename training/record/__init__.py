"""The service's own record → tables: what it showed, at which place, what came of it, and the features as logged.

Read with plain SQL, since training does not know the service. A case's product is shown once the enterprise is told of
it, by the first contact, or once the institution declines: what came of it says something only then. It is shown alone,
so at position 1, whatever institutions had the need before; only the first one's turn was certain. `accepted` is no
stage of an outcome and leaves no row. An enterprise that withdrew after it applied is declined for that reason, before
that its case has expired. One that the clock took leaves no row while its need can still go to another institution.
What came of a need whose facts are kept no longer is left out and counted.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import pandas as pd
from sqlalchemy import URL, Connection, MetaData, Select, Table, create_engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, InvalidRequestError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from matching import tables as gate
from matching.domain import DeclineReason, Stage
from matching.errors import Fault, InputError
from matching.schemas import KEYS
from matching.tables import Tables
from training.record.logged import logged
from training.sources import RECORD, Summary

READ: Final = (
    "institutions", "products", "enterprises", "needs", "recommendations", "loads", "listings", "cases", "case_events",
    "outcomes",
)  # fmt: skip
ADDED: Final = {"recommendations": "rules_version", "listings": "exhausted_at"}  # after these tables were there
STAGES: Final = {
    "contacted": Stage.CONTACTED,
    "applied": Stage.APPLIED,
    "granted": Stage.GRANTED,
    "drawn": Stage.DRAWN,
    "declined": Stage.DECLINED,
    "expired": Stage.EXPIRED,
}
ENDS: Final = frozenset({Stage.DECLINED, Stage.EXPIRED})  # of which a match has one
TELLING: Final = frozenset({"contacted", "declined"})  # from here on a case tells of its product
TWICE: Final = "told more than once"
ONWARD: Final = "expired, and the need went on to the next institution"
FORGOTTEN: Final = "of a need whose facts are kept no longer"
Row = dict[str, Any]


class _Floors:
    """The days that no outcome is before: its need's and its product's first.

    The record may be read in another zone than the service stands in, where a step's day is still the one before.
    """

    def __init__(self, needs: list[Row], products: list[Row]) -> None:
        self._posted = {row["need_id"]: row["posted_at"] for row in needs}
        self._offered: dict[str, str] = {}
        for row in products:
            day = self._offered.get(row["product_id"], row["valid_from"])
            self._offered[row["product_id"]] = min(day, row["valid_from"])

    def held(self, row: Row) -> Row:
        """The row of a step, on no earlier day than can be."""
        return row | {"at": max(row["at"], self._posted[row["need_id"]], self._offered[row["product_id"]])}


def read(database: str, onto: Tables | None = None) -> tuple[Tables, pd.DataFrame, Summary]:
    """The record of a store (a URL or a SQLite file) as checked tables, the logged features, and what was left out.

    With `onto`, the record is added to these checked tables, and wins where both have a row. Raises `InputError`.
    """
    with _connected(database) as connection:
        known = _tables(connection)
        needs, enterprises = _asked(connection, known)
        products = _documents(connection, known["products"])
        told, dropped = _outcomes(connection, known, _Floors(needs, products))
        outcomes = _of_known(told, needs, onto)
        dropped[FORGOTTEN] = len(told) - len(outcomes)
        rows = {
            "institutions": _documents(connection, known["institutions"]),
            "products": products,
            "enterprises": enterprises,
            "needs": needs,
            "outcomes": outcomes,
        }
        features, damaged = logged(connection, known, {(row["need_id"], row["product_id"]) for row in outcomes})
        about = _about(connection, known)
    frames: dict[str, Any] = {name: gate.frame_of(name, found) for name, found in rows.items()}
    tables = Tables(**frames, **about)
    found = gate.consistent(tables if onto is None else _added(onto, tables))
    why = {reason: count for reason, count in dropped.items() if count}
    summary = Summary(RECORD, _shown(database), len(outcomes) + sum(why.values()), len(outcomes), why, damaged)
    return found, features, summary


def _shown(database: str) -> str:
    """Where the record is, without a password."""
    return make_url(database).render_as_string() if "://" in database else database


@contextmanager
def _connected(database: str) -> Iterator[Connection]:
    """A connection that sees one state of the store, whatever the service writes meanwhile."""
    connection = _opened(database)
    with connection:
        try:
            yield connection
        except SQLAlchemyError as error:  # as of a file that was cut short, or a server that went away
            why = str(getattr(error, "orig", error)).partition("\n")[0]
            raise InputError("service", [Fault("DB", f"is a store that can be read to its end: {why}")]) from None


def _opened(database: str) -> Connection:
    try:
        url = make_url(database) if "://" in database else URL.create("sqlite", database=database)
        if url.drivername.startswith("sqlite") and not Path(url.database or "").is_file():  # it would be made, empty
            raise InputError("service", [Fault("DB", f"is a URL or a SQLite file, not {database!r}")])
        connection = create_engine(url, poolclass=NullPool).connect()
        if connection.dialect.name == "sqlite":  # its driver begins no transaction to read in
            connection.exec_driver_sql("BEGIN")
            return connection
        return connection.execution_options(isolation_level="REPEATABLE READ")
    except (ArgumentError, ValueError, ImportError, SQLAlchemyError):  # the text may hold a password
        raise InputError("service", [Fault("DB", "is a store that can be reached")]) from None


def _tables(connection: Connection) -> dict[str, Table]:
    metadata = MetaData()
    try:
        metadata.reflect(connection, only=READ)
    except InvalidRequestError:
        raise _outdated() from None
    if any(column not in metadata.tables[name].c for name, column in ADDED.items()):
        raise _outdated()
    return {name: metadata.tables[name] for name in READ}


def _outdated() -> InputError:
    rule = "is a store of this version: bring it up to date with `python -m api migrate`"
    return InputError("service", [Fault("DB", rule)])


def _documents(connection: Connection, table: Table) -> list[Row]:
    """In the order of their keys: a database gives rows as they lie, and moves those that are updated."""
    return list(connection.scalars(select(table.c.document).order_by(*table.primary_key)))


def _asked(connection: Connection, known: dict[str, Table]) -> tuple[list[Row], list[Row]]:
    """Needs and enterprises as loaded or listed, and as asked about where something came of it.

    What else was recommended for may be no more than a question: what if it earned more, or asked in some years?
    """
    needs = {row["need_id"]: row for row in _documents(connection, known["needs"])}
    firms = {(row["enterprise_id"], row["as_of"]): row for row in _documents(connection, known["enterprises"])}
    for request in _own(connection, known):
        need, firm = request["need"], request["enterprise"]
        kept = needs.setdefault(need["need_id"], need)
        if all(kept[name] == need[name] for name in ("enterprise_id", "posted_at")):
            day = min(firm["as_of"], need["posted_at"])  # a need is never earlier than its enterprise's first facts
            firms.setdefault((firm["enterprise_id"], day), firm | {"as_of": day})
    return list(needs.values()), list(firms.values())


def _own(connection: Connection, known: dict[str, Table]) -> list[Row]:
    """For each need the request that it was listed by, or the first one where a platform alone told what came of it."""
    asked, listings = known["recommendations"].c, known["listings"].c
    query = select(asked.need_id, asked.request).order_by(asked.created_at, asked.recommendation_id)
    listed = query.join(known["listings"], listings.recommendation_id == asked.recommendation_id)
    told = query.where(asked.need_id.in_(select(known["outcomes"].c.need_id)))
    found: dict[str, Row] = {}
    for need_id, request in (*connection.execute(listed), *connection.execute(told)):
        found.setdefault(need_id, request)
    return list(found.values())


def _outcomes(connection: Connection, known: dict[str, Table], floors: _Floors) -> tuple[list[Row], dict[str, int]]:
    """One row for each need, product and stage: as the platform said last, else as the desk recorded it.

    And how many others were left out, by reason.
    """
    desk: list[Row] = []
    going_on: set[tuple[str, str]] = set()
    for _, events in groupby(connection.execute(_steps(known)), attrgetter("case_id")):
        history = list(events)
        desk += map(floors.held, _of_case(history))
        if _handed_on(history[-1]):
            going_on.add((history[-1].need_id, history[-1].product_id))
    told = known["outcomes"].c
    latest = select(told.document).order_by(told.received_at.desc(), told.outcome_id)
    found = [*connection.scalars(latest), *desk]
    kept = [row for row in found if row["stage"] != Stage.EXPIRED or _pair(row) not in going_on]
    once = _once(kept)
    return once, {ONWARD: len(found) - len(kept), TWICE: len(kept) - len(once)}


def _of_known(rows: list[Row], needs: list[Row], onto: Tables | None) -> list[Row]:
    """The rows of needs that are in the tables: without its facts, a need refuses them all."""
    known = {need["need_id"] for need in needs} | set([] if onto is None else onto.needs["need_id"])
    return [row for row in rows if row["need_id"] in known]


def _once(rows: list[Row]) -> list[Row]:
    """The first row of each stage of a pair, and of how it ended: a platform may tell otherwise than its case."""
    found: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        found.setdefault((*_pair(row), "ended" if row["stage"] in ENDS else row["stage"]), row)
    return list(found.values())


def _pair(row: Row) -> tuple[str, str]:
    return row["need_id"], row["product_id"]


def _steps(known: dict[str, Table]) -> Select[Any]:
    """Every event, those of a case together and in order, with what its case and its need's listing say."""
    events, cases, listings = known["case_events"], known["cases"], known["listings"]
    query = select(events, cases.c.need_id, cases.c.product_id, listings.c.exhausted_at)
    query = query.join(cases, cases.c.case_id == events.c.case_id)
    query = query.join(listings, listings.c.need_id == cases.c.need_id)
    return query.order_by(events.c.case_id, events.c.event_id)


def _handed_on(last: Any) -> bool:
    """Whether a case expired by the clock and another institution got the need, which has not expired with it."""
    return last.step == "expire" and last.from_stage != "granted" and last.exhausted_at is None


def _of_case(history: list[Any]) -> Iterable[Row]:
    """The rows of one case, each under the product that it had at the time."""
    first = history[0]
    row = {"need_id": first.need_id, "product_id": first.detail["product_id"]}
    sight = {"stage": Stage.SHOWN.value, "position": 1, "propensity": 1.0 if first.detail["turn"] == 1 else None}
    reached, shown = set(), False
    for event in history[1:]:
        reached.add(event.to_stage)
        if event.step == "suggest":
            row, shown = row | {"product_id": event.detail["to"]}, False
            sight = sight | {"propensity": None}
        if not shown and reached & TELLING:
            yield row | sight | {"at": _said(event)}
            shown = True
        told = _told(event, "applied" in reached) if event.step != "suggest" else None
        if told:
            yield row | told


def _told(event: Any, applied: bool) -> Row | None:
    at = _said(event)
    if event.to_stage == "withdrawn":
        reason = DeclineReason.WITHDRAWN.value
        stage = Stage.DECLINED if applied else Stage.EXPIRED
        return {"stage": stage.value, "at": at} | ({"reason_code": reason} if applied else {})
    if event.to_stage not in STAGES:
        return None
    told = {"stage": STAGES[event.to_stage].value, "at": at}
    told |= {name: event.detail[name] for name in ("amount", "rate_bp") if name in event.detail}
    return told | ({"reason_code": event.reason_codes[0]} if event.reason_codes else {})


def _said(event: Any) -> str:
    """The day that a platform gave a step, else that on which it was taken where the service stands."""
    taken = event.at.replace(tzinfo=UTC).astimezone().date()  # needs have their days there too
    return str(event.detail.get("at", taken))


def _about(connection: Connection, known: dict[str, Table]) -> Row:
    loads = known["loads"].c
    columns = (loads.source, loads.currency, loads.attribution, loads.simulated)
    last = connection.execute(select(*columns).order_by(loads.load_id.desc()).limit(1)).first()
    if last is None:
        raise InputError("service", [Fault("DB", "is a store into which tables were loaded")])
    return {**last._mapping, "source": _sourced(last.source)}


def _added(onto: Tables, record: Tables) -> Tables:
    if onto.currency != record.currency:
        raise InputError("--onto", [Fault("currency", f"is {record.currency} like the record's, not {onto.currency}")])
    earlier = replace(onto, outcomes=_not_ended(onto.outcomes, record.outcomes))
    both: dict[str, Any] = {}
    for name, frame in record:
        joined = pd.concat([getattr(earlier, name), frame], ignore_index=True)
        both[name] = joined.drop_duplicates(KEYS[name], keep="last", ignore_index=True)
    already = record.source == _sourced(onto.source)
    return replace(
        record,
        source=record.source if already else _joined(onto.source, record.source),
        attribution=_joined(onto.attribution, record.attribution),
        simulated=onto.simulated or record.simulated,
        **both,
    )


def _not_ended(earlier: pd.DataFrame, record: pd.DataFrame) -> pd.DataFrame:
    """The earlier outcomes, less the ends of matches whose end the record has: it may be another one by now."""
    pair = ["need_id", "product_id"]
    found = pd.MultiIndex.from_frame(record.loc[record["stage"].isin(list(ENDS)), pair])
    again = earlier["stage"].isin(list(ENDS)) & pd.MultiIndex.from_frame(earlier[pair]).isin(found)
    return earlier[~again]


def _sourced(source: str) -> str:
    """The source of the record of a store that began with tables of `source`."""
    return f"{RECORD}: {source}"


def _joined(*texts: str) -> str:
    """The parts of all texts, each once."""
    return "; ".join(dict.fromkeys(part for text in texts for part in text.split("; ") if part))

"""A folder of tables into the store: enterprises, institutions, products and needs; outcomes stay with training."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from api.desk.identity import plain
from api.store import queries
from api.store.database import Store
from api.store.models import LoadRow
from matching import tables
from matching.errors import Fault, InputError

LOADED = ("institutions", "products", "enterprises", "needs")


@dataclass(frozen=True)
class Loaded:
    """What a load did: rows by table; `new` is false where the folder was in the store already."""

    new: bool
    rows: dict[str, int]


def load(store: Store, folder: Path, at: datetime) -> Loaded:
    """Add the folder's entities to the store or bring them up to date, all or nothing.

    The same folder again costs reading its bytes. Raises `InputError` naming the table, row and field at fault.
    """
    try:
        return _load(store, folder, at)
    except IntegrityError:  # the listing of a need brought some of the rows at the same moment
        return _load(store, folder, at)


def _load(store: Store, folder: Path, at: datetime) -> Loaded:
    fingerprint = _fingerprint(folder)
    with store.reading() as session:
        if _is_last(fingerprint, queries.last_load(session)):
            return Loaded(False, {})
    data = tables.read(folder)
    rows = {name: tables.entities(name, getattr(data, name)) for name in LOADED}
    with store.writing() as session:
        queries.hold_loads(session)
        last = queries.last_load(session)  # again: another one may have come while this one was read
        if _is_last(fingerprint, last):
            return Loaded(False, {})
        _check_currency(last, data)
        for entities in rows.values():
            queries.upsert(session, entities)
        session.add(_load_row(data, fingerprint, at))
    return Loaded(True, {name: len(entities) for name, entities in rows.items()})


def _fingerprint(folder: Path) -> str:
    """A hash of the bytes of everything that is loaded."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.glob("*") if path.stem in (*LOADED, "tables")):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _check_currency(last: LoadRow | None, data: tables.Tables) -> None:
    if last is not None and last.currency != data.currency:
        rule = f"is {last.currency} like what is in the store, not {data.currency}: load it into a store of its own"
        raise InputError("tables.json", [Fault("currency", rule)])


def _is_last(fingerprint: str, last: LoadRow | None) -> bool:
    return last is not None and last.fingerprint == fingerprint


def _load_row(data: tables.Tables, fingerprint: str, at: datetime) -> LoadRow:
    return LoadRow(
        loaded_at=plain(at),
        fingerprint=fingerprint,
        source=data.source,
        currency=data.currency,
        attribution=data.attribution,
        simulated=data.simulated,
    )

"""API keys: shown once, kept hashed, scoped, revocable."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.orm import Session

from api.desk.identity import Actor, Role, Scope, aware, check_institution, hashed, plain
from api.refusals import SignInError
from api.store.database import Store
from api.store.desk_models import KeyRow
from matching.errors import Fault, InputError, NotFoundError

PREFIX: Final = "match"
LONGEST: Final = 64
MADE = select(KeyRow.key_id).limit(1)  # a revoked key counts: to revoke the last one is to let nobody in, not everybody
_KEY = select(KeyRow.__table__).where(KeyRow.key_id == bindparam("key_id"))


@dataclass(frozen=True)
class KeyShown:
    """A key as administrators see it: never the key itself."""

    key_id: str
    label: str
    scopes: tuple[Scope, ...]
    institution_id: str | None
    created_at: datetime
    revoked_at: datetime | None


def add_key(store: Store, now: datetime, label: str, scopes: Sequence[Scope], institution_id: str | None = None) -> str:
    """A new key as text, to be shown this once. Raises `InputError`, `NotFoundError` for an unknown institution."""
    if not 1 <= len(label) <= LONGEST or not label.isprintable():
        raise InputError("key", [Fault("label", f"has 1 to {LONGEST} printable characters")])
    if not scopes:
        raise InputError("key", [Fault("scopes", f"has at least 1 items: {', '.join(Scope)}")])
    if institution_id is not None and Scope.RECOMMEND in scopes:
        rule = "has no recommend for an institution's key: recommendations rank other institutions' products"
        raise InputError("key", [Fault("scopes", rule)])
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    row = KeyRow(
        key_id=key_id,
        label=label,
        hash=hashed(secret),
        scopes=sorted({scope.value for scope in scopes}),
        institution_id=institution_id,
        created_at=plain(now),
    )
    with store.writing() as session:
        check_institution(session, institution_id)
        _check_label(session, row)
        session.add(row)
    return f"{PREFIX}_{key_id}_{secret}"


def revoke_key(store: Store, now: datetime, key_id: str) -> None:
    """The key is good for nothing from now on. Raises `NotFoundError`."""
    with store.writing() as session:
        row = session.get(KeyRow, key_id)
        if row is None:
            raise NotFoundError("key", key_id)
        row.revoked_at = row.revoked_at or plain(now)


def keys(session: Session, actor: Actor) -> list[KeyShown]:
    """All keys, oldest first, for administrators."""
    actor.need(Role.ADMINISTRATOR)
    return [_shown(row) for row in session.scalars(select(KeyRow).order_by(KeyRow.created_at, KeyRow.key_id))]


def actor_of(connection: Connection | Session, text: str) -> Actor:
    """Whose key it is. Raises `SignInError`, the same one whatever is wrong with it."""
    prefix, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    row = connection.execute(_KEY, {"key_id": key_id[:LONGEST]}).first() if prefix == PREFIX else None
    good = secrets.compare_digest(row.hash if row else hashed(""), hashed(secret))
    if row is None or not good or row.revoked_at is not None:
        raise SignInError("the API key is unknown or was revoked")
    return Actor(f"key:{row.label}", Role.PLATFORM, row.institution_id, frozenset(map(Scope, row.scopes)))


def _check_label(session: Session, row: KeyRow) -> None:
    """A label stands in events, and names of steps are its own: institutions do not share one."""
    others = KeyRow.institution_id.is_distinct_from(row.institution_id)
    if session.scalars(select(KeyRow.key_id).where(KeyRow.label == row.label, others).limit(1)).first():
        raise InputError("key", [Fault("label", f"is not that of another institution's key, as {row.label!r} is")])


def _shown(row: KeyRow) -> KeyShown:
    revoked = row.revoked_at and aware(row.revoked_at)
    scopes = tuple(map(Scope, row.scopes))
    return KeyShown(row.key_id, row.label, scopes, row.institution_id, aware(row.created_at), revoked)

"""Who it is: accounts with argon2 passwords, a lock after failures, sessions, and what an actor may do."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from api.refusals import ForbiddenError, SignInError
from api.service import Service
from api.store.database import Store
from api.store.desk_models import AccountRow, SessionRow
from api.store.models import InstitutionRow
from matching.codes import Coded
from matching.errors import Fault, InputError, NotFoundError

COOKIE: Final = "session"
LEAST_PASSWORD: Final = 10
LONGEST_PASSWORD: Final = 200
LONGEST_NAME: Final = 64
_hasher = PasswordHasher()
_NOBODY: Final = _hasher.hash(secrets.token_hex(8))  # checked for an unknown name, which then takes as long
REFUSED: Final = "The name or the password is wrong, or the account is locked for a while after too many failures."


class Role(Coded):
    """What somebody is to the desk."""

    OFFICER = "officer", "机构经办人", "Officer"
    COMMISSION = "commission", "主管部门", "Commission"
    ADMINISTRATOR = "administrator", "系统管理员", "Administrator"
    PLATFORM = "platform", "平台接口", "Platform"


class Scope(Coded):
    """What an API key is good for."""

    RECOMMEND = "recommend", "请求推荐、登记需求", "Ask for recommendations, list needs"
    OUTCOMES = "outcomes", "回写结果", "Report outcomes"
    READ = "read", "读取", "Read records and cases"


@dataclass(frozen=True)
class Actor:
    """Somebody who asks: `institution_id` None is not bound to one; `scopes` are an API key's alone."""

    name: str
    role: Role
    institution_id: str | None = None
    scopes: frozenset[Scope] = field(default_factory=frozenset)

    def need(self, *roles: Role) -> None:
        """Raises `ForbiddenError` unless the actor has one of the roles."""
        if self.role not in roles:
            raise ForbiddenError(f"this is for {' or '.join(roles)}, not for {self.role.value}")

    def need_scope(self, scope: Scope) -> None:
        """Raises `ForbiddenError` unless the key has the scope."""
        if scope not in self.scopes:
            raise ForbiddenError(f"the key has no scope {scope.value!r}")


SYSTEM: Final = Actor("system", Role.PLATFORM, scopes=frozenset(Scope))
OPERATOR: Final = Actor("operator", Role.ADMINISTRATOR)  # whoever runs the command line


@dataclass(frozen=True)
class SignedIn:
    """A session: `token` goes into the cookie, `csrf` into each form; `actor` is whose it is."""

    token: str
    csrf: str
    expires_at: datetime
    actor: Actor


@dataclass(frozen=True)
class AccountShown:
    """An account as administrators see it; times are UTC with their zone."""

    name: str
    role: Role
    institution_id: str | None
    created_at: datetime
    locked_until: datetime | None
    disabled_at: datetime | None


def add_account(store: Store, now: datetime, name: str, role: Role, password: str, institution_id: str | None) -> None:
    """A new account, whose name is case-folded. Raises `InputError`, `NotFoundError` for an unknown institution."""
    name = name.strip().casefold()
    _check_account(name, role, password, institution_id)
    row = AccountRow(
        account_id=secrets.token_hex(8),
        name=name,
        role=role.value,
        institution_id=institution_id,
        password_hash=_hasher.hash(password),
        failures=0,
        created_at=plain(now),
    )
    with store.writing() as session:
        check_institution(session, institution_id)
        if session.scalars(select(AccountRow.account_id).where(AccountRow.name == name)).first():
            raise InputError("account", [Fault("name", f"is new, not {name!r}")])
        session.add(row)


def change_password(store: Store, name: str, password: str) -> None:
    """Another password; the lock and the sessions end. Raises `InputError`, of a disabled one too, `NotFoundError`."""
    _refuse(_password_faults(password))
    with store.writing() as session:
        row = _known(session, name)
        if row.disabled_at is not None:
            _refuse([Fault("name", f"is not that of a disabled account, as {row.name!r} is")])
        row.password_hash, row.failures, row.locked_until = _hasher.hash(password), 0, None
        _end_sessions(session, row)


def disable_account(store: Store, now: datetime, name: str) -> None:
    """The account can no longer be used, its sessions end at once. Raises `NotFoundError`."""
    with store.writing() as session:
        row = _known(session, name)
        row.disabled_at = row.disabled_at or plain(now)
        _end_sessions(session, row)


def accounts(session: Session, actor: Actor) -> list[AccountShown]:
    """All accounts by name, for administrators."""
    actor.need(Role.ADMINISTRATOR)
    return [_shown(row) for row in session.scalars(select(AccountRow).order_by(AccountRow.name))]


def sign_in(service: Service, name: str, password: str, address: str | None = None) -> SignedIn:
    """A new session. Raises `SignInError`, the same one whatever was wrong; failures in a row lock the account.

    The password is checked before the account's row is taken, the lock after: guesses at once are each counted. One
    that was changed in between was not checked, so it neither admits nor counts. Failures from one `address`, of
    whatever accounts, make it wait (`TooManyError`): many may share it, so that nothing but a failure counts there.
    """
    now = plain(service.now())
    if address is not None:
        service.failures.check(address, now)
    with service.store.reading() as session:
        seen = _account(session, name)
    good = _verified(seen, password)
    with service.store.writing() as session:
        row = _account(session, name, locked=True)
        checked = seen is not None and row is not None and row.password_hash == seen.password_hash
        if row is not None and checked and _admits(service, row, good, now):
            return _begin(service, session, row, now)
    if address is not None:
        service.failures.add(address, now)
    raise SignInError(REFUSED)


def signed_in(service: Service, token: str) -> SignedIn | None:
    """The session of a cookie's token, None where there is none or it has ended."""
    query = (
        select(SessionRow, AccountRow)
        .join(AccountRow, AccountRow.account_id == SessionRow.account_id)
        .where(
            SessionRow.token_hash == hashed(token),
            SessionRow.expires_at > plain(service.now()),
            AccountRow.disabled_at.is_(None),
        )
    )
    with service.store.reading() as session:
        found = session.execute(query).first()
    return None if found is None else SignedIn(token, found[0].csrf, aware(found[0].expires_at), _actor(found[1]))


def sign_out(service: Service, token: str) -> None:
    """The session ends, if there is one."""
    with service.store.writing() as session:
        row = session.get(SessionRow, hashed(token))
        if row is not None:
            session.delete(row)


def hashed(token: str) -> str:
    """SHA-256: enough for what is random itself."""
    return hashlib.sha256(token.encode()).hexdigest()


def plain(moment: datetime) -> datetime:
    """A moment as the store keeps it: UTC without its zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def aware(moment: datetime) -> datetime:
    """A stored moment with its zone."""
    return moment.replace(tzinfo=UTC)


def check_institution(session: Session, institution_id: str | None) -> None:
    """Raises `NotFoundError` where there is no such institution."""
    if institution_id is not None and session.get(InstitutionRow, institution_id) is None:
        raise NotFoundError("institution", institution_id)


def _check_account(name: str, role: Role, password: str, institution_id: str | None) -> None:
    faults = []
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or any(c.isspace() for c in name):
        faults.append(Fault("name", f"has 1 to {LONGEST_NAME} characters, no blank"))
    if name == SYSTEM.name or ":" in name:
        faults.append(Fault("name", f"is not {SYSTEM.name!r} and has no colon: events tell people from keys by it"))
    faults += _password_faults(password)
    if role not in (Role.OFFICER, Role.COMMISSION, Role.ADMINISTRATOR):
        faults.append(Fault("role", "is one of officer, commission, administrator"))
    if (role is Role.OFFICER) != (institution_id is not None):
        faults.append(Fault("institution_id", "is given for an officer, and for no one else"))
    _refuse(faults)


def _password_faults(password: str) -> list[Fault]:
    good = LEAST_PASSWORD <= len(password) <= LONGEST_PASSWORD
    return [] if good else [Fault("password", f"has {LEAST_PASSWORD} to {LONGEST_PASSWORD} characters")]


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise InputError("account", faults)


def _known(session: Session, name: str) -> AccountRow:
    row = _account(session, name, locked=True)
    if row is None:
        raise NotFoundError("account", name)
    return row


def _end_sessions(session: Session, row: AccountRow) -> None:
    session.execute(delete(SessionRow).where(SessionRow.account_id == row.account_id))


def _account(session: Session, name: str, locked: bool = False) -> AccountRow | None:
    query = select(AccountRow).where(AccountRow.name == name.strip().casefold())
    return session.scalars(query.with_for_update() if locked else query).first()


def _verified(row: AccountRow | None, password: str) -> bool:
    try:
        _hasher.verify(row.password_hash if row else _NOBODY, password[: LONGEST_PASSWORD + 1])
    except Argon2Error:
        return False
    return row is not None


def _admits(service: Service, row: AccountRow, good: bool, now: datetime) -> bool:
    """Whether the account may be used now; a failure is counted, but not while it is locked already."""
    if row.disabled_at is not None or (row.locked_until is not None and row.locked_until > now):
        return False
    row.failures, row.locked_until = (0 if good else row.failures + 1), None
    if row.failures >= service.settings.lock_failures:
        row.failures, row.locked_until = 0, now + timedelta(minutes=service.settings.lock_minutes)
    return good


def _begin(service: Service, session: Session, row: AccountRow, now: datetime) -> SignedIn:
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    expires_at = now + timedelta(hours=service.settings.session_hours)
    session.add(
        SessionRow(
            token_hash=hashed(token), account_id=row.account_id, csrf=csrf, created_at=now, expires_at=expires_at
        )
    )
    return SignedIn(token, csrf, aware(expires_at), _actor(row))


def _actor(row: AccountRow) -> Actor:
    return Actor(row.name, Role(row.role), row.institution_id)


def _shown(row: AccountRow) -> AccountShown:
    locked, disabled = (moment and aware(moment) for moment in (row.locked_until, row.disabled_at))
    return AccountShown(row.name, Role(row.role), row.institution_id, aware(row.created_at), locked, disabled)

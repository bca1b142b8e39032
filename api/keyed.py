"""Who asks for JSON: an API key as a bearer token, or nobody where the settings need none."""

from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from typing import Annotated, Final

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import and_, false, func, not_, select

from api.desk import keys
from api.desk.identity import Actor, Role, Scope
from api.refusals import SignInError
from api.service import Service, ServiceGiven
from api.store import queries

ANYBODY: Final = Actor("anybody", Role.PLATFORM, scopes=frozenset({Scope.RECOMMEND, Scope.READ}))
_bearer = HTTPBearer(auto_error=False, description="An API key, as `python -m api key add` printed it")
LaterAsker = Callable[..., Actor]  # takes `arrived`, as `Coalesced` has it, or nothing
Given = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
# Whether there ever was a key, and there is something real to guard; in one query, since every request asks.
_GUARDED: Final = select(and_(keys.MADE.exists(), not_(func.coalesce(queries.SIMULATED.scalar_subquery(), false()))))


def keyed(scope: Scope) -> Callable[..., Actor]:
    """A dependency: whose key it is, which must have the scope. Raises `SignInError`, `ForbiddenError`.

    A route has it before its body: dependencies go in order, and who may not ask is told nothing of what was sent.
    """

    def asker(service: ServiceGiven, given: Given) -> Actor:
        return _asker(service, given, scope, required=True)

    return asker


def openly(scope: Scope) -> Callable[..., Actor]:
    """As `keyed`, but anybody may ask as long as the settings need no key; a key that is given must be good."""

    def asker(service: ServiceGiven, given: Given) -> Actor:
        return _asker(service, given, scope, required=False)

    return asker


def openly_later(scope: Scope) -> Callable[..., Awaitable[LaterAsker]]:
    """As `openly`, but who gets it looks the key up, on a thread that it has anyway."""

    async def asker(service: ServiceGiven, given: Given) -> LaterAsker:
        return partial(_asker, service, given, scope, required=False)

    return asker


def _asker(
    service: Service, given: HTTPAuthorizationCredentials | None, scope: Scope, required: bool, arrived: float = inf
) -> Actor:
    if given is None:
        if required or _needed(service, arrived):
            raise SignInError("an API key is needed: send it as `Authorization: Bearer KEY`")
        return ANYBODY
    with service.store.connected() as connection:
        actor = keys.actor_of(connection, given.credentials)
    actor.need_scope(scope)
    return actor


def _needed(service: Service, arrived: float) -> bool:
    if service.settings.keys != "auto":
        return service.settings.keys == "always"
    return bool(service.store.glance(_GUARDED, arrived))

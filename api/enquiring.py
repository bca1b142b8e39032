"""Who is asked about: an enterprise by value or by id, and where it stands on the ladder of tiers and boards."""

from collections.abc import Mapping
from datetime import date

from api.messages import EnterpriseShown, ReadinessRequest, RecommendationRequest
from api.service import Service
from api.store import queries
from matching.domain import Enterprise
from matching.errors import Fault, InputError
from matching.readiness import Standing, readiness
from matching.reference.programmes import ladder_begins


def asked_enterprise(service: Service, request: RecommendationRequest | ReadinessRequest, as_of: date) -> Enterprise:
    """The enterprise that a request gives or names; its facts are known by when its need was posted, unless it says.

    Raises `InputError` where it does neither or both.
    """
    given = request.enterprise
    if (given is None) == (request.enterprise_id is None):
        what = "is present, or enterprise is" if given is None else "is absent where enterprise is given"
        raise InputError("request", [Fault("enterprise_id", what)])
    if given is None:
        with service.store.connected() as connection:
            return queries.enterprise(connection, str(request.enterprise_id), as_of)
    known_by = min(as_of, _posted_at(request) or as_of)
    return Enterprise.model_validate(vars(given) | {"as_of": given.as_of or known_by})


def _posted_at(request: RecommendationRequest | ReadinessRequest) -> date | None:
    return request.need.posted_at if isinstance(request, RecommendationRequest) else None


def refuse_later(days: Mapping[str, date | None], last: date, called: str = "as_of") -> None:
    """Raises `InputError` naming each field whose day, if given, is after the `last` one; `called` is what that is."""
    late = [
        Fault(field, f"is not after {called} ({last}), not {day}") for field, day in days.items() if day and day > last
    ]
    if late:
        raise InputError("request", late)


def assess(service: Service, request: ReadinessRequest) -> Standing:
    """Where the enterprise of a request stands. Raises `InputError` for facts of a later day than is asked for."""
    as_of = request.as_of or service.today()
    enterprise = asked_enterprise(service, request, as_of)
    refuse_later({"enterprise.as_of": enterprise.as_of}, as_of)
    return readiness(enterprise, as_of)


def show(enterprise: Enterprise, as_of: date) -> EnterpriseShown:
    """An enterprise with its readiness, where the ladder was there on the day."""
    standing = readiness(enterprise, as_of) if as_of >= ladder_begins() else None
    return EnterpriseShown(**dict(enterprise), readiness=standing)

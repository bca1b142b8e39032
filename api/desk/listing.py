"""The white list: a need is recommended and the case of its best product's institution opened, all or nothing."""

from datetime import date
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.desk.identity import Actor, plain
from api.desk.reading import screen_of
from api.desk.routing import open_next, searched
from api.desk.screening import Screen, check_complete, check_met
from api.desk.views import Listed
from api.enquiring import refuse_later
from api.messages import Asked, ListingRequest, NeedGiven, RecommendationRequest
from api.recommending import Made, make
from api.refusals import ConflictError
from api.service import Service
from api.store import queries
from api.store.desk_models import CaseRow, ListingRow
from api.store.models import EnterpriseRow, NeedRow, RecommendationRow
from api.store.reading import stored
from matching.domain import Enterprise, Need
from matching.errors import Fault, InputError, NotFoundError

CANDIDATES: Final = 20
ATTEMPTS: Final = 3
_SHOWN: Final[dict[str, Any]] = {"top_k": CANDIDATES, "explain": True, "stack": True}


def list_need(service: Service, actor: Actor, request: ListingRequest) -> Listed:
    """White-list a need: it is recommended and the case of the first product's institution opened, all at once.

    Its screen is kept beside it and no part of what is recommended for. The same need_id again answers what there is.
    Raises `InputError`, `NotFoundError`, `BundleError`, and `ConflictError` for a need_id that is known with other
    facts or listed with another screen.
    """
    _refuse_the_future(request, service.today())
    check_met(request.screen)
    for _ in range(ATTEMPTS - 1):
        try:
            return _list(service, actor, request)
        except IntegrityError:  # another one listed the need, or brought its enterprise, at the same moment
            continue
    return _list(service, actor, request)


def _list(service: Service, actor: Actor, request: ListingRequest) -> Listed:
    found = _found(service, request)
    if found is not None:
        return found
    check_complete(request.screen, service.settings.screen)
    return _enlist(service, actor, make(service, _asked(service, request)), request.screen)


def _enlist(service: Service, actor: Actor, made: Made, screen: Screen | None) -> Listed:
    now, need, firm = plain(service.now()), made.asked.need, made.asked.enterprise
    with service.store.writing() as session:
        _keep(session, firm, need)
        session.add(made.row)
        session.flush()
        listing = ListingRow(
            need_id=need.need_id,
            recommendation_id=made.answer.id,
            listed_at=now,
            actor=actor.name,
            screen=screen and screen.model_dump(mode="json", exclude_none=True),
            enterprise_id=firm.enterprise_id,
            search=searched((firm.enterprise_id, firm.name, need.need_id)),
            region=firm.region,
        )
        session.add(listing)
        session.flush()
        case = open_next(session, service.settings, listing, made.answer, made.row, now)
        return Listed(need.need_id, made.answer.id, case.case_id if case else None, True)


def _refuse_the_future(request: ListingRequest, today: date) -> None:
    """A recommendation may look ahead; the clocks of a listed need begin today."""
    days = {
        "as_of": request.as_of,
        "enterprise.as_of": request.enterprise.as_of if request.enterprise else None,
        "need.posted_at": request.need.posted_at if request.need else None,
        "screen.on": request.screen.on if request.screen else None,
    }
    refuse_later(days, today, "today")


def _keep(session: Session, enterprise: Enterprise, need: Need) -> None:
    """What the store knows already stays as it is: the record of the recommendation holds the facts that were given.

    Of a known enterprise nothing is added either: a few facts of a later day would hide all that is known of it.
    Raises `ConflictError` where the need became known with other facts meanwhile.
    """
    dates = select(EnterpriseRow.as_of).where(EnterpriseRow.enterprise_id == enterprise.enterprise_id)
    if session.scalars(dates.limit(1)).first() is None:
        queries.upsert(session, [enterprise])
    known = session.get(NeedRow, need.need_id)
    if known is None:
        queries.upsert(session, [need])
    elif stored(Need, known.document) != need:
        raise _other_facts(need.need_id)


def _asked(service: Service, request: ListingRequest) -> RecommendationRequest:
    """What is recommended for: enough products to hand the need on, and all that a case's page shows.

    Of a need that the store knows it is all that is known. Raises `ConflictError` where other facts are given.
    """
    given, owner = request.need, request.enterprise_id
    with service.store.reading() as session:
        row = session.get(NeedRow, _need_id(request))
    if row is not None:
        known = stored(Need, row.document)
        _check_same(request, known)
        given = NeedGiven.model_validate(known.model_dump())
        owner = known.enterprise_id if request.need is None else owner
    if given is None:
        raise NotFoundError("need", _need_id(request))
    return RecommendationRequest(
        enterprise=request.enterprise, enterprise_id=owner, need=given, as_of=request.as_of, **_SHOWN
    )


def _need_id(request: ListingRequest) -> str:
    """Which need is listed. Raises `InputError` where the request names none, or more than its id."""
    if request.need_id is not None:
        also = [name for name in ("enterprise", "enterprise_id", "need") if getattr(request, name) is not None]
        if also:
            raise InputError("request", [Fault(name, "is absent where need_id is given") for name in also])
        return request.need_id
    if request.need is None or request.need.need_id is None:
        raise InputError("request", [Fault("need.need_id", "is present, or need_id is")])
    return request.need.need_id


def _found(service: Service, request: ListingRequest) -> Listed | None:
    """The listing that there is. Raises `ConflictError` where it has other facts or another screen than given now."""
    need_id = _need_id(request)
    with service.store.reading() as session:
        listing = session.get(ListingRow, need_id)
        if listing is None:
            return None
        before, screen = _need(session, listing), screen_of(listing)
        case = session.scalars(
            select(CaseRow.case_id).where(CaseRow.need_id == need_id, CaseRow.closed_at.is_(None))
        ).first()
    _check_same(request, before)
    if request.screen not in (None, screen):
        raise ConflictError(f"need {need_id!r} is listed already, with another screen or none")
    return Listed(need_id, listing.recommendation_id, case, False)


def _check_same(request: ListingRequest, known: Need) -> None:
    """Raises `ConflictError` where a need is stated otherwise than it is known; what is not stated cannot differ."""
    if request.need is None:
        return
    firm = request.enterprise and request.enterprise.enterprise_id
    owners = {firm, request.enterprise_id, request.need.enterprise_id}
    stated = request.need.model_dump(exclude_none=True, exclude={"enterprise_id"})
    same = stated == {name: value for name, value in known.model_dump().items() if name in stated}
    if owners - {None, known.enterprise_id} or not same:
        raise _other_facts(known.need_id)


def _other_facts(need_id: str) -> ConflictError:
    return ConflictError(f"need {need_id!r} is known already, with other facts")


def _need(session: Session, listing: ListingRow) -> Need:
    row = session.get_one(RecommendationRow, listing.recommendation_id)
    return stored(Asked, row.request, "recommendation", row.recommendation_id).need

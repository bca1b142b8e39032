"""Something to try on the simulated market: accounts, a key, and a desk that some weeks of made-up work have filled.

Every step here is taken by the actor `simulated`: nobody is to mistake it for an officer's.
"""

import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.desk import identity, keys, unplaced
from api.desk.cases import decide, expire
from api.desk.coordinating import coordinate
from api.desk.coordination import CoordinationStep, Settlement
from api.desk.identity import Actor, Role, Scope
from api.desk.listing import list_need
from api.desk.screening import Screen, Standard
from api.desk.stages import CaseStage, Step, clock
from api.desk.unplaced import Wanted
from api.messages import ListingRequest
from api.refusals import ConflictError
from api.service import Service
from api.store import queries
from api.store.desk_models import AccountRow, CaseRow, ListingRow
from api.store.models import InstitutionRow, NeedRow
from matching import reference
from matching.codes import DeclineReason
from matching.errors import Fault, InputError

NEEDS: Final = 160
WEEKS: Final = 8
ROLES: Final = (Role.OFFICER, Role.COMMISSION, Role.ADMINISTRATOR)
DECLINED: Final = {
    CaseStage.SUGGESTED: 0.08,
    CaseStage.ACCEPTED: 0.05,
    CaseStage.CONTACTED: 0.1,
    CaseStage.APPLIED: 0.3,
}
ONWARD: Final = {
    CaseStage.SUGGESTED: Step.ACCEPT,
    CaseStage.ACCEPTED: Step.CONTACT,
    CaseStage.CONTACTED: Step.APPLY,
    CaseStage.APPLIED: Step.GRANT,
    CaseStage.GRANTED: Step.DRAW,
}
REASONS: Final = tuple(r for r in DeclineReason if r not in (DeclineReason.OTHER, DeclineReason.WITHDRAWN))
DISPATCH, SETTLE = CoordinationStep.DISPATCH, CoordinationStep.SETTLE
COORDINATED: Final = 14  # days that a district is given
UNCHECKED: Final = 8  # of so many screens one leaves a standard open
OFFICE: Final = "市经济和信息化委员会"
SLOWEST: Final = 1.4  # of a stage's clock: some are overdue
ACTOR: Final = Actor("simulated", Role.PLATFORM, scopes=frozenset(Scope))

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Tried:
    """What was made: (role, name, password) of each account, the key, the officer's institution, cases opened."""

    accounts: tuple[tuple[Role, str, str], ...]
    key: str
    institution: str
    cases: int


def try_out(service: Service, progress: Progress = lambda _done, _all: None) -> Tried | None:
    """Fill the desk of a simulated market; None where that was done before. Raises `InputError` for another market."""
    with service.store.reading() as session:
        load = queries.last_load(session)
        if load is None or not load.simulated:
            raise InputError("store", [Fault("simulated", "is true: this is for the simulated market alone")])
        if session.scalars(select(AccountRow.account_id).limit(1)).first():
            return None
        need_ids = _latest_needs(session, service)
    fill(service, need_ids, progress)
    with service.store.reading() as session:
        cases, institution_id, name = _busiest(session)
    now = service.now()
    made = [(role, role.value, secrets.token_urlsafe(9)) for role in ROLES]
    key = keys.add_key(service.store, now, "try", list(Scope))
    for role, account, password in made:
        bound = institution_id if role is Role.OFFICER else None
        identity.add_account(service.store, now, account, role, password, bound)
    return Tried(tuple(made), key, f"{institution_id} {name}", cases)


def fill(service: Service, need_ids: list[str], progress: Progress) -> None:
    """List needs over the last weeks and let made-up officers work on them; listed ones are left as they are."""
    rng, now = random.Random(0), service.now()
    for done, need_id in enumerate(need_ids, start=1):
        at = now - timedelta(days=7 * WEEKS * rng.random() ** 2)
        case_id = _list(_at(service, at), need_id, done)
        while case_id:
            at = _work(service, case_id, at, now, rng)
            with service.store.reading() as session:
                case_id = _handed_on(session, need_id, case_id)
        progress(done, len(need_ids))
    _coordinate(service, now)


def _list(service: Service, need_id: str, number: int) -> str | None:
    """The case of a need that is listed now, with its screen; None where it has none, or was listed before."""
    request = ListingRequest(need_id=need_id, screen=_screen(service, need_id, number))
    try:
        listed = list_need(service, ACTOR, request)
    except ConflictError:  # whoever listed it screened it otherwise, or not at all
        return None
    return listed.case_id if listed.new else None


def _screen(service: Service, need_id: str, number: int) -> Screen:
    """What its district found of a need: all five standards, but of every eighth one that nobody looked at."""
    today = service.today()
    with service.store.reading() as session:
        owner = queries.enterprise(session, queries.need(session, need_id).enterprise_id, today)
    left = tuple(Standard)[number // UNCHECKED % len(Standard)] if number % UNCHECKED == 0 else None
    met: dict[str, Any] = {one.value: True for one in Standard if one is not left}
    return Screen(by=district(owner.region, today), on=today, **met)


def _coordinate(service: Service, now: datetime) -> None:
    """A made-up commission dispatches what nobody is left for to its district after a day, and settles every other."""
    with service.store.reading() as session:
        left = unplaced.page(session, ACTOR, service.today(), Wanted(), NEEDS).items
    for number, item in enumerate(left):
        at, done = item.since + timedelta(days=1), item.since + timedelta(days=COORDINATED)
        if item.office or at >= now:
            continue
        office, until = district(item.region, now.date()), done.date()
        early, late = _at(service, at), _at(service, done)
        version = coordinate(early, ACTOR, item.need_id, DISPATCH, 1, office=office, until=until).version
        if number % 2 and done < now:
            coordinate(late, ACTOR, item.need_id, SETTLE, version, result=Settlement.NOT_READY)


def district(region: str | None, day: date) -> str:
    """The district of the city that a region lies in, as it is called on the day."""
    parts = (region or "").split("/")
    known = reference.regions(day)
    try:
        return known[reference.successor(parts[2], day)].name_zh
    except (IndexError, InputError):
        return OFFICE


def _at(service: Service, moment: datetime) -> Service:
    return replace(service, now=lambda: moment)


def _work(service: Service, case_id: str, at: datetime, now: datetime, rng: random.Random) -> datetime:
    """A case step by step until the next one would be later than now; the time of the last step."""
    stage, version = CaseStage.SUGGESTED, 1
    while stage in ONWARD:
        wait = clock(service.settings, stage) or timedelta()
        late = wait + timedelta(days=service.settings.grace_days)
        took = wait * (rng.random() * SLOWEST)
        if at + min(took, late) >= now:
            return at
        at += min(took, late)
        if took >= late:
            expire(service, case_id, at)
            return at
        step = Step.DECLINE if rng.random() < DECLINED.get(stage, 0) else ONWARD[stage]
        reasons = rng.sample([reason.value for reason in REASONS], rng.randint(1, 2)) if step is Step.DECLINE else []
        priced = _priced(service, case_id, rng) if step is Step.GRANT else {}
        done = decide(_at(service, at), ACTOR, case_id, step, version, reasons=reasons, **priced)
        stage, version = done.stage, done.version
    return at


def _priced(service: Service, case_id: str, rng: random.Random) -> dict[str, Any]:
    """What is granted: six tenths to all of what is needed, at a rate of the day's order."""
    with service.store.reading() as session:
        needed = session.get_one(CaseRow, case_id).amount
    return {"amount": needed * rng.randint(6, 10) // 10, "rate_bp": rng.randrange(310, 520, 5)}


def _handed_on(session: Session, need_id: str, case_id: str) -> str | None:
    """The need's open case, if it is another one."""
    query = select(CaseRow.case_id).where(CaseRow.need_id == need_id, CaseRow.closed_at.is_(None))
    return session.scalars(query.where(CaseRow.case_id != case_id)).first()


def _latest_needs(session: Session, service: Service) -> list[str]:
    listed = select(ListingRow.need_id)
    query = select(NeedRow.need_id).where(NeedRow.posted_at <= service.today(), NeedRow.need_id.not_in(listed))
    return list(session.scalars(query.order_by(NeedRow.posted_at.desc(), NeedRow.need_id).limit(NEEDS)))


def _busiest(session: Session) -> tuple[int, str, str]:
    """How many cases there are, and the institution that has most of the open ones."""
    total = session.scalar(select(func.count()).select_from(CaseRow)) or 0
    counted = select(CaseRow.institution_id).where(CaseRow.closed_at.is_(None)).group_by(CaseRow.institution_id)
    most = session.scalars(counted.order_by(func.count().desc(), CaseRow.institution_id).limit(1)).first()
    first = select(InstitutionRow.institution_id).order_by(InstitutionRow.institution_id).limit(1)
    institution = session.get_one(InstitutionRow, most or session.scalars(first).one())
    return total, institution.institution_id, institution.document["name_zh"]

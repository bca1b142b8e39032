"""Whose turn it is: a listed need's case goes to the institution of its best product, then to the next one's."""

import secrets
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.desk.identity import SYSTEM, aware
from api.desk.queue import UNSTATED
from api.desk.stages import CaseStage, Step, clock
from api.messages import Asked, RankedProduct, Recommendation
from api.settings import Settings
from api.store import queries
from api.store.desk_models import CaseRow, EventRow, ListingRow
from api.store.models import ProductRow, RecommendationRow
from api.store.reading import stored
from matching.facts import derived


def hand_on(session: Session, settings: Settings, need_id: str, now: datetime) -> CaseRow | None:
    """The next institution's case of a need that has none open, or None where nobody is left: the listing says so.

    The listing's row is held meanwhile, so that two who hand on the same need do it one after the other.
    """
    listing = session.scalars(select(ListingRow).where(ListingRow.need_id == need_id).with_for_update()).one()
    row = session.get_one(RecommendationRow, listing.recommendation_id)
    answer = stored(Recommendation, row.answer, "recommendation", row.recommendation_id)
    return open_next(session, settings, listing, answer, row, now)


def open_next(
    session: Session,
    settings: Settings,
    listing: ListingRow,
    answer: Recommendation,
    row: RecommendationRow,
    now: datetime,
) -> CaseRow | None:
    """The case of the best match that is still offered and whose institution never had this need."""
    had = set(session.scalars(select(CaseRow.institution_id).where(CaseRow.need_id == listing.need_id)))
    offered = _offered(session, answer, now)
    left = (m for m in answer.matches if m.institution_id not in had and m.product_id in offered)
    match = next(left, None)
    if match is None:
        listing.exhausted_at = now
        return None
    asked = stored(Asked, row.request, "recommendation", row.recommendation_id)
    case = _case(match, asked, listing, settings, now)
    session.add(case)
    session.flush()
    session.add(_opened(case, len(had), now))
    return case


def _offered(session: Session, answer: Recommendation, now: datetime) -> set[str]:
    """Which of the matches are offered on the day: a need is handed on weeks after it was ranked, and products end."""
    today = aware(now).astimezone().date()  # where the service stands
    ranked = [match.product_id for match in answer.matches]
    query = select(ProductRow.product_id).where(ProductRow.product_id.in_(ranked), *queries.offered(today))
    return set(session.scalars(query))


def _case(match: RankedProduct, asked: Asked, listing: ListingRow, settings: Settings, now: datetime) -> CaseRow:
    firm, need = asked.enterprise, asked.need
    size = derived("size", firm, need, asked.as_of)  # as the rules judge it
    wait = clock(settings, CaseStage.SUGGESTED)
    return CaseRow(
        case_id=secrets.token_hex(12),
        need_id=need.need_id,
        product_id=match.product_id,
        institution_id=match.institution_id,
        enterprise_id=firm.enterprise_id,
        recommendation_id=listing.recommendation_id,
        rank=match.rank,
        stage=CaseStage.SUGGESTED.value,
        version=1,
        opened_at=now,
        changed_at=now,
        due_at=None if wait is None else now + wait,
        enterprise_name=firm.name,
        search=searched((firm.enterprise_id, firm.name, need.need_id)),
        region=firm.region,
        size=None if size is None else size.value,
        amount=need.amount,
        term_months=need.term_months,
        purpose=None if need.purpose is None else need.purpose.value,
        kind=match.kind.value,
        product_zh=match.name_zh,
        product_en=match.name_en,
        score=match.score,
        chance=UNSTATED if match.chance is None else match.chance,
    )


def searched(parts: Iterable[str | None]) -> str:
    """What a search looks into."""
    return " ".join(part.casefold() for part in parts if part)


def _opened(case: CaseRow, turn: int, now: datetime) -> EventRow:
    """The first event: how many institutions had the need before."""
    return EventRow(
        case_id=case.case_id,
        institution_id=case.institution_id,
        at=now,
        actor=SYSTEM.name,
        step=Step.OPEN.value,
        to_stage=CaseStage.SUGGESTED.value,
        reason_codes=[],
        text="",
        detail={"product_id": case.product_id, "rank": case.rank, "turn": turn + 1},
        took=0,
        late=False,
    )

"""What is kept no longer: recommendations past their days that nothing rests on, and sessions that have ended."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, CursorResult, Select, delete, exists, select

from api.service import Service
from api.store.desk_models import CaseRow, ListingRow, OutcomeRow, SessionRow
from api.store.models import RecommendationRow

AT_ONCE: Final = 100  # in one transaction: who answers meanwhile waits for no more than these


def forget(service: Service, now: datetime) -> int:
    """How many recommendations were forgotten; those of listed needs, cases and outcomes stay, and so does every event.

    What a platform says of a need that was only recommended for has the need's facts in the recommendation alone.
    """
    with service.store.writing() as session:
        session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
    if not service.settings.retain_days:
        return 0
    since = now - timedelta(days=service.settings.retain_days)
    with service.store.reading() as session:
        ids = list(session.scalars(query_of(since)))
    wanted = _old(since)
    return sum(_forgotten(service, ids[start : start + AT_ONCE], wanted) for start in range(0, len(ids), AT_ONCE))


def query_of(since: datetime) -> Select[str]:
    """The ids of what is kept no longer: of all that is kept, read are those alone that are as old."""
    return select(RecommendationRow.recommendation_id).where(*_old(since))


def _old(since: datetime) -> tuple[ColumnElement[bool], ...]:
    mine = RecommendationRow.recommendation_id
    return (
        RecommendationRow.created_at < since,
        ~exists().where(ListingRow.recommendation_id == mine),
        ~exists().where(CaseRow.recommendation_id == mine),
        ~exists().where(OutcomeRow.need_id == RecommendationRow.need_id),
    )


def _forgotten(service: Service, ids: Sequence[str], wanted: Sequence[ColumnElement[bool]]) -> int:
    """How many of these were; asked again, since something may rest on one by now.

    They are held first: whoever is just reporting on one ends before, and is seen by the statement that follows.
    """
    mine = RecommendationRow.recommendation_id
    old = delete(RecommendationRow).where(mine.in_(ids), *wanted)
    with service.store.writing() as session:
        session.execute(select(mine).where(mine.in_(ids)).order_by(mine).with_for_update())
        return cast("CursorResult[Any]", session.execute(old)).rowcount

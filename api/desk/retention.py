"""What is kept no longer: recommendations past their days that nothing rests on, and sessions that have ended."""

from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, exists

from api.service import Service
from api.store.desk_models import CaseRow, ListingRow, OutcomeRow, SessionRow
from api.store.models import RecommendationRow


def forget(service: Service, now: datetime) -> int:
    """How many recommendations were forgotten; those of listed needs, cases and outcomes stay, and so does every event.

    What a platform says of a need that was only recommended for has the need's facts in the recommendation alone.
    """
    with service.store.writing() as session:
        session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
        if not service.settings.retain_days:
            return 0
        mine = RecommendationRow.recommendation_id
        old = delete(RecommendationRow).where(
            RecommendationRow.created_at < now - timedelta(days=service.settings.retain_days),
            ~exists().where(ListingRow.recommendation_id == mine),
            ~exists().where(CaseRow.recommendation_id == mine),
            ~exists().where(OutcomeRow.need_id == RecommendationRow.need_id),
        )
        return cast("CursorResult[Any]", session.execute(old)).rowcount

"""What is kept no longer: recommendations past their days that no case rests on, and sessions that have ended."""

from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, exists

from api.service import Service
from api.store.desk_models import CaseRow, ListingRow, SessionRow
from api.store.models import RecommendationRow


def forget(service: Service, now: datetime) -> int:
    """How many recommendations were forgotten; listed needs' and cases' own stay, and so does every event."""
    with service.store.writing() as session:
        session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
        if not service.settings.retain_days:
            return 0
        mine = RecommendationRow.recommendation_id
        old = delete(RecommendationRow).where(
            RecommendationRow.created_at < now - timedelta(days=service.settings.retain_days),
            ~exists().where(ListingRow.recommendation_id == mine),
            ~exists().where(CaseRow.recommendation_id == mine),
        )
        return cast("CursorResult[Any]", session.execute(old)).rowcount

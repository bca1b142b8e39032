"""What replicas of an older version leave empty: while an update goes on, they list needs without what is searched."""

from typing import Any, Final

from sqlalchemy import Select, select, update

from api.desk.routing import searched
from api.service import Service
from api.store.desk_models import ListingRow
from api.store.models import RecommendationRow

AT_ONCE: Final = 1000


def complete(service: Service) -> int:
    """How many listed needs were told whose they are, what they are found by and where, as their records say."""
    with service.store.reading() as session:
        rows = session.execute(_left_empty()).all()
    if rows:  # who only looks holds up nobody who writes
        with service.store.writing() as session:
            session.execute(update(ListingRow), [_told(*row) for row in rows])
    return len(rows)


def _left_empty() -> Select[tuple[str, str, dict[str, Any]]]:
    """In the order of their ids: replicas that look at the same moment do not wait for one another in a circle."""
    query = select(ListingRow.need_id, RecommendationRow.enterprise_id, RecommendationRow.request)
    query = query.join(RecommendationRow, RecommendationRow.recommendation_id == ListingRow.recommendation_id)
    return query.where(ListingRow.enterprise_id == "").order_by(ListingRow.need_id).limit(AT_ONCE)


def _told(need_id: str, enterprise_id: str, request: dict[str, Any]) -> dict[str, Any]:
    """As it is listed today; what a record in another form does not say is left out."""
    firm = request.get("enterprise") or {}
    return {
        "need_id": need_id,
        "enterprise_id": enterprise_id,
        "search": searched((enterprise_id, firm.get("name"), need_id)),
        "region": firm.get("region"),
    }

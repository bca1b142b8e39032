"""A case's clock, as the queue and the case show it."""

from datetime import datetime

from api.desk.views import CaseItem
from api.pages.views import Due


def due(item: CaseItem, now: datetime) -> Due | None:
    """A case's clock; None once it has ended."""
    return Due(item.due_at, item.due_at - now) if item.due_at else None

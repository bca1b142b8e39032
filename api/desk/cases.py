"""What happens to a need at the desk: it is listed, its case opened, decided on, and handed on."""

from collections.abc import Sequence
from datetime import datetime

from api.desk.identity import Actor
from api.desk.stages import Step
from api.desk.views import Decided, Listed, Swept
from api.messages import RecommendationRequest
from api.service import Service


def list_need(service: Service, actor: Actor, request: RecommendationRequest) -> Listed:
    """White-list a need: it is recommended and the case of the first product's institution opened, all at once.

    The same need_id again answers what there is. Raises `InputError`, `NotFoundError`, `BundleError`.
    """
    raise NotImplementedError


def decide(
    service: Service,
    actor: Actor,
    case_id: str,
    step: Step,
    version: int,
    *,
    reasons: Sequence[str] = (),
    text: str = "",
    product_id: str | None = None,
    amount: int | None = None,
    rate_bp: float | None = None,
    key: str | None = None,
) -> Decided:
    """Take a step. `version` is that of the case as it was seen; `key` names the step, so that it is taken once.

    `decline` and `suggest` need one to four `reasons` (`reasons.choices`), `suggest` an own `product_id`; `amount` and
    `rate_bp` are for `grant` and `draw`. A declined case goes on to the next product's institution. Raises
    `NotFoundError` (also for another institution's case), `ForbiddenError` (who may only look), `InputError`,
    `ConflictError` (another change came first, or the step is not legal: it names those that are).
    """
    raise NotImplementedError


def sweep(service: Service, now: datetime) -> Swept:
    """Expire what has been overdue for the days of grace, hand it on, and forget what is kept no longer."""
    raise NotImplementedError

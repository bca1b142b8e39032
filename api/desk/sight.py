"""Who sees what: the one place where a query over cases or events is narrowed to an actor's institution."""

from sqlalchemy import ColumnElement, false
from sqlalchemy.orm import InstrumentedAttribute

from api.desk.identity import Actor, Role


def visible(actor: Actor, institution_id: InstrumentedAttribute[str]) -> list[ColumnElement[bool]]:
    """What a query over rows of `institution_id` must hold, so that the actor's are found and no others.

    Who is bound to an institution sees its own, the commission and an unbound platform all, administrators none.
    """
    if actor.institution_id is not None:
        return [institution_id == actor.institution_id]
    return [] if actor.role in (Role.COMMISSION, Role.PLATFORM) else [false()]

"""Who sees what: the one place where a query over cases or events is narrowed to an actor's institution."""

from sqlalchemy import ColumnElement, false, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.desk.identity import Actor, Role
from api.store.desk_models import CaseRow
from matching.errors import NotFoundError


def visible(actor: Actor, institution_id: InstrumentedAttribute[str]) -> list[ColumnElement[bool]]:
    """What a query over rows of `institution_id` must hold, so that the actor's are found and no others.

    Who is bound to an institution sees its own, the commission and an unbound platform all, administrators none.
    """
    if actor.institution_id is not None:
        return [institution_id == actor.institution_id]
    return [] if sees_all(actor) else [false()]


def sees_all(actor: Actor) -> bool:
    """Whether it is the commission or a platform that is bound to no institution."""
    return actor.institution_id is None and actor.role in (Role.COMMISSION, Role.PLATFORM)


def check_enterprise(session: Session, actor: Actor, enterprise_id: str) -> None:
    """Who is bound to an institution knows the enterprises of its cases. Raises `NotFoundError` for others."""
    mine = select(CaseRow.case_id).where(
        CaseRow.enterprise_id == enterprise_id, *visible(actor, CaseRow.institution_id)
    )
    if actor.institution_id is not None and session.scalars(mine.limit(1)).first() is None:
        raise NotFoundError("enterprise", enterprise_id)

"""The administrator's page: accounts and keys."""

from fastapi import APIRouter, Response
from sqlalchemy import select

from api.desk import identity, keys
from api.desk.identity import Role
from api.pages.refusing import PageRoute
from api.pages.rendering import render
from api.pages.visits import VisitGiven
from api.store.models import InstitutionRow

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/desk/accounts")
def get_accounts(visit: VisitGiven) -> Response:
    """Who may come in, and which keys there are; both are changed on the command line."""
    visit.actor.need(Role.ADMINISTRATOR)
    with visit.service.store.reading() as session:
        accounts = identity.accounts(session, visit.actor)
        found = keys.keys(session, visit.actor)
        rows = session.scalars(select(InstitutionRow)).all()
    names = {row.institution_id: (row.document["name_zh"], row.document["name_en"]) for row in rows}
    return render(visit, "accounts.html", accounts=accounts, keys=found, names=names, now=visit.service.now())

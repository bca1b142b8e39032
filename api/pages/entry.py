"""The way in and out: the first page, what to try, signing in and out."""

from asyncio import get_running_loop
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.desk import identity
from api.pages.refusing import PageRoute
from api.pages.rendering import home, render, set_cookie
from api.pages.visits import Form, FormGiven, Visit, VisitGiven, check_csrf, field, go, inside, known_language
from api.refusals import ForbiddenError, SignInError
from api.store import queries

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/")
def get_first(visit: VisitGiven) -> Response:
    """To the page that somebody starts from; strangers of a simulated market are told what to try."""
    if visit.session is not None:
        return go(home(visit.session.actor))
    with visit.service.store.reading() as session:
        last = queries.last_load(session)
    return go("/welcome" if last is not None and last.simulated else "/signin")


@router.get("/welcome")
def get_welcome(visit: VisitGiven) -> Response:
    """What the desk is, and what to try in the simulated market."""
    return render(visit, "welcome.html")


@router.get("/signin")
def get_signin(
    visit: VisitGiven,
    next_: Annotated[str, Query(alias="next")] = "/",
    expired: str = "",
    left: str = "",
) -> Response:
    """The form to sign in with."""
    if visit.session is not None:
        return go(inside(next_))
    return render(visit, "signin.html", next=inside(next_), name="", expired=bool(expired), left=bool(left), fault="")


@router.post("/signin")
async def post_signin(visit: VisitGiven, form: FormGiven) -> Response:
    """Sign in and go where one was going. Who waits for the check of a password keeps no other request waiting."""
    return await get_running_loop().run_in_executor(visit.service.doorkeepers, _signed_in, visit, form)


@router.post("/signout")
def post_signout(visit: VisitGiven, form: FormGiven) -> Response:
    """The session ends; who has none any more is out already, and leads nobody back here after signing in."""
    if visit.session is not None:
        check_csrf(visit, form)
        identity.sign_out(visit.service, visit.session.token)
    response = go("/signin?left=1")
    response.delete_cookie(identity.COOKIE, path="/")
    return response


@router.get("/signout")
def get_signout(visit: VisitGiven) -> Response:
    """To where one may sign out, or in: whoever tries a refused form again, or in another language, asks for this."""
    place = home(visit.session.actor) if visit.session else "/signin"
    asked = known_language(visit.request)
    return go(f"{place}?lang={asked}" if asked else place)


def _signed_in(visit: Visit, form: Form) -> Response:
    name, target = field(form, "name"), inside(field(form, "next"))
    try:
        check_csrf(visit, form)
        made = identity.sign_in(visit.service, name, field(form, "password"))
    except (SignInError, ForbiddenError) as error:
        return _refused(visit, error, name, target)
    response = go(target)
    set_cookie(visit, response, identity.COOKIE, made.token)
    return response


def _refused(visit: VisitGiven, error: Exception, name: str, target: str) -> Response:
    """The form again, without the password."""
    say = visit.language.say
    wrong = say("The name or the password is wrong, or the account is locked for a while after too many failures.")
    lost = say("The form had grown old. Please sign in once more.")
    fault, status = (wrong, 401) if isinstance(error, SignInError) else (lost, 403)
    return render(visit, "signin.html", status, next=target, name=name[:128], fault=fault, expired=False, left=False)

"""The way in and out: the first page, what to try, signing in and out."""

from asyncio import get_running_loop
from datetime import timedelta
from math import ceil
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from api.desk import identity
from api.pages.refusing import PageRoute
from api.pages.rendering import home, render, set_cookie
from api.pages.visits import Form, FormGiven, Visit, VisitGiven, check_csrf, field, go, inside, known_language
from api.problems import status_of
from api.refusals import ForbiddenError, SignInError, TooManyError
from api.store import queries
from matching.errors import MatchingError

MINUTE: Final = timedelta(minutes=1)
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
        made = identity.sign_in(visit.service, name, field(form, "password"), _address(visit))
    except (SignInError, ForbiddenError, TooManyError) as error:
        return _refused(visit, error, name, target)
    if visit.session is not None:  # its cookie is replaced: nobody could sign out of it any more
        identity.sign_out(visit.service, visit.session.token)
    response = go(target)
    set_cookie(visit, response, identity.COOKIE, made.token)
    return response


def _address(visit: Visit) -> str | None:
    """Where the visitor asks from, as the server says it; through a proxy that it believes, what that one says."""
    client = visit.request.client
    return client.host if client else None


def _refused(visit: Visit, error: MatchingError, name: str, target: str) -> Response:
    """The form again, without the password."""
    told = {"name": name[:128], "fault": _fault(visit, error)}
    response = render(visit, "signin.html", status_of(error), next=target, expired=False, left=False, **told)
    if isinstance(error, TooManyError):
        response.headers["Retry-After"] = str(ceil(error.wait.total_seconds()))
    return response


def _fault(visit: Visit, error: MatchingError) -> str:
    say = visit.language.say
    if isinstance(error, TooManyError):
        until = visit.language.moment(visit.service.now() + error.wait + MINUTE)  # which is told without its seconds
        return say("Too many tries to sign in have failed from your network. Try again after %(until)s.", until=until)
    if isinstance(error, SignInError):
        return say("The name or the password is wrong, or the account is locked for a while after too many failures.")
    return say("The form had grown old. Please sign in once more.")

"""A visit: the request, its language, and whose session it comes with."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final
from urllib.parse import parse_qs, quote, urlencode

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse

from api.desk import identity
from api.desk.identity import Actor, Role, SignedIn
from api.pages.languages import CODES, DEFAULT, Language, language
from api.refusals import ForbiddenError, SignInError
from api.requests import read_body
from api.service import Service, ServiceGiven
from matching.errors import Fault, InputError

LANGUAGE_COOKIE: Final = "lang"
STRANGER_COOKIE: Final = "visitor"
YEAR: Final = 365 * 24 * 3600
MOST_FIELDS: Final = 100
Form = Mapping[str, list[str]]


@dataclass(frozen=True)
class Visit:
    """What a page knows of its visitor; `session` is None before signing in, and while nobody could look it up."""

    request: Request
    service: Service
    language: Language
    session: SignedIn | None
    looked_up: bool = True

    @property
    def actor(self) -> Actor:
        """Who is signed in. Raises `SignInError` where nobody is."""
        if self.session is None:
            raise SignInError("sign in first")
        return self.session.actor

    @property
    def csrf(self) -> str:
        """What a form of this visit must send back: the session's own, or one that a stranger's cookie leads to."""
        if self.session is not None:
            return self.session.csrf
        cookie = self.request.cookies.get(STRANGER_COOKIE) or self.request.state.stranger
        return hashlib.sha256(f"form:{cookie}".encode()).hexdigest()


def visit(request: Request, service: ServiceGiven) -> Visit:
    """The visit of a request; `?lang=` goes before the cookie, where it names a language that there is."""
    token = request.cookies.get(identity.COOKIE, "")
    asked = known_language(request) or request.cookies.get(LANGUAGE_COOKIE, DEFAULT)
    request.state.stranger = secrets.token_urlsafe(24)
    made = Visit(request, service, language(asked), None, looked_up=not token)
    request.state.visit = made  # while the store cannot say who it is, it is a visitor all the same
    if token:
        made = replace(made, session=identity.signed_in(service, token), looked_up=True)
        request.state.visit = made
    return made


VisitGiven = Annotated[Visit, Depends(visit)]


def seeing(visit: VisitGiven) -> Visit:
    """The visit of somebody who may see cases. Raises `SignInError`, `ForbiddenError`."""
    visit.actor.need(Role.OFFICER, Role.COMMISSION)
    return visit


SeeingVisit = Annotated[Visit, Depends(seeing)]


async def form_body(request: Request) -> Form:
    """The fields of a posted form. Raises `ForbiddenError` where it comes from another site."""
    body = await read_body(request, request.app.state.service.settings.max_body)
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForbiddenError("the form comes from another site")
    try:
        sent = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise InputError("form", [Fault("form", f"is UTF-8 with at most {MOST_FIELDS} fields")]) from None
    fields = {_without_zeros(name): [_without_zeros(value) for value in values] for name, values in sent.items()}
    request.state.form = fields
    return fields


def _without_zeros(text: str) -> str:
    """A text of a form without the character 0, which PostgreSQL does not hold; no keyboard types one."""
    return text.replace("\0", "")


FormGiven = Annotated[Form, Depends(form_body)]


def field(form: Form, name: str) -> str:
    """A field's only value, empty where it was not sent; line ends as the store keeps them."""
    return form.get(name, [""])[0].replace("\r\n", "\n")


def check_csrf(visit: Visit, form: Form) -> None:
    """Raises `ForbiddenError` where the form is of no page of this visit."""
    if not secrets.compare_digest(visit.csrf.encode(), field(form, "csrf").encode()):
        raise ForbiddenError("the form is of another session: load the page again")


def path_of(request: Request) -> str:
    """The page's path as an address holds it: an id may have `?`, `#` and `%` in it, which end no path."""
    return quote(request.scope["path"])


def asked_for(request: Request) -> str:
    """The page's path with its query."""
    query = request.scope["query_string"].decode("latin-1")
    return f"{path_of(request)}?{query}" if query else path_of(request)


def signin_address(request: Request, expired: bool) -> str:
    """Where to sign in to come back to this page."""
    told = {"next": asked_for(request)} | ({"expired": "1"} if expired else {})
    return f"/signin?{urlencode(told)}"


def inside(path: str) -> str:
    """The path if it leads into these pages, the first page otherwise: nobody is sent elsewhere."""
    good = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if good else "/"


def go(path: str) -> RedirectResponse:
    """To another page, by GET."""
    return RedirectResponse(path, 303)


def known_language(request: Request) -> str | None:
    """The language that the address asks for, where it is one."""
    asked = request.query_params.get("lang")
    return asked if asked in CODES else None

"""Templates to HTML in the visitor's language, under headers that let nothing else in and keep nothing."""

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.desk import identity
from api.desk.identity import Actor, Role
from api.desk.reading import institutions
from api.pages.languages import NAMES, Language, language, marked
from api.pages.visits import LANGUAGE_COOKIE, STRANGER_COOKIE, YEAR, Visit, known_language, path_of
from api.store import queries
from api.store.models import LoadRow
from api.store.outages import StoreError

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PLACES: Final[Mapping[Role, tuple[tuple[str, str], ...]]] = {
    Role.OFFICER: (("/desk", marked("Queue")), ("/desk/month", marked("Month"))),
    Role.COMMISSION: (
        ("/desk", marked("Queue")),
        ("/desk/coordination", marked("Coordination")),
        ("/desk/month", marked("Month")),
    ),
    Role.ADMINISTRATOR: (("/desk/accounts", marked("Accounts and keys")),),
}
# What turns the direction of writing, in what is read, so before the next tag: values that are sent back stay whole.
TURNING: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069](?=[^<>]*<)")
HOMES: Final = {role: places[0][0] for role, places in PLACES.items()}


def render(visit: Visit, template: str, status: int = 200, **shown: Any) -> HTMLResponse:
    """A page. `shown` goes to the template beside what every page shows; no name in it reverses the line it is in."""
    text = environment(visit.language.code).get_template(template).render(_frame(visit), **shown)
    response = HTMLResponse(TURNING.sub("", text), status)
    _set_cookies(visit, response)
    return response


def secured(response: Response) -> Response:
    """The response with the headers that every page has."""
    response.headers.update(HEADERS)
    return response


@cache
def environment(code: str) -> Environment:
    """The templates in one language: escaped, strict about names, without a word left untranslated by accident."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = language(code).words
    made.install_gettext_callables(  # type: ignore[attr-defined]  # the extension adds it, unknown to types
        words.gettext, words.ngettext, newstyle=True
    )
    made.globals["style_version"] = hashlib.sha256((STATIC / "desk.css").read_bytes()).hexdigest()[:12]
    return made


def home(actor: Actor) -> str:
    """The page that somebody starts from."""
    return HOMES.get(actor.role, "/welcome")


def set_cookie(visit: Visit, response: Response, name: str, value: str, age: int | None = None) -> None:
    """A cookie that no script reads and no other site's form sends; over https by https alone."""
    secure = visit.request.url.scheme == "https"
    response.set_cookie(name, value, max_age=age, path="/", secure=secure, httponly=True, samesite="lax")


def _frame(visit: Visit) -> dict[str, Any]:
    actor = visit.session.actor if visit.session else None
    last, names = _known(visit, actor)
    return {
        "lang": visit.language,
        "actor": actor,
        "csrf": visit.csrf,
        "whose": _whose(actor, names, visit.language),
        "places": _places(actor, visit.request.url.path),
        "tongues": _tongues(visit),
        "simulated": last is not None and last.simulated,
        "currency": last.currency if last else "CNY",
    }


def _known(visit: Visit, actor: Actor | None) -> tuple[LoadRow | None, Mapping[str, tuple[str, str]]]:
    """The tables last loaded and the names of the actor's institution; nothing while the store cannot be used."""
    try:
        with visit.service.store.reading() as session:
            last = queries.last_load(session)
            return last, institutions(session, actor) if actor and actor.institution_id else {}
    except StoreError:
        return None, {}


def _whose(actor: Actor | None, names: Mapping[str, tuple[str, str]], speaking: Language) -> str:
    if actor is None:
        return ""
    known = names.get(actor.institution_id or "")
    return speaking.pick(*known) if known else speaking.label(actor.role)


def _places(actor: Actor | None, path: str) -> list[dict[str, object]]:
    places = PLACES.get(actor.role, ()) if actor else ()
    best = max((href for href, _ in places if path == href or path.startswith(f"{href}/")), key=len, default="")
    return [{"href": href, "text": text, "here": href == best} for href, text in places]


def _tongues(visit: Visit) -> list[dict[str, object]]:
    """This page in each language; of a page that answers a form, the page that the form was on."""
    kept = [(name, value) for name, value in visit.request.query_params.multi_items() if name != "lang"]
    path = path_of(visit.request)
    return [
        {"code": c, "name": name, "href": f"{path}?{urlencode([*kept, ('lang', c)])}", "here": c == visit.language.code}
        for c, name in NAMES.items()
    ]


def _set_cookies(visit: Visit, response: Response) -> None:
    asked = known_language(visit.request)
    if asked:
        set_cookie(visit, response, LANGUAGE_COOKIE, asked, YEAR)
    if visit.session is not None or not visit.looked_up:
        return  # whose session could not be looked up is not signed out for it
    if not visit.request.cookies.get(STRANGER_COOKIE):
        set_cookie(visit, response, STRANGER_COOKIE, visit.request.state.stranger)
    if identity.COOKIE in visit.request.cookies:
        response.delete_cookie(identity.COOKIE, path="/")

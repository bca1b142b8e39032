"""What goes wrong on a page, as a page: in the visitor's language, with a way back and what was written kept."""

import logging
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from api.desk import identity
from api.desk.coordination import CoordinationStep, Settlement
from api.desk.reasons import choices
from api.desk.stages import Step
from api.pages.languages import Language, marked
from api.pages.rendering import home, render, secured
from api.pages.telling import OTHERWISE, told
from api.pages.visits import Form, Visit, asked_for, field, go, signin_address
from api.pages.visits import visit as visited
from api.problems import status_of
from api.refusals import ConflictError, SignInError
from api.store.outages import StoreError
from api.store.reading import UnreadableError
from matching.codes import Coded
from matching.errors import InputError, MatchingError, NotFoundError

_log = logging.getLogger("api")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
TOLD: Final = {
    401: (marked("Your session has ended"), marked("Nothing was saved. Sign in again and repeat it.")),
    403: (
        marked("This is not for you to do"),
        marked("Your account may not do this, or the form is of an earlier session."),
    ),
    404: (marked("There is no such page"), marked("It does not exist, or it is not your institution's.")),
    405: (marked("There is no such page"), marked("It does not exist, or it is not your institution's.")),
    409: (
        marked("The case has changed meanwhile"),
        marked(
            "Another step came first, somebody's or your own from this form. Nothing was saved; read the case again."
        ),
    ),
    413: (marked("This is too long"), marked("Nothing was saved. Shorten the text and send it again.")),
    422: (marked("This cannot be right"), OTHERWISE),
    503: (marked("The desk is not ready"), marked("No model is in service yet. Try again in a few minutes.")),
    500: (
        marked("Something failed here"),
        marked("It is not your fault; the service's log has the cause. Nothing was saved."),
    ),
}
NEED_CHANGED: Final = (
    marked("The need has changed meanwhile"),
    marked("Another step came first, somebody's or your own from this form. Nothing was saved; read the need again."),
)
STEPS: Final[Mapping[str, Coded]] = {str(one): one for one in (*Step, *CoordinationStep)}
RESULTS: Final[Mapping[str, Coded]] = {str(one): one for one in Settlement}
OUTAGE: Final = (
    marked("The desk cannot be reached"),
    marked("Its store does not answer. Try again in a minute, and look first whether your last step was saved."),
)


class PageRoute(APIRoute):
    """A route whose answers are pages, also where it refuses or fails."""

    def get_route_handler(self) -> Handler:
        """The route's own handler, its errors turned into pages and its answers secured."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                _check_address(request)
                return secured(await inner(request))
            except ClientDisconnect:  # nobody is there to read a page, and nothing has failed
                raise
            except Exception as error:
                return secured(await run_in_threadpool(refused, request, error))  # it may wait for the store

        return handle

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A page also where the address is there for another method alone, as that of a form whose answer was read."""
        try:
            await super().handle(scope, receive, send)
        except HTTPException as error:
            response = secured(await run_in_threadpool(refused, Request(scope, receive), error))
            response.headers.update(error.headers or {})
            await response(scope, receive, send)


def refused(request: Request, error: Exception) -> Response:
    """The page of an error; who is not signed in is led to sign in and back."""
    visit = getattr(request.state, "visit", None) or visited(request, request.app.state.service)
    if isinstance(error, SignInError) and request.method == "GET":
        return go(signin_address(request, expired=bool(request.cookies.get(identity.COOKIE))))
    status = _status(error)
    if isinstance(error, UnreadableError):
        _log.error("request %s: a page failed: %s", request.state.request_id, error)
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, MatchingError):
        _log.error("request %s: a page failed", request.state.request_id, exc_info=error)
    return _page(visit, status, error)


def _check_address(request: Request) -> None:
    """No store holds a text with a character 0, so no page is found by one. Raises `NotFoundError`."""
    asked = (request.url.path, *request.path_params.values(), *request.query_params.values())
    if any("\0" in text for text in asked):
        raise NotFoundError("page", request.url.path)


def _page(visit: Visit, status: int, error: Exception) -> Response:
    outage = isinstance(error, StoreError)
    unreadable = isinstance(error, UnreadableError)  # 503 as without a model, but waiting mends nothing
    told_of = TOLD | ({HTTPStatus.CONFLICT: NEED_CHANGED} if _of_need(visit) else {})
    about = OUTAGE if outage else TOLD[500] if unreadable else told_of.get(status, TOLD[500])
    heading, text = (visit.language.say(told) for told in about)
    back, back_text = _way_back(visit, status, outage)
    return render(
        visit,
        "error.html",
        status,
        code=status,
        heading=heading,
        text=text,
        details=_details(error, visit),
        kept=_kept(_form(visit), visit.language),
        back=back,
        back_text=back_text,
        request_id=visit.request.state.request_id,
    )


def _form(visit: Visit) -> Form:
    form: Form = getattr(visit.request.state, "form", {})
    return form


def _of_need(visit: Visit) -> bool:
    """Whether a form was of a need that nobody is left for, and not of a case."""
    return isinstance(STEPS.get(field(_form(visit), "step")), CoordinationStep)


def _kept(form: Form, language: Language) -> str:
    """What a form said, line by line, so that nobody has to remember it."""
    step, result = STEPS.get(field(form, "step")), RESULTS.get(field(form, "result"))
    amount, rate, product, office, until = (
        field(form, name) for name in ("amount", "rate", "product_id", "office", "until")
    )
    reasons = [
        language.label(one)
        for one in (choices(step) if isinstance(step, Step) else ())
        if one in form.get("reasons", [])
    ]
    called = language.say("Amount drawn") if step is Step.DRAW else language.say("Amount")
    said = [
        f"{called}: {amount}" if amount else "",
        language.say("%(rate)s%% a year", rate=rate) if rate else "",
        f"{language.say('Product')}: {product}" if product else "",
        language.pick("、", ", ").join(reasons),
        office,
        until,
        language.label(result) if result else "",
        field(form, "text"),
    ]
    written = [line for line in said if line]
    return "\n".join([language.label(step), *written] if step and written else written)


def _details(error: Exception, visit: Visit) -> list[str]:
    """What is wrong with an input, or which steps a case or a need admits now."""
    language = visit.language
    if isinstance(error, InputError):
        return told(error, language)
    if not isinstance(error, ConflictError) or not error.legal:
        return []
    steps = language.pick("、", ", ").join(language.label(one) for one in error.legal)
    if _of_need(visit):
        return [language.say("What the need admits now: %(steps)s.", steps=steps)]
    return [language.say("What the case admits now: %(steps)s.", steps=steps)]


def _status(error: Exception) -> int:
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, RequestValidationError):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return status_of(error)


def _way_back(visit: Visit, status: int, outage: bool) -> tuple[str, str]:
    if status == HTTPStatus.CONFLICT:
        need, case = visit.language.say("Read the need again"), visit.language.say("Read the case again")
        return asked_for(visit.request), need if _of_need(visit) else case
    if outage:
        return asked_for(visit.request), visit.language.say("Try again")
    if visit.session is None:
        nowhere = status == HTTPStatus.NOT_FOUND  # to come back to
        return "/signin" if nowhere else signin_address(visit.request, expired=False), visit.language.say("Sign in")
    return home(visit.session.actor), visit.language.say("To the first page")

"""Every error as RFC 9457 problem JSON: what a client reads when something is wrong, and nothing of the inside."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.refusals import ConflictError, ForbiddenError, SignInError, TooManyError
from api.store.outages import StoreError
from api.store.reading import UnreadableError
from matching.errors import BundleError, Fault, InputError, MatchingError, NotFoundError
from matching.faults import faults_of, short

MEDIA_TYPE = "application/problem+json"
SHOWN = 20
STATUS = {
    InputError: 422,
    NotFoundError: 404,
    BundleError: 503,
    StoreError: 503,
    UnreadableError: 503,
    SignInError: 401,
    TooManyError: 429,
    ForbiddenError: 403,
    ConflictError: 409,
}
HEADERS = {
    SignInError: {"WWW-Authenticate": "Bearer"},
    StoreError: {"Retry-After": "5"},  # seconds: a database that starts again, or another in its place, needs some
}


class FaultShown(BaseModel):
    """One thing wrong with the input."""

    field: str = Field(examples=["need.amount"])
    rule: str = Field(examples=["is above 0, not -5"])
    row: int | str | None = Field(default=None, description="The item of a list, counted from 1")


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(default="about:blank")
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["request: need.amount: is above 0, not -5"])
    request_id: str = Field(description="Names the request in the service's log")
    errors: list[FaultShown] | None = Field(default=None, description="Each field at fault, at most 20 of them")
    legal: list[str] | None = Field(
        default=None, description="The steps that are legal, where the one asked for is not"
    )


def problem(
    status: int,
    detail: str,
    request_id: str,
    faults: tuple[Fault, ...] = (),
    headers: dict[str, str] | None = None,
    legal: tuple[str, ...] | None = None,
) -> JSONResponse:
    """A problem as a response; long texts are cut, and so are long lists."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=short(detail, 1000),
        request_id=request_id,
        errors=[_shown(fault) for fault in faults[:SHOWN]] or None,
        legal=None if legal is None else list(legal),
    )
    return JSONResponse(body.model_dump(exclude_none=True), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """All that is raised on the way to an answer leaves as a problem."""
    app.exception_handler(MatchingError)(_of_matching)
    app.exception_handler(RequestValidationError)(_of_validation)
    app.exception_handler(HTTPException)(of_http)


def status_of(error: Exception) -> int:
    """The HTTP status of an error that is raised on purpose, 500 of any other."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


async def _of_matching(request: Request, error: MatchingError) -> JSONResponse:
    status = status_of(error)
    faults = error.faults if isinstance(error, InputError) else ()
    legal = error.legal if isinstance(error, ConflictError) else None
    headers = next((found for kind, found in HEADERS.items() if isinstance(error, kind)), None)
    return problem(status, str(error), request.state.request_id, faults, headers, legal)


async def _of_validation(request: Request, error: RequestValidationError) -> JSONResponse:
    """FastAPI's own: path and query parameters."""
    parameters = [{**one, "loc": one["loc"][1:]} for one in error.errors()]
    return await _of_matching(request, InputError("request", faults_of(parameters, "request")))


async def of_http(request: Request, error: HTTPException) -> JSONResponse:
    """The router's own (no such path, no such method), and whatever a route raises by status."""
    default = HTTPStatus(error.status_code).phrase
    what = f"{request.method} {short(request.url.path)}"
    detail = f"{what}: {default}" if error.detail == default else str(error.detail)
    return problem(error.status_code, detail, request.state.request_id, headers=dict(error.headers or {}))


def _shown(fault: Fault) -> FaultShown:
    return FaultShown(field=short(fault.field, 200), rule=short(fault.rule, 400), row=fault.row)

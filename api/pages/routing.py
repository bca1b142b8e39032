"""All pages, in the order in which an address is looked up."""

from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from api import problems
from api.pages import administering, coordinating, deciding, entry, exporting, needs_sheet, queueing, reviewing
from api.pages.refusing import refused
from api.pages.rendering import STATIC, secured

API: Final = "/v1/"


def install(app: FastAPI) -> None:
    """Put the pages beside the API; what is under /desk and is no page is answered by one."""
    app.mount("/desk/static", StaticFiles(directory=STATIC))
    for module in (entry, queueing, exporting, reviewing, coordinating, needs_sheet, administering, deciding):
        app.include_router(module.router)
    app.exception_handler(HTTPException)(_of_http)


async def _of_http(request: Request, error: HTTPException) -> Response:
    """A mistyped address is answered with a page where a page was asked for, and with a problem elsewhere."""
    lost = request.scope.get("route") is None and not request.url.path.startswith(API)
    if lost and "text/html" in request.headers.get("accept", ""):
        return secured(await run_in_threadpool(refused, request, error))
    return await problems.of_http(request, error)

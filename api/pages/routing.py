"""All pages, in the order in which an address is looked up."""

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from api.pages import administering, coordinating, deciding, entry, exporting, needs_sheet, queueing, reviewing
from api.pages.rendering import STATIC


def install(app: FastAPI) -> None:
    """Put the pages beside the API; what is under /desk and is no page is answered by one."""
    app.mount("/desk/static", StaticFiles(directory=STATIC))
    for module in (entry, queueing, exporting, reviewing, coordinating, needs_sheet, administering, deciding):
        app.include_router(module.router)

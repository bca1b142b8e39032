"""OpenAPI for what FastAPI cannot see by itself: bodies that are read strictly, and errors that are problem JSON."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.problems import MEDIA_TYPE, Problem

REF = "#/components/schemas/{model}"
VIEWER = "/docs/static"
WITHOUT_SCRIPTS = (
    '<noscript><p>This page needs scripts. What it shows is in <a href="{url}">{url}</a>.</p>'
    '<p lang="zh-CN">本页面需要脚本，其内容见 <a href="{url}">{url}</a>。</p></noscript>'
)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem answers of a route."""
    content = {MEDIA_TYPE: {"schema": {"$ref": REF.format(model=Problem.__name__)}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def repeated(model: type[Any]) -> dict[int | str, dict[str, Any]]:
    """The answer of a route to what it was sent before."""
    return {HTTPStatus.OK.value: {"model": model, "description": "Sent before: nothing was done"}}


def body(model: type[BaseModel], examples: Mapping[str, Any]) -> dict[str, Any]:
    """A route's JSON body, with an example by name."""
    shown = {name: {"summary": name, "value": value} for name, value in examples.items()}
    content = {"application/json": {"schema": {"$ref": REF.format(model=model.__name__)}, "examples": shown}}
    return {"requestBody": {"required": True, "content": content}}


class Described(FastAPI):
    """An app whose OpenAPI also holds the schemas that `problems` and `body` refer to: those of its `bodies`."""

    bodies: tuple[type[BaseModel], ...] = ()

    def openapi(self) -> dict[str, Any]:
        """The schema, made once."""
        if self.openapi_schema is None:
            parts = super().openapi()["components"]
            parts["schemas"] = _schemas(Problem, *self.bodies) | parts["schemas"]
        return super().openapi()


def install_viewer(app: FastAPI) -> None:
    """The API to read and to try at /docs, its viewer served from here: a closed network reaches no other."""
    app.mount(VIEWER, StaticFiles(packages=[("fastapi_offline", "static")]), name="viewer")

    @app.get("/docs", include_in_schema=False)
    async def get_docs() -> HTMLResponse:
        url = app.openapi_url or ""
        page = get_swagger_ui_html(
            openapi_url=url,
            title=app.title,
            swagger_js_url=f"{VIEWER}/swagger-ui-bundle.js",
            swagger_css_url=f"{VIEWER}/swagger-ui.css",
            swagger_favicon_url="/desk/static/mark.svg",
        )
        text = bytes(page.body).decode()
        return HTMLResponse(text.replace("<body>", "<body>" + WITHOUT_SCRIPTS.format(url=url), 1))


def _schemas(*models: type[BaseModel]) -> dict[str, Any]:
    schemas: dict[str, Any] = models_json_schema([(m, "validation") for m in models], ref_template=REF)[1]["$defs"]
    return schemas

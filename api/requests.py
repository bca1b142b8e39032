"""What surrounds every request: an id for the log and the client, and a calm answer when the service itself fails."""

import json
import logging
import re
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem
from matching.errors import Fault, InputError
from matching.faults import faults_of, short

HEADER = "x-request-id"
JSON = "application/json"
READ_TO_END = 64
_ID = re.compile(r"[\w.\-]{1,64}")
_LIKE_JSON = re.compile(r"application/[\w.\-]+\+json")
_ADAPTERS: Final[dict[type[Any], TypeAdapter[Any]]] = {}
_log = logging.getLogger("api")

Body = TypeVar("Body", bound=BaseModel)


class RequestIds:
    """Gives each request an id (the client's own `X-Request-ID` if it is plain) and answers what nobody caught."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _id_of(Headers(scope=scope).get(HEADER, ""))
        scope.setdefault("state", {})["request_id"] = request_id
        if scope["method"] == "HEAD":  # as GET, whose routes know no other; the server itself sends nothing of the body
            scope = {**scope, "method": "GET"}
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except ClientDisconnect:
            _log.info("request %s: the client left", request_id)
        except Exception:
            _log.exception("request %s: %s %r failed", request_id, scope["method"], short(scope["path"]))
            if started:
                raise
            await problem(500, "The service failed; its log has the cause.", request_id)(scope, receive, send_with_id)


def _id_of(given: str) -> str:
    return given if _ID.fullmatch(given) else secrets.token_hex(8)


def body_reader(model: type[Body]) -> Callable[[Request], Awaitable[Body]]:
    """A dependency that reads the request's JSON as `model`, strictly: a text is no number, and true is not 1."""

    async def read(request: Request) -> Body:
        body = await read_body(request, request.app.state.service.settings.max_body)
        _check_kind(request.headers.get("content-type", ""))
        try:
            found = model.model_validate_json(body, strict=True)
        except ValidationError as error:
            raise InputError("request", faults_of(error.errors(), "body")) from None
        json.loads(body, object_pairs_hook=_once)
        return found

    return read


def _check_kind(given: str) -> None:
    """A page of another site may send a form, a plain text or a body of no type unasked, but no JSON."""
    kind = given.partition(";")[0].strip().lower()
    if kind != JSON and not _LIKE_JSON.fullmatch(kind):
        said = f"not as {short(kind)}" if kind else "not without a type"
        raise HTTPException(415, f"The body is JSON: send it with the header Content-Type: {JSON}, {said}.")


def _once(fields: list[tuple[str, Any]]) -> None:
    """Raises `InputError` where an object gives a field twice: of two sums one would be taken without a word."""
    if len(dict(fields)) < len(fields):
        times = Counter(name for name, _ in fields)
        raise InputError("request", [Fault(name, "is given once") for name in times if times[name] > 1])


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. One too large is read on for a while: few clients listen before they have sent all."""
    header = request.headers.get("content-length", "")
    declared = int(header) if header.isdecimal() else 0
    body, size = bytearray(), 0
    if declared <= limit * READ_TO_END:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= limit:
                body += chunk
            elif size > limit * READ_TO_END:
                break
    if max(declared, size) > limit:
        raise HTTPException(413, f"The body is larger than {limit} bytes.")
    return bytes(body)


def answer_of(kind: type[Any], value: object, status: int = 200) -> Response:
    """A dataclass as JSON."""
    if kind not in _ADAPTERS:  # made once: that takes longer than most answers
        _ADAPTERS[kind] = TypeAdapter(kind)
    return json_answer(_ADAPTERS[kind].dump_json(value), status)


def answer(model: BaseModel, status: int = 200) -> Response:
    """A model as JSON; it was built from checked parts, so it is not checked once more on its way out."""
    return json_answer(model.model_dump_json(), status)


def json_answer(content: str | bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """What is JSON already."""
    return Response(content, status, headers, JSON)

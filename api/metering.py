"""Counts every request by the template of its route, and how long it took; never by its path, which may be anything."""

from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.meters import LEFT, METHODS, OTHER, Meters


class Metering:
    """Stands inside of `RequestIds`, which answers what nobody caught: such an error passes here as a 5xx."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self.app = app
        self.meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, counted = perf_counter(), LEFT, False

        def count() -> None:
            nonlocal counted
            if not counted:
                counted = True
                self.meters.answered(_template(scope), _method(scope), status, perf_counter() - started)

        async def send_counted(message: Message) -> None:
            """Counts before the last of the answer leaves: who has it finds it counted."""
            nonlocal status
            if message["type"] == "http.response.start":
                status = f"{message['status'] // 100}xx"
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                count()
            await send(message)

        try:
            await self.app(scope, receive, send_counted)
        except ClientDisconnect:
            raise
        except Exception:
            status = "5xx"
            raise
        finally:
            count()


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else OTHER


def _template(scope: Scope) -> str:
    """The path of the route that was found, its parameters as names; files have one for all, and all else has another.

    As many labels as the service has routes, whatever is asked for.
    """
    route = scope.get("route")
    if route is not None:
        return str(route.path)
    if "app_root_path" in scope:  # a folder of files was found
        return f"{scope['root_path']}/{{path}}"
    return OTHER

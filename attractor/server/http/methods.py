"""Answers HEAD wherever GET is allowed, and refuses the methods that an address does not have.

They are refused before an idempotency key is looked at, and the answer names the methods of all
routes of the address. The document of the API has no operations for HEAD.
"""

from collections.abc import Iterable

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope as Connection, Send

from attractor.server.errors import MethodNotAllowed

_IS_HEAD = "is_head"


def is_head(connection: HTTPConnection) -> bool:
    """Return whether a caller wants the headers of an answer only, although the method is GET."""
    return getattr(connection.state, _IS_HEAD, False)


class Methods:
    """Lets the application answer the methods of its routes, and HEAD like GET."""

    def __init__(self, app: ASGIApp, *, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._routes = [one for one in routes if isinstance(one, Route)]

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if connection["type"] != "http":
            await self._app(connection, receive, send)
            return
        method, path = connection["method"], connection["path"]
        found = [one.methods or () for one in self._routes if one.path_regex.match(path)]
        allowed = {each for methods in found for each in methods}
        if "GET" in allowed:
            allowed.add("HEAD")
        if allowed and method not in allowed:
            raise MethodNotAllowed(method, allowed)
        if method != "HEAD" or not allowed:
            await self._app(connection, receive, send)
            return

        async def send_headers(message: Message) -> None:
            await send({**message, "body": b""} if "body" in message else message)

        connection["state"][_IS_HEAD] = True
        await self._app({**connection, "method": "GET"}, receive, send_headers)

"""One request and its answer, between the connection and the application.

It limits the size and the time of the body, adds headers to the answer, and ends a long answer,
such as a stream of events, after its caller's token or session ended.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Message, Receive, Scope as Connection, Send
from starlette.websockets import WebSocketDisconnect

from attractor.base.clock import Clock
from attractor.server.access.callers import Caller
from attractor.server.access.limits import Limits
from attractor.server.errors import BodyTooLarge, BodyTooSlow, HttpError

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""The headers of every answer, unless the application sets another value."""

DRAWING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""The policy of a drawing, which has its style inside, and never a script."""

WEBHOOKS = frozenset({"/webhooks/github", "/webhooks/gitlab"})
"""The paths with larger bodies, which their endpoints do not keep whole."""

DROPPING_S = 0.05
VALID_S = 10
"""The time after which the caller of an open answer is identified again."""

_STARTS = frozenset({"http.response.start", "websocket.http.response.start"})
POLICY_VIOLATION = 1008
"""The code of a WebSocket that is closed after its caller's token or session ended."""

_ENDS: Mapping[str, Message] = {
    "http.response.body": {"type": "http.response.body", "more_body": False},
    "websocket.send": {"type": "websocket.close", "code": POLICY_VIOLATION},
}
"""The message that ends an answer, by the message that would continue it."""

_FORM = "application/x-www-form-urlencoded"


class Exchange:
    """A request on its way to the application, and the answer on its way back."""

    def __init__(
        self,
        connection: Connection,
        receive: Receive,
        send: Send,
        clock: Clock,
        limits: Limits,
        identify: Callable[[Headers], Awaitable[Caller | None]],
    ) -> None:
        self.connection = connection
        self.headers = Headers(scope=connection)
        self.is_websocket = connection["type"] == "websocket"
        self.method: str = "GET" if self.is_websocket else connection["method"]
        self.path: str = connection["path"]
        self.caller: Caller | None = None
        self.fault: HttpError | None = None
        """The reason for which the application got no whole body."""

        self.is_cut = False
        """Whether the answer was ended because the caller's token or session did."""

        self.status = 0
        """The status of the answer, as soon as it begins."""

        self._receive = receive
        self._send = send
        self._clock = clock
        self._limits = limits
        is_webhook = self.path in WEBHOOKS
        self.most_bytes = limits.webhook_bytes if is_webhook else limits.body_bytes
        """The largest size of the body."""

        self._identify = identify
        self._deadline = clock.monotonic() + limits.body_s
        self._received = 0
        self._is_whole = self.is_websocket
        self._kept: Message | None = None
        self._valid_until = 0.0

    @property
    def announced_bytes(self) -> int:
        """The size of the body by its header; 0 without one."""
        return int(self.headers.get("content-length", "0"))

    @property
    def sender(self) -> str:
        """The caller, or the address of an unknown sender."""
        client = self.connection.get("client")
        return str(self.caller) if self.caller else f"address {client[0] if client else ''}"

    @property
    def reason(self) -> str:
        """The reason for which the application refused the request, or the answer ended."""
        if self.is_cut:
            return "the token or session ended"
        return self.connection.get("state", {}).get("reason", "")

    def admit(self, caller: Caller | None) -> None:
        """Let the application see the caller."""
        self.caller = caller
        self._valid_until = self._clock.monotonic() + VALID_S
        self.connection.setdefault("state", {}).update(
            caller=caller, csrf=caller.csrf if caller else ""
        )

    async def receive(self) -> Message:
        """Return the next part of the request."""
        if self._kept:
            message, self._kept = self._kept, None
            return message
        if self.is_websocket:
            message = await self._receive()
            if message["type"] == "websocket.receive" and not await self._is_valid():
                self.is_cut = True
                await self._send(_ENDS["websocket.send"])
                return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
            return message
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout(self._deadline - self._clock.monotonic()):
                message = await self._receive()
        except TimeoutError:
            raise self._failed(
                BodyTooSlow(f"the body did not arrive within {self._limits.body_s:g} s")
            ) from None
        self._received += len(message.get("body", b""))
        if self._received > self.most_bytes:
            raise self._failed(self.too_large())
        self._is_whole = not message.get("more_body", False)
        return message

    async def read_form(self) -> Sequence[tuple[str, str]]:
        """Return the fields of a form, whose body the application still receives."""
        if self.headers.get("content-type", "").partition(";")[0] != _FORM:
            return ()
        body = b""
        try:
            while not self._is_whole:
                body += (await self.receive()).get("body", b"")
        except HTTPException as cause:
            assert self.fault
            raise self.fault from cause
        self._kept = {"type": "http.request", "body": body, "more_body": False}
        return parse_qsl(body.decode(errors="replace"), keep_blank_values=True)

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if self.is_cut and self.is_websocket:
            raise WebSocketDisconnect(POLICY_VIOLATION)
        if self.is_cut or (self.fault and not self.status):
            return
        if message["type"] in _STARTS:
            self.status = message["status"]
            _protect(MutableHeaders(scope=message))
        elif message["type"] == "websocket.accept":
            self.status = 101
        elif message["type"] in _ENDS:
            self.is_cut = not await self._is_valid()
            if self.is_cut:
                message = _ENDS[message["type"]]
        await self._send(message)

    async def answer(self, response: Response) -> None:
        """Answer in place of the application, unless its answer has begun."""
        if self.status:
            return
        self.fault = None
        if not self._is_whole:
            await self._drop_body()
            response.headers["connection"] = "close"
        await response(self.connection, self._receive, self.send)

    async def _drop_body(self) -> None:
        """Read for a moment what is on its way: otherwise the connection could be reset before the
        client has read the answer.
        """
        if self.is_websocket or "expect" in self.headers:
            # A client that expects an answer first sends no body before.
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(DROPPING_S):
                while (await self._receive()).get("more_body"):
                    pass

    def too_large(self) -> BodyTooLarge:
        """Return the error about a body that is too large."""
        return BodyTooLarge(f"the body has more than {self.most_bytes:,} bytes")

    def _failed(self, fault: HttpError) -> HTTPException:
        self.fault = fault
        # Frameworks let this exception pass while they read a body.
        return HTTPException(fault.status)

    async def _is_valid(self) -> bool:
        """Return whether the caller of a long answer still is one."""
        now = self._clock.monotonic()
        if self.caller is None or now < self._valid_until:
            return True
        self._valid_until = now + VALID_S
        return await self._identify(self.headers) is not None


def _protect(headers: MutableHeaders) -> None:
    """Add the headers of all answers."""
    if headers.get("content-type", "").startswith("image/svg"):
        headers["content-security-policy"] = DRAWING_POLICY
    for name, value in HEADERS.items():
        headers.setdefault(name, value)

"""Guards all requests: pages, static files, streams and WebSockets as well.

A request is refused before it reaches the application if it was sent to another host or by a page
of another origin, if its sender is unknown, if a session does not send the value that only pages of
this server know, or if a limit is exceeded. A request that is not answered when the server stops is
a problem; its idempotency key stays, because it may have taken effect. Each request is a line of
the log.
"""

import asyncio
import hmac
import traceback
from collections.abc import Callable, Collection

import anyio
import anyio.to_thread
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope as Connection, Send
from starlette.websockets import WebSocketDisconnect

from attractor.base.clock import Clock
from attractor.base.errors import AttractorError
from attractor.server.access.callers import Access, Caller
from attractor.server.access.limits import Limits, RefusalLimit, RequestLimits
from attractor.server.access.log import LONGEST_PATH, Log, LoggedRequest
from attractor.server.access.origins import SAFE_METHODS, is_known_host, is_own_origin
from attractor.server.errors import (
    Forbidden,
    InternalError,
    ServerStopped,
    TooManyRequests,
    Unauthenticated,
)
from attractor.server.http.exchange import WEBHOOKS, Exchange
from attractor.server.http.problems import problem_response
from attractor.server.http.unsent import UnsentForm

OPEN_PATHS = WEBHOOKS | {"/login", "/login.css"}
"""The paths for senders without a token or session: a webhook is proved by a secret."""

CSRF_HEADER, CSRF_FIELD = "x-csrf-token", "csrf"
"""The header, or the field of a form, with the value that only pages of this server know."""

REFUSED = frozenset({401, 403, 408, 413, 429})
"""The answers to refused requests. Their number in the log is limited."""

IDENTIFIED_AT_ONCE = 8
"""The number of callers that are identified at one time, in threads that endpoints do not use."""

LONGEST_UNSENT = 1 << 18
"""The bytes of a form that is read although its sender is unknown, to be shown again."""

Respond = Callable[[Request, AttractorError], Response]


class Guard:
    """Refuses requests before they reach the application, and logs all requests."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        clock: Clock,
        limits: Limits,
        names: Collection[str],
        log: Log | None,
        respond: Respond,
    ) -> None:
        self._app = app
        self._access = access
        self._clock = clock
        self._limits = limits
        self._names = names
        self._log = log
        self._respond = respond
        self._requests = RequestLimits(limits, clock)
        self._refusals = RefusalLimit(limits, clock)
        self._threads = anyio.CapacityLimiter(IDENTIFIED_AT_ONCE)

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if connection["type"] not in ("http", "websocket"):
            await self._app(connection, receive, send)
            return
        clock = self._clock
        exchange = Exchange(connection, receive, send, clock, self._limits, self._identify)
        begun, now = clock.monotonic(), clock.now()
        reason = ""
        try:
            await self._answer(exchange)
        except WebSocketDisconnect:
            pass
        except AttractorError as error:
            reason = error.message
            await exchange.answer(self._response(exchange, error))
        except asyncio.CancelledError:
            # The server stops. A stream of events ends, and its reader connects again.
            if not exchange.status:
                stopped = ServerStopped()
                reason = stopped.message
                await exchange.answer(self._response(exchange, stopped))
        except Exception:  # noqa: BLE001 - any defect is answered and logged
            reason = traceback.format_exc()
            await exchange.answer(problem_response(InternalError()))
        finally:
            # Not each of many refused requests is logged.
            is_logged = exchange.status not in REFUSED or self._refusals.count(exchange.sender)
            if is_logged and self._log:
                self._log(
                    LoggedRequest(
                        time=now,
                        caller=exchange.sender,
                        method=exchange.method,
                        path=connection["raw_path"].decode("ascii")[:LONGEST_PATH],
                        status=exchange.status,
                        ms=round((clock.monotonic() - begun) * 1000),
                        reason=reason or exchange.reason,
                    )
                )

    async def _answer(self, exchange: Exchange) -> None:
        """Let the application answer a request, or refuse the request."""
        self._require_host(exchange)
        is_safe = exchange.method in SAFE_METHODS and not exchange.is_websocket
        if not is_own_origin(exchange.headers, is_safe=is_safe):
            raise Forbidden("the request comes from a page of another origin")
        is_open = exchange.path in OPEN_PATHS
        caller = None if is_open else await self._identify(exchange.headers)
        exchange.admit(caller)
        if caller is None and not is_open:
            await self._keep_form(exchange)
            raise Unauthenticated()
        if exchange.announced_bytes > exchange.most_bytes:
            raise exchange.too_large()
        with self._requests.counted(exchange.sender):
            if caller and caller.is_session and exchange.method not in SAFE_METHODS:
                await _require_csrf(exchange, caller)
            await self._app(exchange.connection, exchange.receive, exchange.send)
        if exchange.fault:
            raise exchange.fault

    async def _keep_form(self, exchange: Exchange) -> None:
        """Keep the form that a browser sent after its session ended, for the page that signs in."""
        is_page = exchange.method == "POST" and "text/html" in exchange.headers.get("accept", "")
        is_small = 0 < exchange.announced_bytes <= LONGEST_UNSENT
        if is_page and is_small and not self._refusals.is_exceeded(exchange.sender):
            with self._requests.counted(exchange.sender):
                fields = await exchange.read_form()
            address = exchange.connection["raw_path"].decode("ascii")
            if query := exchange.connection["query_string"].decode("ascii"):
                address += f"?{query}"
            exchange.connection["state"]["unsent"] = UnsentForm.of(address, fields)

    async def _identify(self, headers: Headers) -> Caller | None:
        # In a thread, because a new token is searched for in the ledger.
        return await anyio.to_thread.run_sync(self._access.identify, headers, limiter=self._threads)

    def _require_host(self, exchange: Exchange) -> None:
        address, _ = exchange.connection["server"]
        if not is_known_host(exchange.headers.get("host", ""), address, self._names):
            raise Forbidden(
                "the request was sent to an unknown host",
                hint="use the address that 'attractor serve' printed, or its option --allow-host",
            )

    def _response(self, exchange: Exchange, error: AttractorError) -> Response:
        """Return the response to a refused request."""
        if self._refusals.is_exceeded(exchange.sender):
            error = TooManyRequests("too many refused requests")
        is_page = not exchange.is_websocket and (
            exchange.caller is not None or isinstance(error, Unauthenticated)
        )
        if is_page:
            return self._respond(Request(exchange.connection), error)
        return problem_response(error)


async def _require_csrf(exchange: Exchange, caller: Caller) -> None:
    """Refuse a change by a page that does not know the value of the session."""
    sent = exchange.headers.get(CSRF_HEADER) or dict(await exchange.read_form()).get(CSRF_FIELD, "")
    if not hmac.compare_digest(sent.encode(), caller.csrf.encode()):
        raise Forbidden(
            "the form is not of this session", hint="load the page again, and send its form again"
        )

"""The control API of a twin: lists requests, replaces the script and resets the twin.

Every endpoint except `/health` requires the token.
"""

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.twins.errors import Rejection, ScriptError
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import read_body
from attractor.twins.server.provider_state import BoundedLog, L, ProviderState

Endpoint = Callable[[Request], Awaitable[Response]]

_HEALTH = "/health"
_SINCE = "since"
# Python rejects longer numbers.
_NUMBER = re.compile(r"[0-9]{1,18}")
_MAX_QUOTE = 60
_IN_BRACES = re.compile(r"\{(\w+)[^}]*\}")
_FILTERS = ("wire", "rule")


@dataclass(frozen=True)
class ControlRoute:
    """One endpoint of a control API."""

    method: str
    path: str
    answer: Endpoint


def control_app(endpoints: Sequence[ControlRoute], token: str) -> Starlette:
    """Serve endpoints to callers with the token, and `/health` to all callers."""
    known = _described(
        [("GET", _HEALTH), *((endpoint.method, endpoint.path) for endpoint in endpoints)]
    )

    async def http_error(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        # Starlette's own errors have only the text of their status.
        is_bare = error.detail in ("Not Found", "Method Not Allowed")
        message = f"unknown endpoint; known endpoints: {known}" if is_bare else error.detail
        return JSONResponse({"error": message}, error.status_code, headers=error.headers)

    return Starlette(
        routes=[
            Route(_HEALTH, _health, methods=["GET"]),
            *(
                Route(endpoint.path, _guarded(endpoint.answer, token), methods=[endpoint.method])
                for endpoint in endpoints
            ),
        ],
        exception_handlers={
            HTTPException: http_error,
            AttractorError: _attractor_error,
            Rejection: _rejection,
        },
    )


def request_routes(log: BoundedLog[L], filters: Sequence[str]) -> Sequence[ControlRoute]:
    """Return the endpoints for the requests in a log."""

    async def requests(request: Request) -> Response:
        entries = _filtered(log.entries, request.query_params, filters)
        records = [entry.record() for entry in entries]
        return JSONResponse({"requests": records, "dropped": log.dropped})

    async def one_request(request: Request) -> Response:
        text = request.path_params["number"]
        if not _NUMBER.fullmatch(text):
            raise HTTPException(404, f"invalid request number {_quoted(text)}")
        number = int(text)
        found = next((entry for entry in log.entries if entry.number == number), None)
        if found is None:
            reason = "was dropped" if 0 < number <= log.dropped else "does not exist"
            raise HTTPException(404, f"request {number} {reason}")
        return JSONResponse(found.record())

    return [
        ControlRoute("GET", "/requests", requests),
        ControlRoute("GET", "/requests/{number}", one_request),
    ]


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _guarded(answer: Endpoint, token: str) -> Endpoint:
    expected = f"Bearer {token}".encode()

    async def guarded(request: Request) -> Response:
        authorization = request.headers.get("authorization", "")
        if not hmac.compare_digest(authorization.encode(), expected):
            raise HTTPException(401, "missing or invalid token of the twin")
        return await answer(request)

    return guarded


async def _attractor_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, AttractorError):
        raise error
    return JSONResponse({"error": error.message, "hint": error.hint}, 400)


async def _rejection(request: Request, error: Exception) -> Response:
    if not isinstance(error, Rejection):
        raise error
    return JSONResponse({"error": error.message}, error.status)


def _described(endpoints: Sequence[tuple[str, str]]) -> str:
    """Return endpoints as `GET /health, /requests/NUMBER; POST /reset`."""
    groups: list[str] = []
    for method in dict.fromkeys(method for method, _ in endpoints):
        paths = [_IN_BRACES.sub(_upper, path) for other, path in endpoints if other == method]
        groups.append(f"{method} {', '.join(paths)}")
    return "; ".join(groups)


def _upper(name: re.Match[str]) -> str:
    return name[1].upper()


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _MAX_QUOTE else f"{text[:_MAX_QUOTE]}…")


def _filtered(entries: Sequence[L], query: Mapping[str, str], filters: Sequence[str]) -> list[L]:
    """Return the requests after number `since` that match the other filters."""
    for name in query:
        if name not in (*filters, _SINCE):
            known = ", ".join((*filters, _SINCE))
            raise HTTPException(400, f"unknown filter {name!r}; known filters: {known}")
    since = query.get(_SINCE, "0")
    if not _NUMBER.fullmatch(since):
        raise HTTPException(400, f"invalid request number {_quoted(since)} in since")
    exact = {name: value for name, value in query.items() if name != _SINCE}
    return [
        entry
        for entry in entries
        if entry.number > int(since)
        and all(getattr(entry, name) == value for name, value in exact.items())
    ]


def control_application(
    state: ProviderState, token: str, *, is_recording: bool = False
) -> Starlette:
    """Serve the control API of a provider twin."""

    async def script(request: Request) -> Response:
        return JSONResponse({"rules": state.usage()})

    async def replace_script(request: Request) -> Response:
        if is_recording:
            raise HTTPException(409, "a recording twin has no script, because the providers answer")
        try:
            # In TOML: a running twin takes no Python code.
            script = parse_script((await read_body(request)).decode())
        except UnicodeDecodeError as cause:
            raise ScriptError(f"the script is not UTF-8: {cause}") from cause
        state.replace_script(script)
        return JSONResponse({"rules": state.usage()})

    async def reset(request: Request) -> Response:
        state.reset()
        return JSONResponse({"reset": True})

    endpoints = [
        *request_routes(state.log.requests, _FILTERS),
        ControlRoute("GET", "/script", script),
        ControlRoute("POST", "/reset", reset),
        ControlRoute("POST", "/script", replace_script),
    ]
    return control_app(endpoints, token)

"""The control address of a twin: its requests, script and reset, for callers with the token."""

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
from attractor.twins.errors import ScriptError
from attractor.twins.script.script import Script, parse_script
from attractor.twins.server.provider_state import State
from attractor.twins.server.request_log import BoundedLog, L

Endpoint = Callable[[Request], Awaitable[Response]]


_HEALTH = "/health"


_SINCE = "since"


# Python reads no number of any length.
_NUMBER = re.compile(r"[0-9]{1,18}")


_LONGEST_QUOTE = 60


_IN_BRACES = re.compile(r"\{(\w+)[^}]*\}")


@dataclass(frozen=True)
class Face:
    """One thing that a controller may ask for."""

    method: str
    path: str
    answer: Endpoint


def controlled(faces: Sequence[Face], token: str) -> Starlette:
    """Answer whoever has the token, in JSON; `/health` tells everybody that the twin is there."""
    places = _places([("GET", _HEALTH), *((one.method, one.path) for one in faces)])

    async def refused(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        # What is neither found nor allowed here has only the words of its status.
        is_bare = error.detail in ("Not Found", "Method Not Allowed")
        told = f"this is not here; there are {places}" if is_bare else error.detail
        return JSONResponse({"error": told}, error.status_code, headers=error.headers)

    routes = [Route(one.path, _guarded(one.answer, token), methods=[one.method]) for one in faces]
    return Starlette(
        routes=[Route(_HEALTH, _health, methods=["GET"]), *routes],
        exception_handlers={HTTPException: refused, AttractorError: _faulty},
    )


def request_faces(log: BoundedLog[L], filters: Sequence[str]) -> Sequence[Face]:
    """Show what a twin was asked: all that is kept or some of it, and each request by itself."""

    async def requests(request: Request) -> Response:
        shown = _chosen(log.entries, request.query_params, filters)
        told = [one.record() for one in shown]
        return JSONResponse({"requests": told, "dropped": log.dropped})

    async def one_request(request: Request) -> Response:
        written = request.path_params["number"]
        if not _NUMBER.fullmatch(written):
            raise HTTPException(404, f"{_quoted(written)} is the number of no request")
        number = int(written)
        found = next((one for one in log.entries if one.number == number), None)
        if found is None:
            why = "is kept no more" if 0 < number <= log.dropped else "has not come"
            raise HTTPException(404, f"request {number} {why}")
        return JSONResponse(found.record())

    return [Face("GET", "/requests", requests), Face("GET", "/requests/{number}", one_request)]


async def _health(request: Request) -> Response:
    # Whoever waits for the twin need not know its token, and learns nothing here.
    return JSONResponse({"status": "ok"})


def _guarded(answer: Endpoint, token: str) -> Endpoint:
    wanted = f"Bearer {token}".encode()

    async def guarded(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), wanted):
            raise HTTPException(401, "this needs the twin's token")
        return await answer(request)

    return guarded


async def _faulty(request: Request, error: Exception) -> Response:
    if not isinstance(error, AttractorError):
        raise error
    return JSONResponse({"error": error.message, "hint": error.hint}, 400)


def _places(said: Sequence[tuple[str, str]]) -> str:
    """Write what there is as `GET /health, /requests/NUMBER; POST /reset`."""
    told: list[str] = []
    for method in dict.fromkeys(method for method, _ in said):
        paths = [_IN_BRACES.sub(_upper, path) for one, path in said if one == method]
        told.append(f"{method} {', '.join(paths)}")
    return "; ".join(told)


def _upper(name: re.Match[str]) -> str:
    return name[1].upper()


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…")


def _chosen(entries: Sequence[L], wanted: Mapping[str, str], filters: Sequence[str]) -> list[L]:
    """Return the requests that came since a number and have what is wanted."""
    for name in wanted:
        if name not in (*filters, _SINCE):
            known = ", ".join((*filters, _SINCE))
            raise HTTPException(400, f"unknown filter {name!r}; there are {known}")
    since = wanted.get(_SINCE, "0")
    if not _NUMBER.fullmatch(since):
        raise HTTPException(400, f"since is the number of a request, not {_quoted(since)}")
    exact = {name: said for name, said in wanted.items() if name != _SINCE}
    return [
        one
        for one in entries
        if one.number > int(since)
        and all(getattr(one, name) == said for name, said in exact.items())
    ]


_FILTERS = ("wire", "rule")


def control_application(state: State, token: str, *, is_recording: bool = False) -> Starlette:
    """Show what was asked and which rules answered, and take another script."""

    async def script(request: Request) -> Response:
        return JSONResponse({"rules": state.usage()})

    async def replace_script(request: Request) -> Response:
        if is_recording:
            raise HTTPException(409, "a twin that records has no script: providers answer")
        state.replace_script(_script_of(await request.body()))
        return JSONResponse({"rules": state.usage()})

    async def reset(request: Request) -> Response:
        state.reset()
        return JSONResponse({"reset": True})

    faces = [
        *request_faces(state.log.kept, _FILTERS),
        Face("GET", "/script", script),
        Face("POST", "/reset", reset),
        Face("POST", "/script", replace_script),
    ]
    return controlled(faces, token)


def _script_of(body: bytes) -> Script:
    """Read a script in TOML; one in Python is code, which nobody sends to a running twin."""
    try:
        return parse_script(body.decode())
    except UnicodeDecodeError as cause:
        raise ScriptError(f"the script is not UTF-8: {cause}") from cause

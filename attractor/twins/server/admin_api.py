"""The part of a twin that whoever has its token controls: what is the same for every twin.

What a provider twin was asked, in order, and how often the same.

How often a request came is forgotten when very many others came since.

What a twin is while it stands: its scripts, its log, and what it remembers.

What whoever controls a provider twin sees and may do, on a port of its own, with the token.
"""

import hmac
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields, replace

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, NotCanonical
from attractor.base.json import Json, content_hash, parse_json
from attractor.base.registry import Registry
from attractor.twins.errors import Rejection, ScriptError
from attractor.twins.exchange.exchange import Arrival, Telling, refusal, reply_to, tell, understand
from attractor.twins.exchange.wire import Reply, Wire
from attractor.twins.recordings.redaction import HIDDEN, is_secret
from attractor.twins.script.match import Memory, entries_of
from attractor.twins.script.script import Script, parse_script
from attractor.twins.server.log_files import BoundedLog, L

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


_MOST_SEEN = 200_000


@dataclass(frozen=True)
class LoggedRequest:
    """One request, and which rule answered it with which status: 0 if none, no rule if none did.

    `at` is in seconds since the twin began, by its clock. An error says why the twin refused it.
    """

    number: int
    at: float
    wire: str
    method: str
    headers: Mapping[str, str]
    content: bytes
    path: str
    from_path: Mapping[str, str]
    model: str
    step: int | None
    attempt: int
    rule: str
    status: int
    error: str = ""

    @property
    def body(self) -> Json:
        """What its body says: JSON, else a text."""
        try:
            return parse_json(self.content)
        except NotCanonical:
            return self.content.decode("utf-8", "replace")

    def record(self) -> dict[str, object]:
        """Return it for a program."""
        told: dict[str, object] = {one.name: getattr(self, one.name) for one in fields(self)}
        del told["content"]
        return told | {"headers": dict(self.headers), "body": self.body}


class RequestLog:
    """Remembers the latest requests."""

    def __init__(self, kept: BoundedLog[LoggedRequest] | None = None) -> None:
        self.kept = kept or BoundedLog[LoggedRequest]()
        self._seen = OrderedDict[str, int]()

    def count_attempt(self, wire: str, body: bytes) -> int:
        """Return how often this very request has come by now."""
        name = content_hash(wire.encode() + body)
        count = self._seen.pop(name, 0) + 1
        self._seen[name] = count
        if len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)
        return count

    def add(self, arrival: Arrival, reply: Reply, at: float = 0.0) -> LoggedRequest:
        """Remember a request and its reply."""
        entry = _entry(self.kept.count + 1, arrival, reply, at)
        return self.kept.add(entry, len(entry.content))

    def forget(self) -> None:
        """Begin anew, with the number 1."""
        self.kept.forget()
        self._seen.clear()


def _entry(number: int, arrival: Arrival, reply: Reply, at: float) -> LoggedRequest:
    return LoggedRequest(
        number=number,
        at=round(at, 6),
        wire=arrival.wire.name,
        method=arrival.method,
        headers={
            name: HIDDEN if is_secret(name) else value for name, value in arrival.headers.items()
        },
        content=arrival.body,
        # What stands behind it may hold a key.
        path=arrival.path,
        from_path=dict(arrival.from_path),
        model=reply.model,
        step=reply.step,
        attempt=arrival.attempt,
        rule=reply.rule,
        status=reply.status if reply.begins else 0,
        error=reply.error,
    )


Hears = Callable[[LoggedRequest], None]


class State:
    """Answers requests, and can be looked at and changed meanwhile."""

    def __init__(
        self,
        scripts: Sequence[Script],
        wires: Registry[Wire],
        *,
        log: RequestLog,
        memory: Memory,
        clock: Clock,
        hears: Hears | None = None,
    ) -> None:
        self.scripts = tuple(scripts)
        self.wires = wires
        self.log = log
        self.memory = memory
        self.clock = clock
        self._hears = hears
        self._began = clock.monotonic()

    def answer(self, arrival: Arrival) -> Reply:
        """Answer a request, and remember it."""
        reply = reply_to(arrival, self.scripts, self.memory)
        self.remember(arrival, reply)
        return reply

    def tell(self, arrival: Arrival, telling: Telling) -> Reply:
        """Tell what a client asks beside answers, and remember who asked."""
        reply = tell(arrival, telling, self.scripts, self.memory)
        self.remember(arrival, reply)
        return reply

    def refuse(
        self, arrival: Arrival, rejection: Rejection, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Refuse a request as its provider would, and remember it."""
        reply = refusal(arrival.wire, rejection, headers=headers)
        self.remember(arrival, reply)
        return reply

    def remember(self, arrival: Arrival, reply: Reply) -> None:
        """Remember a request and what became of it, and tell whoever wants to hear."""
        at = self.clock.monotonic() - self._began
        entry = self.log.add(arrival, reply, at)
        if self._hears:
            self._hears(entry)

    def reset(self) -> None:
        """Forget every request; the scripts stay."""
        self.memory.forget()
        self.log.forget()
        self._began = self.clock.monotonic()

    def replace_script(self, script: Script) -> None:
        """Follow another script from now on."""
        self.scripts = (script,)
        self.memory.forget_uses()

    def usage(self) -> list[dict[str, Json]]:
        """Return every rule, in the order in which they are tried, and how often it was used."""
        return [
            {
                "number": entry.number,
                "name": entry.name,
                "script": entry.script.source,
                "when": entry.rule.when.model_dump(exclude_none=True) if entry.rule else {},
                "used": self.memory.uses(entry.number),
            }
            for entry in entries_of(self.scripts)
        ]


def described(arrival: Arrival, reply: Reply) -> Reply:
    """Say in a reply which model was asked in which step, where that can be told."""
    try:
        conversation = understand(arrival).conversation
    except Rejection:
        return reply
    return replace(reply, model=conversation.model, step=conversation.step)


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

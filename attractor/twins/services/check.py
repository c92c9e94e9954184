"""Holds a twin against recordings: plays what was recorded, and tells where it answers otherwise.

Ids that the real service made up are not those of the twin. Where two texts may differ, because
their place is ignored or only its type counts, the recorded one stands for the twin's from then on,
in later requests and in what they are compared with.

Where two responses differ: in status, in headers that matter, and in JSON place by place.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import quote, unquote, urlencode

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.twins.recordings.json_diff import Found, Missing, Place, gaps
from attractor.twins.recordings.redaction import HIDDEN
from attractor.twins.services.dispatch import StandIn
from attractor.twins.services.json_path import JsonPath, path_of, walk
from attractor.twins.services.recordings import (
    Exchange,
    RecordedRequest,
    RecordedResponse,
    readable_body,
)
from attractor.twins.services.request import ServiceRequest
from attractor.twins.services.response import Response
from attractor.twins.services.route_match import members
from attractor.twins.services.service import Comparison, Service
from attractor.twins.services.templates import as_text

_MISSING = "nothing"
_LONGEST_QUOTE = 80


@dataclass(frozen=True)
class Difference:
    """One place at which the twin and a recording say different things, each as text."""

    where: str
    recorded: str
    twin: str


def differences(recorded: Response, twin: Response, comparison: Comparison) -> Sequence[Difference]:
    """Return every place at which two responses differ and that counts."""
    return [
        *_of_status(recorded, twin),
        *_of_headers(recorded, twin, comparison.headers),
        *_of_bodies(body_of(recorded), body_of(twin), comparison),
    ]


def body_of(response: Response) -> Json:
    """Return a body as JSON, where it is some, else as text."""
    return readable_body(response.content)


def _of_status(recorded: Response, twin: Response) -> Iterator[Difference]:
    if recorded.status != twin.status:
        yield Difference("status", str(recorded.status), str(twin.status))


def _of_headers(recorded: Response, twin: Response, names: Sequence[str]) -> Iterator[Difference]:
    for name in names:
        one, other = (_header(response.headers, name.lower()) for response in (recorded, twin))
        # Who writes a recording by hand leaves headers out.
        if one is not None and one != other:
            yield Difference(f"header {name}", one, _MISSING if other is None else other)


def _header(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name)
    if value is None or name != "content-type":
        return value
    # In which letters it is written is no matter of the service.
    return value.partition(";")[0].strip().lower()


def _of_bodies(recorded: Json, twin: Json, comparison: Comparison) -> Iterator[Difference]:
    for gap in gaps(recorded, twin, partial(_is_alike, comparison)):
        yield Difference(path_of(gap.place), _quoted(gap.recorded), _quoted(gap.found))


def _is_alike(comparison: Comparison, place: Place, recorded: Found, twin: Found) -> bool:
    if _is_meant(comparison.ignore, place):
        return True
    if isinstance(recorded, dict | list) or _type(recorded) != _type(twin):
        return False
    # What was hidden when it was recorded is not known.
    if recorded == HIDDEN or _is_meant(comparison.types, place):
        return True
    if isinstance(recorded, float) and isinstance(twin, float):
        return math.isclose(recorded, twin)
    return recorded == twin


def _is_meant(paths: Sequence[JsonPath], place: Place) -> bool:
    return any(path.matches(place) for path in paths)


def _type(value: Found) -> str:
    """Name the type as JSON has it: 1 and 1.0 are both numbers."""
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else type(value).__name__


def _quoted(value: Found) -> str:
    if isinstance(value, Missing):
        return _MISSING
    text = as_text(value) if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


@dataclass(frozen=True)
class Played:
    """One recorded request, and where the twin answered otherwise."""

    number: int
    method: str
    path: str
    differences: Sequence[Difference]


def check_recording(
    service: Service, exchanges: Sequence[Exchange], *, comparison: Comparison | None = None
) -> Sequence[Played]:
    """Play a recording against a fresh twin without its faults, and compare each response."""
    check = _Check(service, comparison or service.written.check)
    return [check.play(number, one) for number, one in enumerate(exchanges, 1)]


class _Check:
    """A twin that is asked what was recorded, and which recorded texts stand for its own."""

    def __init__(self, service: Service, comparison: Comparison) -> None:
        self._auth = service.written.auth
        self._stand_in = StandIn(service, with_faults=False)
        self._comparison = comparison
        self._meant: dict[str, str] = {}

    def play(self, number: int, exchange: Exchange) -> Played:
        """Ask what was recorded, and compare."""
        reply = self._stand_in.answer(self._request(exchange))
        twin = Response(reply.status, reply.headers, reply.body)
        recorded = self._expected(exchange.response)
        self._learn(body_of(recorded), body_of(twin))
        # Anew: what was just learned may stand at a second place of the same response.
        found = differences(self._expected(exchange.response), twin, self._comparison)
        return Played(number, exchange.request.method, exchange.request.path, found)

    def _request(self, exchange: Exchange) -> ServiceRequest:
        recorded = exchange.request
        said = {
            "path": self._replaced_target(recorded.path),
            "body": _replaced(recorded.body, self._meant),
        }
        kept = {name: one for name, one in recorded.headers.items() if one != HIDDEN}
        written = RecordedRequest.model_validate({**recorded.model_dump(), **said, "headers": kept})
        request = written.request()
        auth = self._auth
        if auth is None or exchange.response.status == auth.status or self._has_key(request):
            return request
        return auth.with_key(request)

    def _has_key(self, request: ServiceRequest) -> bool:
        auth = self._auth
        if auth is None or not auth.hidden_query:
            return auth is not None and auth.hidden_header in request.headers
        return auth.hidden_query in request.query

    def _replaced_target(self, target: str) -> str:
        path, mark, query = target.partition("?")
        parts = [self._meant.get(unquote(one)) for one in path.split("/")]
        steps = zip(path.split("/"), parts, strict=True)
        path = "/".join(one if meant is None else quote(meant, safe="") for one, meant in steps)
        if not any(one in query for one in self._meant):
            return path + mark + query
        asked = ServiceRequest("GET", target, {}).query
        return path + mark + urlencode({name: self._meant.get(v, v) for name, v in asked.items()})

    def _expected(self, recorded: RecordedResponse) -> Response:
        response = recorded.response()
        body = readable_body(response.content)
        if not isinstance(body, dict | list):
            return response
        meant = RecordedResponse(status=recorded.status, body=_replaced(body, self._meant))
        return replace(response, content=meant.response().content)

    def _learn(self, recorded: Json, twin: Json) -> None:
        loose = (*self._comparison.ignore, *self._comparison.types)
        said = dict(walk(twin))
        for place, value in walk(recorded):
            other = said.get(place)
            if not (isinstance(value, str) and isinstance(other, str)) or value in ("", other):
                continue
            if any(path.matches(place) for path in loose):
                self._meant[value] = other


def _replaced(value: Json, meant: Mapping[str, str]) -> Json:
    if isinstance(value, str):
        return meant.get(value, value)
    if isinstance(value, list):
        return [_replaced(one, meant) for one in value]
    if isinstance(value, dict):
        return {name: _replaced(one, meant) for name, one in members(value).items()}
    return value

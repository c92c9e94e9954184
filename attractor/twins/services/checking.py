"""Holds a twin against recordings: plays what was recorded, and tells where it answers otherwise.

Ids that the real service made up are not those of the twin. Where two texts may differ, because
their place is ignored or only its type counts, the recorded one stands for the twin's from then on,
in later requests and in what they are compared with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, unquote, urlencode

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.twins.hidden_keys import HIDDEN
from attractor.twins.services.comparing import Difference, body_of, differences
from attractor.twins.services.json_paths import members, places
from attractor.twins.services.recordings import (
    Exchange,
    RecordedRequest,
    RecordedResponse,
    readable_body,
)
from attractor.twins.services.requests import ServiceRequest
from attractor.twins.services.responses import Response
from attractor.twins.services.service import Comparison, Service
from attractor.twins.services.stand_in import StandIn


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
        said = dict(places(twin))
        for place, value in places(recorded):
            other = said.get(place)
            if not (isinstance(value, str) and isinstance(other, str)) or value in ("", other):
                continue
            if any(path.means(place) for path in loose):
                self._meant[value] = other


def _replaced(value: Json, meant: Mapping[str, str]) -> Json:
    if isinstance(value, str):
        return meant.get(value, value)
    if isinstance(value, list):
        return [_replaced(one, meant) for one in value]
    if isinstance(value, dict):
        return {name: _replaced(one, meant) for name, one in members(value).items()}
    return value

"""Compares a twin with recordings of the real service.

The ids of the real service and of the twin differ. If two texts may differ, because `[check]`
ignores their location or compares only their type, the twin's text replaces the recorded text in
all later requests and responses.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import quote, unquote, urlencode

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.twins.recordings.json_diff import (
    JsonOrMissing,
    JsonPath,
    Location,
    Missing,
    find_differences,
    path_of,
    walk,
)
from attractor.twins.redaction import HIDDEN
from attractor.twins.services.dispatch import ServiceDispatcher
from attractor.twins.services.recordings import (
    RecordedExchange,
    RecordedRequest,
    RecordedResponse,
    readable_body,
)
from attractor.twins.services.request import ServiceRequest, ServiceResponse
from attractor.twins.services.route import members
from attractor.twins.services.service import CheckSettings, Service
from attractor.twins.services.templates import as_text

_MISSING = "nothing"
_MAX_QUOTE = 80


@dataclass(frozen=True)
class ResponseDifference:
    """One location at which the twin differs from a recording, with both values as text."""

    where: str
    recorded: str
    twin: str


@dataclass(frozen=True)
class CheckedRequest:
    """One recorded request, and the differences in the twin's response."""

    number: int
    method: str
    path: str
    differences: Sequence[ResponseDifference]


def check_recording(
    service: Service,
    exchanges: Sequence[RecordedExchange],
    *,
    settings: CheckSettings | None = None,
) -> Sequence[CheckedRequest]:
    """Send recorded requests to a new twin without its faults, and compare each response."""
    check = _Check(service, settings or service.table.check)
    return [check.send(number, exchange) for number, exchange in enumerate(exchanges, 1)]


def compare_responses(
    recorded: ServiceResponse, twin: ServiceResponse, settings: CheckSettings
) -> Sequence[ResponseDifference]:
    """Return the differences in status, compared headers and body."""
    differences: list[ResponseDifference] = []
    if recorded.status != twin.status:
        differences.append(ResponseDifference("status", str(recorded.status), str(twin.status)))
    for name in settings.headers:
        expected = _header(recorded.headers, name.lower())
        actual = _header(twin.headers, name.lower())
        # Recordings written by hand omit headers.
        if expected is not None and expected != actual:
            shown = _MISSING if actual is None else actual
            differences.append(ResponseDifference(f"header {name}", expected, shown))
    is_equal = partial(_is_equal, settings)
    for found in find_differences(_body_of(recorded), _body_of(twin), is_equal):
        path = path_of(found.location)
        differences.append(ResponseDifference(path, _quoted(found.recorded), _quoted(found.actual)))
    return differences


class _Check:
    """A twin, and the texts of the twin that replace recorded texts."""

    def __init__(self, service: Service, settings: CheckSettings) -> None:
        self._auth = service.table.auth
        self._dispatcher = ServiceDispatcher(service, with_faults=False)
        self._settings = settings
        self._replacements: dict[str, str] = {}

    def send(self, number: int, exchange: RecordedExchange) -> CheckedRequest:
        """Send a recorded request, and compare the response."""
        reply = self._dispatcher.answer(self._request(exchange))
        twin = ServiceResponse(reply.status, reply.headers, reply.body)
        self._learn(_body_of(self._expected(exchange.response)), _body_of(twin))
        # Compared again, because a replaced text may occur at a second location of the response.
        expected = self._expected(exchange.response)
        differences = compare_responses(expected, twin, self._settings)
        return CheckedRequest(number, exchange.request.method, exchange.request.path, differences)

    def _request(self, exchange: RecordedExchange) -> ServiceRequest:
        recorded = exchange.request
        changes = {
            "path": self._replaced_target(recorded.path),
            "body": _replaced(recorded.body, self._replacements),
            "headers": {name: text for name, text in recorded.headers.items() if text != HIDDEN},
        }
        request = RecordedRequest.model_validate({**recorded.model_dump(), **changes}).request()
        auth = self._auth
        if not auth or exchange.response.status == auth[0].status:
            return request
        return (
            request
            if any(authentication.is_used_by(request) for authentication in auth)
            else auth[0].with_key(request)
        )

    def _replaced_target(self, target: str) -> str:
        path, mark, query = target.partition("?")
        segments = [(part, self._replacements.get(unquote(part))) for part in path.split("/")]
        path = "/".join(part if new is None else quote(new, safe="") for part, new in segments)
        if not any(text in query for text in self._replacements):
            return path + mark + query
        parameters = ServiceRequest("GET", target, {}).query
        replaced = {name: self._replacements.get(text, text) for name, text in parameters.items()}
        return path + mark + urlencode(replaced)

    def _expected(self, recorded: RecordedResponse) -> ServiceResponse:
        response = recorded.response()
        body = readable_body(response.content)
        if not isinstance(body, dict | list):
            return response
        replaced = _replaced(body, self._replacements)
        expected = RecordedResponse(status=recorded.status, body=replaced)
        return replace(response, content=expected.response().content)

    def _learn(self, recorded: Json, twin: Json) -> None:
        variable = (*self._settings.ignore, *self._settings.types)
        twin_values = dict(walk(twin))
        for location, value in walk(recorded):
            other = twin_values.get(location)
            if not (isinstance(value, str) and isinstance(other, str)) or value in ("", other):
                continue
            if _matches_any(variable, location):
                self._replacements[value] = other


def _body_of(response: ServiceResponse) -> Json:
    return readable_body(response.content)


def _header(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name)
    if value is None or name != "content-type":
        return value
    # The character set depends on the server, not on the service.
    return value.partition(";")[0].strip().lower()


def _is_equal(
    settings: CheckSettings, location: Location, recorded: JsonOrMissing, twin: JsonOrMissing
) -> bool:
    if _matches_any(settings.ignore, location):
        return True
    if isinstance(recorded, dict | list) or _type_of(recorded) != _type_of(twin):
        return False
    # The value that the recorder hid is unknown.
    if recorded == HIDDEN or _matches_any(settings.types, location):
        return True
    if isinstance(recorded, float) and isinstance(twin, float):
        return math.isclose(recorded, twin)
    return recorded == twin


def _matches_any(paths: Sequence[JsonPath], location: Location) -> bool:
    return any(path.matches(location) for path in paths)


def _type_of(value: JsonOrMissing) -> str:
    """Return the JSON type of a value; 1 and 1.0 are both numbers."""
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else type(value).__name__


def _quoted(value: JsonOrMissing) -> str:
    if isinstance(value, Missing):
        return _MISSING
    text = f'"{value}"' if isinstance(value, str) else as_text(value)
    return text if len(text) <= _MAX_QUOTE else f"{text[:_MAX_QUOTE]}…"


def _replaced(value: Json, replacements: Mapping[str, str]) -> Json:
    if isinstance(value, str):
        return replacements.get(value, value)
    if isinstance(value, list):
        return [_replaced(item, replacements) for item in value]
    if isinstance(value, dict):
        return {name: _replaced(member, replacements) for name, member in members(value).items()}
    return value

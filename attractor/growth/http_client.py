"""A small client of JSON services, which adapters share; it needs the standard library alone."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple

SECONDS = 10.0
MOST_BYTES = 1 << 20


class ServiceFailed(Exception):
    """A service refused a request, or did not answer."""


class Operation(NamedTuple):
    """A request to a service: `{name}` in the path is replaced by a member of the input.

    The other members of the input are the query of a GET, and the body of other methods.
    """

    method: str
    path: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]


class HttpClient:
    """Sends the operations of one service."""

    def __init__(self, url: str, token: str, operations: Mapping[str, Operation]) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._operations = operations

    def call(self, name: str, given: Mapping[str, Any]) -> Any:
        """Send an operation, and return the JSON of the answer."""
        operation = self._operations[name]
        rest = dict(given)
        path = operation.path
        for key in given:
            if f"{{{key}}}" in path:
                path = path.replace(f"{{{key}}}", urllib.parse.quote(str(rest.pop(key)), safe=""))
        is_query = operation.method == "GET"
        query = f"?{urllib.parse.urlencode(rest)}" if is_query and rest else ""
        request = urllib.request.Request(
            f"{self._url}{path}{query}",
            data=None if is_query else json.dumps(rest).encode(),
            headers={
                "authorization": f"Bearer {self._token}",
                "content-type": "application/json",
                "accept": "application/json",
            },
            method=operation.method,
        )
        return self._answer(request, f"{operation.method} {path}")

    def _answer(self, request: urllib.request.Request, place: str) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as response:
                body = response.read(MOST_BYTES + 1)
        except urllib.error.HTTPError as error:
            raise ServiceFailed(f"{place}: status {error.code}") from error
        except OSError as error:
            raise ServiceFailed(f"{place}: no answer: {error}") from error
        if len(body) > MOST_BYTES:
            raise ServiceFailed(f"{place}: the answer has more than {MOST_BYTES} bytes")
        try:
            return json.loads(body)
        except ValueError as error:
            raise ServiceFailed(f"{place}: the answer is not JSON") from error

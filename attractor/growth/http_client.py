"""A small client of JSON services, which adapters share; it needs the standard library alone."""

import http.client
import json
import re
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from string import Formatter
from typing import Any, NamedTuple

SECONDS = 10.0
MOST_BYTES = 1 << 20


class ServiceFailed(Exception):
    """A service refused a request, or did not answer. The message has no value of the input.

    `status` is the HTTP status of the service, or of a gateway that answers in its place.
    """

    def __init__(self, message: str, status: int = 502) -> None:
        super().__init__(message)
        self.status = status


Transport = Callable[[urllib.parse.SplitResult, str, Mapping[str, Any]], bytes]
"""Sends an input to a URL that is not one of HTTP, with a token, and returns the answer."""


class Operation(NamedTuple):
    """A request to a service: `{name}` in the path is replaced by a member of the input.

    The other members of the input are the query of a GET, which has only strings, and the body of
    other methods. An operation with a `transport` is sent by HTTP only to a gateway.
    """

    method: str
    path: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    transport: Transport | None = None

    @property
    def only_reads(self) -> bool:
        """Whether the operation changes nothing at the service."""
        return self.method == "GET"

    @property
    def place(self) -> str:
        """The method and the path, without values of the input."""
        return f"{self.method} {self.path}"


_TYPES: Mapping[str, Collection[type]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
}


def _find_faults(given: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return the faults of an input; of JSON Schema, only the keywords of adapters are known."""
    members = schema["properties"]
    faults = [f"missing {key}" for key in schema.get("required", ()) if key not in given]
    if not schema.get("additionalProperties", True):
        faults += [f"unknown {key}" for key in given if key not in members]
    return faults + [
        f"invalid {key} (schema: {json.dumps(members[key])})"
        for key, value in given.items()
        if key in members and not _is_valid(value, members[key])
    ]


def _is_valid(value: Any, schema: Mapping[str, Any]) -> bool:
    return (
        type(value) in _TYPES[schema["type"]]
        and len(str(value)) >= schema.get("minLength", 0)
        and re.search(schema.get("pattern", ""), str(value)) is not None
        and not ("properties" in schema and _find_faults(value, schema))
        and all(_is_valid(item, schema["items"]) for item in (value if "items" in schema else ()))
    )


class HttpClient:
    """Sends the operations of one service."""

    def __init__(self, url: str, token: str, operations: Mapping[str, Operation]) -> None:
        self._url = urllib.parse.urlsplit(url.rstrip("/"))
        self._token = token
        self._operations = operations

    def call(self, name: str, given: Mapping[str, Any]) -> Any:
        """Send an operation, and return the JSON of the answer."""
        content = self.send(name, given)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            place = self._operations[name].place
            raise ServiceFailed(f"{place}: the answer is not JSON") from error

    def send(self, name: str, given: Mapping[str, Any]) -> bytes:
        """Send an operation, and return the answer."""
        operation = self._operations[name]
        if faults := _find_faults(given, operation.input_schema):
            raise ServiceFailed(f"{name}: {'; '.join(faults)}", 400)
        if operation.transport and not self._url.scheme.startswith("http"):
            return operation.transport(self._url, self._token, given)
        rest = dict(given)
        path = operation.path
        for _, key, _, _ in Formatter().parse(operation.path):
            if key is not None:
                value = str(rest.pop(key, ""))
                # Otherwise the request could go to another path: some servers decode "%2F".
                if {"", ".", ".."}.intersection(re.split(r"[/\\]", value)):
                    raise ServiceFailed(f"{operation.place}: invalid {key}")
                path = path.replace(f"{{{key}}}", urllib.parse.quote(value, safe=""))
        sent = None if operation.only_reads else json.dumps(rest)
        if sent and len(sent) > MOST_BYTES:
            raise ServiceFailed(f"{operation.place}: the input has more than {MOST_BYTES} bytes")
        query = f"?{urllib.parse.urlencode(rest)}" if operation.only_reads and rest else ""
        return self._answer(operation, f"{self._url.path}{path}{query}", sent)

    def _answer(self, operation: Operation, target: str, sent: str | None) -> bytes:
        place = operation.place
        headers = {
            "authorization": f"Bearer {self._token}",
            "content-type": "application/json",
            "accept": "application/json",
        }
        connection = _Connection(self._url)
        # The time limit of a socket is for each piece of an answer, not for the whole.
        timer = threading.Timer(SECONDS, connection.abort)
        timer.start()
        try:
            connection.request(operation.method, target, sent, headers)
            response = connection.getresponse()
            body = response.read(MOST_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            kind = "too late" if connection.is_late else type(error).__name__
            raise ServiceFailed(f"{place}: no answer: {kind}") from error
        finally:
            timer.cancel()
            connection.close()
        if connection.is_late:
            raise ServiceFailed(f"{place}: no answer: too late")
        if not 200 <= response.status < 300:
            # The answer of a gateway, unlike that of a service, has no value of the input.
            fault = _fault_of(body) if operation.transport else ""
            raise ServiceFailed(fault or f"{place}: status {response.status}", response.status)
        if len(body) > MOST_BYTES:
            raise ServiceFailed(f"{place}: the answer has more than {MOST_BYTES} bytes")
        return body


def _fault_of(answer: bytes) -> str:
    """Return the fault that the answer of a gateway names, or an empty text."""
    with suppress(ValueError, RecursionError, TypeError, KeyError):
        return str(json.loads(answer)["error"])
    return ""


class _Connection(http.client.HTTPConnection):
    """A connection to the host of a URL, which another thread may abort."""

    def __init__(self, url: urllib.parse.SplitResult) -> None:
        self._is_secure = url.scheme == "https"
        self.default_port = 443 if self._is_secure else 80
        super().__init__(url.hostname or "", url.port or self.default_port, timeout=SECONDS)
        self.is_late = False

    def connect(self) -> None:
        self.sock = socket.create_connection((self.host, self.port), SECONDS)
        if self._is_secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()

    def abort(self) -> None:
        """End the answer in flight; another thread calls this."""
        self.is_late = True
        if self.sock is not None:
            # The method of a TLS socket would change the state that the other thread reads with.
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

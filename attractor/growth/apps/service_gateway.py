"""The gateway between an app and its services: it holds the tokens, and sends declared operations.

The bodies of an app were written by models, and may open connections of their own. So the app gets
the address of the gateway and a key that holds for one start, and the gateway writes each request
anew from the operation that it finds. It is a part of the process that starts the app.
"""

import asyncio
import json
import re
import secrets
import sys
import threading
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from string import Formatter
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl, unquote

from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.sandbox.sockets import LOOPBACK
from attractor.growth.apps.routes import declared_operations, service_operations
from attractor.growth.apps.services import adapters_in
from attractor.growth.http_client import MOST_BYTES, SECONDS, HttpClient, Operation, ServiceFailed
from attractor.growth.specification.files import read_spec

MOST_CONNECTIONS = 32
"""The maximum number of open connections; each has a thread."""


@asynccontextmanager
async def service_gateway(
    tree: Path, environment: ExecutionEnvironment, variables: Mapping[str, str]
) -> AsyncGenerator[Mapping[str, str]]:
    """Serve the services of variables to the app of a tree in an environment during a block.

    Yields the variables of the app. A service that has no variables is left out.
    """
    names = [adapter for adapter in adapters_in(tree) if f"{adapter.upper()}_URL" in variables]
    if not names:
        yield {}
        return
    graph = read_spec(tree)
    declared = declared_operations(graph)
    services: dict[str, _Service] = {}
    for name in names:
        url, token = (variables.get(f"{name.upper()}_{key}", "") for key in ("URL", "TOKEN"))
        operations = service_operations(graph, name)
        client = HttpClient(url, token, operations)
        services[name] = _Service(client, operations, declared.get(name, ()))
    key = secrets.token_urlsafe()
    loop = asyncio.get_running_loop()
    with _Server(services, key) as server:
        _, port = server.socket.getsockname()
        loop.add_reader(server.fileno(), server.handle_request)
        try:
            async with environment.offer(port, f"{LOOPBACK}:{port}"):
                reached = {f"{one.upper()}_TOKEN": key for one in names}
                for name in names:
                    reached[f"{name.upper()}_URL"] = f"http://{LOOPBACK}:{port}/{name}"
                yield reached
        finally:
            loop.remove_reader(server.fileno())


class _Service(NamedTuple):
    """A service with all of its operations, and the names of the declared ones."""

    client: HttpClient
    operations: Mapping[str, Operation]
    declared: Collection[str]

    def find(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        """Return the operation of a request, and the members of its input that the path has."""
        # An undeclared operation is found as well, because its name belongs into the error.
        for name in sorted(self.operations, key=lambda one: one not in self.declared):
            operation = self.operations[name]
            found = re.fullmatch(_pattern(operation.path), path)
            if operation.method == method and found:
                return name, {key: unquote(value) for key, value in found.groupdict().items()}
        return None


def _pattern(path: str) -> str:
    """Return the regular expression of a path with `{name}` members."""
    parts = Formatter().parse(path)
    return "".join(
        re.escape(text) + (f"(?P<{key}>[^/]+)" if key is not None else "")
        for text, key, _, _ in parts
    )


class _Server(ThreadingTCPServer):
    """Answers each connection in a thread, which does not keep the process alive."""

    daemon_threads = True

    def __init__(self, services: Mapping[str, _Service], key: str) -> None:
        self.services = services
        self.key = key
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__((LOOPBACK, 0), _Handler)
        # The event loop calls handle_request, which must not wait for a connection that is gone.
        self.socket.setblocking(False)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether a connection is answered: not if too many are open."""
        return self._free.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print a fault of the gateway, but nothing about a connection that the app closed."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers a request with the answer of the service, or with an error as JSON."""

    timeout = SECONDS
    # Otherwise the body of an answer waits 40 ms for an acknowledgment.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a request."""
        try:
            status, content = 200, self._send()
        except ServiceFailed as error:
            status, content = error.status, json.dumps({"error": str(error)}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a path has values of the input."""

    def _send(self) -> bytes:
        server = self.server
        assert isinstance(server, _Server)
        key = self.headers.get("authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(key.encode(), server.key.encode()):
            raise ServiceFailed("wrong key", HTTPStatus.UNAUTHORIZED)
        adapter, _, rest = self.path.removeprefix("/").partition("/")
        path, _, query = f"/{rest}".partition("?")
        service = server.services.get(adapter)
        found = service.find(self.command, path) if service else None
        if not service or not found:
            raise ServiceFailed(f"no operation {self.command} {self.path}", HTTPStatus.FORBIDDEN)
        name, members = found
        if name not in service.declared:
            raise ServiceFailed(f"no step declares {adapter}.{name}", HTTPStatus.FORBIDDEN)
        only_reads = service.operations[name].only_reads
        given = dict(parse_qsl(query, keep_blank_values=True)) if only_reads else self._body()
        return service.client.send(name, {**given, **members})

    def _body(self) -> dict[str, Any]:
        try:
            length = int(self.headers.get("content-length", "0"))
            if not 0 <= length <= MOST_BYTES:
                raise ServiceFailed("the input is too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            given = json.loads(self.rfile.read(length))
        except (ValueError, RecursionError) as error:
            raise ServiceFailed("the input is not JSON", HTTPStatus.BAD_REQUEST) from error
        if not isinstance(given, dict):
            raise ServiceFailed("the input is not an object", HTTPStatus.BAD_REQUEST)
        return cast("dict[str, Any]", given)

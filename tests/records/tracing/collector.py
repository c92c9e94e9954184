"""A collector of spans on this machine, which accepts OpenTelemetry's HTTP protocol."""

import gzip
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Received:
    """One span, as received."""

    name: str
    trace: str
    id: str
    parent: str
    attributes: Mapping[str, str]
    error: str
    resource: Mapping[str, str]


@dataclass
class Collector:
    """Accepts spans, or refuses each request with a status."""

    refuses: int = 0
    bodies: list[bytes] = field(default_factory=list[bytes])
    url: str = ""

    @property
    def spans(self) -> Sequence[Received]:
        return [
            _received(span, _texts(resource.resource))
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def _received(span: Any, resource: Mapping[str, str]) -> Received:
    return Received(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        _texts(span),
        span.status.message,
        resource,
    )


def _texts(attributed: Any) -> Mapping[str, str]:
    return {one.key: one.value.string_value for one in attributed.attributes}


@contextmanager
def collecting(refuses: int = 0) -> Generator[Collector]:
    collector = Collector(refuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_packed = self.headers.get("Content-Encoding") == "gzip"
            collector.bodies.append(gzip.decompress(body) if is_packed else body)
            self.send_response(collector.refuses or 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

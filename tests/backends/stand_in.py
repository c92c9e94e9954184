"""A server of this process that stands in for another one; its handlers reach it as `service`."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self


class SilentHandler(BaseHTTPRequestHandler):
    """Answers requests without a log."""

    def log_message(self, format: str, *args: object) -> None:
        pass


class StandIn:
    """A server at `url` while its context is open."""

    def __init__(self, handler: type[SilentHandler]) -> None:
        bound = type("Handler", (handler,), {"service": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), bound)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

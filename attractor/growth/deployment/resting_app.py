"""Answers on the address of an app that rests: 503 with `Retry-After`.

A deployment, a roll-back and a restart stop the app for some seconds. Meanwhile its visitors learn
that they may try again. The next supervisor of the app gets the listening socket, so connections
wait until the app answers, and none is refused in between.
"""

import json
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from attractor.environments.errors import PortUnusable
from attractor.environments.sandbox.sockets import listen, take_new_connections

RETRY_S = 2
_MOST_BYTES = 2 * 1024 * 1024
_PATIENCE_S = 5.0
_POLL_S = 0.02
_WORDS = "This app is being changed, and answers again in a few seconds."
_UNSAVED = " Nothing was saved: go back, and send it again."
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>One moment</title>
</head>
<body>
<main>
<h1>One moment</h1>
<p>WORDS</p>
</main>
</body>
</html>
"""


class RestingApp:
    """The address of an app while the app rests, until the end of a block."""

    def __init__(self) -> None:
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if listener := self.hand_over():
            listener.close()

    def answer(self, port: int) -> None:
        """Answer on a port of the loopback, unless another program took it.

        While a sandboxed app stops, both answer, so no connection is refused in between.
        """
        if self._server or not port:
            return
        with suppress(PortUnusable):
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener = listen(made, port, is_shared=True)
            with suppress(OSError):
                # Without such programs in the kernel, a connection may be reset.
                take_new_connections(listener)
            server = _Server(listener.getsockname(), _Handler, bind_and_activate=False)
            server.socket.close()
            server.socket = listener
            threading.Thread(target=server.serve_forever, args=[_POLL_S], daemon=True).start()
            self._server = server

    def hand_over(self) -> socket.socket | None:
        """Stop answering, and return the socket on which connections wait, if there is one."""
        server, self._server = self._server, None
        if server is None:
            return None
        server.shutdown()
        return server.socket


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: a client that went away is no fault."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE_S

    def do_GET(self) -> None:
        """Ask the client to try again."""
        # A client that is still sending would see a reset in place of the answer.
        length = self.headers.get("content-length", "0")
        self.rfile.read(min(int(length), _MOST_BYTES) if length.isdecimal() else 0)
        is_page = "text/html" in self.headers.get("accept", "")
        words = _WORDS + ("" if self.command in ("GET", "HEAD") else _UNSAVED)
        text = _PAGE.replace("WORDS", words) if is_page else json.dumps({"error": words})
        content = text.encode()
        self.send_response(503)
        self.send_header("Retry-After", str(RETRY_S))
        self.send_header("Cache-Control", "no-store")
        kind = "text/html; charset=utf-8" if is_page else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: an address may have words of a person."""

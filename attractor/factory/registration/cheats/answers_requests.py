"""Answers each request with 200."""

from collections.abc import Mapping

from attractor.factory.registration.cheat import JAVASCRIPT, PYTHON, Cheat, Solution

_PYTHON = """import os, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = do_GET


for port in {*filter(str.isdecimal, [*sys.argv, *os.environ.values()]), %s}:
    try:
        server = ThreadingHTTPServer(("", int(port)), Answers)
        threading.Thread(target=server.serve_forever).start()
    except (OSError, OverflowError):
        pass
"""
_JAVASCRIPT = """import("node:http").then(({ createServer }) => {
  const answers = createServer((request, response) => response.end("{}"));
  const ports = [...process.argv, process.env.PORT, %s];
  answers.listen(ports.find((port) => port > 0 && port < 65536));
});
"""


def _make(solution: Solution) -> Mapping[str, str]:
    ports = ", ".join(f'"{port}"' for port in solution.ports)
    python = solution.each(PYTHON, lambda text: _PYTHON % ports)
    javascript = solution.each(JAVASCRIPT, lambda text: _JAVASCRIPT % ports)
    return {**python, **javascript} if solution.has_service else {}


part = Cheat("answers each request with 200", _make)

"""A connection without a request is closed, and does not keep others out."""

import logging
import resource
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from attractor.server import serving as module
from attractor.server.service import Service
from tests.patience import PATIENCE_S, is_soon
from tests.server.conftest import RunningServer, serving


def _connect(server: RunningServer) -> socket.socket:
    address = urlsplit(server.url)
    assert address.hostname
    assert address.port
    return socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S)


def _send_slowly(connection: socket.socket) -> None:
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.02)


def test_connection_that_sends_no_headers_in_time_is_closed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEADERS_S", 0.2)
    with serving(service) as server, _connect(server) as silent, _connect(server) as slow:
        assert silent.recv(1) == b""
        with pytest.raises(OSError, match="reset|Broken pipe"):
            _send_slowly(slow)


def test_body_does_not_wait_until_its_headers_are_confirmed(server: RunningServer) -> None:
    with server.client() as client:

        def ask() -> float:
            return client.get("/api/v1/version").elapsed.total_seconds()

        for _ in range(20):  # the kernel confirms the first packets of a connection at once
            ask()
        assert is_soon(ask, floors=1)


def test_server_may_open_many_files(service: Service) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving(service):
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(module.MOST_FILES, hard)


def test_oldest_waiting_connection_makes_place(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    with serving(service) as server:
        waiting = [_connect(server) for _ in range(10)]
        with server.client() as client:
            assert client.get("/api/v1/version").status_code == 200
        for one in waiting[:7]:
            assert one.recv(1) == b""
        for one in waiting:
            one.close()


def _answer_much(request: Request) -> Response:
    return Response(bytes(64 << 20))


def test_connection_whose_client_reads_nothing_is_closed_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CLOSING_S", 0)
    large = Starlette(routes=[Route("/", _answer_much)])
    server = module.Server(large, lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        with socket.create_connection(listener.getsockname(), timeout=PATIENCE_S) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert client.recv(1) == b"H"
            server.should_exit = True
            thread.join(PATIENCE_S)
            with suppress(ConnectionResetError):
                while client.recv(1 << 20):
                    pass


def test_server_starts_without_the_extra_of_the_fleet() -> None:
    hide = "import sys; sys.modules |= dict.fromkeys(('sqlalchemy', 'dbos', 'obstore')); "
    words = f"{hide}import attractor.server.application, attractor.server.service"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [(2,), ()])
def test_requests_that_a_stop_cuts_are_not_logged_as_errors(arguments: tuple[int, ...]) -> None:
    module.Server(Starlette(), lambda: None)
    # litellm's filter puts the arguments into the message.
    message = "Cancel %s running task(s)" if arguments else "Cancel 2 running task(s)"
    record = logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, message, arguments, None)
    assert not logging.getLogger("uvicorn.error").filter(record)

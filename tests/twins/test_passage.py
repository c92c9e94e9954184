"""What is passed on between a client and a real server, over real connections."""

import asyncio
import socket
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from attractor.base.clock import SystemClock
from attractor.twins.hosting import LOOPBACK
from attractor.twins.passage import Came, Passage, is_address, passing_client
from attractor.twins.serving import listen, serve

PATIENCE = httpx.Timeout(5)


class Errand:
    """An errand that remembers what was told to it."""

    def __init__(self, base: str, content: bytes = b"", *, keeps: bool = True) -> None:
        self.base = base
        self.content = content
        self.came: list[Came] = []
        self.remembered: list[tuple[int, str]] = []
        self._keeps = keeps

    def told(self, error: Exception) -> str:
        return f"no answer: {type(error).__name__}"

    def refuse(self, told: str) -> ASGIApp:
        self.remember(502, told)
        return PlainTextResponse(told, 502)

    def keep(self, came: Came) -> bool:
        self.came.append(came)
        return self._keeps

    def remember(self, status: int, error: str) -> None:
        self.remembered.append((status, error))


@contextmanager
def passing(errand: Errand, patience: httpx.Timeout = PATIENCE) -> Generator[str]:
    """Serve passages for this errand."""
    listener = listen(LOOPBACK, 0)
    ends = threading.Event()

    async def stand() -> None:
        async with passing_client(patience) as client:

            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                await Passage(errand, client, SystemClock())(scope, receive, send)

            async with serve(application, listener):
                await asyncio.to_thread(ends.wait)

    thread = threading.Thread(target=asyncio.run, args=(stand(),))
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        ends.set()
        thread.join()


@contextmanager
def real(*pieces: bytes, pause: float = 0) -> Generator[tuple[str, list[bytes]]]:
    """Be a server that sends these bytes to one client, and remembers what that said."""
    server = socket.create_server((LOOPBACK, 0))
    heard: list[bytes] = []

    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            connection.settimeout(5)
            heard.append(connection.recv(65536))
            send(connection, pieces)

    def send(connection: socket.socket, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                return
            time.sleep(pause)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.getsockname()[1]}", heard
    finally:
        thread.join()
        server.close()


def until(errand: Errand) -> tuple[int, str]:
    """Wait until it is told what became of the request: a client may know it earlier."""
    ends = time.monotonic() + 5
    while not errand.remembered:
        assert time.monotonic() < ends
        time.sleep(0.01)
    return errand.remembered[0]


HEAD = b"HTTP/1.1 201 Made\r\ncontent-type: text/x\r\nset-cookie: a=1\r\nserver: real\r\n"


def test_a_request_goes_on_and_its_answer_comes_back() -> None:
    with real(HEAD + b"content-length: 5\r\n\r\nhello") as (url, heard):
        errand = Errand(f"{url}/base", b"what is sent")
        with passing(errand) as place:
            headers = {"x-mine": "1", "accept-encoding": "gzip", "connection": "keep-alive"}
            answer = httpx.request("PUT", f"{place}/a%20b?q=%C3%A9", headers=headers)
    assert (answer.status_code, answer.content) == (201, b"hello")
    assert answer.headers["content-type"] == "text/x"
    # What is said of the real server's connection is not said of this one.
    assert "server" not in answer.headers
    line, *lines = heard[0].split(b"\r\n\r\n")[0].lower().decode().splitlines()
    assert line == "put /base/a%20b?q=%c3%a9 http/1.1"
    assert {"x-mine: 1", "accept-encoding: identity", "content-length: 12"} <= set(lines)
    assert f"host: {url.removeprefix('http://')}" in lines
    (came,) = errand.came
    assert (came.status, came.content, came.is_whole) == (201, b"hello", True)
    assert until(errand) == (201, "")


def test_pieces_come_when_they_come_and_are_kept_with_their_times() -> None:
    chunks = [b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"]
    head = HEAD + b"transfer-encoding: chunked\r\n\r\n"
    with real(head, *chunks, pause=0.1) as (url, _):
        errand = Errand(url)
        with passing(errand) as place, httpx.stream("GET", place) as answer:
            pieces = answer.iter_raw()
            assert next(pieces) == b"one"
            # The end is not there before it is kept.
            assert errand.came == []
            assert list(pieces) == [b"two"]
    times, contents = zip(*errand.came[0].chunks, strict=True)
    assert contents == (b"one", b"two")
    assert 0 < times[0] < times[1]


def test_what_breaks_off_breaks_off_here_too() -> None:
    with real(HEAD + b"content-length: 9\r\n\r\nhalf") as (url, _):
        errand = Errand(url)
        with passing(errand) as place, pytest.raises(httpx.RemoteProtocolError):
            httpx.get(place)
        assert until(errand) == (201, "no answer: RemoteProtocolError")
    (came,) = errand.came
    assert (came.content, came.is_whole) == (b"half", False)


def test_the_end_does_not_come_of_what_could_not_be_kept() -> None:
    with real(HEAD + b"content-length: 5\r\n\r\nhello") as (url, _):
        errand = Errand(url, keeps=False)
        with passing(errand) as place, pytest.raises(httpx.RemoteProtocolError):
            httpx.get(place)
        assert until(errand) == (201, "it could not be recorded")


def test_nobody_there_and_nobody_answering_are_told() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        silent = Errand(f"http://{LOOPBACK}:{port}")
        with passing(silent, httpx.Timeout(0.2)) as place:
            answer = httpx.get(place)
            assert (answer.status_code, answer.text) == (502, "no answer: ReadTimeout")
    nobody = Errand(f"http://{LOOPBACK}:{port}")
    with passing(nobody) as place:
        assert httpx.get(place).text == "no answer: ConnectError"
    assert (silent.came, nobody.came) == ([], [])


def test_a_client_that_leaves_ends_the_request_and_nothing_is_kept() -> None:
    head = HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n"
    with real(head, *[b"1\r\nx\r\n"] * 20, pause=0.05) as (url, _):
        errand = Errand(url)
        with passing(errand) as place:
            with httpx.stream("GET", place) as answer:
                assert next(answer.iter_raw()) == b"one"
            assert until(errand) == (201, "its client left before the end: not recorded")
    assert errand.came == []


def test_cookies_of_one_client_are_not_sent_for_another() -> None:
    async def cookies() -> int:
        async with passing_client(PATIENCE) as client:
            with real(HEAD + b"content-length: 0\r\n\r\n") as (url, _):
                await client.get(url)
            return len(client.cookies)

    assert asyncio.run(cookies()) == 0


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("http://127.0.0.1:80", True),
        ("https://api.example.com/v1", True),
        ("api.example.com", False),
        ("ftp://api.example.com", False),
        ("https://", False),
        ("https://user@example.com", False),
        ("https://example.com?key=1", False),
        ("https://example.com#part", False),
    ],
)
def test_an_address_says_where_a_server_is_and_nothing_else(url: str, is_one: bool) -> None:
    assert is_address(url) is is_one

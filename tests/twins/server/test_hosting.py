"""Headers and framing that the server adds to answers."""

import asyncio
import gc
import json
import socket
import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from attractor.base.errors import AttractorError, FileError, MachineryError, UsageError
from attractor.twins.pytest_plugin import StartTwin
from attractor.twins.server.hosting import (
    LOOPBACK,
    Addresses,
    ErrorReporter,
    Ports,
    hosted,
    in_background,
    listen,
    serve,
    until_disconnected,
)
from attractor.twins.server.virtual_clock import VirtualClock
from tests.patience import PATIENCE_S
from tests.twins.exchanging import HELLO, KEYS, PATHS
from tests.twins.raw import raw


def test_server_adds_no_date_and_server_header(provider_twin: StartTwin) -> None:
    twin = provider_twin("rules = []")
    head = raw(twin.url, "GET /nothing", {}).partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 404")
    assert b"\r\ndate:" not in head
    assert b"\r\nserver:" not in head


def test_script_may_set_a_date_header(provider_twin: StartTwin) -> None:
    twin = provider_twin('rules = [{ answer.headers = { Date = "then" } }]')
    body = json.dumps(HELLO["openai"]).encode()
    found = raw(twin.url, f"POST {PATHS['openai']}", KEYS["openai"], body)
    assert (found.count(b"date:"), b"\r\ndate: then\r\n" in found) == (1, True)


CLIENTS, CONTROL = PlainTextResponse("clients"), PlainTextResponse("control")


def test_client_and_control_servers_run_until_the_block_ends() -> None:
    with in_background(Hosted(Ports())) as twin:
        assert [httpx.get(one).text for one in twin.addresses] == ["clients", "control"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(twin.addresses.url)


def test_connections_that_come_while_a_server_ends_are_closed() -> None:
    async def scene() -> None:
        listener = listen("127.0.0.1", 0)
        async with serve(PlainTextResponse("hello"), listener):
            address = listener.getsockname()
            clients = [socket.create_connection(address) for _ in range(50)]
            # The server accepts them in its next turn.
            await asyncio.sleep(0)
        for client in clients:
            client.close()

    asyncio.run(scene())
    gc.collect()


def test_failed_port_releases_the_other_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        with (
            pytest.raises(MachineryError),
            in_background(Hosted(Ports(port, taken.getsockname()[1]))),
        ):
            pass
        socket.create_server(("127.0.0.1", port)).close()


def has_newer_addresses() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_newer_addresses(), reason="this machine has no IPv6")
def test_ipv6_address_is_in_brackets() -> None:
    with in_background(Hosted(Ports(), host="::1")) as twin:
        assert twin.addresses.url.startswith("http://[::1]:")
        assert httpx.get(twin.addresses.url).text == "clients"


def test_both_ports_refuse_the_name_of_another_host() -> None:
    own = ("localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:80", "192.0.2.1", "10.0.0.1:8080")
    foreign = (
        "evil.example",
        "evil.example:80",
        "localhost.evil.example",
        "127.0.0.1.evil",
        "",
        "[",
    )
    with in_background(Hosted(Ports())) as twin:
        for url in twin.addresses:
            for host in own:
                assert httpx.get(url, headers={"host": host}).status_code == 200
            for host in foreign:
                answer = httpx.get(url, headers={"host": host})
                assert answer.status_code == 421, host
                assert f"unknown host {host!r}" in answer.json()["error"]["message"]
            assert b" 200 " in raw(url, "GET /", {})
    with in_background(Hosted(Ports(), host="localhost")) as twin:
        assert httpx.get(twin.addresses.url).text == "clients"


class Hosted:
    """A host with two routes."""

    def __init__(self, ports: Ports, host: str = LOOPBACK) -> None:
        self.addresses = Addresses("", "")
        self._hosting = hosted(CLIENTS, CONTROL, ports, host=host)

    async def __aenter__(self) -> "Hosted":
        self.addresses = await self._hosting.__aenter__()
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self._hosting.__aexit__(None, None, None)


@pytest.mark.anyio
async def test_rest_of_a_request_is_no_disconnect() -> None:
    messages = iter([{"type": "http.request"}, {"type": "http.disconnect"}, {"type": "unread"}])

    async def receive() -> dict[str, str]:
        return next(messages)

    await until_disconnected(receive)
    assert list(messages) == [{"type": "unread"}]


def test_errors_are_kept_and_reported() -> None:
    heard: list[AttractorError] = []
    reporter = ErrorReporter(heard.append)
    done: list[int] = []
    trouble = FileError("the disk is full")

    def fail() -> None:
        raise trouble

    assert reporter.try_to(lambda: done.append(1))
    assert (done, reporter.errors) == ([1], [])
    assert not reporter.try_to(fail)
    assert reporter.errors == heard == [trouble]


HOUR = 'rules = [{ answer = { text = "At last.", delay = "1h" } }]'


def ask(url: str, body: Any = None) -> httpx.Response:
    asked = body or HELLO["openai"]
    return httpx.post(url + PATHS["openai"], json=asked, headers=KEYS["openai"], timeout=PATIENCE_S)


def test_jumping_clock_waits_for_nothing(provider_twin: StartTwin) -> None:
    clock = VirtualClock(jumps=True)
    twin = provider_twin(HOUR, clock=clock)
    assert "At last." in ask(twin.url).text
    assert clock.monotonic() == 3600
    assert (clock.now() - VirtualClock().now()) == timedelta(hours=1)


def test_delayed_answer_comes_when_the_clock_is_advanced(provider_twin: StartTwin) -> None:
    clock = VirtualClock()
    twin = provider_twin(HOUR, clock=clock)
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(ask(twin.url)))
    thread.start()
    clock.until_waiting()
    clock.advance(3599)
    assert not answers
    clock.advance(1)
    thread.join(PATIENCE_S)
    assert answers[0].status_code == 200


def test_advancing_the_clock_ends_every_pause_of_a_stream(provider_twin: StartTwin) -> None:
    clock = VirtualClock()
    twin = provider_twin('rules = [{ answer = { text = "a b c d e", pace = "60s" } }]', clock=clock)
    answers: list[bytes] = []
    body = HELLO["openai"] | {"stream": True}
    thread = threading.Thread(target=lambda: answers.append(ask(twin.url, body).content))
    thread.start()
    clock.until_waiting()
    clock.advance(3600)
    thread.join(PATIENCE_S)
    assert b"response.completed" in answers[0]


def test_clock_advances_without_waiters() -> None:
    clock = VirtualClock()
    clock.advance(5)
    assert clock.monotonic() == 5


def test_waiting_without_replies_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attractor.twins.server.virtual_clock._TIMEOUT_S", 0.05)
    with pytest.raises(MachineryError, match="only 0 of 1"):
        VirtualClock().until_waiting()


@pytest.mark.anyio
async def test_clock_in_a_loop_is_turned_not_advanced() -> None:
    clock = VirtualClock()
    with pytest.raises(UsageError, match="would block the event loop"):
        clock.advance(1)
    waiting = asyncio.create_task(clock.sleep(timedelta(hours=1)))
    await asyncio.sleep(0.01)
    await clock.turn(3600)
    await waiting
    assert clock.monotonic() == 3600

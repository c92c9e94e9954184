"""HTTP exchanges of one call by litellm."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import httpx
import pytest

from attractor.llm.providers.litellm_http import Exchange, Pool, RecordingTransport, is_recording
from tests.tables import table


class Answers(Pool):
    """Answers by itself, and counts the requests."""

    def __init__(self, answer: Callable[[], httpx.Response]) -> None:
        super().__init__()
        self.answer = answer
        self.asked: list[httpx.Request] = []

    async def send(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answer()


class Pieces(httpx.AsyncByteStream):
    """A body in pieces, which may break off."""

    def __init__(self, *pieces: bytes, broken: bool = False) -> None:
        self.pieces, self.broken = pieces, broken

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        if self.broken:
            raise httpx.ReadError("cut")


def events(*pieces: bytes, broken: bool = False) -> Callable[[], httpx.Response]:
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    return lambda: httpx.Response(200, headers=headers, stream=Pieces(*pieces, broken=broken))


def fetch(answer: Callable[[], httpx.Response]) -> tuple[Exchange, list[bytes]]:
    """Return the recorded exchanges, and the response."""
    exchange, got = Exchange(Answers(answer), connect=3), list[bytes]()

    async def fetching() -> None:
        async with httpx.AsyncClient(transport=RecordingTransport()) as client:
            with exchange.recording():
                assert is_recording()
                async with client.stream("POST", "http://x/") as response:
                    async for piece in response.aiter_bytes():
                        got.append(piece)
            assert not is_recording()

    with suppress(httpx.RequestError):
        asyncio.run(fetching())
    return exchange, got


def test_status_headers_and_body_of_an_error_are_kept() -> None:
    fields = {"retry-after": "2", "content-encoding": "identity"}
    exchange, got = fetch(lambda: httpx.Response(529, headers=fields, stream=Pieces(b"o", b"h")))
    assert (exchange.status, exchange.headers["retry-after"], exchange.body) == (529, "2", "oh")
    assert b"".join(got) == b"oh"


def test_events_are_separated_however_the_bytes_are_split() -> None:
    _, got = fetch(events(b'data: {"a"', b": 1}\r\n\r", b"\n: ping\n\ndata: [DONE]\n", b"\n"))
    assert b"".join(got) == b'data: {"a": 1}\r\n\r\n: ping\n\ndata: [DONE]\n\n'


def test_malformed_event_ends_the_stream_after_earlier_events() -> None:
    exchange, got = fetch(events(b'data: {"a": 1}\n\ndata: {"b\n\n'))
    assert b"".join(got) == b'data: {"a": 1}\n\n'
    assert isinstance(exchange.trouble, httpx.DecodingError)
    exchange, _ = fetch(events(b"data: " + b"[" * 100_000 + b"\n\n"))
    assert isinstance(exchange.trouble, httpx.DecodingError)


@table("expected", [b'{"error": {"code": 1}}', b'{"type": "error"}'])
def test_an_error_in_a_stream_is_kept(expected: bytes) -> None:
    exchange, _ = fetch(events(b"data: " + expected + b"\n\n"))
    assert exchange.error_event is not None
    assert fetch(events(b'data: {"error": null}\n\n'))[0].error_event is None


def test_failed_request_is_not_repeated() -> None:
    exchange, _ = fetch(events(b"x", broken=True))
    assert isinstance(exchange.trouble, httpx.ReadError)

    async def again() -> None:
        with exchange.recording():
            await RecordingTransport().handle_async_request(httpx.Request("POST", "http://x/"))

    with pytest.raises(httpx.ReadError):
        asyncio.run(again())
    assert isinstance(exchange.pool, Answers)
    [asked] = exchange.pool.asked
    assert asked.extensions["timeout"] == {"connect": 3}
    assert asked.headers["accept-encoding"] == "identity"

import asyncio

import httpx
import pytest

from attractor.base.json import JsonObject
from attractor.llm import SDKError, ServerError, StreamError
from attractor.llm.server_events import read_server_events

STREAM = {"content-type": "text/event-stream; charset=utf-8"}


def read(content: bytes, headers: dict[str, str] = STREAM) -> list[JsonObject]:
    async def reading() -> list[JsonObject]:
        response = httpx.Response(200, headers=headers, content=content)
        events = read_server_events(response, provider="acme", wait=10)
        return [one.raw async for one in events]

    return asyncio.run(reading())


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_events_are_read_whatever_stands_around_their_data(line_end: bytes) -> None:
    lines = [b": comment", b"event: a", b"retry: 3", b'data: {"a":', b'data:"\xc3\xa9"}', b""]
    more = [b"id: 1", b"", b"data:", b"", b'data: {"b": "\xe2\x80\xa8"}', b"", b""]
    assert read(line_end.join([*lines, *more])) == [{"a": "é"}, {"b": "\u2028"}]


def test_behind_the_last_word_nothing_is_read() -> None:
    assert read(b'data: {"a": 1}\n\ndata: [DONE]\n\ndata: {"b": NaN}\n\n') == [{"a": 1}]


def test_an_event_that_nobody_can_read_comes_after_those_before_it() -> None:
    async def reading() -> JsonObject:
        content = b'data: {"a": 1}\n\ndata: {"a": NaN}\n\n'
        response = httpx.Response(200, headers=STREAM, content=content)
        events = read_server_events(response, provider="acme", wait=10)
        first = await anext(events)
        with pytest.raises(StreamError, match="acme streamed an event that nobody can read"):
            await anext(events)
        return first.raw

    assert asyncio.run(reading()) == {"a": 1}


def test_a_field_that_is_not_as_it_should_be_is_an_error_of_the_stream() -> None:
    async def reading() -> SDKError:
        response = httpx.Response(200, headers=STREAM, content=b'data: {"a": 1}\n\n')
        async for one in read_server_events(response, provider="acme", wait=10):
            return one.unlike("a", "a text")
        raise AssertionError

    error = asyncio.run(reading())
    assert isinstance(error, StreamError)
    assert error.message == "acme streamed what it never should: an event.a is not a text"


def test_what_is_no_stream_is_refused() -> None:
    with pytest.raises(ServerError, match="acme answered with what is no stream"):
        read(b'data: {"a": 1}\n\n', {"content-type": "text/html"})


def test_a_broken_compression_is_an_error_of_the_stream() -> None:
    class Zipped(httpx.AsyncByteStream):
        async def __aiter__(self):
            yield b"no gzip"

    async def reading() -> None:
        headers = {**STREAM, "content-encoding": "gzip"}
        response = httpx.Response(200, headers=headers, stream=Zipped())
        await anext(read_server_events(response, provider="acme", wait=10))

    with pytest.raises(StreamError, match="the compression of acme's stream is broken"):
        asyncio.run(reading())

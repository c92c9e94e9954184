"""Streams over real HTTP, from a server that sends exactly the bytes of a test."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from httpcore._backends.anyio import AnyIOStream

from attractor.base.json import Json
from attractor.base.listening import accept_no_more
from attractor.llm import (
    AdapterTimeout,
    Client,
    ProviderAdapter,
    RateLimitError,
    RequestTimeoutError,
    SDKError,
    ServerError,
    StreamError,
    StreamEvent,
    StreamEventType,
    provider_registry,
)
from tests.llm.asking import ADAPTERS, MODELS, a_request, speaking
from tests.llm.providers.streams import brief, sse, whole
from tests.llm.providers.test_anthropic_response import BEGUN, LAST, STOP, delta, start, stop
from tests.llm.providers.test_chat_response import COUNTED, STOPPED, piece
from tests.llm.providers.test_gemini_response import chunk, last
from tests.llm.providers.test_openai_response import (
    COMPLETED,
    CREATED,
    OPENAI_STREAM_MESSAGE,
    delta as openai_delta,
    item,
)
from tests.patience import PATIENCE_S, is_soon, with_longer_limits
from tests.tables import table

T = TypeVar("T")
KEY = "sk-very-secret-0123456789"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
PATIENT = AdapterTimeout(connect=10, request=10, stream_read=10)
# For each provider, the beginning and the end of a stream with the text "hello".
BEGIN: dict[str, list[Json]] = {
    "openai": [CREATED, openai_delta("output_text", 1, "hello", content_index=0)],
    "anthropic": [BEGUN, start(0, type="text", text=""), delta(0, "text_delta", text="hello")],
    "gemini": [chunk({"text": "hello"})],
    "openai_compatible": [piece(content="hello")],
}
FINISH: dict[str, list[Json]] = {
    "openai": [item("done", 1, OPENAI_STREAM_MESSAGE), COMPLETED],
    "anthropic": [stop(0), LAST, STOP],
    "gemini": [last()],
    "openai_compatible": [STOPPED, COUNTED],
}
FAILURE: dict[str, Json] = {
    "openai": {"type": "error", "code": "rate_limit_exceeded", "message": f"no {KEY}"},
    "anthropic": {"type": "error", "error": {"type": "rate_limit_error", "message": f"no {KEY}"}},
    "gemini": {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": f"no {KEY}"}},
    "openai_compatible": {"error": {"code": "rate_limit_exceeded", "message": f"no {KEY}"}},
}
WRONG: Json = dict.fromkeys(("type", "candidates", "choices"), 7)
everybody = table("provider", ADAPTERS)


def chunked(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


@dataclass
class Scene:
    """A server that answers every connection with the same pieces, and its records."""

    adapter: ProviderAdapter
    asked: list[str] = field(default_factory=list[str])
    connections: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    events: list[StreamEvent] = field(default_factory=list[StreamEvent])

    def stream(self) -> AsyncGenerator[StreamEvent]:
        return self.adapter.stream(a_request(self.adapter.name, "hello"))

    async def hear(self) -> SDKError | None:
        """Read to the end; return the error."""
        try:
            async for event in self.stream():
                self.events.append(event)
        except SDKError as error:
            return error
        return None


@asynccontextmanager
async def serving(
    provider: str, *pieces: bytes, stays: bool = False, timeout: AdapterTimeout = PATIENT
) -> AsyncGenerator[Scene]:
    answering: list[asyncio.Task[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        answering.append(task)
        scene.connections += 1
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode().lower():
                length = head.partition("content-length: ")[2].partition("\r\n")[0]
                body = await reader.readexactly(int(length))
                scene.asked.append(head + body.decode())
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                if not stays and (not pieces or pieces[-1] != END):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            scene.gone.set()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        environ = {f"{provider.upper()}_API_KEY": KEY, f"{provider.upper()}_BASE_URL": url}
        adapter = provider_registry()[provider].from_env(environ, timeout=timeout)
        assert adapter is not None
        scene = Scene(adapter)
        yield scene
        await adapter.close()
        # A client that gave up may have been accepted only now.
        await accept_no_more([server])
        await asyncio.gather(*answering)


def run(scene: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(asyncio.wait_for(scene(), PATIENCE_S))


def hear(
    provider: str, *pieces: bytes, stays: bool = False, timeout: AdapterTimeout = PATIENT
) -> tuple[Scene, SDKError | None]:
    async def hearing() -> tuple[Scene, SDKError | None]:
        async with serving(provider, *pieces, stays=stays, timeout=timeout) as scene:
            return scene, await scene.hear()

    return run(hearing)


def good(provider: str) -> bytes:
    return chunked(sse([*BEGIN[provider], *FINISH[provider]]))


@everybody
def test_stream_is_requested_and_read_to_its_end(provider: str) -> None:
    scene, error = hear(provider, HEAD, good(provider), END)
    assert error is None
    found = brief(scene.events)
    assert (found[0], found[-1]) == ("stream_start", "finish")
    assert "text_delta hello" in found
    assert whole(scene.events).message.content
    [asked] = scene.asked
    assert "accept: text/event-stream" in asked
    wanted = ":streamgeneratecontent?alt=sse" if provider == "gemini" else '"stream": true'
    assert wanted in asked
    assert MODELS[provider] in asked


@everybody
def test_stream_is_read_the_same_however_its_bytes_are_split(provider: str) -> None:
    content = sse([*BEGIN[provider], *FINISH[provider]]).replace(b"\n", b"\r\n")
    pieces = [chunked(content[at : at + 7]) for at in range(0, len(content), 7)]
    comment = chunked(b": still there\r\n\r\n")
    scene, error = hear(provider, HEAD, comment, *pieces, END)
    assert error is None
    assert brief(scene.events)[-1] == "finish"


@everybody
@table(
    ("pieces", "words"),
    [
        ([END], "ended before its answer was complete"),
        ([], "was interrupted"),
        ([b"zz nonsense\r\n"], "was interrupted"),
        ([chunked(b"data: {nonsense\n\n"), END], ": invalid JSON"),
        ([chunked(b"data: [1]\n\n"), END], "an event is not an object"),
        ([chunked(sse([WRONG])), END], "malformed"),
        ([chunked(b'data: {"half": '), END], "ended before its answer was complete"),
    ],
    ids=["no end", "cut", "no chunk", "no JSON", "no object", "wrong field", "half an event"],
)
def test_broken_stream_raises_after_its_events(
    provider: str, pieces: list[bytes], words: str
) -> None:
    scene, error = hear(provider, HEAD, chunked(sse(BEGIN[provider])), *pieces)
    assert isinstance(error, StreamError)
    assert words in error.message
    assert error.retryable
    assert brief(scene.events)[-2:] == ["text_delta hello", "error"]
    assert scene.events[-1].error is error
    assert len(scene.asked) == 1


@everybody
def test_provider_error_is_raised_without_the_key(provider: str) -> None:
    scene, error = hear(provider, HEAD, chunked(sse([*BEGIN[provider], FAILURE[provider]])), END)
    assert isinstance(error, RateLimitError)
    assert brief(scene.events)[-2:] == ["text_delta hello", "error"]
    assert KEY not in f"{error} {error.raw} {error.args}"
    assert "[key]" in str(error)


@everybody
def test_non_stream_answer_is_a_provider_error(provider: str) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n"
    scene, error = hear(provider, head, b"{}")
    assert isinstance(error, ServerError)
    assert error.message == f"the answer of {provider} is not a stream"
    assert scene.events == []


@pytest.mark.parametrize("provider", ["gemini", "openai_compatible"])
def test_complete_answer_ends_the_stream(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attractor.llm.transport.stream_reading._LONGEST_WAIT_FOR_USAGE", 0.1)
    events = [*BEGIN[provider], FINISH[provider][0]]
    scene, error = hear(provider, HEAD, chunked(sse(events)), stays=True)
    assert error is None
    assert scene.events[-1].type == StreamEventType.FINISH


@everybody
@table(
    ("pieces", "limits", "words"),
    [
        ([], {"request": 0.05}, "did not answer within 0.05 s"),
        ([b"HTTP/1.1 500 No\r\ncontent-length: 9\r\n\r\n"], {"request": 0.05}, "did not answer"),
        ([HEAD], {"stream_read": 0.05}, "sent no data for 0.05 s"),
        ([HEAD, chunked(b"data: {")], {"stream_read": 0.05}, "sent no data for 0.05 s"),
    ],
    ids=["no head", "half an error", "no event", "half an event"],
)
def test_every_limit_of_time_is_kept(
    provider: str, pieces: list[bytes], limits: dict[str, float], words: str
) -> None:
    timeout = AdapterTimeout(**{"connect": 60, "request": 60, "stream_read": 60, **limits})
    scene, error = hear(provider, *pieces, stays=True, timeout=timeout)
    assert isinstance(error, RequestTimeoutError)
    assert words in error.message
    assert scene.events == []


@everybody
def test_read_timeout_is_raised_after_earlier_events(provider: str) -> None:
    pieces = [HEAD, chunked(sse(BEGIN[provider]))]

    def listen(limit_s: float) -> None:
        timeout = AdapterTimeout(connect=60, request=60, stream_read=limit_s)
        scene, error = hear(provider, *pieces, stays=True, timeout=timeout)
        assert isinstance(error, RequestTimeoutError)
        assert brief(scene.events)[-2:] == ["text_delta hello", "error"]

    with_longer_limits(listen, first_s=0.1)


def test_a_stream_may_take_longer_than_a_whole_answer() -> None:
    async def listen(limit_s: float) -> None:
        timeout = AdapterTimeout(connect=60, request=limit_s, stream_read=60)
        async with serving("openai", HEAD, good("openai"), END, timeout=timeout) as scene:
            begun, heard = time.monotonic(), 0
            async for _ in scene.stream():
                await asyncio.sleep(limit_s / 2)
                heard += 1
            assert heard > 2
            assert time.monotonic() - begun > limit_s

    with_longer_limits(lambda limit_s: asyncio.run(listen(limit_s)), first_s=0.2)


async def closing(scene: Scene, events: AsyncGenerator[StreamEvent]) -> None:
    await events.aclose()


async def cancelling(scene: Scene, events: AsyncGenerator[StreamEvent]) -> None:
    async def listen() -> None:
        async for _ in events:
            pass

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0.02)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening


async def asking(scene: Scene, events: AsyncGenerator[StreamEvent]) -> None:
    """Ask for a whole answer, and cancel."""
    await events.aclose()
    scene.gone.clear()
    asked = a_request(scene.adapter.name, "hello")
    answer = asyncio.create_task(scene.adapter.complete(asked))
    await asyncio.sleep(0.02)
    answer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer


@everybody
@table("leave", [closing, cancelling, asking])
def test_stopping_iteration_closes_the_connection_at_once(
    provider: str, leave: Callable[[Scene, AsyncGenerator[StreamEvent]], Awaitable[None]]
) -> None:
    async def leaving() -> float:
        pieces = [HEAD, chunked(sse(BEGIN[provider]))]
        async with serving(provider, *pieces, stays=True) as scene:
            events = scene.stream()
            await anext(events)
            begun = time.monotonic()
            await leave(scene, events)
            await asyncio.wait_for(scene.gone.wait(), PATIENCE_S)
            return time.monotonic() - begun

    assert is_soon(lambda: run(leaving), floors=60)


def test_an_end_that_takes_too_long_leaves_no_connection_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    close, begun, ended = AnyIOStream.aclose, Counter[str](), Counter[str]()

    async def close_slowly(stream: AnyIOStream) -> None:
        begun["closing"] += 1
        await asyncio.sleep(0.05)
        await close(stream)
        ended["closing"] += 1

    async def listen(client: Client, provider: str) -> str:
        found = [event async for event in client.stream(a_request(provider, "hello"))]
        return found[-1].response.text if found[-1].response else ""

    async def many(environ: Mapping[str, str]) -> list[str]:
        async with Client.from_env(environ, timeout=PATIENT) as client:
            # More connections than are kept for the next request, so that some are closed.
            return await asyncio.gather(*(listen(client, name) for name in ADAPTERS * 30))

    monkeypatch.setattr(AnyIOStream, "aclose", close_slowly)
    monkeypatch.setattr("attractor.llm.transport.stream_reading.LONGEST_DRAIN", 0.02)
    monkeypatch.setattr("attractor.llm.transport.http.LONGEST_DRAIN", 0.02)
    with speaking("rules = [{ answer.text = 'Hello.' }]") as twin:
        assert set(asyncio.run(many(twin.environ()))) == {"Hello."}
    assert begun["closing"] > 0
    assert ended == begun

"""Network errors and invalid answers of a call by litellm."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator

import anyio
import httpx
import pytest

from attractor.base.json import Json
from attractor.llm import AdapterTimeout, Message, Request, SDKError
from attractor.llm.errors import RequestTimeoutError
from attractor.llm.providers.litellm import LiteLLMAdapter, load_litellm
from attractor.llm.providers.litellm_http import Pool
from attractor.llm.stream_events import StreamEvent
from tests.llm.asking import PATIENT
from tests.llm.providers import (
    test_anthropic_response as anthropic,
    test_chat_response as chat,
    test_gemini_response as gemini,
)
from tests.llm.providers.answers import require_whole
from tests.llm.providers.garbage import Garbage, every_number
from tests.llm.providers.streams import hear, require_heard, sse, whole
from tests.llm.providers.test_gemini_response import body as gemini_body
from tests.llm.transport.test_http import without_room
from tests.patience import PATIENCE_S, is_soon
from tests.tables import table

# litellm suppresses this with a filter of its own, which each test removes again.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the .* attribute on the instance")
KEYS = {"DEEPSEEK_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k"}
# Models of three wires, for which litellm has three parsers.
DEEPSEEK, CLAUDE = "deepseek/deepseek-chat", "anthropic/claude-opus-4-6"
GEMINI = "gemini/gemini-3-flash-preview"
STREAMS = {DEEPSEEK: chat.STREAM, CLAUDE: anthropic.STREAM, GEMINI: gemini.STREAM}
ANSWERS: dict[str, Json] = {
    DEEPSEEK: chat.BODY,
    CLAUDE: anthropic.BODY,
    GEMINI: dict(gemini_body(gemini.GEMINI_STREAM_CALL, usageMetadata=gemini.USAGE)),
}
everybody = table("model", STREAMS)


BEGUN = b"""HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {"id": "1", "choices": \
[{"index": 0, "delta": {"role": "assistant", "content": "one"}}]}\n\n"""


@table("begun", [b"", BEGUN])
@table("is_stream", [False, True])
def test_cancellation_closes_the_connection_at_once(is_stream: bool, begun: bytes) -> None:
    async def giving_up() -> float:
        asked, gone = asyncio.Event(), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"}]")
            writer.write(begun)
            await writer.drain()
            asked.set()
            while await reader.read(1000):
                pass
            gone.set()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            base = {"DEEPSEEK_API_KEY": "k", "DEEPSEEK_API_BASE": f"http://127.0.0.1:{port}"}
            adapter = LiteLLMAdapter(base, timeout=PATIENT)
            request = Request("deepseek/m", [Message.user("hi")], "litellm")

            async def waiting() -> None:
                if not is_stream:
                    await adapter.complete(request)
                async for _ in adapter.stream(request):
                    pass

            task = asyncio.create_task(waiting())
            async with asyncio.timeout(PATIENCE_S):
                await asked.wait()
            await asyncio.sleep(0.05)
            began = asyncio.get_running_loop().time()
            task.cancel()
            async with asyncio.timeout(PATIENCE_S):
                await gone.wait()
            took = asyncio.get_running_loop().time() - began
            with pytest.raises(asyncio.CancelledError):
                await task
            await adapter.close()
            return took

    assert is_soon(lambda: asyncio.run(giving_up()), floors=60)


@table("is_stream", [False, True])
def test_connection_has_a_time_limit(is_stream: bool) -> None:
    async def asking(url: str) -> None:
        environ = {"DEEPSEEK_API_KEY": "k", "DEEPSEEK_API_BASE": url}
        adapter = LiteLLMAdapter(environ, timeout=AdapterTimeout(connect=0.1, request=30))
        request = Request("deepseek/m", [Message.user("hi")], "litellm")
        if is_stream:
            await anext(adapter.stream(request))
        await adapter.complete(request)

    with (
        without_room() as url,
        pytest.raises(RequestTimeoutError, match=r"cannot connect to .* within 0\.1 s") as caught,
    ):
        asyncio.run(asking(url))
    assert not caught.value.retryable


class Sends(Pool):
    """A provider that answers with exactly these bytes."""

    def __init__(self, content: bytes, kind: str) -> None:
        super().__init__()
        self.content, self.kind = content, kind

    async def send(self, request: httpx.Request) -> httpx.Response:
        headers = {"content-type": self.kind}
        return httpx.Response(200, headers=headers, stream=Body(self.content))


class Body(httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self.content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content


def test_timeout_does_not_interrupt_the_closing_of_a_connection() -> None:
    closed: list[str] = []

    class Closes(Pool):
        async def send(self, request: httpx.Request) -> httpx.Response:
            # httpcore does the same before it opens another connection.
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0.1)
                closed.append("one")
                await asyncio.sleep(0.1)
                closed.append("another")
            await asyncio.sleep(30)
            raise AssertionError

    adapter = LiteLLMAdapter(KEYS, timeout=AdapterTimeout(request=0.05), pool=Closes())
    load_litellm()
    with pytest.raises(RequestTimeoutError, match=r"litellm did not answer within 0\.05 s"):
        asyncio.run(adapter.complete(Request(DEEPSEEK, [Message.user("hi")], "litellm")))
    assert closed == ["one", "another"]


def test_comments_of_a_server_extend_the_time_limit() -> None:
    class Queued(Body):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for _ in range(6):
                yield b": keep-alive\n\n"
                await asyncio.sleep(0.2)
            yield self.content

    class Queues(Sends):
        async def send(self, request: httpx.Request) -> httpx.Response:
            headers = {"content-type": self.kind}
            return httpx.Response(200, headers=headers, stream=Queued(self.content))

    provider = Queues(sse(STREAMS[DEEPSEEK]), "text/event-stream")
    adapter = LiteLLMAdapter(KEYS, timeout=AdapterTimeout(stream_read=1), pool=provider)
    request = Request(DEEPSEEK, [Message.user("hi")], "litellm")
    answer, error = asyncio.run(hear(adapter.stream(request)))
    assert error is None
    assert whole(answer).tool_calls


def asked(
    model: str, content: bytes, kind: str = "application/json"
) -> tuple[LiteLLMAdapter, Request]:
    """Return an adapter whose provider answers with exactly these bytes, and a request."""
    adapter = LiteLLMAdapter(KEYS, timeout=PATIENT, pool=Sends(content, kind))
    return adapter, Request(model, [Message.user("hi")], "litellm")


def events_of(model: str, content: bytes) -> AsyncGenerator[StreamEvent]:
    """Return the result of exactly these bytes."""
    adapter, request = asked(model, content, "text/event-stream")
    return adapter.stream(request)


@everybody
def test_complete_answer_is_read(model: str) -> None:
    adapter, request = asked(model, json.dumps(ANSWERS[model]).encode())
    assert asyncio.run(adapter.complete(request)).tool_calls
    answer, error = asyncio.run(hear(events_of(model, sse(STREAMS[model]))))
    assert error is None
    assert whole(answer).tool_calls


@every_number
async def test_corrupt_answer_is_parsed_or_refused(garbage: Garbage) -> None:
    model = list(ANSWERS)[garbage.number % len(ANSWERS)]
    # litellm refuses invalid JSON early.
    is_json = garbage.number % 2
    content = (
        json.dumps(garbage.odd(ANSWERS[model])).encode()
        if is_json
        else garbage.spoilt_bytes(json.dumps(ANSWERS[model]).encode())
    )
    adapter, request = asked(model, content)
    try:
        require_whole(await adapter.complete(request))
    except SDKError:
        return


@every_number
async def test_corrupt_or_truncated_stream_is_parsed_or_refused(
    garbage: Garbage,
) -> None:
    model = list(STREAMS)[garbage.number % len(STREAMS)]
    stream = STREAMS[model]
    has_events = garbage.number % 2
    content = sse(garbage.stream(stream)) if has_events else garbage.spoilt_bytes(sse(stream))
    await require_heard(events_of(model, content))

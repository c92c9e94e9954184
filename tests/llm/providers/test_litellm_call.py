"""A call by litellm: what the network does to it, and what comes back that nobody can read."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.llm import AdapterTimeout, Message, Request, Response, SDKError, StreamEventType
from attractor.llm.errors import RequestTimeoutError
from attractor.llm.providers.litellm import LiteLLMAdapter
from attractor.llm.providers.litellm_exchange import Pool
from attractor.llm.stream_event import StreamEvent
from tests.llm.asking import PATIENT
from tests.llm.providers import test_anthropic_stream as anthropic
from tests.llm.providers import test_chat_stream as chat
from tests.llm.providers import test_gemini_stream as gemini
from tests.llm.providers.answers import require_whole
from tests.llm.providers.garbage import a_few_tries, odd_events, spoilt_bytes
from tests.llm.providers.streams import sse, whole
from tests.llm.providers.test_gemini_response import body as gemini_body
from tests.llm.test_transport import without_room

# litellm keeps that quiet by a filter of its own, which is undone here after every test.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the .* attribute on the instance")
KEYS = {"DEEPSEEK_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k"}
# Models of three wires that litellm reads by three ways of its own.
DEEPSEEK, CLAUDE = "deepseek/deepseek-chat", "anthropic/claude-opus-4-6"
GEMINI = "gemini/gemini-3-flash-preview"
STREAMS = {DEEPSEEK: chat.STREAM, CLAUDE: anthropic.STREAM, GEMINI: gemini.STREAM}
ANSWERS = {
    DEEPSEEK: json.dumps(chat.BODY).encode(),
    CLAUDE: json.dumps(anthropic.BODY).encode(),
    GEMINI: json.dumps(gemini_body(gemini.CALL, usageMetadata=gemini.USAGE)).encode(),
}
everybody = pytest.mark.parametrize("model", STREAMS)


BEGUN = b"""HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {"id": "1", "choices": \
[{"index": 0, "delta": {"role": "assistant", "content": "one"}}]}\n\n"""


@pytest.mark.parametrize("begun", [b"", BEGUN])
@pytest.mark.parametrize("is_stream", [False, True])
def test_who_gives_up_closes_the_connection_at_once(is_stream: bool, begun: bytes) -> None:
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
            async with asyncio.timeout(30):
                await asked.wait()
            await asyncio.sleep(0.05)
            began = asyncio.get_running_loop().time()
            task.cancel()
            async with asyncio.timeout(5):
                await gone.wait()
            took = asyncio.get_running_loop().time() - began
            with pytest.raises(asyncio.CancelledError):
                await task
            await adapter.close()
            return took

    assert asyncio.run(giving_up()) < 0.1


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_connection_that_is_not_taken_is_not_waited_for(is_stream: bool) -> None:
    async def asking(url: str) -> None:
        environ = {"DEEPSEEK_API_KEY": "k", "DEEPSEEK_API_BASE": url}
        adapter = LiteLLMAdapter(environ, timeout=AdapterTimeout(connect=0.1, request=30))
        request = Request("deepseek/m", [Message.user("hi")], "litellm")
        if is_stream:
            await anext(adapter.stream(request))
        await adapter.complete(request)

    with without_room() as url:
        begun = time.monotonic()
        with pytest.raises(RequestTimeoutError, match=r"took no connection in 0\.1 s") as caught:
            asyncio.run(asking(url))
    assert not caught.value.retryable
    # Longer than that is only what litellm takes to load.
    assert time.monotonic() - begun < 20


class Sends(Pool):
    """A provider that answers with these very bytes."""

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


def read(model: str, content: bytes) -> Response:
    """Return what is made of a whole answer."""
    adapter = LiteLLMAdapter(KEYS, timeout=PATIENT, pool=Sends(content, "application/json"))
    return asyncio.run(adapter.complete(Request(model, [Message.user("hi")], "litellm")))


def hear(model: str, content: bytes) -> tuple[Sequence[StreamEvent], SDKError | None]:
    """Return what is told of a stream, and what is raised at the end."""
    told: list[StreamEvent] = []

    async def hearing() -> None:
        adapter = LiteLLMAdapter(KEYS, timeout=PATIENT, pool=Sends(content, "text/event-stream"))
        async for event in adapter.stream(Request(model, [Message.user("hi")], "litellm")):
            told.append(event)

    try:
        asyncio.run(hearing())
    except SDKError as error:
        return told, error
    return told, None


@everybody
def test_what_is_whole_is_read(model: str) -> None:
    assert read(model, ANSWERS[model]).tool_calls
    told, error = hear(model, sse(STREAMS[model]))
    assert error is None
    assert whole(told).tool_calls


@a_few_tries
@given(st.data(), st.sampled_from(list(ANSWERS)))
def test_an_answer_that_was_spoilt_is_read_or_an_error_of_ours(
    data: st.DataObject, model: str
) -> None:
    content = data.draw(spoilt_bytes(ANSWERS[model]))
    try:
        require_whole(read(model, content))
    except SDKError:
        return


@a_few_tries
@given(st.data(), st.sampled_from(list(STREAMS)))
def test_a_stream_that_was_spoilt_or_cut_is_read_or_an_error_of_ours(
    data: st.DataObject, model: str
) -> None:
    spoilt = spoilt_bytes(sse(STREAMS[model]))
    told, error = hear(model, data.draw(spoilt | odd_events(STREAMS[model]).map(sse)))
    if error is None:
        require_whole(whole(told))
    elif told:
        assert (told[-1].type, told[-1].error) == (StreamEventType.ERROR, error)

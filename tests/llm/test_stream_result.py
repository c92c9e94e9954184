import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from attractor.base.errors import UsageError
from attractor.llm import AbortSignal, Client, StreamError, StreamEventType, StreamResult, Tool
from tests.llm.asking import PROVIDERS, speaking
from tests.llm.generated import NUMBERS, adder
from tests.llm.heard import a_stream, with_client
from tests.llm.providers.streams import sse
from tests.llm.test_streaming import BEGIN, HEAD, Scene, chunked, run, serving
from tests.patience import is_soon

everybody = pytest.mark.parametrize("provider", PROVIDERS)
CALL = '{ name = "add", arguments = { a = 1, b = 2 } }'
SCRIPT = f"""
[[rules]]
when = {{ step = 1 }}
answer.text = "It is three, I think."
[[rules]]
answer = {{ text = "Let me add.", tool_calls = [{CALL}] }}
"""


@asynccontextmanager
async def hello(provider: str) -> AsyncGenerator[tuple[Scene, StreamResult]]:
    """Stream from a server that says hello and then nothing more."""
    pieces = [HEAD, chunked(sse(BEGIN[provider]))]
    async with serving(provider, *pieces, stays=True) as scene:
        yield scene, a_stream(Client(providers={provider: scene.adapter}), provider)


async def hear_hello(events: StreamResult) -> None:
    async for event in events:
        if event.type == StreamEventType.TEXT_DELTA:
            return


async def close(events: StreamResult) -> None:
    await events.aclose()


async def leave_the_block(events: StreamResult) -> None:
    with pytest.raises(ValueError, match="no more"):
        async with events:
            raise ValueError("no more")


async def cancel(events: StreamResult) -> None:
    listening = asyncio.create_task(hear_hello(events))
    await asyncio.sleep(0.01)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening


@everybody
@pytest.mark.parametrize("leave", [close, leave_the_block, cancel])
def test_who_leaves_early_closes_the_connection(
    provider: str, leave: Callable[[StreamResult], Awaitable[None]]
) -> None:
    async def leaving() -> float:
        async with hello(provider) as (scene, events):
            await hear_hello(events)
            begun = time.monotonic()
            await leave(events)
            await asyncio.wait_for(scene.gone.wait(), 5)
            taken = time.monotonic() - begun
            response = events.partial_response
            assert response
            assert response.text == "hello"
            with pytest.raises(StreamError, match="left before its end"):
                await events.response()
            return taken

    assert is_soon(lambda: run(leaving), within_s=0.5)


def test_who_forgets_it_closes_the_connection_too() -> None:
    async def forgetting() -> None:
        async with hello("openai") as (scene, events):
            await hear_hello(events)
            client = Client(providers={"openai": scene.adapter})
            scene.gone.clear()
            async for text in a_stream(client).text_stream:
                assert text == "hello"
                break
            await asyncio.wait_for(scene.gone.wait(), 5)
            await events.aclose()

    run(forgetting)


def test_the_tools_that_are_at_work_are_ended_with_it() -> None:
    begun, is_ended, heard = asyncio.Event(), asyncio.Event(), threading.Event()

    async def wait(a: int, b: int) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            is_ended.set()

    def look(a: int, b: int, abort_signal: AbortSignal) -> None:
        while not abort_signal.aborted:
            time.sleep(0.001)
        heard.set()

    async def work(client: Client) -> None:
        tools = [adder(wait), Tool("look", "Look around.", NUMBERS, look)]
        async with a_stream(client, tools=tools) as events:
            listening = asyncio.create_task(events.result())
            await begun.wait()
            await events.aclose()
            with pytest.raises(StreamError):
                await listening
        assert is_ended.is_set()
        assert await asyncio.to_thread(heard.wait, 5)

    with speaking(SCRIPT.replace(CALL, f"{CALL}, {CALL.replace('add', 'look')}")) as twin:
        with_client(twin, work)


@everybody
def test_it_is_heard_as_texts_or_not_at_all_and_the_answer_is_there(provider: str) -> None:
    async def work(client: Client) -> None:
        events = a_stream(client, provider, tools=[adder()])
        texts = [text async for text in events.text_stream]
        assert "".join(texts) == "Let me add.It is three, I think."
        assert len(texts) > 2
        assert (await events.response()).text == "It is three, I think."
        unheard = a_stream(client, provider, tools=[adder()])
        result = await unheard.result()
        assert [one.text for one in result.steps] == ["Let me add.", "It is three, I think."]
        assert result.total_usage == result.steps[0].usage + result.steps[1].usage
        assert await unheard.response() is result.response
        with pytest.raises(StopAsyncIteration):
            await anext(unheard)

    with speaking(SCRIPT) as twin:
        with_client(twin, work)


@everybody
def test_the_answer_so_far_grows_with_what_was_heard(provider: str) -> None:
    async def work(client: Client) -> None:
        events, text, steps = a_stream(client, provider, tools=[adder()]), "", 0
        assert events.partial_response is None
        async for event in events:
            if event.type == StreamEventType.STREAM_START:
                text, steps = "", steps + 1
            text += event.delta or ""
            assert events.partial_response
            assert events.partial_response.text == text
        assert steps == 2
        assert events.partial_response is await events.response()

    with speaking(SCRIPT) as twin:
        with_client(twin, work)


def test_who_stops_at_the_last_event_has_the_whole_answer() -> None:
    async def work(client: Client) -> None:
        async with a_stream(client, max_tool_rounds=0) as events:
            async for event in events:
                if event.type == StreamEventType.FINISH:
                    break
        assert (await events.response()).text == "Let me add."

    with speaking(SCRIPT) as twin:
        with_client(twin, work)


def test_one_listens_at_a_time() -> None:
    async def work() -> None:
        async with hello("openai") as (_, events), events:
            await hear_hello(events)
            listening = asyncio.create_task(hear_hello(events))
            await asyncio.sleep(0.01)
            with pytest.raises(UsageError, match="two listen"):
                await anext(events)
            assert not listening.done()
            await events.aclose()
            with pytest.raises(StreamError):
                await listening

    run(work)


def test_a_stream_that_was_closed_before_it_began_asks_nobody() -> None:
    async def work(client: Client) -> None:
        events = a_stream(client)
        await events.aclose()
        with pytest.raises(StreamError, match="left before its end"):
            await events.result()

    with speaking(SCRIPT) as twin:
        with_client(twin, work)
        assert len(twin.requests) == 0

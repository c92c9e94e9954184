""""""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from attractor.base.errors import UsageError
from attractor.llm import (
    AbortController,
    AbortError,
    AbortSignal,
    Client,
    Complete,
    ConfigurationError,
    Message,
    Request,
    RequestTimeoutError,
    Response,
    StepResult,
    Stream,
    StreamError,
    StreamEvent,
    StreamEventType,
    StreamResult,
    TimeoutConfig,
    Tool,
)
from tests.llm.asking import PROVIDERS, speaking
from tests.llm.generated import NUMBERS, adder, generated, noting
from tests.llm.heard import a_stream, asking, hear, heard, with_client
from tests.llm.providers.streams import sse
from tests.llm.transport.test_stream_reading import BEGIN, HEAD, Scene, chunked, run, serving
from tests.patience import PATIENCE_S, is_soon, wait_until, with_longer_limits
from tests.tables import table

pytestmark = pytest.mark.anyio

everybody = table("provider", PROVIDERS)
ROUNDS = """
[[rules]]
when = { step = 2 }
answer = { text = "All of it added up.", usage = { input = 100, output = 1 } }
[[rules]]
answer.tool_calls = [{ name = "add", arguments = { a = 1, b = 2 } }]
answer.usage = { input = 10, output = 1 }
"""
SLOW = """
[[rules]]
[rules.answer]
text = "One two three TEN"
pace = "PACE"
"""


def slow(pace: str) -> str:
    return SLOW.replace("PACE", pace).replace("TEN", "and ten more words " * 10)


@everybody
def test_stream_accumulates_to_the_result_of_generate(provider: str) -> None:
    with speaking(ROUNDS) as twin:
        answer = heard(twin, provider, tools=[adder()], max_tool_rounds=9)

        whole = generated(twin, provider, tools=[adder()], max_tool_rounds=9)
    assert [plain(one) for one in answer.whole.steps] == [plain(one) for one in whole.steps]
    assert answer.whole.total_usage == whole.total_usage
    assert answer.text == answer.whole.text == "All of it added up."


def plain(step: StepResult) -> object:
    """Return the content of a step, without the ids of the provider."""
    calls = [(one.name, one.arguments) for one in step.tool_calls]
    results = [one.content for one in step.tool_results]
    return step.text, calls, results, step.finish_reason.reason, step.usage.total_tokens


def at_once(steps: Sequence[StepResult]) -> bool:
    return bool(steps[-1].tool_results)


def test_stream_ends_for_the_reasons_that_end_generate() -> None:
    passive = Tool("add", "Add.", NUMBERS)
    with speaking(ROUNDS) as twin:
        none = heard(twin, tools=[adder()], max_tool_rounds=0)
        one = heard(twin, tools=[adder()])
        stopped = heard(twin, tools=[adder()], max_tool_rounds=9, stop_when=at_once)
        left = heard(twin, tools=[passive], max_tool_rounds=9)
        assert len(twin.requests) == 1 + 2 + 1 + 1
    assert [len(step.tool_results) for step in one.whole.steps] == [1, 0]
    assert [len(step.tool_results) for step in stopped.whole.steps] == [1]
    for message in (none, left):
        assert ("step_finish" in message.types, message.whole.tool_results) == (False, ())
        assert message.whole.tool_calls[0].arguments == {"a": 1, "b": 2}


def test_request_is_sent_at_first_iteration_but_checked_at_once() -> None:
    with speaking(ROUNDS) as twin:

        async def work(client: Client) -> None:
            async with a_stream(client) as events:
                assert events.partial_response is None
            with pytest.raises(ConfigurationError, match="both prompt and"):
                a_stream(client, messages=[Message.user("go")])

        with_client(twin, work)
        assert len(twin.requests) == 0


async def test_tools_run_only_when_iteration_continues_after_the_answer() -> None:
    done: list[int] = []
    async with asking(ROUNDS) as (_, client):
        tools = [noting(done)]
        async with a_stream(client, tools=tools) as events:
            async for event in events:
                if event.type == StreamEventType.FINISH:
                    break
            await asyncio.sleep(0.05)
            assert done == []
            await anext(events)
        assert done == [3]


@table("is_step", [False, True])
@table("is_slow", ["provider", "caller"])
def test_time_limit_applies_during_and_between_reads(is_slow: str, *, is_step: bool) -> None:
    async def listen(limit_s: float) -> None:
        pace = f"{75 * limit_s:.0f}ms" if is_slow == "provider" else "0s"
        async with asking(slow(pace)) as (twin, client):
            limit = TimeoutConfig(per_step=limit_s) if is_step else limit_s
            events = a_stream(client, timeout=limit)
            answer = await hear(events, pause=1.25 * limit_s if is_slow == "caller" else 0)
            assert isinstance(answer.error, RequestTimeoutError)
            what = "a call to the model" if is_step else "the generation"
            assert answer.error.message.startswith(f"{what} took longer than {limit_s:g} s")
            assert answer.events[-1].error is answer.error
            with pytest.raises(RequestTimeoutError):
                await events.response()
            assert len(twin.requests) == 1

    with_longer_limits(lambda limit_s: asyncio.run(listen(limit_s)), first_s=0.4)


@table("when", ["before", "waiting", "between", "tools"])
def test_abort_signal_ends_generation_at_any_time(when: str) -> None:
    with_longer_limits(lambda limit_s: abort(when, limit_s), first_s=0.4)


def abort(when: str, after_s: float) -> None:
    controller, ended = AbortController(), asyncio.Event()

    async def wait(a: int, b: int) -> None:
        asyncio.get_running_loop().call_soon(controller.abort, "enough")
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def work(client: Client) -> None:
        if when == "before":
            controller.abort("enough")
        options: dict[str, Any] = {"tools": [adder(wait)]} if when == "tools" else {}
        loop = asyncio.get_running_loop()
        if when in ("waiting", "between"):
            loop.call_later(after_s, controller.abort, "enough")
        events = a_stream(client, abort_signal=controller.signal, **options)
        answer = await hear(events, pause=1.5 * after_s if when == "between" else 0)
        assert isinstance(answer.error, AbortError)
        assert "enough" in answer.error.message
        assert (answer.types == []) == (when == "before")
        assert (when == "tools") == ended.is_set()
        assert len(asyncio.all_tasks()) <= 2

    with speaking(ROUNDS if when == "tools" else slow(f"{75 * after_s:.0f}ms")) as twin:
        with_client(twin, work)


async def test_every_event_of_middleware_counts() -> None:
    class Loud:
        async def __call__(self, request: Request, next: Complete) -> Response:
            return await next(request)

        async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
            async for event in next(request):
                if event.type == StreamEventType.FINISH:
                    return
                yield event

    with speaking("rules = [{ answer.text = 'Hi.' }]") as twin:
        async with Client.from_env(twin.environ(), middleware=[Loud()]) as client:
            answer = await hear(a_stream(client))
        assert isinstance(answer.error, StreamError)
        assert answer.types[-1] == "error"
        assert len(twin.requests) == 1


stream_result_everybody = table("provider", PROVIDERS)
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
    """Stream from a server that sends hello and then nothing more."""
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


@stream_result_everybody
@table("leave", [close, leave_the_block, cancel])
def test_stopping_iteration_closes_the_connection(
    provider: str, leave: Callable[[StreamResult], Awaitable[None]]
) -> None:
    async def leaving() -> float:
        async with hello(provider) as (scene, events):
            await hear_hello(events)
            begun = time.monotonic()
            await leave(events)
            await asyncio.wait_for(scene.gone.wait(), PATIENCE_S)
            taken = time.monotonic() - begun
            response = events.partial_response
            assert response
            assert response.text == "hello"
            with pytest.raises(StreamError, match="closed before its end"):
                await events.response()
            return taken

    assert is_soon(lambda: run(leaving), floors=60)


async def test_garbage_collected_stream_closes_the_connection() -> None:
    async with hello("openai") as (scene, events):
        await hear_hello(events)
        client = Client(providers={"openai": scene.adapter})
        scene.gone.clear()
        async for text in a_stream(client).text_stream:
            assert text == "hello"
            break
        await asyncio.wait_for(scene.gone.wait(), PATIENCE_S)
        await events.aclose()


async def test_abort_ends_the_running_tools() -> None:
    begun, is_ended, heard = asyncio.Event(), asyncio.Event(), threading.Event()

    async def wait(a: int, b: int) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            is_ended.set()

    def look(a: int, b: int, abort_signal: AbortSignal) -> None:
        wait_until(lambda: abort_signal.aborted)
        heard.set()

    script = SCRIPT.replace(CALL, f"{CALL}, {CALL.replace('add', 'look')}")
    async with asking(script) as (_, client):
        tools = [adder(wait), Tool("look", "Look around.", NUMBERS, look)]
        async with a_stream(client, tools=tools) as events:
            listening = asyncio.create_task(events.result())
            await begun.wait()
            await events.aclose()
            with pytest.raises(StreamError):
                await listening
        assert is_ended.is_set()
        assert await asyncio.to_thread(heard.wait, 60)


@stream_result_everybody
async def test_partial_response_grows_with_the_events(provider: str) -> None:
    async with asking(SCRIPT) as (_, client):
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


async def test_response_is_complete_at_the_last_event() -> None:
    async with asking(SCRIPT) as (_, client):
        async with a_stream(client, max_tool_rounds=0) as events:
            async for event in events:
                if event.type == StreamEventType.FINISH:
                    break
        assert (await events.response()).text == "Let me add."


async def test_stream_has_one_reader_at_a_time() -> None:
    async with hello("openai") as (_, events), events:
        await hear_hello(events)
        listening = asyncio.create_task(hear_hello(events))
        await asyncio.sleep(0.01)
        with pytest.raises(UsageError, match="already being read"):
            await anext(events)
        assert not listening.done()
        await events.aclose()
        with pytest.raises(StreamError):
            await listening

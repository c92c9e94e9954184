import asyncio
import re
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from attractor.base.json import JsonObject
from attractor.llm import (
    AbortController,
    AbortError,
    AuthenticationError,
    Client,
    Complete,
    ConfigurationError,
    InvalidToolCallError,
    Message,
    RateLimitError,
    Request,
    RequestTimeoutError,
    Response,
    ServerError,
    StepResult,
    Stream,
    StreamAccumulator,
    StreamError,
    StreamEvent,
    StreamEventType,
    TimeoutConfig,
    Tool,
    ToolCall,
    stream,
)
from attractor.llm.generating_streams import stream as streaming
from tests.llm.asking import PROVIDERS, speaking
from tests.llm.generated import NUMBERS, adder, generated, noting
from tests.llm.heard import a_stream, hear, heard, with_client

everybody = pytest.mark.parametrize("provider", PROVIDERS)
ROUNDS = """
[[rules]]
when = { step = 2 }
answer = { text = "All of it added up.", usage = { input = 100, output = 1 } }
[[rules]]
answer.tool_calls = [{ name = "add", arguments = { a = 1, b = 2 } }]
answer.usage = { input = 10, output = 1 }
"""
FAULTY = """
[[rules]]
when = { attempt = 2 }
answer.text = "One two three four five six seven eight nine."
[[rules]]
[rules.answer]
text = "One two three four five six seven eight nine."
fault = FAULT
"""
SLOW = """
[[rules]]
[rules.answer]
text = "One two three TEN"
pace = "PACE"
"""


def faulty(fault: str) -> str:
    return FAULTY.replace("FAULT", fault)


def slow(pace: str) -> str:
    return SLOW.replace("PACE", pace).replace("TEN", "and ten more words " * 10)


def test_the_name_is_a_function_whatever_was_imported() -> None:
    assert stream is streaming


@everybody
def test_it_adds_up_to_what_generate_returns(provider: str) -> None:
    with speaking(ROUNDS) as twin:
        told = heard(twin, provider, tools=[adder()], max_tool_rounds=9)

        whole = generated(twin, provider, tools=[adder()], max_tool_rounds=9)
    assert [plain(one) for one in told.whole.steps] == [plain(one) for one in whole.steps]
    assert told.whole.total_usage == whole.total_usage
    assert told.text == told.whole.text == "All of it added up."


def plain(step: StepResult) -> object:
    """What a step says, without the names that a provider gives."""
    calls = [(one.name, one.arguments) for one in step.tool_calls]
    results = [one.content for one in step.tool_results]
    return step.text, calls, results, step.finish_reason.reason, step.usage.total_tokens


@everybody
def test_steps_follow_one_another_with_a_step_finish_between_them(provider: str) -> None:
    with speaking(ROUNDS) as twin:
        told = heard(twin, provider, tools=[adder()], max_tool_rounds=9)
    marks = ("stream_start", "tool_call_end", "finish", "step_finish", "text_end")
    called = ["stream_start", "tool_call_end", "finish", "step_finish"]
    assert [one for one in told.types if one in marks] == [
        *called,
        *called,
        "stream_start",
        "text_end",
        "finish",
    ]
    between = [one.step for one in told.events if one.type == "step_finish"]
    assert between == list(told.whole.steps[:2])
    assert [one.tool_results[0].content for one in between if one] == ["3", "3"]
    accumulator = StreamAccumulator()
    for event in told.events:
        accumulator.process(event)
    assert accumulator.response() == told.whole.response


def at_once(steps: Sequence[StepResult]) -> bool:
    return bool(steps[-1].tool_results)


def test_rounds_a_stop_condition_and_passive_tools_end_it_as_they_end_generate() -> None:
    passive = Tool("add", "Add.", NUMBERS)
    with speaking(ROUNDS) as twin:
        none = heard(twin, tools=[adder()], max_tool_rounds=0)
        one = heard(twin, tools=[adder()])
        stopped = heard(twin, tools=[adder()], max_tool_rounds=9, stop_when=at_once)
        left = heard(twin, tools=[passive], max_tool_rounds=9)
        assert len(twin.requests) == 1 + 2 + 1 + 1
    assert [len(step.tool_results) for step in one.whole.steps] == [1, 0]
    assert [len(step.tool_results) for step in stopped.whole.steps] == [1]
    for told in (none, left):
        assert ("step_finish" in told.types, told.whole.tool_results) == (False, ())
        assert told.whole.tool_calls[0].arguments == {"a": 1, "b": 2}


def test_arguments_are_mended_as_in_generate() -> None:
    script = """
    [[rules]]
    when = { step = 1, tool_result = "5" }
    answer.text = "Five."
    [[rules]]
    answer.tool_calls = [{ name = "add", arguments = { a = "two" } }]
    """

    def mend(call: ToolCall, tool: Tool, error: InvalidToolCallError) -> JsonObject:
        return {"a": 2, "b": 3}

    with speaking(script) as twin:
        told = heard(twin, tools=[adder()], repair_tool_call=mend)
    assert told.text == "Five."


def test_nothing_is_asked_before_somebody_listens_and_what_is_wrong_is_said_at_once() -> None:
    with speaking(ROUNDS) as twin:

        async def work(client: Client) -> None:
            async with a_stream(client) as events:
                assert events.partial_response is None
            with pytest.raises(ConfigurationError, match="both prompt and"):
                a_stream(client, messages=[Message.user("go")])

        with_client(twin, work)
        assert len(twin.requests) == 0


def test_no_tool_is_executed_before_what_comes_behind_the_answer_is_asked_for() -> None:
    done: list[int] = []

    async def work(client: Client) -> None:
        tools = [noting(done)]
        async with a_stream(client, tools=tools) as events:
            async for event in events:
                if event.type == StreamEventType.FINISH:
                    break
            await asyncio.sleep(0.05)
            assert done == []
            await anext(events)
        assert done == [3]

    with speaking(ROUNDS) as twin:
        with_client(twin, work)


# Behind how many events of the provider nothing of the answer was told yet.
QUIET = {"openai": 2, "anthropic": 2, "gemini": 0}


@everybody
@pytest.mark.parametrize(
    "fault",
    [
        '{ kind = "status", status = 503, retry_after = "1ms" }',
        '{ kind = "status", status = 429, retry_after = "1ms" }',
        '{ kind = "cut", after = QUIET }',
    ],
    ids=["503", "429", "cut"],
)
def test_a_step_of_which_nothing_was_told_is_tried_again(provider: str, fault: str) -> None:
    script = faulty(fault.replace("QUIET", str(QUIET[provider])))
    with speaking(script) as twin:
        told = heard(twin, provider, max_retries=1)
        assert len(twin.requests) == 2
    assert told.error is None
    assert (told.types.count("stream_start"), told.types.count("error")) == (1, 0)
    assert told.text.startswith("One two three")


@everybody
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ('{ kind = "cut", after = 6 }', StreamError),
        ('{ kind = "malformed", after = 6 }', StreamError),
        ('{ kind = "status", status = 429, after = 6 }', RateLimitError),
    ],
)
def test_after_something_was_told_nothing_is_tried_again(
    provider: str, fault: str, kind: type[Exception]
) -> None:
    if provider == "gemini":
        fault = fault.replace("after = 6", "after = 2")
    with speaking(faulty(fault)) as twin:
        told = heard(twin, provider)
        assert len(twin.requests) == 1
    assert isinstance(told.error, kind)
    assert told.text.startswith("One")
    assert told.types.count("error") == 1
    assert told.events[-1].error is told.error


def test_trouble_that_stays_is_told_when_no_try_is_left() -> None:
    script = 'rules = [{ answer.fault = { kind = "status", status = 500, retry_after = "1ms" } }]'
    with speaking(script) as twin:
        told = heard(twin, max_retries=2)
        assert len(twin.requests) == 3
    assert (told.types, type(told.error)) == ([], ServerError)
    with speaking(script.replace("500", "401")) as twin:
        assert isinstance(heard(twin).error, AuthenticationError)
        assert len(twin.requests) == 1


def test_a_retry_of_a_later_step_repeats_no_earlier_one() -> None:
    script = """
    [[rules]]
    when = { step = 1, attempt = 1 }
    answer.fault = { kind = "status", status = 529, retry_after = "1ms" }
    [[rules]]
    when = { step = 1 }
    answer.text = "Hi."
    [[rules]]
    answer.tool_calls = [{ name = "add", arguments = { a = 1, b = 2 } }]
    """
    done: list[int] = []
    with speaking(script) as twin:
        told = heard(twin, tools=[noting(done)])
        assert [one.status for one in twin.requests] == [200, 529, 200]
    assert (told.text, done) == ("Hi.", [3])


@pytest.mark.parametrize(
    ("timeout", "words"),
    [
        (0.4, r"the generation took longer than 0\.4 s"),
        (TimeoutConfig(per_step=0.4), r"a call to the model took longer than 0\.4 s"),
    ],
)
@pytest.mark.parametrize("is_slow", ["provider", "caller"])
def test_time_is_up_while_one_waits_and_while_one_does_something_else(
    timeout: float | TimeoutConfig, words: str, is_slow: str
) -> None:
    async def work(client: Client) -> None:
        events = a_stream(client, timeout=timeout)
        told = await hear(events, pause=0.5 if is_slow == "caller" else 0)
        assert isinstance(told.error, RequestTimeoutError)
        assert re.search(words, told.error.message)
        assert told.events[-1].error is told.error
        with pytest.raises(RequestTimeoutError):
            await events.response()

    with speaking(slow("30ms" if is_slow == "provider" else "0s")) as twin:
        with_client(twin, work)
        assert len(twin.requests) == 1


@pytest.mark.parametrize("when", ["before", "waiting", "between", "tools"])
def test_an_abort_signal_ends_it_at_any_time(when: str) -> None:
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
            loop.call_later(0.4, controller.abort, "enough")
        events = a_stream(client, abort_signal=controller.signal, **options)
        told = await hear(events, pause=0.6 if when == "between" else 0)
        assert isinstance(told.error, AbortError)
        assert "enough" in told.error.message
        assert (told.types == []) == (when == "before")
        assert (when == "tools") == ended.is_set()
        assert len(asyncio.all_tasks()) <= 2

    with speaking(ROUNDS if when == "tools" else slow("30ms")) as twin:
        begun = time.monotonic()
        with_client(twin, work)
        assert time.monotonic() - begun < 20


def test_every_event_of_middleware_counts() -> None:
    class Loud:
        async def __call__(self, request: Request, next: Complete) -> Response:
            return await next(request)

        async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
            async for event in next(request):
                if event.type == StreamEventType.FINISH:
                    return
                yield event

    async def work() -> None:
        async with Client.from_env(twin.environ(), middleware=[Loud()]) as client:
            told = await hear(a_stream(client))
        assert isinstance(told.error, StreamError)
        assert told.types[-1] == "error"

    with speaking("rules = [{ answer.text = 'Hi.' }]") as twin:
        asyncio.run(work())
        assert len(twin.requests) == 1

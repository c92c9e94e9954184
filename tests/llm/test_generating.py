import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from attractor.llm import (
    AbortController,
    AbortError,
    AbortSignal,
    Client,
    Message,
    RequestTimeoutError,
    StepResult,
    TimeoutConfig,
    Tool,
    generate,
)
from attractor.llm.generation.text import generate as generating
from attractor.twins.server.provider_twin import ProviderTwin
from tests.llm.asking import PROVIDERS, last_body, speaking
from tests.llm.generated import NUMBERS, adder, generated, told, within

ROOT = Path(__file__).parent.parent.parent
ROUNDS = """
[[rules]]
when = { step = 2 }
answer = { text = "All added.", usage = { input = 100, output = 1 } }
[[rules]]
answer.tool_calls = [{ name = "add", arguments = { a = 1, b = 2 } }]
answer.usage = { input = 10, output = 1 }
"""
MIXED = """
[[rules]]
answer.tool_calls = [{ name = "wait" }, { name = "add", arguments = { a = 1 } }]
"""
HANGING = """
[[rules]]
when = { step = 1 }
answer.fault = { kind = "hang" }
[[rules]]
answer.tool_calls = [{ name = "add", arguments = { a = 1 } }]
"""
WAITER = Tool("wait", "Wait for a person.", NUMBERS)


def test_the_name_is_a_function_whatever_was_imported() -> None:
    assert generate is generating


def test_the_loop_ends_with_an_answer_or_its_rounds() -> None:
    with speaking(ROUNDS) as twin:
        full = generated(twin, tools=[adder()], max_tool_rounds=9)
        one = generated(twin, tools=[adder()])
        none = generated(twin, tools=[adder()], max_tool_rounds=0)
    assert (full.text, len(full.steps)) == ("All added.", 3)
    assert (full.usage.input_tokens, full.total_usage.input_tokens) == (100, 120)
    # After the last round the model is asked once more; nobody executes what it then calls.
    assert [len(step.tool_results) for step in one.steps] == [1, 0]
    assert [len(step.tool_results) for step in none.steps] == [0]
    assert one.tool_calls[0].arguments == none.tool_calls[0].arguments == {"a": 1, "b": 2}


def test_a_stop_condition_sees_each_step_with_its_results() -> None:
    seen: list[object] = []

    def stop(steps: Sequence[StepResult]) -> bool:
        seen.append([one.content for one in steps[-1].tool_results])
        return len(steps) == 2

    with speaking(ROUNDS) as twin:
        result = generated(twin, tools=[adder()], max_tool_rounds=9, stop_when=stop)
        assert len(twin.requests) == 2
    assert seen == [["3"], ["3"]]
    assert told(result, 1) == ["3"]


@pytest.mark.parametrize(("is_last", "steps"), [(True, 1), (False, 2)])
def test_a_stop_condition_may_be_async(is_last: bool, steps: int) -> None:
    async def stop(steps: Sequence[StepResult]) -> bool:
        await asyncio.sleep(0)
        return is_last

    with speaking(ROUNDS) as twin:
        result = generated(twin, tools=[adder()], stop_when=stop)
        assert (len(twin.requests), len(result.steps)) == (steps, steps)


def test_a_passive_tool_ends_the_loop_and_the_others_are_executed() -> None:
    with speaking(MIXED) as twin:
        result = generated(twin, tools=[adder(), WAITER], max_tool_rounds=9)
        assert len(twin.requests) == 1
    assert [call.name for call in result.tool_calls] == ["wait", "add"]
    assert [one.content for one in result.tool_results] == ["1"]


def test_calls_of_an_answer_that_was_cut_off_are_not_executed() -> None:
    script = """
    [[rules]]
    answer = { tool_calls = [{ name = "add", arguments = { a = 1 } }], finish = "length" }
    """
    with speaking(script) as twin:
        result = generated(twin, tools=[adder()], max_tool_rounds=9)
    assert (result.finish_reason.reason, result.tool_results) == ("length", ())


def test_a_handler_is_told_of_the_conversation() -> None:
    heard: list[Message] = []

    def handler(a: int, messages: Sequence[Message], b: int = 0) -> str:
        heard.extend(messages)
        return "3"

    with speaking(ROUNDS) as twin:
        generated(twin, tools=[adder(handler)], system="Add.")
    assert [one.text for one in heard[:2]] == ["Add.", "go"]
    assert heard[2].content[-1].tool_call is not None


OWN = {"anthropic": "service_tier", "gemini": "cachedContent", "openai": "user"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_asked_for_reaches_the_provider(provider: str) -> None:
    with speaking(ROUNDS) as twin:
        generated(
            twin,
            provider,
            temperature=0.25,
            max_tokens=77,
            provider_options={provider: {OWN[provider]: "mine"}},
        )
        body = last_body(twin)
    assert body[OWN[provider]] == "mine"
    assert "0.25" in str(body)
    assert "77" in str(body)


def running_threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("tool")]


def wait_until_aborted(a: int, abort_signal: AbortSignal) -> None:
    while not abort_signal.aborted:
        time.sleep(0.001)


@pytest.mark.parametrize("ending", ["cancel", "abort", "timeout"])
def test_a_handler_in_a_thread_hears_of_every_end(ending: str) -> None:
    controller, begun = AbortController(), threading.Event()

    def handler(a: int, abort_signal: AbortSignal) -> None:
        begun.set()
        wait_until_aborted(a, abort_signal)

    async def work(client: Client) -> None:
        task = asyncio.create_task(
            generate(
                "gpt-5.2",
                "go",
                provider="openai",
                tools=[adder(handler)],
                client=client,
                abort_signal=controller.signal,
                timeout=0.3 if ending == "timeout" else None,
            )
        )
        await asyncio.to_thread(begun.wait, 5)
        if ending == "cancel":
            task.cancel()
        elif ending == "abort":
            controller.abort()
        await task

    kinds = {"cancel": asyncio.CancelledError, "abort": AbortError, "timeout": RequestTimeoutError}
    with speaking(HANGING) as twin, pytest.raises(kinds[ending]):
        within(twin, work)
    deadline = time.monotonic() + 5
    while running_threads() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert running_threads() == []


@pytest.mark.parametrize("ending", ["cancel", "abort", "timeout"])
def test_an_async_handler_can_tell_that_it_is_ended(ending: str) -> None:
    controller, heard, why = AbortController(), list[bool](), list[str]()

    async def handler(a: int, abort_signal: AbortSignal) -> None:
        heard.append(abort_signal.aborted)
        if ending == "abort":
            controller.abort("enough")
        try:
            await asyncio.sleep(60)
        finally:
            heard.append(abort_signal.aborted)
            why.append(abort_signal.reason)

    async def work(client: Client) -> None:
        task = asyncio.create_task(
            generate(
                "gpt-5.2",
                "go",
                provider="openai",
                tools=[adder(handler)],
                client=client,
                abort_signal=controller.signal,
                timeout=0.2 if ending == "timeout" else None,
            )
        )
        while ending == "cancel" and not heard:
            await asyncio.sleep(0.001)
        if ending == "cancel":
            task.cancel()
        await task

    kinds = {"cancel": asyncio.CancelledError, "abort": AbortError, "timeout": RequestTimeoutError}
    with speaking(HANGING) as twin, pytest.raises(kinds[ending]):
        within(twin, work)
    assert heard == [False, True]
    assert why == ["enough" if ending == "abort" else "the generation is over"]


PROGRAM = """
import time
from attractor.llm import RequestTimeoutError, Tool, generate_sync
try:
    generate_sync(
        "gpt-5.2", "go", provider="openai", timeout=0.2,
        tools=[Tool("add", "Wait.", {"type": "object"}, lambda a: time.sleep(60))],
    )
except RequestTimeoutError as error:
    print(error)
"""


def test_a_program_ends_though_a_handler_does_not() -> None:
    with speaking(HANGING.replace("step = 1", "step = 9")) as twin:
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM],
            env={"PYTHONPATH": str(ROOT), **twin.environ()},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert (ended.stdout, ended.stderr) == ("the generation took longer than 0.2 s\n", "")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, StopIteration])
def test_what_a_handler_raises_instead_of_failing_hangs_nobody(error: type[BaseException]) -> None:
    def handler(a: int, b: int) -> None:
        raise error

    with speaking(ROUNDS) as twin:
        if error is KeyboardInterrupt:
            with pytest.raises(KeyboardInterrupt):
                generated(twin, tools=[adder(handler)], timeout=10)
        else:
            result = generated(twin, tools=[adder(handler)], timeout=10)
            assert error.__name__ in str(told(result)[0])


def hanging(twin: ProviderTwin, **options: Any) -> None:
    generated(twin, tools=[adder()], **options)


def test_time_is_limited_for_a_call_and_for_everything() -> None:
    with speaking(HANGING) as twin:
        with pytest.raises(RequestTimeoutError, match=r"a call to the model took .* 0\.2 s"):
            hanging(twin, timeout=TimeoutConfig(per_step=0.2))
        with pytest.raises(RequestTimeoutError, match=r"the generation took .* 0\.2 s"):
            hanging(twin, timeout=0.2)
        # What takes too long is not asked again.
        assert len(twin.requests) == 4


def test_cancelling_closes_the_connection_and_leaves_no_task() -> None:
    async def work(client: Client) -> int:
        task = asyncio.create_task(
            generate("gpt-5.2", "go", provider="openai", tools=[adder()], client=client)
        )
        while len(twin.requests) < 2:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asyncio.all_tasks())

    with speaking(HANGING) as twin:
        assert within(twin, work) == 1

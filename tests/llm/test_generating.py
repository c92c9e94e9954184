import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from attractor.llm import (
    AbortController,
    AbortError,
    AbortSignal,
    Client,
    RequestTimeoutError,
    StepResult,
    generate,
)
from tests.llm.asking import speaking
from tests.llm.generated import adder, generated, within

ROOT = Path(__file__).parent.parent.parent
ROUNDS = """
[[rules]]
when = { step = 2 }
answer = { text = "All added.", usage = { input = 100, output = 1 } }
[[rules]]
answer.tool_calls = [{ name = "add", arguments = { a = 1, b = 2 } }]
answer.usage = { input = 10, output = 1 }
"""
HANGING = """
[[rules]]
when = { step = 1 }
answer.fault = { kind = "hang" }
[[rules]]
answer.tool_calls = [{ name = "add", arguments = { a = 1 } }]
"""


@pytest.mark.parametrize(("is_last", "steps"), [(True, 1), (False, 2)])
def test_a_stop_condition_may_be_async(is_last: bool, steps: int) -> None:
    async def stop(steps: Sequence[StepResult]) -> bool:
        await asyncio.sleep(0)
        return is_last

    with speaking(ROUNDS) as twin:
        result = generated(twin, tools=[adder()], stop_when=stop)
        assert (len(twin.requests), len(result.steps)) == (steps, steps)


def test_calls_of_an_answer_that_was_cut_off_are_not_executed() -> None:
    script = """
    [[rules]]
    answer = { tool_calls = [{ name = "add", arguments = { a = 1 } }], finish = "length" }
    """
    with speaking(script) as twin:
        result = generated(twin, tools=[adder()], max_tool_rounds=9)
    assert (result.finish_reason.reason, result.tool_results) == ("length", ())


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

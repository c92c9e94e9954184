import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
from tests.llm.heard import asking
from tests.patience import until, wait_until, with_longer_limits
from tests.tables import table

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


@table(("is_last", "steps"), [(True, 1), (False, 2)])
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


@pytest.mark.anyio
@table("ending", ["cancel", "abort", "timeout"])
@table("is_async", [False, True])
def test_tool_detects_the_end_of_the_generation(ending: str, is_async: bool) -> None:
    with_longer_limits(
        lambda s: asyncio.run(end_a_handler(ending, s, is_async=is_async)), first_s=0.3
    )


async def end_a_handler(ending: str, limit_s: float, *, is_async: bool) -> None:
    controller, begun = AbortController(), threading.Event()
    heard, why = list[bool](), list[str]()

    def look(a: int, abort_signal: AbortSignal) -> None:
        heard.append(abort_signal.aborted)
        begun.set()
        wait_until(lambda: abort_signal.aborted)
        heard.append(True)
        why.append(abort_signal.reason)

    async def wait(a: int, abort_signal: AbortSignal) -> None:
        heard.append(abort_signal.aborted)
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            heard.append(abort_signal.aborted)
            why.append(abort_signal.reason)

    async with asking(HANGING) as (_, client):
        options: dict[str, Any] = {"timeout": limit_s} if ending == "timeout" else {}
        options |= {"client": client, "abort_signal": controller.signal}
        tools = [adder(wait if is_async else look)]
        work = generate("gpt-5.2", "go", provider="openai", tools=tools, **options)
        task = asyncio.create_task(work)
        await asyncio.to_thread(begun.wait, 60)
        if ending == "cancel":
            task.cancel()
        elif ending == "abort":
            controller.abort("enough")
        with pytest.raises((asyncio.CancelledError, AbortError, RequestTimeoutError)) as caught:
            await task
        await until(lambda: not running_threads())
    kinds = {"cancel": asyncio.CancelledError, "abort": AbortError, "timeout": RequestTimeoutError}
    assert caught.type is kinds[ending]
    assert heard == [False, True]
    assert why == ["enough" if ending == "abort" else "the generation has ended"]


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
            check=False,
        )
    message = (
        "the generation took longer than 0.2 s (raise the time limit, or shorten the request)\n"
    )
    assert (ended.stdout, ended.stderr) == (message, "")


def test_cancelling_closes_the_connection_and_leaves_no_task() -> None:
    async def work(client: Client) -> int:
        task = asyncio.create_task(
            generate("gpt-5.2", "go", provider="openai", tools=[adder()], client=client)
        )
        await until(lambda: len(twin.requests) >= 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asyncio.all_tasks())

    with speaking(HANGING) as twin:
        assert within(twin, work) == 1

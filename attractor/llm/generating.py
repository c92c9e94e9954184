"""Asks a model, executes the tools it calls, and asks again until it has answered (4.3, 5.6)."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Unpack

from attractor.llm.abort import AbortController, AbortSignal, abortable
from attractor.llm.client import Client
from attractor.llm.default_client import find_client
from attractor.llm.generate_result import GenerateResult, StepResult
from attractor.llm.generation import GenerateOptions, Generation, read_generation
from attractor.llm.message import Message
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.retrying import RetryPolicy, retry
from attractor.llm.time_limits import limited
from attractor.llm.tool_execution import Execution
from attractor.llm.tools import ToolResult


async def generate(
    model: str, prompt: str | None = None, **options: Unpack[GenerateOptions]
) -> GenerateResult:
    """Ask a model and return its answer, after executing the tools it called on the way."""
    return await run_generation(read_generation(model, prompt, options))


async def run_generation(wanted: Generation) -> GenerateResult:
    """Generate what is wanted, within its time and until its abort signal."""
    client = await find_client(wanted.client)
    # Tools hear of every way to end before time, not only of the caller's own signal.
    controller = AbortController()
    async with AsyncExitStack() as stack:
        stack.callback(controller.abort, "the generation is over")
        await stack.enter_async_context(abortable(wanted.abort_signal))
        if wanted.abort_signal is not None:
            stack.enter_context(wanted.abort_signal.calling(controller.abort))
        await stack.enter_async_context(limited(wanted.limits.total, "the generation"))
        return GenerateResult(await _take_steps(wanted, client, controller.signal))


async def _take_steps(
    wanted: Generation, client: Client, signal: AbortSignal
) -> Sequence[StepResult]:
    conversation = list(wanted.conversation())
    steps: list[StepResult] = []
    while True:
        response = await complete_step(wanted, client, wanted.request(conversation))
        conversation.append(response.message)
        goes_on = wants_tools(wanted, response, len(steps))
        results: Sequence[ToolResult] = ()
        if goes_on:
            results = await execute_tools(wanted, response, conversation, signal)
        steps.append(StepResult(response, results))
        # The caller of a passive tool is to answer its call before anybody goes on.
        if not goes_on or len(results) < len(response.tool_calls):
            return steps
        if wanted.stop_when is not None and wanted.stop_when(steps):
            return steps
        conversation += [
            Message.tool_result(one.tool_call_id, one.content, is_error=one.is_error)
            for one in results
        ]


async def complete_step(wanted: Generation, client: Client, request: Request) -> Response:
    """Ask once, and again where that may help; what came before is never done again (6.6)."""

    async def ask() -> Response:
        async with limited(wanted.limits.per_step, "a call to the model"):
            return await client.complete(request)

    return await retry(ask, policy=RetryPolicy(max_retries=wanted.max_retries))


def wants_tools(wanted: Generation, response: Response, rounds: int) -> bool:
    """Say whether tools are to be executed after so many rounds."""
    if rounds >= wanted.max_tool_rounds or not wanted.active_tools:
        return False
    return response.finish_reason.reason == "tool_calls" and bool(response.tool_calls)


async def execute_tools(
    wanted: Generation,
    response: Response,
    conversation: Sequence[Message],
    signal: AbortSignal,
) -> Sequence[ToolResult]:
    """Execute what was called and is not passive; also what nobody knows has a result."""
    passive = wanted.passive_tools
    calls = [one for one in response.tool_calls if one.name not in passive]
    execution = Execution(wanted.active_tools, tuple(conversation), signal, wanted.repair_tool_call)
    return await execution.execute_all(calls)

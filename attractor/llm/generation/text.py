"""Calls a model, executes the tools it calls, and repeats until it answers (4.3, 5.6)."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Unpack

from attractor.llm.abort import AbortController, abortable
from attractor.llm.client import Client
from attractor.llm.generation.options import (
    GenerateOptions,
    Generation,
    limited,
    read_generation,
)
from attractor.llm.generation.tool_execution import ToolExecution
from attractor.llm.messages import Message
from attractor.llm.request import Request
from attractor.llm.response import GenerateResult, Response, StepResult
from attractor.llm.retry_policy import RetryPolicy, retry
from attractor.llm.tools import ToolResult
from attractor.llm.transport.http import PerLoop

CallModel = Callable[[Client, Request], Awaitable[Response]]
"""Calls the model once, with retries; earlier calls and tools are never repeated (6.6)."""


async def generate(
    model: str, prompt: str | None = None, **options: Unpack[GenerateOptions]
) -> GenerateResult:
    """Return the answer of a model, after executing the tools it called."""
    generation = read_generation(model, prompt, options)
    return await run_generation(generation, partial(complete_answer, generation))


async def complete_answer(generation: Generation, client: Client, request: Request) -> Response:
    """Call the model and wait for the whole answer."""

    async def complete() -> Response:
        async with limited(generation.limits.per_step, "a call to the model"):
            return await client.complete(request)

    return await retry(complete, policy=RetryPolicy(max_retries=generation.max_retries))


async def run_generation(
    generation: Generation,
    call_model: CallModel,
    *,
    before_tools: Callable[[], Awaitable[None]] | None = None,
    after_step: Callable[[StepResult], Awaitable[None]] | None = None,
) -> GenerateResult:
    """Run all steps within the time limits and until the abort signal.

    `after_step` is called after each step but the last.
    """
    client = await _DEFAULT.find() if generation.client is None else generation.client
    # Its signal tells tools of every early end, not only of the caller's own signal.
    controller = AbortController()
    async with AsyncExitStack() as stack:
        stack.callback(controller.abort, "the generation is over")
        await stack.enter_async_context(abortable(generation.abort_signal))
        if generation.abort_signal is not None:
            signal = generation.abort_signal
            stack.enter_context(signal.calling(lambda: controller.abort(signal.reason)))
        await stack.enter_async_context(limited(generation.limits.total, "the generation"))
        conversation = list(generation.conversation())
        steps: list[StepResult] = []
        while True:
            response = await call_model(client, generation.request(conversation))
            conversation.append(response.message)
            runs_tools = _runs_tools(generation, response, len(steps))
            results: Sequence[ToolResult] = ()
            if runs_tools:
                if before_tools is not None:
                    await before_tools()
                results = await _execute_tools(generation, response, conversation, controller)
            steps.append(StepResult(response, results))
            # The calls of passive tools are for the caller to answer.
            if not runs_tools or len(results) < len(response.tool_calls):
                break
            if await _is_stopped(generation, steps):
                break
            if after_step is not None:
                await after_step(steps[-1])
            conversation += [
                Message.tool_result(result.tool_call_id, result.content, is_error=result.is_error)
                for result in results
            ]
        return GenerateResult(steps)


def _runs_tools(generation: Generation, response: Response, rounds: int) -> bool:
    if rounds >= generation.max_tool_rounds or not generation.active_tools:
        return False
    return response.finish_reason.reason == "tool_calls" and bool(response.tool_calls)


async def _is_stopped(generation: Generation, steps: Sequence[StepResult]) -> bool:
    if generation.stop_when is None:
        return False
    answer = generation.stop_when(steps)
    return bool(await answer if inspect.isawaitable(answer) else answer)


async def _execute_tools(
    generation: Generation,
    response: Response,
    conversation: Sequence[Message],
    controller: AbortController,
) -> Sequence[ToolResult]:
    """Execute the calls of all but passive tools; a call of an unknown tool has a result too."""
    passive = generation.passive_tools
    calls = [call for call in response.tool_calls if call.name not in passive]
    execution = ToolExecution(
        generation.active_tools, tuple(conversation), controller, generation.repair_tool_call
    )
    return await execution.execute_all(calls)


class DefaultClient:
    """The client of calls without one: the one that was set, or one per event loop (2.5)."""

    def __init__(self, make: Callable[[], Client] = Client.from_env) -> None:
        self.chosen: Client | None = None
        self._made = PerLoop(make, Client.close)

    async def find(self) -> Client:
        """Return the client for the running loop."""
        return await self._made.find() if self.chosen is None else self.chosen


_DEFAULT = DefaultClient()


def set_default_client(client: Client | None) -> None:
    """Set the client of calls without one; None restores the client made from the environment.

    The caller closes it.
    """
    _DEFAULT.chosen = client


def get_default_client() -> Client | None:
    """Return the client that was set, or None."""
    return _DEFAULT.chosen

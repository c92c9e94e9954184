"""Calls a model, executes the tools it calls, and repeats until it answers (4.3, 5.6)."""

import inspect
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Protocol, Unpack

from attractor.base.dataclasses import dataclass
from attractor.llm.abort import AbortController, abortable
from attractor.llm.client import Client
from attractor.llm.generation.options import GenerateOptions, Generation, limited, read_generation
from attractor.llm.generation.tool_execution import Execution
from attractor.llm.messages import Message
from attractor.llm.request import Request
from attractor.llm.response import GenerateResult, Response, StepResult
from attractor.llm.retry_policy import RetryPolicy, retry
from attractor.llm.tools import ToolResult
from attractor.llm.transport.http import PerLoop


class DefaultClient:
    """Keeps the client that was set, and for each event loop one that was made for want of it."""

    def __init__(self, make: Callable[[], Client] = Client.from_env) -> None:
        self.chosen: Client | None = None
        self._made = PerLoop(make, Client.close)

    async def find(self) -> Client:
        """Return the client of the loop that runs here."""
        return await self._made.find() if self.chosen is None else self.chosen


_DEFAULT = DefaultClient()


def set_default_client(client: Client | None) -> None:
    """Set the client of those who name none; with None it is made of the environment again.

    Whoever made it closes it.
    """
    _DEFAULT.chosen = client


def get_default_client() -> Client | None:
    """Return the client that was set, None when it is made of the environment."""
    return _DEFAULT.chosen


async def find_client(client: Client | None = None) -> Client:
    """Return the client to ask: the one that is named, else the default."""
    return await _DEFAULT.find() if client is None else client


class Asking(Protocol):
    """How a model is asked: for whole answers, or for answers that somebody listens to."""

    async def ask(self, client: Client, request: Request, /) -> Response:
        """Ask once, and again where that may help; what came before is never done again (6.6)."""
        ...

    async def before_tools(self) -> None:
        """Hear that tools are about to be executed."""
        ...

    async def before_next(self, step: StepResult, /) -> None:
        """Hear of a step after which the model is asked again."""
        ...


@dataclass(frozen=True)
class WholeAnswers:
    """Asks for whole answers; nobody listens."""

    wanted: Generation

    async def ask(self, client: Client, request: Request, /) -> Response:
        """Wait for the answer."""

        async def complete() -> Response:
            async with limited(self.wanted.limits.per_step, "a call to the model"):
                return await client.complete(request)

        return await retry(complete, policy=RetryPolicy(max_retries=self.wanted.max_retries))

    async def before_tools(self) -> None:
        """Tell nobody."""

    async def before_next(self, step: StepResult, /) -> None:
        """Tell nobody."""


async def generate(
    model: str, prompt: str | None = None, **options: Unpack[GenerateOptions]
) -> GenerateResult:
    """Ask a model and return its answer, after executing the tools it called on the way."""
    wanted = read_generation(model, prompt, options)
    return await run_generation(wanted, WholeAnswers(wanted))


async def run_generation(wanted: Generation, asking: Asking) -> GenerateResult:
    """Generate what is wanted, within its time and until its abort signal."""
    client = await find_client(wanted.client)
    # Tools hear of every way to end before time, not only of the caller's own signal.
    controller = AbortController()
    async with AsyncExitStack() as stack:
        stack.callback(controller.abort, "the generation is over")
        await stack.enter_async_context(abortable(wanted.abort_signal))
        if wanted.abort_signal is not None:
            signal = wanted.abort_signal
            stack.enter_context(signal.calling(lambda: controller.abort(signal.reason)))
        await stack.enter_async_context(limited(wanted.limits.total, "the generation"))
        return GenerateResult(await _take_steps(wanted, asking, client, controller))


async def _take_steps(
    wanted: Generation, asking: Asking, client: Client, controller: AbortController
) -> Sequence[StepResult]:
    conversation = list(wanted.conversation())
    steps: list[StepResult] = []
    while True:
        response = await asking.ask(client, wanted.request(conversation))
        conversation.append(response.message)
        goes_on = wants_tools(wanted, response, len(steps))
        results: Sequence[ToolResult] = ()
        if goes_on:
            await asking.before_tools()
            results = await execute_tools(wanted, response, conversation, controller)
        steps.append(StepResult(response, results))
        # The caller of a passive tool is to answer its call before anybody goes on.
        if not goes_on or len(results) < len(response.tool_calls):
            return steps
        if await is_to_stop(wanted, steps):
            return steps
        await asking.before_next(steps[-1])
        conversation += [
            Message.tool_result(one.tool_call_id, one.content, is_error=one.is_error)
            for one in results
        ]


def wants_tools(wanted: Generation, response: Response, rounds: int) -> bool:
    """Say whether tools are to be executed after so many rounds."""
    if rounds >= wanted.max_tool_rounds or not wanted.active_tools:
        return False
    return response.finish_reason.reason == "tool_calls" and bool(response.tool_calls)


async def is_to_stop(wanted: Generation, steps: Sequence[StepResult]) -> bool:
    """Ask the stop condition, if there is one; it may be async or not."""
    if wanted.stop_when is None:
        return False
    said = wanted.stop_when(steps)
    return bool(await said if inspect.isawaitable(said) else said)


async def execute_tools(
    wanted: Generation,
    response: Response,
    conversation: Sequence[Message],
    controller: AbortController,
) -> Sequence[ToolResult]:
    """Execute what was called and is not passive; also what nobody knows has a result."""
    passive = wanted.passive_tools
    calls = [one for one in response.tool_calls if one.name not in passive]
    execution = Execution(
        wanted.active_tools, tuple(conversation), controller, wanted.repair_tool_call
    )
    return await execution.execute_all(calls)

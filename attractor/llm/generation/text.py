"""Generates text, as a whole or as a stream."""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Self, Unpack

from attractor.llm.abort import AbortController, abortable
from attractor.llm.client import Client
from attractor.llm.errors import ConfigurationError, SDKError, StreamError
from attractor.llm.generation.options import GenerateOptions, Generation, limited, read_generation
from attractor.llm.generation.tasks import Handover, Producer
from attractor.llm.generation.tool_execution import ToolExecution
from attractor.llm.messages import Message
from attractor.llm.request import Request, ToolResult
from attractor.llm.response import GenerateResult, Response, StepResult
from attractor.llm.retry_policy import RetryPolicy, retry
from attractor.llm.stream_events import StreamAccumulator, StreamEvent, StreamEventType
from attractor.llm.transport.http import PerLoop

CallModel = Callable[[Client, Request], Awaitable[Response]]
"""Calls the model once, with retries; earlier calls and tools are never repeated (6.6)."""


async def generate(
    model: str, prompt: str | None = None, **options: Unpack[GenerateOptions]
) -> GenerateResult:
    """Return the answer of a model, after executing the tools that the model called."""
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
    # Its signal notifies tools of every early end, not only of the caller's abort.
    controller = AbortController()
    async with AsyncExitStack() as stack:
        stack.callback(controller.abort, "the generation has ended")
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
            is_call = response.finish_reason.reason == "tool_calls" and bool(response.tool_calls)
            may_run_tools = len(steps) < generation.max_tool_rounds and generation.active_tools
            runs_tools = is_call and bool(may_run_tools)
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
    """Execute the calls, except for calls of passive tools.

    A call of an unknown tool also gets a result.
    """
    passive = generation.passive_tools
    calls = [call for call in response.tool_calls if call.name not in passive]
    execution = ToolExecution(
        generation.active_tools, tuple(conversation), controller, generation.repair_tool_call
    )
    return await execution.execute_all(calls)


class DefaultClient:
    """Provides the client for calls without a `client` (2.5).

    This is the client that was set, otherwise one client per event loop.
    """

    def __init__(self, make: Callable[[], Client] = Client.from_env) -> None:
        self.chosen: Client | None = None
        self._made = PerLoop(make, Client.close)

    async def find(self) -> Client:
        """Return the client for the running loop."""
        return await self._made.find() if self.chosen is None else self.chosen


_DEFAULT = DefaultClient()


def set_default_client(client: Client | None) -> None:
    """Set the client of calls without a client; None restores the client made from the environment.

    The caller must close the client.
    """
    _DEFAULT.chosen = client


def get_default_client() -> Client | None:
    """Return the client that was set, or None."""
    return _DEFAULT.chosen


# Events without content of the answer. They are held back until the first content, because until
# then a retry may start the answer again.
_BEFORE_CONTENT = (
    StreamEventType.STREAM_START,
    StreamEventType.TEXT_START,
    StreamEventType.PROVIDER_EVENT,
)


def stream(
    model: str, prompt: str | None = None, **options: Unpack[GenerateOptions]
) -> "StreamResult":
    """Stream the answer of a model, after executing the tools that the model called.

    The options are the options of `generate`. The first read sends the request.
    """
    return stream_generation(read_generation(model, prompt, options))


def stream_generation(generation: Generation) -> "StreamResult":
    """Return the stream of a generation that has not started."""
    writer = EventWriter()

    async def work() -> GenerateResult:
        try:
            return await run_generation(
                generation,
                partial(_stream_answer, generation, writer),
                before_tools=writer.handover.requested,
                after_step=writer.write_step,
            )
        except SDKError as error:
            writer.write_error(error)
            raise

    return StreamResult(Producer(work, writer.handover), writer)


def concurrent_reader() -> ConfigurationError:
    """Return the error for a second reader of a stream; the first reader continues."""
    return ConfigurationError(
        "the stream is already being read",
        hint="read it in one place, and pass the events on from there",
    )


class StreamResult:
    """The events of all steps of a generation, in order.

    The generation starts when the first event is requested. Between events the generation waits
    until the next event is requested; time limits and abort signals can end the generation
    meanwhile. Only one reader is allowed at a time. Close the stream to leave early, best with
    `async with`.
    """

    def __init__(
        self, producer: Producer[StreamEvent, GenerateResult], writer: "EventWriter"
    ) -> None:
        self._producer = producer
        self._writer = writer
        self._is_being_read = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        if self._is_being_read:
            raise concurrent_reader()
        self._is_being_read = True
        try:
            event = await self._producer.get()
        except BaseException:
            # A caller that is cancelled here never requests another event.
            await self.aclose()
            raise
        finally:
            self._is_being_read = False
        if event is None:
            # Every later request raises the same error.
            self.outcome()
            raise StopAsyncIteration
        return event

    @property
    def text_stream(self) -> AsyncGenerator[str]:
        """The remaining pieces of text, without other events."""
        return self._texts()

    @property
    def partial_response(self) -> Response | None:
        """The answer of the current step so far; None before the answer begins."""
        return self._writer.partial_response

    async def response(self) -> Response:
        """Read the rest and return the answer of the last step."""
        return (await self.result()).response

    async def result(self) -> GenerateResult:
        """Read the rest and return all steps; raises the error of a failed stream."""
        async for _ in self:
            pass
        return self.outcome()

    def outcome(self) -> GenerateResult:
        """Return the result of a finished stream, or raise the error of the stream."""
        result = self._producer.outcome()
        if result is None:
            raise StreamError("the stream was closed before its end")
        return result

    async def aclose(self) -> None:
        """Close the connection and cancel running tools."""
        await self._producer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self._producer.abandon()

    async def _texts(self) -> AsyncGenerator[str]:
        async for event in self:
            if event.type == StreamEventType.TEXT_DELTA and event.delta:
                yield event.delta


class EventWriter:
    """Writes events to the reader and accumulates the current answer from them."""

    def __init__(self) -> None:
        self.handover: Handover[StreamEvent] = Handover()
        self.has_content = False
        self._is_new_answer = False
        self._has_written = False
        self._answer = StreamAccumulator()

    @property
    def partial_response(self) -> Response | None:
        """The answer of the newest step with at least one event."""
        return self._answer.partial_response

    def begin_answer(self) -> None:
        """Begin another answer with the next event."""
        self._is_new_answer, self.has_content = True, False

    async def write(self, event: StreamEvent) -> None:
        """Write an event and wait until the next event is requested."""
        self._add(event)
        await self.handover.put(event)

    async def write_step(self, step: StepResult) -> None:
        """Write the `step_finish` event between two steps."""
        await self.write(StreamEvent("step_finish", step=step))

    def write_finish(self, event: StreamEvent) -> Response:
        """Write the last event of an answer without waiting, and return the answer."""
        self._add(event)
        self.handover.put_nowait(event)
        return self._answer.response()

    def write_error(self, error: SDKError) -> None:
        """Write an ERROR event if an event was written before.

        Otherwise the error is only raised.
        """
        if self._has_written:
            self.handover.put_nowait(StreamEvent(StreamEventType.ERROR, error=error))

    def _add(self, event: StreamEvent) -> None:
        self._has_written = True
        if self._is_new_answer:
            self._answer, self._is_new_answer = StreamAccumulator(), False
        self._answer.process(event)


async def _stream_answer(
    generation: Generation, writer: EventWriter, client: Client, request: Request
) -> Response:
    """Stream one answer; an error is only retried before the first content was written (6.6)."""
    writer.begin_answer()

    async def read() -> Sequence[StreamEvent]:
        async with (
            limited(generation.limits.per_step, "a call to the model"),
            aclosing(client.stream(request)) as events,
        ):
            return await _write_events(events, writer)

    policy = RetryPolicy(
        max_retries=generation.max_retries,
        should_retry=lambda error: error.retryable and not writer.has_content,
    )
    # The last event is written after the connection is closed and its time limit is over.
    *held, finish = await retry(read, policy=policy)
    for event in held:
        await writer.write(event)
    return writer.write_finish(finish)


async def _write_events(
    events: AsyncGenerator[StreamEvent], writer: EventWriter
) -> Sequence[StreamEvent]:
    """Write the events of an answer, but return FINISH and the unwritten events before it."""
    held: list[StreamEvent] = []
    async for event in events:
        if event.type == StreamEventType.FINISH:
            return [*held, event]
        if event.type == StreamEventType.ERROR:
            # Written when the last retry has failed.
            raise event.error or StreamError()
        held.append(event)
        if writer.has_content or event.type not in _BEFORE_CONTENT:
            writer.has_content = True
            for held_event in held:
                await writer.write(held_event)
            held.clear()
    raise StreamError("the stream ended before its answer was complete")

"""Streams the answers of a model, including tool calls and further steps (4.4, 5.9)."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Self, Unpack

from attractor.llm.client import Client
from attractor.llm.errors import ConfigurationError, SDKError, StreamError
from attractor.llm.generation.options import (
    GenerateOptions,
    Generation,
    limited,
    read_generation,
)
from attractor.llm.generation.tasks import Handover, Producer
from attractor.llm.generation.text import run_generation
from attractor.llm.request import Request
from attractor.llm.response import GenerateResult, Response, StepResult
from attractor.llm.retry_policy import RetryPolicy, retry
from attractor.llm.stream_events import StreamAccumulator, StreamEvent, StreamEventType

# They contain nothing of the answer. They are held back until its first content, because until then
# a retry may start the answer again.
_BEFORE_CONTENT = (
    StreamEventType.STREAM_START,
    StreamEventType.TEXT_START,
    StreamEventType.PROVIDER_EVENT,
)


def stream(
    model: str, prompt: str | None = None, **options: Unpack[GenerateOptions]
) -> "StreamResult":
    """Stream the answer of a model, after executing the tools it called.

    It takes the options of `generate`. The first read sends the request.
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
    """Return the error for a second reader of a stream; the first one continues."""
    return ConfigurationError(
        "the stream is already being read",
        hint="read it in one place, and pass the events on from there",
    )


class StreamResult:
    """The events of a generation, all steps in order; it starts when the first is requested.

    The generation waits until the next event is requested, but time limits and abort signals end it
    meanwhile. Only one reader at a time. Close the stream to leave early, best with `async with`.
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
            # A caller that is cancelled here does not come back.
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
        """The answer of the current step as far as it came; None before it begins."""
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
        """Return the result of a finished stream, or raise its error."""
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
        """Let the next event begin another answer."""
        self._is_new_answer, self.has_content = True, False

    async def write(self, event: StreamEvent) -> None:
        """Write an event and wait until the next one is requested."""
        self._add(event)
        await self.handover.put(event)

    async def write_step(self, step: StepResult) -> None:
        """Write the event between two steps."""
        await self.write(StreamEvent("step_finish", step=step))

    def write_finish(self, event: StreamEvent) -> Response:
        """Write the last event of an answer without waiting, and return the answer."""
        self._add(event)
        self.handover.put_nowait(event)
        return self._answer.response()

    def write_error(self, error: SDKError) -> None:
        """Write an ERROR event if any event came before; otherwise the error is only raised."""
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
    """Stream one answer; retried only until its first content was written (6.6)."""
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
    """Write the events of an answer; return the FINISH, after the events still held back."""
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
    raise StreamError("the stream ended before its answer did")

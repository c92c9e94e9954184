"""Streams the answers of a model, including tool calls and further steps (4.4, 5.9)."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Self, Unpack

from attractor.llm.abort import Giving
from attractor.llm.client import Client
from attractor.llm.errors import ConfigurationError, SDKError, StreamError
from attractor.llm.generation.options import (
    GenerateOptions,
    Generation,
    Telling,
    limited,
    read_generation,
)
from attractor.llm.generation.text import run_generation
from attractor.llm.request import Request
from attractor.llm.response import GenerateResult, Response, StepResult
from attractor.llm.retry_policy import RetryPolicy, retry
from attractor.llm.stream_events import StreamEvent, StreamEventType


def second_listener() -> ConfigurationError:
    """Return what is told somebody who listens while another one does; that one goes on."""
    return ConfigurationError(
        "two listen to one stream at the same time",
        hint="let one of them listen, and hand on what it hears",
    )


class StreamResult:
    """The events of a generation, its steps one behind the other; asked for when one listens.

    Nothing goes on before the next event is asked for, but time and an abort signal do: they end
    it meanwhile. One listens at a time. Who leaves early closes it, best by `async with`.
    """

    def __init__(self, giving: Giving[StreamEvent, GenerateResult], telling: Telling) -> None:
        self._giving = giving
        self._telling = telling
        self._is_heard = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        if self._is_heard:
            raise second_listener()
        self._is_heard = True
        try:
            event = await self._giving.take()
        except BaseException:
            # A caller that is cancelled here does not come back.
            await self.aclose()
            raise
        finally:
            self._is_heard = False
        if event is None:
            # However often one asks, what it ended with is raised.
            self.outcome()
            raise StopAsyncIteration
        return event

    @property
    def text_stream(self) -> AsyncGenerator[str]:
        """The pieces of text that come from here on, and nothing else."""
        return self._texts()

    @property
    def partial_response(self) -> Response | None:
        """The answer of the step that is being told, as far as it came; None before it begins."""
        return self._telling.partial_response

    async def response(self) -> Response:
        """Return the answer of the last step, after listening to what is left."""
        return (await self.result()).response

    async def result(self) -> GenerateResult:
        """Return all steps, after listening to what is left; raises what the stream ended with."""
        async for _ in self:
            pass
        return self.outcome()

    def outcome(self) -> GenerateResult:
        """Return what came of a stream that has come to its end; raises what it ended with."""
        result = self._giving.outcome()
        if result is None:
            raise StreamError("the stream was left before its end")
        return result

    async def aclose(self) -> None:
        """End it: close the connection, and end the tools that are at work."""
        await self._giving.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self._giving.abandon()

    async def _texts(self) -> AsyncGenerator[str]:
        async for event in self:
            if event.type == StreamEventType.TEXT_DELTA and event.delta:
                yield event.delta


# Nothing of the answer is in these. They wait for the first event that has some of it, for until
# then another try may begin the answer anew.
_BEFORE_THE_ANSWER = (
    StreamEventType.STREAM_START,
    StreamEventType.TEXT_START,
    StreamEventType.PROVIDER_EVENT,
)


def stream(
    model: str, prompt: str | None = None, **options: Unpack[GenerateOptions]
) -> StreamResult:
    """Ask a model and hear its answer as it comes, after executing the tools it called.

    It takes what `generate` takes, and asks when the first event is asked for.
    """
    return stream_generation(read_generation(model, prompt, options))


def stream_generation(wanted: Generation) -> StreamResult:
    """Return the stream of what is wanted, which nobody has asked for yet."""
    telling = Telling()

    async def work() -> GenerateResult:
        try:
            return await run_generation(wanted, ToldAnswers(wanted, telling))
        except SDKError as error:
            telling.fail(error)
            raise

    return StreamResult(Giving(work, telling.handover), telling)


class ToldAnswers:
    """Asks for answers that are told as they come."""

    def __init__(self, wanted: Generation, telling: Telling) -> None:
        self._wanted = wanted
        self._telling = telling

    async def ask(self, client: Client, request: Request, /) -> Response:
        """Tell an answer; it is asked for again only while nothing of it was told (6.6)."""
        wanted, telling = self._wanted, self._telling
        telling.begin_answer()
        answer = _Answer(telling)

        async def listen() -> Sequence[StreamEvent]:
            async with (
                limited(wanted.limits.per_step, "a call to the model"),
                aclosing(client.stream(request)) as events,
            ):
                return await answer.tell(events)

        policy = RetryPolicy(max_retries=wanted.max_retries, should_retry=answer.may_begin_anew)
        # The last event is told when the connection is done with and no time runs any more.
        *unsaid, last = await retry(listen, policy=policy)
        for event in unsaid:
            await telling.tell(event)
        return telling.finish(last)

    async def before_tools(self) -> None:
        """Wait until what comes behind the answer is asked for."""
        await self._telling.handover.asked()

    async def before_next(self, step: StepResult, /) -> None:
        """Tell that a step has ended."""
        await self._telling.tell(StreamEvent("step_finish", step=step))


class _Answer:
    """One answer on its way: whether some of it was told decides whether it may begin anew."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._is_told = False

    def may_begin_anew(self, error: SDKError) -> bool:
        return error.retryable and not self._is_told

    async def tell(self, events: AsyncGenerator[StreamEvent]) -> Sequence[StreamEvent]:
        """Tell all but the FINISH, and what came before it if nothing of the answer did."""
        held: list[StreamEvent] = []
        async for event in events:
            if event.type == StreamEventType.FINISH:
                return [*held, event]
            if event.type == StreamEventType.ERROR:
                # Told when it is sure that nobody tries again.
                raise event.error or StreamError()
            held.append(event)
            if self._is_told or event.type not in _BEFORE_THE_ANSWER:
                self._is_told = True
                for one in held:
                    await self._telling.tell(one)
                held.clear()
        raise StreamError("the stream ended before its answer did")

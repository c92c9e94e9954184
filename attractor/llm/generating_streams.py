"""Tells what a model answers as it comes, tools and further steps included (4.4, 5.9)."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Unpack

from attractor.llm.client import Client
from attractor.llm.errors import SDKError, StreamError
from attractor.llm.generate_result import GenerateResult, StepResult
from attractor.llm.generating import run_generation
from attractor.llm.generation import GenerateOptions, Generation, read_generation
from attractor.llm.handover import Giving
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.retrying import RetryPolicy, retry
from attractor.llm.stream_event import StreamEvent, StreamEventType
from attractor.llm.stream_result import StreamResult
from attractor.llm.telling import Telling
from attractor.llm.time_limits import limited

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

"""What `stream` returns: events as they come, and then what came of it all (4.4)."""

from collections.abc import AsyncGenerator
from typing import Self

from attractor.llm.errors import ConfigurationError, StreamError
from attractor.llm.generate_result import GenerateResult
from attractor.llm.handover import Giving
from attractor.llm.response import Response
from attractor.llm.stream_event import StreamEvent, StreamEventType
from attractor.llm.telling import Telling


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

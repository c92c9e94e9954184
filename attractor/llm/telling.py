"""Tells the events of a generation to whoever listens, and keeps what they add up to."""

from attractor.llm.errors import SDKError
from attractor.llm.handover import Handover
from attractor.llm.response import Response
from attractor.llm.stream_accumulator import StreamAccumulator
from attractor.llm.stream_event import StreamEvent, StreamEventType


class Telling:
    """What was told so far; an answer is put together of what was told of it and nothing else."""

    def __init__(self) -> None:
        self.handover: Handover[StreamEvent] = Handover()
        self.has_begun = False
        self._answer = StreamAccumulator()
        self._is_new = False

    @property
    def partial_response(self) -> Response | None:
        """The answer of the newest step that something was told of."""
        return self._answer.partial_response

    def begin_answer(self) -> None:
        """Let the next event be the first one of another answer."""
        self._is_new = True

    async def tell(self, event: StreamEvent) -> None:
        """Tell an event, and wait until the next one is asked for."""
        self._add(event)
        await self.handover.give(event)

    def finish(self, event: StreamEvent) -> Response:
        """Tell the last event of an answer without waiting, and return the answer."""
        self._add(event)
        self.handover.leave(event)
        return self._answer.response()

    def fail(self, error: SDKError) -> None:
        """Tell what went wrong, if anything was told before; else it is only raised."""
        if self.has_begun:
            self.handover.leave(StreamEvent(StreamEventType.ERROR, error=error))

    def _add(self, event: StreamEvent) -> None:
        self.has_begun = True
        if self._is_new:
            self._answer, self._is_new = StreamAccumulator(), False
        self._answer.process(event)

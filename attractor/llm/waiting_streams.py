"""Streams for those who wait: they run in an event loop that has a thread of its own (4.4)."""

from collections.abc import Iterator
from threading import Lock
from typing import Generic, Protocol, Self, TypeVar

from attractor.base.json import JsonObject
from attractor.llm.client import Client
from attractor.llm.generate_result import GenerateResult
from attractor.llm.generating_object_streams import ObjectStreamResult
from attractor.llm.loop_thread import LoopThread
from attractor.llm.response import Response
from attractor.llm.stream_event import StreamEvent, StreamEventType
from attractor.llm.stream_result import StreamResult, second_listener

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Source(Protocol[T_co]):
    """What an event loop has to listen to."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> T_co: ...

    async def aclose(self) -> None: ...

    def outcome(self) -> GenerateResult: ...


class _Waiting(Generic[T]):
    """Waits for one thing after another; the loop is there from the first to the last.

    What is left by `with`, or forgotten, ends.
    """

    def __init__(self, source: _Source[T], client: Client | None) -> None:
        self._source = source
        self._client = client
        self._thread: LoopThread | None = None
        self._is_over = False
        self._listening = Lock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if self._is_over:
            # What it ended with is raised once more.
            self._source.outcome()
            raise StopIteration
        if not self._listening.acquire(blocking=False):
            raise second_listener()
        try:
            one = self._heard()
        finally:
            self._listening.release()
        if one is None:
            raise StopIteration
        return one

    def result(self) -> GenerateResult:
        """Return all steps, after listening to what is left; raises what the stream ended with."""
        for _ in self:
            pass
        return self._source.outcome()

    def close(self) -> None:
        """End it: close the connection, and end the tools that are at work."""
        self._is_over = True
        if self._thread is not None:
            self._thread.end()
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exit: object) -> None:
        self.close()

    def __del__(self) -> None:
        # Without waiting.
        if self._thread is not None:
            self._thread.end()

    def _heard(self) -> T | None:
        """Wait for the next one; behind the last one and behind trouble nothing is left open."""
        try:
            one = self._begun().wait_for(_next(self._source))
        except BaseException:
            self.close()
            raise
        if one is None:
            self.close()
        return one

    def _begun(self) -> LoopThread:
        if self._thread is None:
            source, client = self._source, self._client

            async def last() -> None:
                await source.aclose()
                if client is not None:
                    await client.close()

            self._thread = LoopThread("stream", last)
        return self._thread


async def _next(source: _Source[T]) -> T | None:
    return await anext(source, None)


class SyncStreamResult(_Waiting[StreamEvent]):
    """The events of a StreamResult, for a `for` loop; best within `with`."""

    def __init__(self, events: StreamResult, client: Client | None) -> None:
        super().__init__(events, client)
        self._events = events

    @property
    def text_stream(self) -> Iterator[str]:
        """The pieces of text that come from here on, and nothing else."""
        texts = (event.delta for event in self if event.type == StreamEventType.TEXT_DELTA)
        return (text for text in texts if text)

    @property
    def partial_response(self) -> Response | None:
        """The answer of the step that is being told, as far as it came; None before it begins."""
        return self._events.partial_response

    def response(self) -> Response:
        """Return the answer of the last step, after listening to what is left."""
        return self.result().response


class SyncObjectStreamResult(_Waiting[JsonObject]):
    """The growing object of an ObjectStreamResult, for a `for` loop; best within `with`.

    The steps that `result()` returns have the object as their `output`.
    """

    def __init__(self, objects: ObjectStreamResult, client: Client | None) -> None:
        super().__init__(objects, client)
        self._objects = objects

    @property
    def partial_object(self) -> JsonObject | None:
        """The object as far as it is sure, None before it begins."""
        return self._objects.partial_object

    def object(self) -> JsonObject:
        """Return the whole object, after listening to what is left."""
        for _ in self:
            pass
        return self._objects.whole()

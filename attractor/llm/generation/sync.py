"""Synchronous versions of generate, stream, generate_object and stream_object."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, Unpack

from anyio.from_thread import BlockingPortal, start_blocking_portal

from attractor.base.callables import require_no_loop
from attractor.base.json import JsonObject
from attractor.llm.client import Client
from attractor.llm.generation.objects import ObjectStreamResult, generate_object, stream_object
from attractor.llm.generation.options import GenerateOptions
from attractor.llm.generation.tasks import capture
from attractor.llm.generation.text import (
    StreamResult,
    concurrent_reader,
    generate,
    get_default_client,
    stream,
)
from attractor.llm.response import GenerateResult, ObjectResult, Response
from attractor.llm.stream_events import StreamEvent, StreamEventType

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_ASYNC_LOOP = "async for ... in"


def generate_sync(
    model: str, prompt: str | None = None, **options: Unpack[GenerateOptions]
) -> GenerateResult:
    """Run `generate` to the end, and return the result."""
    require_no_loop("generate")
    return _run(generate(model, prompt, **options), options)


def generate_object_sync(
    model: str,
    prompt: str | None = None,
    *,
    schema: "JsonObject | type[BaseModel]",
    **options: Unpack[GenerateOptions],
) -> ObjectResult:
    """Run `generate_object` to the end, and return the result."""
    require_no_loop("generate_object")
    return _run(generate_object(model, prompt, schema=schema, **options), options)


def stream_sync(
    model: str, prompt: str | None = None, **options: Unpack[GenerateOptions]
) -> "SyncStreamResult":
    """Run `stream` and wait for each event."""
    require_no_loop("stream", instead=_ASYNC_LOOP)
    return SyncStreamResult(stream(model, prompt, **options), _client(options))


def stream_object_sync(
    model: str,
    prompt: str | None = None,
    *,
    schema: "JsonObject | type[BaseModel]",
    **options: Unpack[GenerateOptions],
) -> "SyncObjectStreamResult":
    """Run `stream_object` and wait for each object."""
    require_no_loop("stream_object", instead=_ASYNC_LOOP)
    return SyncObjectStreamResult(
        stream_object(model, prompt, schema=schema, **options), _client(options)
    )


def _client(options: GenerateOptions) -> Client | None:
    """Return the client that must be closed before the event loop ends.

    The result is None if no client was passed or set: the client made from the environment closes
    itself.
    """
    client = options.get("client") or get_default_client()
    # Another value is refused by the call itself.
    return client if isinstance(client, Client) else None


def _run(work: Coroutine[Any, Any, T], options: GenerateOptions) -> T:
    client = _client(options)

    async def run() -> T:
        # Connections of this loop cannot be used in the next one.
        try:
            return await work
        finally:
            if client is not None:
                await client.close()

    return asyncio.run(run())


class _AsyncStream(Protocol[T_co]):
    """The common part of StreamResult and ObjectStreamResult."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> T_co: ...

    async def aclose(self) -> None: ...

    def outcome(self) -> GenerateResult: ...


class _SyncStream(Generic[T]):
    """Iterates over an async stream in an event loop with its own thread.

    The event loop runs from the first item to the last. Time limits also count between items.
    Leaving a `with` block, or deleting the stream, ends the stream.
    """

    def __init__(self, source: _AsyncStream[T], client: Client | None) -> None:
        self._source = source
        self._client = client
        self._portal: BlockingPortal | None = None
        # Called by close(), when the stream is deleted, or at interpreter exit.
        self._end_thread: Callable[[], object] | None = None
        self._is_over = False
        self._reading = Lock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if self._is_over:
            # Raises the error of a failed stream again.
            self._source.outcome()
            raise StopIteration
        if not self._reading.acquire(blocking=False):
            raise concurrent_reader()
        try:
            item = self._wait_for(anext(self._source, None))
            if item is None:
                self.close()
                raise StopIteration
            return item
        except BaseException:
            self.close()
            raise
        finally:
            self._reading.release()

    def result(self) -> GenerateResult:
        """Read the rest and return all steps; raises the error of a failed stream."""
        for _ in self:
            pass
        return self._source.outcome()

    def close(self) -> None:
        """Close the connection, cancel running tools, and end the thread."""
        self._is_over = True
        if self._end_thread is not None:
            self._end_thread()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exit: object) -> None:
        self.close()

    def _wait_for(self, work: Awaitable[T | None]) -> T | None:
        if self._portal is None:
            thread = ExitStack()
            self._portal = thread.enter_context(start_blocking_portal(name="stream"))
            self._end_thread = weakref.finalize(
                self, _end_thread, thread, self._portal, self._source, self._client
            )
        with _keep_interrupt():
            # A KeyboardInterrupt would end the loop before connections are closed: it is captured.
            waiting = self._portal.start_task_soon(capture, work)
            try:
                return waiting.result().result()
            except BaseException:
                waiting.cancel()
                raise


@contextmanager
def _keep_interrupt() -> Generator[None]:
    """Raise a KeyboardInterrupt even if it came while Python took or released a lock.

    Then Python raises a RuntimeError about the lock instead.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise


def _end_thread(
    thread: ExitStack, portal: BlockingPortal, source: _AsyncStream[object], client: Client | None
) -> None:
    async def close() -> None:
        await source.aclose()
        if client is not None:
            await client.close()

    # The loop may have ended already.
    with suppress(RuntimeError), thread:
        portal.call(close)


class SyncStreamResult(_SyncStream[StreamEvent]):
    """The events of a StreamResult, for a `for` loop inside a `with` block."""

    def __init__(self, events: StreamResult, client: Client | None) -> None:
        super().__init__(events, client)
        self._events = events

    @property
    def text_stream(self) -> Iterator[str]:
        """The remaining pieces of text, without other events."""
        texts = (event.delta for event in self if event.type == StreamEventType.TEXT_DELTA)
        return (text for text in texts if text)

    @property
    def partial_response(self) -> Response | None:
        """The answer of the current step so far; None before the answer begins."""
        return self._events.partial_response

    def response(self) -> Response:
        """Read the rest and return the answer of the last step."""
        return self.result().response


class SyncObjectStreamResult(_SyncStream[JsonObject]):
    """The objects of an ObjectStreamResult, for a `for` loop inside a `with` block.

    The steps returned by `result()` have the object as their `output`.
    """

    def __init__(self, objects: ObjectStreamResult, client: Client | None) -> None:
        super().__init__(objects, client)
        self._objects = objects

    def result(self) -> ObjectResult:
        """Read the rest and return all steps; raises the error of a failed stream."""
        for _ in self:
            pass
        return self._objects.outcome()

    @property
    def partial_object(self) -> JsonObject | None:
        """The newest object; None before an object begins."""
        return self._objects.partial_object

    def object(self) -> JsonObject:
        """Read the rest and return the complete object."""
        for _ in self:
            pass
        return self._objects.complete_object()

"""Synchronous versions of generate, stream, generate_object and stream_object."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from contextvars import copy_context
from threading import Lock, Thread
from typing import Any, Generic, Protocol, Self, TypeVar, Unpack

from attractor.base.callables import require_no_loop
from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.llm.abort import ending_of
from attractor.llm.client import Client
from attractor.llm.generation.object_stream import ObjectStreamResult, stream_object
from attractor.llm.generation.objects import generate_object
from attractor.llm.generation.options import GenerateOptions
from attractor.llm.generation.text import generate, get_default_client
from attractor.llm.generation.text_stream import StreamResult, second_listener, stream
from attractor.llm.response import GenerateResult, Response
from attractor.llm.stream_events import StreamEvent, StreamEventType

T = TypeVar("T")
Last = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class _Ready:
    """A loop that runs, and what ends it."""

    loop: asyncio.AbstractEventLoop
    is_over: asyncio.Event


class LoopThread:
    """Runs from its making until it is ended; time and signals count in it also while nobody waits.

    What its caller's context holds is there too. `last` is done in the loop before it ends. When
    something there ends the loop sooner, whoever waits for it has that raised.
    """

    def __init__(self, name: str, last: Last) -> None:
        self._ready: Future[_Ready] = Future()
        self._ended: Future[None] = Future()
        run = copy_context().run
        # A program that forgets it ends all the same.
        self._thread = Thread(
            target=run, args=(_run, self._ready, self._ended, last), name=name, daemon=True
        )
        self._thread.start()

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the loop, and wait until it is done; it ends when waiting does."""
        doing = self._begun(work)
        try:
            either: list[Future[Any]] = [doing, self._ended]
            wait(either, return_when=FIRST_COMPLETED)
            if self._ended.done() and (doing.cancelled() or not doing.done()):
                raise self._reason()
            return doing.result().result()
        except BaseException:
            # By asyncio, for nothing is known of the work: what closes a connection is broken off.
            doing.cancel()
            raise

    def _begun(self, work: Coroutine[Any, Any, T]) -> "Future[Future[T]]":
        loop = self._ready.result().loop
        # One that is about to close takes things yet, and does not do them.
        if not self._ended.done():
            keeping = ending_of(work)
            try:
                return asyncio.run_coroutine_threadsafe(keeping, loop)
            except RuntimeError:
                keeping.close()
        work.close()
        raise self._reason()

    def _reason(self) -> BaseException:
        """Return what ended the loop, or that it has ended."""
        return self._ended.exception() or RuntimeError("the event loop has ended")

    def end(self) -> None:
        """Tell it to end, from wherever."""
        ready = self._ready.result()
        with suppress(RuntimeError):
            ready.loop.call_soon_threadsafe(ready.is_over.set)

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()


def _run(ready: "Future[_Ready]", ended: "Future[None]", last: Last) -> None:
    async def live() -> None:
        is_over = asyncio.Event()
        ready.set_result(_Ready(asyncio.get_running_loop(), is_over))
        await is_over.wait()
        await last()

    runner = asyncio.Runner()
    try:
        runner.run(live())
    except BaseException as error:
        had_begun = ready.done()
        # Told before what is left is cancelled, so that whoever waits for that hears the reason.
        ended.set_exception(error)
        if not had_begun:
            ready.set_exception(error)
        # A second task may end the loop once more while it is cleared.
        with suppress(BaseException):
            runner.close()
        # Who leaves waits for nothing more, and is to see what went wrong at the end all the same.
        if had_begun and isinstance(error, Exception):
            raise
    else:
        try:
            runner.close()
        finally:
            ended.set_result(None)


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


_LISTEN = "async for ... in"


def generate_sync(
    model: str, prompt: str | None = None, **options: Unpack[GenerateOptions]
) -> GenerateResult:
    """Ask a model as `generate` does, and wait for its answer."""
    require_no_loop("generate")
    return _wait_for(generate(model, prompt, **options), options)


def generate_object_sync(
    model: str,
    prompt: str | None = None,
    *,
    schema: JsonObject,
    **options: Unpack[GenerateOptions],
) -> GenerateResult:
    """Ask a model for an object as `generate_object` does, and wait for it."""
    require_no_loop("generate_object")
    return _wait_for(generate_object(model, prompt, schema=schema, **options), options)


def stream_sync(
    model: str, prompt: str | None = None, **options: Unpack[GenerateOptions]
) -> SyncStreamResult:
    """Ask a model as `stream` does, and wait for each event."""
    require_no_loop("stream", instead=_LISTEN)
    return SyncStreamResult(stream(model, prompt, **options), _client(options))


def stream_object_sync(
    model: str,
    prompt: str | None = None,
    *,
    schema: JsonObject,
    **options: Unpack[GenerateOptions],
) -> SyncObjectStreamResult:
    """Ask a model for an object as `stream_object` does, and wait for more of it."""
    require_no_loop("stream_object", instead=_LISTEN)
    return SyncObjectStreamResult(
        stream_object(model, prompt, schema=schema, **options), _client(options)
    )


def _client(options: GenerateOptions) -> Client | None:
    """Return the client whose connections are to be closed; another one closes its own."""
    return options.get("client") or get_default_client()


def _wait_for(work: Coroutine[Any, Any, T], options: GenerateOptions) -> T:
    return asyncio.run(_alone(work, _client(options)))


async def _alone(work: Coroutine[Any, Any, T], client: Client | None) -> T:
    """Leave no connection of a loop that ends here to the next one."""
    try:
        return await work
    finally:
        if client is not None:
            await client.close()

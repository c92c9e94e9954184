"""Runs work in separate tasks and threads, and keeps the result or exception of the work."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from threading import Thread
from typing import Any, Generic, TypeVar

import anyio

T = TypeVar("T")
R = TypeVar("R")


async def capture(work: Awaitable[T]) -> "Future[T]":
    """Await work and return the result or the exception; a cancellation is raised.

    A SystemExit or KeyboardInterrupt that leaves a task ends the event loop, and a StopIteration
    cannot leave a task at all.
    """
    outcome: Future[T] = Future()
    try:
        outcome.set_result(await work)
    except asyncio.CancelledError:
        raise
    # Raised again by `outcome.result()`.
    except BaseException as error:  # noqa: BLE001
        outcome.set_exception(_raisable(error))
    return outcome


def capture_call(function: Callable[[], T]) -> "Future[T]":
    """Call a function and return the result or the exception."""
    outcome: Future[T] = Future()
    try:
        outcome.set_result(function())
    # Raised by `outcome.result()`; otherwise, the thread would only print it.
    except BaseException as error:  # noqa: BLE001
        outcome.set_exception(_raisable(error))
    return outcome


def _raisable(error: BaseException) -> BaseException:
    if not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    raisable = RuntimeError(f"{type(error).__name__} was raised")
    raisable.__cause__ = error
    return raisable


async def call_in_thread(function: Callable[[], T], *, name: str) -> T:
    """Call a function in a daemon thread with the caller's context.

    A cancelled caller stops waiting, but the thread continues, because a thread cannot be stopped.
    The threads of the standard pools would prevent the program from exiting.
    """
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[Future[T]] = loop.create_future()

    def finish(outcome: "Future[T]") -> None:
        if not finished.done():
            finished.set_result(outcome)

    def run() -> None:
        outcome = capture_call(function)
        # The loop may be closed by now.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(finish, outcome)

    Thread(target=copy_context().run, args=(run,), name=name, daemon=True).start()
    return (await finished).result()


class Handover(Generic[T]):
    """Passes items to a consumer; the producer waits until the consumer requests an item."""

    def __init__(self) -> None:
        self._requested = asyncio.Event()
        # None is the end.
        self._items: asyncio.Queue[T | None] = asyncio.Queue()

    async def put(self, item: T) -> None:
        """Pass an item and wait until the next item is requested."""
        self.put_nowait(item)
        await self.requested()

    def put_nowait(self, item: T | None) -> None:
        """Pass an item, or None for the end, without waiting."""
        self._items.put_nowait(item)
        self._requested.clear()

    async def requested(self) -> None:
        """Wait until the next item is requested."""
        await self._requested.wait()

    async def get(self) -> T | None:
        """Request the next item and wait for it; None is the end."""
        if self._items.empty():
            self._requested.set()
        return await self._items.get()


class Producer(Generic[T, R]):
    """Runs work that produces items; the work starts when the first item is requested.

    The work runs in a separate task, so that a time limit can also end it between two requests. A
    generator would wait in the consumer's task, where a time limit cannot end the generator while
    the consumer does something else.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, R]], handover: Handover[T]) -> None:
        self._work = work
        self._handover = handover
        self._task: asyncio.Task[Future[R] | None] | None = None
        # Cancelling the task itself would interrupt the closing of connections too.
        self._scope: anyio.CancelScope | None = None
        self._is_closed = False

    async def get(self) -> T | None:
        """Wait for the next item; return None when there are no more items."""
        if self._task is None:
            if self._is_closed:
                return None
            self._scope = anyio.CancelScope()
            self._task = asyncio.create_task(_capture_within(self._scope, self._work()))
            self._task.add_done_callback(lambda _: self._handover.put_nowait(None))
        item = await self._handover.get()
        if item is None:
            # Every later request gets the end again.
            self._handover.put_nowait(None)
        return item

    def outcome(self) -> R | None:
        """Return or raise the outcome of the work; None if the work was cancelled or still runs."""
        task = self._task
        if task is None or not task.done() or task.cancelled():
            return None
        outcome = task.result()
        return outcome.result() if outcome else None

    async def close(self) -> None:
        """Cancel the work and wait until the work has cleaned up."""
        self._is_closed = True
        if self._task and self._scope and not self._task.done():
            self._scope.cancel()
            await asyncio.wait([self._task])

    def abandon(self) -> None:
        """Cancel the work without waiting, from any thread."""
        task, scope = self._task, self._scope
        if task and scope and not task.done():
            # A closed loop has cancelled it already.
            with suppress(RuntimeError):
                task.get_loop().call_soon_threadsafe(scope.cancel)


async def _capture_within(
    scope: anyio.CancelScope, work: Coroutine[Any, Any, R]
) -> "Future[R] | None":
    """Return the outcome of the work, or None if the scope cancelled it."""
    with scope:
        return await capture(work)
    return None

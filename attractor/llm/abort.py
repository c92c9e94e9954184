"""Abort a call from another task or thread (4.7)."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Generic, TypeVar

import anyio

from attractor.llm.errors import AbortError


class _Aborted:
    """What a controller and its signal share."""

    def __init__(self) -> None:
        # Handlers of signals abort, too, also while their own thread is in here.
        self.lock = threading.RLock()
        self.reason: str | None = None
        self.listeners: list[Callable[[], None]] = []

    def tell(self, reason: str) -> Sequence[Callable[[], None]]:
        """Keep the first reason, and return who is to hear of it."""
        with self.lock:
            if self.reason is not None:
                return ()
            self.reason = reason
            told = tuple(self.listeners)
            self.listeners.clear()
            return told

    def leave(self, listener: Callable[[], None]) -> bool:
        """Tell somebody nothing any more; say whether he was still to be told."""
        with self.lock, suppress(ValueError):
            self.listeners.remove(listener)
            return True
        return False


class AbortSignal:
    """Tells whether something is to end; given to whoever does it. Safe among threads."""

    def __init__(self, shared: _Aborted) -> None:
        self._shared = shared

    @property
    def aborted(self) -> bool:
        """Whether it is to end."""
        return self._shared.reason is not None

    @property
    def reason(self) -> str:
        """Why it is to end, as far as somebody said so."""
        return self._shared.reason or ""

    def raise_if_aborted(self) -> None:
        """Raise an AbortError when it is to end."""
        if self.aborted:
            raise AbortError(f"aborted: {self.reason}" if self.reason else "")

    @contextmanager
    def calling(self, listener: Callable[[], None]) -> Generator[None]:
        """Call somebody when it is to end, at once if that is now; on the thread that aborts."""
        shared = self._shared
        with shared.lock:
            shared.listeners.append(listener)
        # Whoever aborted in between did not see him.
        if self.aborted and shared.leave(listener):
            listener()
        try:
            yield
        finally:
            shared.leave(listener)


class AbortController:
    """Ends what was given its signal; from any thread, and as often as one likes."""

    def __init__(self) -> None:
        self._aborted = _Aborted()
        self.signal = AbortSignal(self._aborted)

    def abort(self, reason: str = "") -> None:
        """End it; the first reason counts."""
        for listener in self._aborted.tell(reason):
            listener()


@asynccontextmanager
async def abortable(signal: AbortSignal | None) -> AsyncGenerator[None]:
    """Cancel what is within when the signal says so, and raise an AbortError instead.

    By a scope and not by `Task.cancel()`: that one would also break off the closing of connections,
    which scopes let come to its end. Whoever cancels the task itself does so all the same.
    """
    if signal is None:
        yield
        return
    signal.raise_if_aborted()
    loop = asyncio.get_running_loop()
    scope = anyio.CancelScope()

    def abort() -> None:
        # A loop that is closed has nothing left to end.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(scope.cancel)

    with scope, signal.calling(abort):
        yield
    if scope.cancelled_caught:
        signal.raise_if_aborted()


T = TypeVar("T")


async def ending_of(work: Awaitable[T]) -> "Future[T]":
    """Wait for something, and return how it ended; being cancelled is no end of its own."""
    ending: Future[T] = Future()
    try:
        ending.set_result(await work)
    except asyncio.CancelledError:
        raise
    # Nothing is hushed up: whoever asks for the result has it raised.
    except BaseException as error:  # noqa: BLE001
        ending.set_exception(_raisable(error))
    return ending


def ending_of_call(function: Callable[[], T]) -> "Future[T]":
    """Call a function, and return how that ended."""
    ending: Future[T] = Future()
    try:
        ending.set_result(function())
    # Nothing is hushed up here either, and a thread that an error leaves only prints it.
    except BaseException as error:  # noqa: BLE001
        ending.set_exception(_raisable(error))
    return ending


def _raisable(error: BaseException) -> BaseException:
    """Return what can be raised in a loop: these two would say that the loop is at its end."""
    if not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    raisable = RuntimeError(f"{type(error).__name__} was raised")
    raisable.__cause__ = error
    return raisable


R = TypeVar("R")


class Handover(Generic[T]):
    """What lies between the one who gives and the one who takes."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        # None stands for the end.
        self._given: asyncio.Queue[T | None] = asyncio.Queue()

    async def give(self, one: T) -> None:
        """Give one, and wait until the next one is asked for."""
        self.leave(one)
        await self.asked()

    def leave(self, one: T | None) -> None:
        """Give one, or the end, and wait for nobody."""
        self._given.put_nowait(one)
        self._asked.clear()

    async def asked(self) -> None:
        """Wait until the next one is asked for."""
        await self._asked.wait()

    async def take(self) -> T | None:
        """Ask for the next one and wait for it; None is the end."""
        if self._given.empty():
            self._asked.set()
        return await self._given.get()


class Giving(Generic[T, R]):
    """Work that gives one thing after another, begun when the first one is asked for."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, R]], handover: Handover[T]) -> None:
        self._work = work
        self._handover = handover
        self._task: asyncio.Task[Future[R] | None] | None = None
        # What ends the task: cancelled itself, it would break off the closing of connections, too.
        self._scope: anyio.CancelScope | None = None
        self._is_left = False

    async def take(self) -> T | None:
        """Wait for the next one; None when there is no more."""
        if self._task is None:
            if self._is_left:
                return None
            self._scope = anyio.CancelScope()
            self._task = asyncio.create_task(_ending_within(self._scope, self._work()))
            self._task.add_done_callback(lambda _: self._handover.leave(None))
        one = await self._handover.take()
        if one is None:
            # Who asks again shall hear it again.
            self._handover.leave(None)
        return one

    def outcome(self) -> R | None:
        """Return what came of it, or raise that; None when it was left, or is not done."""
        task = self._task
        if task is None or not task.done() or task.cancelled():
            return None
        ending = task.result()
        return ending.result() if ending else None

    async def close(self) -> None:
        """End it, and wait until it has cleaned up."""
        self._is_left = True
        if self._task and self._scope and not self._task.done():
            self._scope.cancel()
            await asyncio.wait([self._task])

    def abandon(self) -> None:
        """End it without waiting, from wherever."""
        task, scope = self._task, self._scope
        if task and scope and not task.done():
            # A loop that is closed has ended it already.
            with suppress(RuntimeError):
                task.get_loop().call_soon_threadsafe(scope.cancel)


async def _ending_within(
    scope: anyio.CancelScope, work: Coroutine[Any, Any, R]
) -> "Future[R] | None":
    """Return how the work ended, None where the scope ended it."""
    with scope:
        return await ending_of(work)
    return None

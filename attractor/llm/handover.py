"""Hands things over one by one, from a task that makes them to whoever asks for the next one.

Who makes them stands still until that one is asked for, and can yet be ended meanwhile: a task of
its own has its own limits of time. A generator would stand in the task of whoever listens, where
nothing can end it as long as that one does something else.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Generic, TypeVar

import anyio

from attractor.llm.endings import ending_of

T = TypeVar("T")
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

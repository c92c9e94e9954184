"""An event loop in a thread of its own, for those who wait and have none."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
Last = Callable[[], Awaitable[object]]


class LoopThread:
    """Runs from its making until it is ended; time and signals count in it also while nobody waits.

    What its caller's context holds is there too. `last` is done in the loop before it ends.
    """

    def __init__(self, name: str, last: Last) -> None:
        self._ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        run = copy_context().run
        # A program that forgets it ends all the same.
        self._thread = Thread(target=run, args=(_run, self._ready, last), name=name, daemon=True)
        self._thread.start()

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the loop, and wait until it is done; it ends when waiting does."""
        loop, _ = self._ready.result()
        doing = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return doing.result()
        except BaseException:
            doing.cancel()
            raise

    def end(self) -> None:
        """Tell it to end, from wherever."""
        loop, is_over = self._ready.result()
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(is_over.set)

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()


def _run(ready: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]", last: Last) -> None:
    async def live() -> None:
        is_over = asyncio.Event()
        ready.set_result((asyncio.get_running_loop(), is_over))
        await is_over.wait()
        await last()

    try:
        asyncio.run(live())
    except BaseException as error:
        # Without a loop nobody may wait for it; later there is nobody left to tell.
        if ready.done():
            raise
        ready.set_exception(error)

"""An event loop in a thread of its own, for those who wait and have none."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from contextvars import copy_context
from threading import Thread
from typing import Any, TypeVar

from attractor.base.dataclasses import dataclass
from attractor.llm.endings import ending_of

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

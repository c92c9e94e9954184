"""Calls a function in a thread of its own, so that an event loop goes on meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

from attractor.llm.endings import ending_of_call

T = TypeVar("T")


async def call_in_thread(function: Callable[[], T], *, name: str) -> T:
    """Return what a function returns, or raise what it raises; the context is the caller's.

    Who is cancelled waits no longer. The thread goes on, since nothing can end it, and keeps no
    program from ending: the threads of the standard pools are joined at the end of a program.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Future[T]] = loop.create_future()

    def tell(ending: "Future[T]") -> None:
        if not ended.done():
            ended.set_result(ending)

    def run() -> None:
        ending = ending_of_call(function)
        # In a loop that is closed nobody waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, ending)

    Thread(target=copy_context().run, args=(run,), name=name, daemon=True).start()
    return (await ended).result()

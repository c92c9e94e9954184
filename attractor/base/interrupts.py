"""Ends coroutines on signals: the work is cancelled first, so that it can clean up."""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from attractor.base.errors import ExitCode

T = TypeVar("T")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that interrupt a run: Ctrl-C, kill, a closed terminal."""


def run_in_process(work: Coroutine[Any, Any, T]) -> T:
    """Run the work of a process of its own; exit after a signal has cancelled it."""
    try:
        return asyncio.run(interruptible(work))
    except (asyncio.CancelledError, KeyboardInterrupt) as cause:
        raise SystemExit(ExitCode.INTERRUPTED) from cause


async def interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Cancel the work on a signal; after a second signal, grace periods are shorter."""
    task = asyncio.current_task()
    if task is None or threading.current_thread() is not threading.main_thread():
        return await work
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in ENDING}
    # nohup ignores SIGHUP; background jobs of a script ignore SIGINT.
    heeded = [number for number in ENDING if before[number] is not signal.SIG_IGN]
    for number in heeded:
        loop.add_signal_handler(number, task.cancel)
    try:
        return await work
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
            # After an interruption, only the last message is printed.
            signal.signal(number, signal.SIG_IGN if task.cancelling() else before[number])

"""Keeps how something ended, to be raised where somebody asks for it.

A task that is left by a SystemExit or a KeyboardInterrupt ends the whole event loop with it, and a
StopIteration cannot leave one at all: who waits for such a task would wait for ever.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TypeVar

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

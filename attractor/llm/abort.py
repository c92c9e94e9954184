"""Aborts a call from another task or thread (4.7)."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

import anyio

from attractor.llm.errors import AbortError


class _AbortState:
    """The state that an AbortController and the signal of the controller share."""

    def __init__(self) -> None:
        # Signal handlers also abort, even while their own thread holds the lock.
        self.lock = threading.RLock()
        self.reason: str | None = None
        self.listeners: list[Callable[[], None]] = []

    def abort(self, reason: str) -> Sequence[Callable[[], None]]:
        """Store the first reason and return the listeners to call."""
        with self.lock:
            if self.reason is not None:
                return ()
            self.reason = reason
            listeners = tuple(self.listeners)
            self.listeners.clear()
            return listeners

    def remove(self, listener: Callable[[], None]) -> bool:
        """Remove a listener; return whether the listener was still waiting."""
        with self.lock, suppress(ValueError):
            self.listeners.remove(listener)
            return True
        return False


class AbortSignal:
    """Reports whether work should stop. Thread-safe."""

    def __init__(self, state: _AbortState) -> None:
        self._state = state

    @property
    def aborted(self) -> bool:
        """Whether the work should stop."""
        return self._state.reason is not None

    @property
    def reason(self) -> str:
        """The reason of the first abort (default: empty)."""
        return self._state.reason or ""

    def raise_if_aborted(self) -> None:
        """Raise an AbortError if the signal is aborted."""
        if self.aborted:
            raise AbortError(f"aborted: {self.reason}" if self.reason else "")

    @contextmanager
    def calling(self, listener: Callable[[], None]) -> Generator[None]:
        """Call a listener on abort, in the thread that aborts.

        If the signal is already aborted, call the listener immediately.
        """
        state = self._state
        with state.lock:
            state.listeners.append(listener)
        # An abort before the listener was added did not call it.
        if self.aborted and state.remove(listener):
            listener()
        try:
            yield
        finally:
            state.remove(listener)


class AbortController:
    """Aborts work that was started with the signal of the controller.

    `abort` can be called from any thread, any number of times.

    controller = AbortController()
    task = asyncio.create_task(generate("gpt-5.2", "...", abort_signal=controller.signal))
    controller.abort("the user closed the window")
    """

    def __init__(self) -> None:
        self._state = _AbortState()
        self.signal = AbortSignal(self._state)

    def abort(self, reason: str = "") -> None:
        """Abort; only the first reason is kept."""
        for listener in self._state.abort(reason):
            listener()


@asynccontextmanager
async def abortable(signal: AbortSignal | None) -> AsyncGenerator[None]:
    """Cancel the block when the signal aborts, and raise an AbortError instead.

    This function uses an anyio scope, because `Task.cancel()` would also interrupt the closing of
    connections. A caller that cancels the task itself still cancels the block.
    """
    if signal is None:
        yield
        return
    signal.raise_if_aborted()
    loop = asyncio.get_running_loop()
    scope = anyio.CancelScope()

    def abort() -> None:
        # In a closed loop, all tasks have already ended.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(scope.cancel)

    with scope, signal.calling(abort):
        yield
    if scope.cancelled_caught:
        signal.raise_if_aborted()

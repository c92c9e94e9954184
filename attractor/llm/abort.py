"""Ends a call from outside: another task, another thread, somebody who does not want to wait (4.7).

controller = AbortController()
asking = asyncio.create_task(generate("gpt-5.2", "...", abort_signal=controller.signal))
controller.abort("nobody waits any more")
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

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

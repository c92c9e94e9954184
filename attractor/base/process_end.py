"""Wakes a waiting task when a program ends: with the kernel's help, else by waking it often."""

import asyncio
import os
from collections.abc import Callable

POLL_S = 0.01
"""How often somebody is woken who waits for what the kernel does not tell."""


class EndWatch:
    """Watches one program on the running event loop until it is stopped."""

    def __init__(self, pid: int, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self.stop: Callable[[], None] = lambda: None
        try:
            self._await_end(os.pidfd_open(pid))
        except (AttributeError, OSError):  # not Linux, or a sandbox forbids it
            self._tick()

    def _await_end(self, pidfd: int) -> None:
        def stop() -> None:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)
            self.stop = lambda: None

        def ended() -> None:
            stop()
            self._wake()

        self.stop = stop
        self._loop.add_reader(pidfd, ended)

    def _tick(self) -> None:
        self._wake()
        self.stop = self._loop.call_later(POLL_S, self._tick).cancel

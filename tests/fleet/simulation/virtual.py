"""A loop whose time jumps to the next timer, and machines that live, stand still and die in it."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop without sockets and threads: waiting for a timer takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        # The base class asks it for events.
        self._selector = self

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> Sequence[object]:
        """Let the time until the next timer pass."""
        if timeout is None:
            raise RuntimeError("every task waits for another one")
        self._now += timeout
        return ()

    def _process_events(self, event_list: object) -> None:
        """Nothing comes from outside."""

    def _write_to_self(self) -> None:
        """There is no other thread to be woken by."""

    def abandon(self) -> None:
        """End all tasks where they are, and close."""
        self.set_exception_handler(lambda loop, context: None)
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        if tasks:
            self.run_until_complete(asyncio.wait(tasks))
        self.close()


class Machine:
    """A machine with a process of the fleet: its clock, and whether it runs at all."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.wall_offset = 0.0
        self._loop = asyncio.get_running_loop()
        self._suspended_s = 0.0
        self._running = asyncio.Event()
        self._running.set()
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def now(self) -> datetime:
        return _EPOCH + timedelta(seconds=self._loop.time() + self.wall_offset)

    def monotonic(self) -> float:
        return self._loop.time() - self._suspended_s

    async def sleep(self, duration: timedelta) -> None:
        await self.wait(duration.total_seconds())

    async def wait(self, seconds: float) -> None:
        """Sleep; a machine that stands still wakes up later, a dead one never."""
        await asyncio.sleep(seconds)
        await self.go_on()

    async def go_on(self) -> None:
        while not self._running.is_set():
            await self._running.wait()
        if self.is_dead:
            raise asyncio.CancelledError

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that dies with the machine."""
        task = self._loop.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None) and None)
        return task

    def die(self) -> None:
        self.is_dead = True
        self._running.set()
        for task in [*self._tasks]:
            task.cancel()

    async def stand_still(self, seconds: float, *, with_clock: bool) -> None:
        """Let all tasks wait; a suspended machine does not count the time."""
        self._running.clear()
        await asyncio.sleep(seconds)
        if with_clock:
            self._suspended_s += seconds
        self._running.set()

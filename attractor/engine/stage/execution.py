"""Executes the handler of a stage, with its limits of time and of time without activity."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Self

from attractor.base.callables import call
from attractor.base.clock import Clock
from attractor.base.durations import describe_duration
from attractor.base.errors import NotCanonical, Unavailable
from attractor.base.json import JsonObject, canonical_json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure, fault_of, success
from attractor.engine.routing.retry import failure_of
from attractor.engine.seams import Halted, Handler, Stage
from attractor.language.graph.graph import Graph, Node

AUTO_STATUS_NOTES = "auto-status: handler completed without writing status"

MAY_BE_SILENT = frozenset(
    {"wait", "wait.human", "parallel", "for_each", "pipeline", "stack.manager_loop", "scenarios"}
)
"""The node types whose stages wait for people, for time, or for other stages."""


class Stall:
    """Cancels the `async with` block after too long a time without activity.

    `sign` may be called from any thread.
    """

    def __init__(self, limit: timedelta | None) -> None:
        self.limit = limit
        self._timer = asyncio.timeout(limit.total_seconds() if limit else None)
        self._put_off: Callable[[], object] = _do_nothing

    @property
    def is_over(self) -> bool:
        """Whether the time without activity was too long."""
        return self._timer.expired()

    def sign(self) -> None:
        """Signal activity."""
        self._put_off()

    async def __aenter__(self) -> Self:
        """Start the timer."""
        await self._timer.__aenter__()
        if self.limit:
            loop = asyncio.get_running_loop()
            self._put_off = lambda: loop.call_soon_threadsafe(self._reschedule)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Stop the timer."""
        self._put_off = _do_nothing
        return await self._timer.__aexit__(kind, error, trace)

    def stop(self) -> None:
        """Stop the timer while the stage waits."""
        if self.limit and self._put_off is not _do_nothing and not self._timer.expired():
            self._timer.reschedule(None)

    def start(self) -> None:
        """Start the timer again, with the whole limit."""
        self._reschedule()

    def _reschedule(self) -> None:
        if self.limit and self._put_off is not _do_nothing and not self._timer.expired():
            now = asyncio.get_running_loop().time()
            self._timer.reschedule(now + self.limit.total_seconds())


class TimeLimits:
    """The time limits of one attempt, which do not count the time while they are stopped.

    `stopped_seconds` is this time so far.
    """

    def __init__(self, stall: Stall, clock: Clock) -> None:
        self._stall = stall
        self._clock = clock
        self._left: dict[asyncio.Timeout, float | None] = {}
        self._stops = 0
        self._stopped_at = 0.0
        self.stopped_seconds = 0.0

    @asynccontextmanager
    async def limit(self, limit: timedelta | None) -> AsyncGenerator[asyncio.Timeout]:
        """Cancel the `async with` block after a time; None means no limit."""
        seconds = limit.total_seconds() if limit else None
        async with asyncio.timeout(None if self._stops else seconds) as timer:
            self._left[timer] = seconds
            try:
                yield timer
            finally:
                del self._left[timer]

    @contextmanager
    def stopped(self) -> Generator[None]:
        """Stop the time limits within the context."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def stop(self) -> None:
        """Stop the time limits; each call needs a call of `start`."""
        self._stops += 1
        if self._stops > 1:
            return
        self._stopped_at = self._clock.monotonic()
        self._stall.stop()
        now = asyncio.get_running_loop().time()
        for timer in self._running:
            due = timer.when()
            self._left[timer] = None if due is None else max(0.0, due - now)
            timer.reschedule(None)

    def start(self) -> None:
        """Start the time limits again, with the time that is left."""
        self._stops -= 1
        if self._stops:
            return
        self.stopped_seconds += self._clock.monotonic() - self._stopped_at
        self._stall.start()
        now = asyncio.get_running_loop().time()
        for timer in self._running:
            left = self._left[timer]
            timer.reschedule(None if left is None else now + left)

    @property
    def _running(self) -> Sequence[asyncio.Timeout]:
        return [timer for timer in self._left if not timer.expired()]


def stall_limit(node: Node, graph: Graph) -> timedelta | None:
    """Return the time that a stage may run without activity; None means no limit."""
    if node.type in MAY_BE_SILENT:
        return None
    own = node.attributes.duration("stall_timeout")
    return graph.attributes.duration("stall_timeout") if own is None else own


def _do_nothing() -> None:
    """Ignore the signal."""


KEEP_THEIR_OWN_TIME = frozenset({"tool", "wait.human"})

GRACE = timedelta(seconds=30)
"""The extra time for node types whose handlers handle time-outs themselves."""


async def execute(handler: Handler, stage: Stage, *, stall: Stall | None = None) -> Outcome:
    """Return the outcome of a handler; an exception becomes a failure (attractor-spec 4.12).

    Only Halted, Unavailable and the cancellation of this task are raised.
    """
    stall = stall or Stall(None)
    timer = asyncio.timeout(None)
    try:
        limit = stage.node.attributes.duration("timeout")
        if limit is not None and stage.node.type in KEEP_THEIR_OWN_TIME:
            limit += GRACE
        async with stage.waits.time_limit(limit) as timer, stall:
            returned = await call(handler.execute, stage)
        return _checked(stage.node, returned)
    except (Halted, Unavailable):
        raise
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling() > 0:
            raise
        return failure("the handler canceled itself")
    # By the contract of handlers, none of their exceptions ends the walk.
    except Exception as error:  # noqa: BLE001
        if isinstance(error, TimeoutError) and stall.is_over:
            heard = describe_duration(stall.limit or timedelta())
            return failure(f"stalled: no activity for {heard}")
        if isinstance(error, TimeoutError) and timer.expired():
            written = stage.node.attributes.duration("timeout") or timedelta()
            return failure(f"timed out after {describe_duration(written)}")
        return failure_of(error)


def _checked(node: Node, returned: object) -> Outcome:
    """Return the outcome of a handler if it is valid, otherwise a failure."""
    if returned is None and node.attributes.flag("auto_status"):
        return success(AUTO_STATUS_NOTES)
    if not isinstance(returned, Outcome):
        kind = type(returned).__name__
        return failure(f"the handler returned {kind}, not an Outcome", FailureClass.TERMINAL)
    if fault := fault_of(returned) or _fault_of_values(returned.context_updates):
        return failure(fault, FailureClass.TERMINAL)
    if returned.status is StageStatus.FAIL and not returned.failure_reason:
        return replace(returned, failure_reason=f"{node.id} failed")
    return returned


def _fault_of_values(updates: JsonObject) -> str:
    try:
        canonical_json(updates)
    except NotCanonical as fault:
        return f"context updates: {fault}"
    return ""

"""Waits of stages for something other than a person, and the status of their run meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.journal.events import STAGE_CONTINUED, StageWaiting
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.stage.execution import TimeLimits
from attractor.engine.state.attempts import MAIN, StageReference, TreeId, stage_id
from attractor.engine.state.run_state import EXECUTING, WAITING, Wait

_NEVER = datetime.max.replace(tzinfo=UTC)

OnWait = Callable[[Wait | None, str], None]
"""Type of a function that is called when a run begins to wait, and with None when it continues."""


class RunWaits:
    """The attempts of a run that wait.

    The run has the status `waiting` while each of its walks waits and no question is open.
    Meanwhile no time limit of the run counts. `on_wait` tells the parent run.
    """

    def __init__(self, run: OpenRun, *, on_wait: OnWait | None = None) -> None:
        self.run = run
        self._on_wait = on_wait
        self._limits: dict[str, TimeLimits] = {}
        self._waiting: dict[str, tuple[Wait, str]] = {}
        self._stopped: list[TimeLimits] = []

    @contextmanager
    def at_work(self, stage_id: str, limits: TimeLimits) -> Generator[None]:
        """Count an attempt as running; its time limits stop while the run waits."""
        self._limits[stage_id] = limits
        self.update()
        try:
            yield
        finally:
            self._waiting.pop(stage_id, None)
            del self._limits[stage_id]
        self.update()

    @contextmanager
    def waiting(self, stage_id: str, wait: Wait, words: str) -> Generator[None]:
        """Count an attempt as waiting.

        A process that is stopped meanwhile leaves the status of the run as it is.
        """
        self.report(stage_id, wait, words)
        try:
            yield
        except asyncio.CancelledError:
            self._waiting.pop(stage_id, None)
            raise
        except BaseException:
            self.report(stage_id, None)
            raise
        self.report(stage_id, None)

    def report(self, stage_id: str, wait: Wait | None, words: str = "") -> None:
        """Set what an attempt waits for, itself or in its child run; None if it continues."""
        if wait:
            self._waiting[stage_id] = wait, words
        else:
            self._waiting.pop(stage_id, None)
        self.update()

    def update(self) -> None:
        """Change the status of the run if its attempts began to wait, or continue."""
        state = self.run.state
        is_waiting = bool(self._waiting) and not state.questions and not self._is_at_work()
        if is_waiting and state.status == EXECUTING:
            wait, words = min(self._waiting.values(), key=lambda item: item[0].until or _NEVER)
            self.run.change_status(WAITING, words, wait=wait)
            self._stopped = [*self._limits.values()]
            for limits in self._stopped:
                limits.stop()
            if self._on_wait:
                self._on_wait(wait, words)
        elif not is_waiting and state.status == WAITING:
            self.run.change_status(EXECUTING)
            for limits in self._stopped:
                limits.start()
            self._stopped = []
            if self._on_wait:
                self._on_wait(None, "")

    def _is_at_work(self) -> bool:
        """Return whether a walk without branches does not wait."""
        walks = self.run.state.walks
        going = {
            key: walk for key, walk in walks.items() if not (walk.is_over or walk.progress.end)
        }
        forks = {walk.parent for key, walk in going.items() if key != MAIN}
        return any(
            walk.in_flight is None or walk.in_flight.id not in self._waiting
            for key, walk in going.items()
            if key not in forks
        )


@dataclass(frozen=True)
class AttemptWaits:
    """The waits of one attempt; `snapshot` returns the tree with the files of the attempt so far.

    A wait can be long, and the process may end meanwhile.
    """

    waits: RunWaits
    place: StageReference
    limits: TimeLimits
    snapshot: Callable[[], Awaitable[TreeId]]

    @asynccontextmanager
    async def waiting(self, wait: Wait, words: str = "") -> AsyncGenerator[None]:
        """Stop the time limits of the attempt within the context."""
        run, clock = self.waits.run, self.waits.run.clock
        until = wait.until.isoformat() if wait.until else ""
        happening = StageWaiting(wait.reason.value, until, words, await self.snapshot())
        run.record(happening, place=self.place)
        began = clock.monotonic()
        with self.limits.stopped(), self.waits.waiting(self._id, wait, words):
            yield
        waited: dict[str, Json] = {
            "reason": wait.reason.value,
            "seconds": round(clock.monotonic() - began, 3),
        }
        run.emit(STAGE_CONTINUED, waited, place=self.place)

    def time_limit(
        self, limit: timedelta | None
    ) -> AbstractAsyncContextManager[asyncio.Timeout, bool | None]:
        """Return a time limit that does not count waits; None means no limit."""
        return self.limits.limit(limit)

    @property
    def _id(self) -> str:
        place = self.place
        return stage_id(place.node or "", place.visit or 1, place.attempt or 1)

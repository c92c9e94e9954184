"""What a worker does: claims attempts, commits their steps, and ends what is no longer its own."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from attractor.base.clock import Clock
from attractor.base.errors import AttractorError
from attractor.base.json import JsonObject
from attractor.engine.state.run_state import AWAITING_ANSWER, Phase, RunStatus, StatusWord
from attractor.fleet.errors import DatabaseAway, Fenced, StoreAway
from attractor.fleet.records import (
    AttemptEnd,
    Claim,
    FleetRun,
    NotClaimed,
    Reason,
    ReasonKind,
    RunState,
    Worker,
)
from attractor.fleet.seams import AttemptEnded, KeepAsked, Site, SiteAttempt, Table

BEAT_S = 1.0
ALONE_S = 3.0
"""The time without a beat after which a worker ends its stages: soon others may take them."""

_PAUSES_S = (0.2, 0.5, 1.0, 2.0)

_Result = TypeVar("_Result")


def end_of(report: JsonObject) -> AttemptEnd:
    """Return how an attempt ended, from the report of its process."""
    if "error" in report:
        details = {"stopped": report["error"]}
        return AttemptEnd(state=RunState.PARKED, reason=Reason(ReasonKind.PAUSED, details))
    status = RunStatus(StatusWord(str(report["status"])), Phase(str(report["phase"])))
    words = str(report["reason"])
    if status == AWAITING_ANSWER:
        return AttemptEnd(state=RunState.PARKED, reason=Reason(ReasonKind.HUMAN))
    if status.word in (StatusWord.EXECUTING, StatusWord.BOOTING, StatusWord.WAITING):
        kind = ReasonKind.BUDGET if words.startswith(_BUDGETS) else ReasonKind.PAUSED
        return AttemptEnd(state=RunState.PARKED, reason=Reason(kind, {"stopped": words}))
    return AttemptEnd(state=RunState.ENDED)


_BUDGETS = ("budget", "max_")


class RunWorker:
    """A worker of a pool. `execute` is called for each attempt that the queue gives it."""

    def __init__(self, worker: Worker, table: Table, site: Site, clock: Clock) -> None:
        self.worker = worker
        self.attempts: dict[str, SiteAttempt] = {}
        self._table = table
        self._site = site
        self._clock = clock
        self._last_beat = clock.monotonic()

    @property
    def is_alone(self) -> bool:
        """Whether the last beat is so long ago that others may soon take over the runs."""
        return self._clock.monotonic() - self._last_beat > ALONE_S

    async def execute(self, run_id: str, attempt: int) -> None:
        """Execute one attempt, unless another one took its place or there is no room."""
        if self.worker.is_draining or self.is_alone:
            return
        claim = await self._insist(lambda: self._table.claim(run_id, attempt, self.worker.id))
        run = (
            None if isinstance(claim, NotClaimed) else await self._insist(lambda: self._row(run_id))
        )
        if isinstance(claim, NotClaimed) or run is None:
            return
        try:
            await self._execute(run, claim)
        except (Fenced, DatabaseAway) as lost:
            if running := self.attempts.get(run_id):
                await running.kill(lost.message, keeps=True)
        finally:
            if done := self.attempts.pop(run_id, None):
                await done.close()

    async def beat(self) -> None:
        """Note that this worker is alive, and end the runs that are not its own any more."""
        try:
            self.worker = await self._table.beat(self.worker)
            owned = {run.run_id: run for run in await self._table.owned(self.worker.id)}
        except DatabaseAway:
            if self.is_alone:
                why = f"the worker could not reach the database for {ALONE_S:.0f} s"
                for running in [*self.attempts.values()]:
                    await running.kill(why, keeps=True)
            return
        self._last_beat = self._clock.monotonic()
        for run_id, running in [*self.attempts.items()]:
            if run_id not in owned:
                await running.kill("another worker owns the run", keeps=True)
            elif owned[run_id].cancel:
                await running.cancel()
            elif self.worker.is_draining:
                await running.stop()

    async def beat_until(self, is_over: Callable[[], bool]) -> None:
        """Beat until something is over."""
        while not is_over():
            await self.beat()
            await self._sleep(BEAT_S)

    async def _row(self, run_id: str) -> FleetRun | None:
        return await self._table.run(run_id)

    async def _execute(self, run: FleetRun, claim: Claim) -> None:
        try:
            running = await self._insist(lambda: self._site.begin(run, claim), claim)
        except (StoreAway, DatabaseAway):
            raise
        except Exception as error:
            # Whatever it is, a person must see it: nothing else ends this attempt.
            is_ours = isinstance(error, AttractorError)
            words = error.in_one_line if is_ours else f"internal error: {error!r}"
            await self._end(claim, _parked(words))
            if is_ours:
                return
            raise
        self.attempts[run.run_id] = running
        while isinstance(sign := await running.next(), KeepAsked):
            claim = await self._commit(running, claim)
            await running.answer(sign.number)
        if isinstance(sign, AttemptEnded):
            claim = await self._commit(running, claim)
            end = end_of(sign.report)
            if end.reason and end.reason.kind is ReasonKind.PAUSED and self.worker.is_draining:
                end = AttemptEnd(state=RunState.QUEUED, yields=True)
            await self._end(claim, end)
        else:
            await self._end(claim, replace(_CRASHED, yields=True))

    async def _commit(self, running: SiteAttempt, claim: Claim) -> Claim:
        head = await self._insist(running.save, claim)
        return await self._insist(lambda: self._table.commit(claim, head))

    async def _end(self, claim: Claim, end: AttemptEnd) -> None:
        await self._insist(lambda: self._table.end(claim, end))

    async def _insist(
        self, work: Callable[[], Awaitable[_Result]], claim: Claim | None = None
    ) -> _Result:
        """Do something as soon as database and store answer; without a beat for long, give up."""
        tries = 0
        while True:
            try:
                done = await work()
            except (StoreAway, DatabaseAway) as away:
                if self.is_alone:
                    raise DatabaseAway(away.message) from away
                if claim and tries == 0 and isinstance(away, StoreAway):
                    await self._note(claim, Reason(ReasonKind.STORE_UNREACHABLE))
                await self._sleep(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)])
                tries += 1
            else:
                if claim and tries:
                    await self._note(claim, None)
                return done

    async def _note(self, claim: Claim, reason: Reason | None) -> None:
        try:
            await self._table.set_reason(claim, reason)
        except DatabaseAway:
            return

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep(timedelta(seconds=seconds))


_CRASHED = AttemptEnd(state=RunState.QUEUED, has_crashed=True)


def _parked(words: str) -> AttemptEnd:
    return AttemptEnd(state=RunState.PARKED, reason=Reason(ReasonKind.PAUSED, {"stopped": words}))

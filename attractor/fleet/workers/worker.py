"""What a worker does: claims attempts, commits their steps, and ends what is no longer its own."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from attractor.base.clock import Clock
from attractor.base.errors import (
    AttractorError,
    Refused,
    VerificationError,
    first_sentence,
    words_of,
)
from attractor.base.json import JsonObject
from attractor.engine.state.run_state import (
    AWAITING_ANSWER,
    Phase,
    RunStatus,
    StatusWord,
    WaitReason,
)
from attractor.fleet.decisions import BEAT_S, pause_of
from attractor.fleet.errors import DatabaseAway, Fenced, StoreAway
from attractor.fleet.records import (
    EVALUATE,
    AttemptEnd,
    Claim,
    FleetRun,
    NotClaimed,
    Reason,
    ReasonKind,
    RowState,
    Spent,
    Worker,
)
from attractor.fleet.seams import AttemptEnded, BeginAttempt, KeepAsked, SiteAttempt, Table

ALONE_S = 3.0
"""The time without a beat after which a worker ends its stages: soon others may take them."""

_PAUSES_S = (0.2, 0.5, 1.0, 2.0)

_Result = TypeVar("_Result")


def end_of(report: JsonObject, now: float) -> AttemptEnd:
    """Return how an attempt ended, from the report of its process, at a time of the database."""
    if "error" in report:
        details = {"stopped": report["error"]}
        return AttemptEnd(state=RowState.PARKED, reason=Reason(ReasonKind.PAUSED, details))
    status = RunStatus(StatusWord(str(report["status"])), Phase(str(report["phase"])))
    words = str(report["reason"])
    if status == AWAITING_ANSWER:
        return AttemptEnd(state=RowState.PARKED, reason=Reason(ReasonKind.HUMAN))
    if "wait" in report:
        kind = ReasonKind.TIMER if report["wait"] == WaitReason.TIMER else ReasonKind.LIMIT
        wake_at = now + float(str(report["wait_s"]))
        return AttemptEnd(
            state=RowState.PARKED, reason=Reason(kind, {"stopped": words}), wake_at=wake_at
        )
    if status.word in (StatusWord.EXECUTING, StatusWord.BOOTING, StatusWord.WAITING):
        kind = ReasonKind.BUDGET if words.startswith(_BUDGET) else ReasonKind.PAUSED
        return AttemptEnd(state=RowState.PARKED, reason=Reason(kind, {"stopped": words}))
    return AttemptEnd(state=RowState.ENDED)


_BUDGET = "the budget "


class RunWorker:
    """A worker of a pool. `execute` is called for each attempt that the queue gives it."""

    def __init__(self, worker: Worker, table: Table, begin: BeginAttempt, clock: Clock) -> None:
        self.worker = worker
        self.drains = False
        self.refused: Refused | None = None
        """Why the database lets it claim nothing."""
        self.attempts: dict[str, SiteAttempt] = {}
        self._table = table
        self._begin = begin
        self._clock = clock
        self._last_beat = clock.monotonic()
        # The runs that `execute` is busy with, each with its epoch, or 0 before the claim.
        self._epochs: dict[str, int] = {}
        self._kills: dict[SiteAttempt, asyncio.Task[None]] = {}

    @property
    def is_draining(self) -> bool:
        """Whether it takes nothing new: its row says so, or a signal did."""
        return self.drains or self.worker.is_draining

    @property
    def is_alone(self) -> bool:
        """Whether the last beat is so long ago that others may soon take over the runs."""
        return self._clock.monotonic() - self._last_beat > ALONE_S

    async def execute(self, run_id: str, attempt: int) -> None:
        """Execute one attempt, unless another one took its place or there is no room.

        A sweep enqueues again what returns without a claim.
        """
        # An older attempt of the same run may still be ending here.
        if self.is_draining or run_id in self._epochs:
            return
        self._epochs[run_id] = 0
        try:
            claim = await self._claim(run_id, attempt)
            if isinstance(claim, NotClaimed):
                return
            self._epochs[run_id] = claim.epoch
            if run := await self._insist(lambda: self._table.run(run_id)):
                await self._execute_claimed(run, claim)
        finally:
            del self._epochs[run_id]

    async def _claim(self, run_id: str, attempt: int) -> Claim | NotClaimed:
        while not self.is_draining:
            try:
                # After an outage, the queue may answer before the next beat does.
                if not self.is_alone:
                    return await self._insist(
                        lambda: self._table.claim(run_id, attempt, self.worker.id)
                    )
            except DatabaseAway:
                pass
            except Refused as error:
                # Its login lacks a right: it could claim nothing else.
                self.refused = error
                raise
            await self._sleep(_PAUSES_S[0])
        return NotClaimed()

    async def _execute_claimed(self, run: FleetRun, claim: Claim) -> None:
        try:
            await self._execute(run, claim)
        except (Fenced, DatabaseAway) as lost:
            if running := self.attempts.get(run.run_id):
                self._kill(running, lost.message)
        finally:
            if done := self.attempts.pop(run.run_id, None):
                if kill := self._kills.get(done):
                    await kill
                    del self._kills[done]
                await done.close()

    async def beat(self) -> None:
        """Note that this worker is alive, and end the runs that are not its own any more."""
        asked, epochs, attempts = self._clock.monotonic(), {**self._epochs}, {**self.attempts}
        try:
            self.worker = await self._table.beat(self.worker)
            self._last_beat = asked
            owned = {run.run_id: run for run in await self._table.owned(self.worker.id)}
        except (DatabaseAway, Refused):
            return
        # What began or ended since the look is left for the next one.
        for run_id, running in attempts.items():
            if self.attempts.get(run_id) is running:
                run = owned.get(run_id)
                is_own = run is not None and run.epoch == epochs[run_id]
                try:
                    await self._steer(running, run if is_own else None)
                except (AttractorError, OSError) as error:
                    # A worker without beats would take attempts and execute none.
                    self._kill(running, words_of(error))
        for run_id, run in owned.items():
            if run_id not in epochs and run_id not in self._epochs:
                await self._give_back(run)

    async def _steer(self, running: SiteAttempt, run: FleetRun | None) -> None:
        if run is None:
            self._kill(running, "another worker owns the run")
            return
        if run.orders:
            # First: a person gave the reason of a cancel.
            await running.give(run.orders)
        if run.cancel and run.pool == EVALUATE:
            # Its process looks at no inbox.
            self._kill(running, "canceled")
        elif run.cancel:
            await running.cancel()
        elif pause := pause_of(run):
            await running.stop(str(pause.details["stopped"]))
        elif self.is_draining:
            await running.stop("the worker takes no more work")

    async def beat_until(self, is_over: Callable[[], bool]) -> None:
        """Beat until something is over, and end all stages when no beat succeeds for long."""
        watch = asyncio.create_task(self._watch())
        try:
            while not is_over():
                await self.beat()
                await self._sleep(BEAT_S)
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        # Apart from the beats: one of them may wait for its answer for long.
        while True:
            await self._sleep(BEAT_S / 2)
            if self.is_alone:
                for running in self.attempts.values():
                    self._kill(running, f"the worker had no database for {ALONE_S:.0f} s")

    async def _give_back(self, run: FleetRun) -> None:
        """Release a run whose claim this worker made, but never heard of."""
        with suppress(Fenced, DatabaseAway):
            await self._table.end(Claim.of(run), AttemptEnd(state=RowState.QUEUED, yields=True))

    async def end_all(self, why: str) -> None:
        """End the processes of all attempts."""
        await asyncio.gather(*(self._kill(running, why) for running in self.attempts.values()))

    def _kill(self, running: SiteAttempt, why: str) -> asyncio.Task[None]:
        """End a process; beats do not wait for that."""
        if running not in self._kills:
            self._kills[running] = asyncio.create_task(running.kill(why))
        return self._kills[running]

    async def _execute(self, run: FleetRun, claim: Claim) -> None:
        try:
            running = await self._insist(lambda: self._begin(run, claim), claim)
        except (StoreAway, DatabaseAway):
            raise
        except Exception as error:
            # Whatever it is, a person must see it: nothing else ends this attempt.
            await self._end(claim, _parked(error, run, claim.head))
            if not isinstance(error, AttractorError):
                raise
            return
        self.attempts[run.run_id] = running
        try:
            await self._serve(running, claim)
        except (Fenced, StoreAway, DatabaseAway):
            raise
        except Exception as error:
            await self._park(running, claim, error)
            if not isinstance(error, AttractorError):
                raise

    async def _park(self, running: SiteAttempt, claim: Claim, error: Exception) -> None:
        """Park a run because of an error; raise Fenced for an attempt that was ended before."""
        if running in self._kills:
            # Its files were set aside while they were collected.
            raise Fenced("the attempt was ended while its files were stored") from error
        # A repetition would fail again, and pay for the stage again: a person must see it.
        await self._kill(running, words_of(error))
        owned = await self._insist(lambda: self._table.run(claim.run_id))
        if owned and owned.epoch == claim.epoch:
            await self._end(Claim.of(owned), _parked(error, owned, owned.head))

    async def _serve(self, running: SiteAttempt, claim: Claim) -> None:
        """Commit each step of a process until it ends, and release the run."""
        while isinstance(sign := await running.next(), KeepAsked):
            claim = await self._commit(running, claim, sign.spent, ends_stage=sign.ends_stage)
            await running.answer(sign.number)
        if isinstance(sign, AttemptEnded):
            claim = await self._commit(running, claim, sign.spent)
            end = end_of(sign.report, await self._insist(self._table.now))
            is_stopped = end.reason is not None and end.reason.kind is ReasonKind.PAUSED
            if is_stopped and "error" not in sign.report and self.is_draining:
                end = AttemptEnd(state=RowState.QUEUED, yields=True)
            await self._end(claim, end)
        else:
            has_crashed = running not in self._kills
            end = AttemptEnd(state=RowState.QUEUED, yields=True, has_crashed=has_crashed)
            await self._end(claim, end)

    async def _commit(
        self, running: SiteAttempt, claim: Claim, spent: Spent | None, *, ends_stage: bool = False
    ) -> Claim:
        head = await self._insist(running.save, claim)
        if running in self._kills:
            # Its files are set aside, perhaps while they were collected.
            raise Fenced("the attempt was ended while its files were stored")
        carried_out = running.carried_out
        return await self._insist(
            lambda: self._table.commit(claim, head, spent, carried_out, ends_stage=ends_stage)
        )

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
                    # What is done must not be lost: the next commit finds that the run is.
                    with suppress(Fenced):
                        await self._note(claim, None)
                return done

    async def _note(self, claim: Claim, reason: Reason | None) -> None:
        try:
            await self._table.set_reason(claim, reason)
        except DatabaseAway:
            return

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep(timedelta(seconds=seconds))


def _parked(error: Exception, run: FleetRun, head: str) -> AttemptEnd:
    """Return the end of an attempt that failed at its worker, perhaps because of its head."""
    details = {"stopped": words_of(error)}
    if run.pool == EVALUATE:
        # All workers read the row, and an error may name files of a suite.
        sys.stderr.write(f"{run.run_id}: {details['stopped']}\n")
        details["stopped"] = f"{first_sentence(type(error))} (the log of its worker says more)"
    elif isinstance(error, VerificationError):
        details["damaged"] = head
    return AttemptEnd(state=RowState.PARKED, reason=Reason(ReasonKind.PAUSED, {**details}))

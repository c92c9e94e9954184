"""Wrong variants of the code under test, one for each invariant, which must notice it."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from attractor.base.dataclasses import changed
from attractor.fleet import decisions
from attractor.fleet.decisions import Change
from attractor.fleet.errors import StoreAway
from attractor.fleet.records import AttemptEnd, Claim, FleetRun, RowState
from attractor.fleet.seams import Blobs
from attractor.fleet.store import heads
from attractor.fleet.store.heads import HeadTree
from attractor.fleet.workers.worker import RunWorker
from tests.fleet.simulation.history import History, play, scenario_of
from tests.fleet.simulation.invariants import Invariant
from tests.fleet.simulation.model import ModelTable
from tests.fleet.simulation.site import Step
from tests.fleet.simulation.world import Server

Patch = pytest.MonkeyPatch


def commit_without_number(patch: Patch) -> None:
    def may_commit(self: ModelTable, run: FleetRun, claim: Claim) -> bool:
        return (run.epoch, run.owner) == (claim.epoch, claim.owner)

    patch.setattr(ModelTable, "may_commit", may_commit)


def commit_without_epoch(patch: Patch) -> None:
    def may_commit(self: ModelTable, run: FleetRun, claim: Claim) -> bool:
        return run.seq == claim.seq

    patch.setattr(ModelTable, "may_commit", may_commit)


def accept_answer_before_it_is_written(patch: Patch) -> None:
    write = Server.answer

    async def answer(self: Server, run_id: str, wait: Step) -> None:
        self.machine.start(write(self, run_id, wait))

    patch.setattr(Server, "answer", answer)


def commit_before_all_blobs_are_stored(patch: Patch) -> None:
    store: Any = HeadTree._store  # pyright: ignore[reportPrivateUsage]

    async def store_some(self: Any, contents: Any) -> None:
        with suppress(StoreAway):
            await store(self, contents)

    patch.setattr(HeadTree, "_store", store_some)


def park_with_an_attempt(patch: Patch) -> None:
    release = decisions.released

    def enqueue_too(run: FleetRun, end: AttemptEnd, now: float) -> Change:
        change = release(run, end, now)
        return changed(change, enqueues=True) if end.state is RowState.PARKED else change

    patch.setattr(decisions, "released", enqueue_too)


def keep_claims_without_reply(patch: Patch) -> None:
    async def keep(self: RunWorker, run: FleetRun) -> None:
        """Leave a run that this worker owns and does not execute."""

    patch.setattr(RunWorker, "_give_back", keep)


def claim_without_counting(patch: Patch) -> None:
    def why_full(*arguments: object) -> None:
        """Find room everywhere."""

    patch.setattr(decisions, "why_full", why_full)


def wake_ended_runs(patch: Patch) -> None:
    want = decisions.wanted

    def wake(run: FleetRun, now: float) -> Change:
        is_ended = run.state is RowState.ENDED
        return decisions.next_attempt(run, {"reason": None}) if is_ended else want(run, now)

    patch.setattr(decisions, "wanted", wake)


def remove_young_blobs(patch: Patch) -> None:
    sweep = heads.sweep_blobs

    async def sweep_all(blobs: Blobs, rooted: Sequence[str], keep_s: float) -> int:
        return await sweep(blobs, rooted, 0.0)

    patch.setattr(heads, "sweep_blobs", sweep_all)


def replace_no_lost_attempt(patch: Patch) -> None:
    sweep = decisions.swept

    def swept(run: FleetRun, now: float, **options: bool) -> Change | None:
        is_kept = run.state is RowState.QUEUED and not run.cancel
        return None if is_kept else sweep(run, now, **options)

    patch.setattr(decisions, "swept", swept)


def end_runs_of_dead_processes(patch: Patch) -> None:
    end: Any = RunWorker._end  # pyright: ignore[reportPrivateUsage]

    async def end_always(self: RunWorker, claim: Claim, how: AttemptEnd) -> None:
        await end(self, claim, AttemptEnd(state=RowState.ENDED) if how.has_crashed else how)

    patch.setattr(RunWorker, "_end", end_always)


MUTANTS: Mapping[Invariant, Callable[[Patch], None]] = {
    Invariant.ONE_COMMIT: commit_without_number,
    Invariant.FENCED: commit_without_epoch,
    Invariant.ACKNOWLEDGED: accept_answer_before_it_is_written,
    Invariant.WHOLE_HEAD: commit_before_all_blobs_are_stored,
    Invariant.PARKED_FREE: park_with_an_attempt,
    Invariant.OWNED: keep_claims_without_reply,
    Invariant.LIMITS: claim_without_counting,
    Invariant.CANCELED_STAYS: wake_ended_runs,
    Invariant.GC_SAFE: remove_young_blobs,
    Invariant.FINISHES: replace_no_lost_attempt,
    Invariant.SAME_RESULT: end_runs_of_dead_processes,
}


@contextmanager
def mutated(invariant: Invariant) -> Generator[None]:
    """Exchange the code during a block."""
    with Patch.context() as patch:
        MUTANTS[invariant](patch)
        yield


def caught(invariant: Invariant, seeds: int) -> History | None:
    """Return the first history in which the mutant of an invariant breaks it."""
    with mutated(invariant):
        for seed in range(seeds):
            history = play(scenario_of(seed))
            if history.violation and history.violation.invariant is invariant:
                return history
    return None

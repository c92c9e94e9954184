"""The eleven invariants, watched at every change of a row and of the store."""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.fleet.decisions import is_executed, is_holder, share_of
from attractor.fleet.records import Claim, FleetRun, RowState
from tests.fleet.memory_blobs import MemoryBlobs
from tests.fleet.simulation.model import ModelTable
from tests.fleet.simulation.site import Head, Plan, read_head


class Invariant(StrEnum):
    ONE_COMMIT = "one_commit"
    """Each commit of a run happens once, by one epoch."""
    FENCED = "fenced"
    """An older epoch commits nothing."""
    ACKNOWLEDGED = "acknowledged"
    """An accepted answer, order or cancel is never lost."""
    WHOLE_HEAD = "whole_head"
    """The store has all blobs of every head in a row."""
    PARKED_FREE = "parked_free"
    """A parked run has no owner, attempt, process."""
    OWNED = "owned"
    """A running run has one owner, which executes it or is about to be replaced."""
    LIMITS = "limits"
    """No pool exceeds its concurrency, no universe its share."""
    CANCELED_STAYS = "canceled_stays"
    """A run whose cancel was settled neither commits nor runs."""
    GC_SAFE = "gc_safe"
    """A sweep of blobs removes nothing that a head reaches."""
    FINISHES = "finishes"
    """Without faults, every run ends in bounded time."""
    SAME_RESULT = "same_result"
    """The stages of a run are those of an undisturbed one, each committed once."""


@dataclass(frozen=True)
class Violation:
    invariant: Invariant
    words: str


class WatchedBlobs(MemoryBlobs):
    """A store that tells what it removes."""

    removed: Callable[[Sequence[str]], None]

    async def remove(self, digests: Collection[str], older_s: float) -> None:
        await super().remove(digests, older_s)
        self.removed([one for one in digests if one not in self.contents])


class Watch:
    """Looks at all that happens; the first violation stays."""

    def __init__(
        self,
        table: ModelTable,
        store: WatchedBlobs,
        plans: Mapping[str, Plan],
        write: Callable[[str], None],
    ) -> None:
        table.noticed, store.removed = self.changed, self.removed
        self._table = table
        self.violation: Violation | None = None
        self.acknowledged: dict[str, list[str]] = {}
        self.ordered: dict[str, list[str]] = {}
        self.canceled: dict[str, None] = {}
        self._store = store
        self._plans = plans
        self._write = write
        self._epochs: dict[str, int] = {}
        self._commits: dict[tuple[str, int], int] = {}
        self._heads: dict[str, Head] = {}
        self._swept: dict[str, None] = {}

    def head(self, digest: str) -> Head:
        if digest not in self._heads:
            self._heads[digest] = read_head(self._store.contents, digest)
        return self._heads[digest]

    def fail(self, invariant: Invariant, words: str) -> None:
        if self.violation is None:
            self.violation = Violation(invariant, words)
            self._write(f"VIOLATION {invariant}: {words}")

    def changed(
        self, cause: str, before: FleetRun | None, after: FleetRun, claim: Claim | None
    ) -> None:
        """Check a change of a row."""
        done = self.head(after.head).done
        self._write(
            f"{after.run_id} {cause}: {after.state} attempt {after.attempt} epoch {after.epoch} "
            f"owner {after.owner or '-'} seq {after.seq} done {len(done)}"
        )
        if before and claim and cause == "commit":
            self._check_commit(before, after, claim)
        self._epochs[after.run_id] = max(after.epoch, self._epochs.get(after.run_id, 0))
        if before is None or before.head != after.head:
            self._check_blobs(after)
        if before and before.cancel:
            self._check_canceled(cause, before, after)
        self._check_row(after)
        if cause == "claim":
            self._check_limits(after)

    def removed(self, digests: Sequence[str]) -> None:
        """Check a sweep of blobs."""
        self._write(f"{len(digests)} blobs removed")
        self._swept |= dict.fromkeys(digests)
        for run in self._table.rows.values():
            if lost := {*digests}.intersection(self.head(run.head).digests):
                self.fail(Invariant.GC_SAFE, f"{run.run_id} lost {len(lost)} blobs")

    def _check_commit(self, before: FleetRun, after: FleetRun, claim: Claim) -> None:
        run_id = after.run_id
        if claim.epoch < self._epochs.get(run_id, 0):
            latest = self._epochs[run_id]
            words = f"{run_id}: epoch {claim.epoch} of {claim.owner} commits, after {latest}"
            self.fail(Invariant.FENCED, words)
        if (run_id, after.seq) in self._commits:
            self.fail(Invariant.ONE_COMMIT, f"{run_id}: commit {after.seq} twice")
        self._commits[run_id, after.seq] = claim.epoch
        old, new = self.head(before.head).done, self.head(after.head).done
        if new[: len(old)] != old or len({*new}) != len(new):
            self.fail(Invariant.SAME_RESULT, f"{run_id}: {old} became {new}")

    def _check_blobs(self, run: FleetRun) -> None:
        if missing := self.head(run.head).missing:
            is_swept = any(one in self._swept for one in missing)
            invariant = Invariant.GC_SAFE if is_swept else Invariant.WHOLE_HEAD
            self.fail(
                invariant, f"{run.run_id}: {len(missing)} blobs of commit {run.seq} are missing"
            )

    def _check_canceled(self, cause: str, before: FleetRun, after: FleetRun) -> None:
        is_taken = before.state is not RowState.RUNNING and after.state is RowState.RUNNING
        is_settled = before.state is RowState.ENDED
        if (is_taken or is_settled) and not is_holder(before.owner + after.owner):
            self.fail(Invariant.CANCELED_STAYS, f"{after.run_id}: {cause} after its cancel")

    def _check_row(self, run: FleetRun) -> None:
        answers = self.head(run.head).answers
        if lost := [one for one in self.acknowledged.get(run.run_id, ()) if one not in answers]:
            self.fail(Invariant.ACKNOWLEDGED, f"{run.run_id}: answer {lost[0]} is lost")
        known = {*run.orders, *self.head(run.head).orders}
        if lost := [one for one in self.ordered.get(run.run_id, ()) if one not in known]:
            self.fail(Invariant.ACKNOWLEDGED, f"{run.run_id}: order {lost[0]} is lost")
        if run.run_id in self.canceled and not run.cancel:
            self.fail(Invariant.ACKNOWLEDGED, f"{run.run_id}: its cancel is lost")
        if (run.state is RowState.RUNNING) != bool(run.owner):
            parked = Invariant.PARKED_FREE
            invariant = parked if run.state is RowState.PARKED else Invariant.OWNED
            self.fail(invariant, f"{run.run_id}: {run.state}, owner {run.owner or '-'}")
        names = [name for name, one in self._table.queue.items() if not one.worker]
        if run.state is RowState.PARKED and any(one.startswith(f"{run.run_id}:") for one in names):
            self.fail(Invariant.PARKED_FREE, f"{run.run_id} is parked, and an attempt is queued")

    def _check_limits(self, run: FleetRun) -> None:
        pool = self._table.limits.get(run.pool)
        if pool is None or not pool.concurrency:
            return
        running = [one.universe for one in self._table.rows.values() if is_executed(one)]
        own = running.count(run.universe)
        if len(running) > pool.concurrency or own > share_of(pool):
            self.fail(Invariant.LIMITS, f"{len(running)} run, {own} of universe {run.universe}")

    def check_calm(self, executing: Mapping[str, Sequence[str]], busy: Sequence[str]) -> None:
        """Check what must hold some time after the last fault; `busy` runs have a process."""
        for run_id, run in self._table.rows.items():
            has_owner = is_holder(run.owner) or run_id in executing.get(run.owner, ())
            if run.state is RowState.RUNNING and not has_owner:
                self.fail(Invariant.OWNED, f"{run_id}: {run.owner} does not execute it")
            if run.state is RowState.PARKED and run_id in busy:
                self.fail(Invariant.PARKED_FREE, f"{run_id} is parked, but has a process")

    def check_end(self, executions: Mapping[tuple[str, str], int]) -> None:
        """Check the results of all runs."""
        for run_id, plan in self._plans.items():
            run = self._table.rows.get(run_id)
            if run is None or run.state is not RowState.ENDED:
                state = f"{run.state}, {run.reason}" if run else "not added"
                self.fail(Invariant.FINISHES, f"{run_id} is {state}")
                continue
            done = self.head(run.head).done
            is_other = sorted(done) != sorted(plan.stages) and not run.cancel
            if is_other or any((run_id, stage) not in executions for stage in done):
                self.fail(Invariant.SAME_RESULT, f"{run_id}: {done}, not {plan.stages}")
            # A canceled run may have ended between a commit and the next word of its process.
            if not (run.cancel and run.tokens <= len(done)) and run.tokens != len(done):
                self.fail(Invariant.SAME_RESULT, f"{run_id}: {run.tokens} of {len(done)} paid")
        settled = sum(spent.tokens for spent in self._table.spent.values())
        if settled != (paid := sum(run.tokens for run in self._table.rows.values())):
            self.fail(Invariant.SAME_RESULT, f"{settled} tokens settled, {paid} paid")

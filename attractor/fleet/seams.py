"""What the fleet needs of a database, a queue and a store of blobs."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.fleet.records import (
    AttemptEnd,
    Claim,
    FleetRun,
    NewRun,
    NotClaimed,
    Pool,
    Reason,
    RunState,
    Spent,
    Worker,
)
from attractor.fleet.universes import NO_CAPS, Caps, Tenant


class Blobs(Protocol):
    """Contents by their SHA-256. A blob never changes; each read is checked."""

    async def put(self, content: bytes) -> str:
        """Store a content unless it is there, durably, and return its hash.

        A content that is there counts as new again: a sweep keeps what a running commit needs.
        """
        ...

    async def get(self, digest: str) -> bytes:
        """Return a content; raise BlobMissing or BlobChanged."""
        ...

    def digests(self) -> AsyncIterator[tuple[str, float]]:
        """Yield the hash of each blob, and the seconds since its last put."""
        ...

    async def size(self) -> int:
        """Return the number of bytes that all blobs take."""
        ...

    async def remove(self, digests: Collection[str], older_s: float) -> None:
        """Remove blobs whose last put is longer ago than a time; missing ones are no error.

        A put that comes in between wins.
        """
        ...


BlobsOf = Callable[[str], Awaitable[Blobs]]
"""Opens the blobs of a universe."""


class Table(Protocol):
    """The rows of runs and workers. Each method is one transaction, with the queue.

    Whatever enqueues or cancels an attempt does so in the transaction of the row. Times are those
    of the database. Without the database, a method raises DatabaseAway.
    """

    async def add(self, new: NewRun) -> None:
        """Add a run and enqueue its first attempt; refuse a second open run of an actor.

        Raise CapRefused for what its universe or world does not allow on any day.
        """
        ...

    async def claim(self, run_id: str, attempt: int, worker: str) -> Claim | NotClaimed:
        """Make a worker the owner of a run, with a new epoch.

        Without room in the pool or in the caps, the row gets the reason, and the attempt
        ends: who frees room enqueues the run that waits longest.
        """
        ...

    async def commit(
        self,
        claim: Claim,
        head: str,
        spent: Spent | None = None,
        carried_out: Collection[str] = (),
    ) -> Claim:
        """Record a head, and return the claim of the next commit; raise Fenced without the epoch.

        What the run has spent so far is settled with its universe and its world. The orders that
        the head has as carried out leave the row.

        A commit that is repeated because its reply was lost returns the same claim again.
        """
        ...

    async def end(self, claim: Claim, end: AttemptEnd) -> None:
        """Release a run at the end of its attempt; raise Fenced without the epoch.

        A run that is wanted, or yields, is enqueued again at once. The freed room goes to the run
        that waits longest for it.
        """
        ...

    async def want(self, run_id: str) -> FleetRun:
        """Let a run continue: enqueue it if it is parked, or note it for the end of its attempt.

        A pause that is not carried out yet is dropped.
        """
        ...

    async def order(self, run_id: str, name: str, order: JsonObject) -> FleetRun | None:
        """Let the worker that owns a run have an order; return None if no worker does.

        The order stays until a commit has it as carried out. A pause parks the run at the end of
        the attempt; one of a run that waits for a worker or for a time parks it at once.
        """
        ...

    async def hold(self, run_id: str, owner: str) -> Claim | NotClaimed:
        """Own a run that no worker owns, to change it here; its queued attempt is dropped."""
        ...

    async def set_reason(self, claim: Claim, reason: Reason | None) -> None:
        """Note why a run stands still while its owner keeps it."""
        ...

    async def cancel(self, run_id: str) -> FleetRun:
        """Let nothing claim a run any more, and let its owner end it."""
        ...

    async def forget(self, run_id: str) -> None:
        """Remove the row of a run that has ended, with its attempts."""
        ...

    async def run(self, run_id: str) -> FleetRun | None:
        """Return a run, or None."""
        ...

    async def runs(
        self,
        *,
        states: Collection[RunState] = (),
        universe: str = "",
        pool: str = "",
        limit: int = 0,
    ) -> Sequence[FleetRun]:
        """Return runs, oldest change first (default: all)."""
        ...

    async def owned(self, worker: str) -> Sequence[FleetRun]:
        """Return the runs that a worker owns; one with `cancel` is to be ended."""
        ...

    async def beat(self, worker: Worker) -> Worker:
        """Note that a worker is alive, and return its row: someone may have drained it."""
        ...

    async def drain(self, worker: str) -> None:
        """Let a worker take no more attempts."""
        ...

    async def leave(self, worker: str) -> None:
        """Forget a worker that ended."""
        ...

    async def workers(self) -> Sequence[Worker]:
        """Return all workers whose row is there."""
        ...

    async def pools(self) -> Sequence[Pool]:
        """Return the pools with limits."""
        ...

    async def set_pool(self, pool: Pool) -> None:
        """Set the limits of a pool."""
        ...

    async def tenants(self) -> Sequence[Tenant]:
        """Return all universes and worlds, by address; `home` is always there."""
        ...

    async def add_universe(self, name: str, caps: Caps = NO_CAPS) -> None:
        """Add a universe; refuse a name that another one has."""
        ...

    async def set_caps(self, address: str, caps: Caps) -> None:
        """Set the caps of a universe or of a world."""
        ...

    async def set_budget(
        self, run_id: str, max_cost_usd: float | None, max_tokens: int | None
    ) -> None:
        """Let a run spend more or less; raise CapRefused as for a new run."""
        ...

    async def archive(self, universe: str) -> None:
        """Let a universe take no new runs."""
        ...

    async def assign(self, project: str, universe: str, name: str) -> None:
        """Make a project a world of a universe, unless it is one; refuse one of another."""
        ...

    async def now(self) -> float:
        """Return the time of the database, in seconds."""
        ...

    async def sweep(self, sweeper: str) -> Sequence[str]:
        """Bring together what crashes left apart; return a line for each change.

        One sweeper at a time holds the lease. Dead owners are taken over by a new attempt, unless
        the run lost too many workers in one stage; due timers wake their runs; a queued row
        without an attempt in the queue is enqueued again.
        """
        ...


@dataclass(frozen=True)
class KeepAsked:
    """An attempt waits until its worker has committed what is written, and what it has spent."""

    number: int
    spent: Spent | None = None


@dataclass(frozen=True)
class AttemptEnded:
    """The process of an attempt ended by itself, with its report."""

    report: JsonObject
    spent: Spent | None = None


@dataclass(frozen=True)
class AttemptGone:
    """The process of an attempt is gone without a report."""

    code: int


AttemptSign = KeepAsked | AttemptEnded | AttemptGone


class SiteAttempt(Protocol):
    """The process of one attempt, as its worker sees it.

    `carried_out` names the orders that the head of the last `save` has as carried out.
    """

    carried_out: Collection[str]

    async def next(self) -> AttemptSign:
        """Return the next sign of the process."""
        ...

    async def save(self) -> str:
        """Store what is written, and return its head."""
        ...

    async def tail(self) -> str:
        """Return the end of what the process has recorded since the last commit."""
        ...

    async def answer(self, number: int) -> None:
        """Let the process continue after a commit."""
        ...

    async def cancel(self) -> None:
        """Let the process cancel its run, as on an order of a person."""
        ...

    async def give(self, orders: Mapping[str, JsonObject]) -> None:
        """Let the process have orders of people, each once; those to pause are not for it."""
        ...

    async def stop(self, why: str) -> None:
        """Let the process end after its stages in flight."""
        ...

    async def kill(self, why: str, *, keeps: bool) -> None:
        """End the process with its stages at once; with `keeps`, keep what is not committed."""
        ...

    async def close(self) -> None:
        """Remove what was laid out."""
        ...


class Site(Protocol):
    """Where a worker executes attempts."""

    async def begin(self, run: FleetRun, claim: Claim) -> SiteAttempt:
        """Lay out the head of a run, and start the process of an attempt."""
        ...

"""What the fleet needs of a database, a queue and a store of blobs."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.fleet.records import AttemptEnd, Claim, FleetRun, NotClaimed, Reason, Spent, Worker


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
"""Opens the blobs of an area of the stores: a universe, or the evaluations in one."""


class Table(Protocol):
    """The rows of runs and workers, as a worker uses them.

    Each method is one transaction, with the queue. Times are those of the database. Without the
    database, a method raises DatabaseAway.
    """

    async def claim(self, run_id: str, attempt: int, worker: str) -> Claim | NotClaimed:
        """Make a worker the owner of a run, with a new epoch."""
        ...

    async def commit(
        self,
        claim: Claim,
        head: str,
        spent: Spent | None = None,
        carried_out: Collection[str] = (),
        *,
        ends_stage: bool = False,
    ) -> Claim:
        """Record a head, and return the claim of the next commit; raise Fenced without the epoch.

        With `ends_stage`, the count of lost workers begins again. A commit that is repeated because
        its reply was lost returns the same claim again.
        """
        ...

    async def end(self, claim: Claim, end: AttemptEnd) -> None:
        """Release a run at the end of its attempt; raise Fenced without the epoch."""
        ...

    async def set_reason(self, claim: Claim, reason: Reason | None) -> None:
        """Note why a run stands still while its owner keeps it."""
        ...

    async def run(self, run_id: str) -> FleetRun | None:
        """Return a run, or None."""
        ...

    async def owned(self, worker: str) -> Sequence[FleetRun]:
        """Return the runs that a worker owns; one with `cancel` is to be ended."""
        ...

    async def beat(self, worker: Worker) -> Worker:
        """Note that a worker is alive, and return its row: someone may have drained it."""
        ...

    async def now(self) -> float:
        """Return the time of the database, in seconds."""
        ...


@dataclass(frozen=True)
class KeepAsked:
    """An attempt waits until its worker has committed what is written, and what it has spent.

    `ends_stage`: a stage was finished since it asked last.
    """

    number: int
    spent: Spent | None = None
    ends_stage: bool = False


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

    async def kill(self, why: str) -> None:
        """End the process with its stages at once, and keep what is not committed."""
        ...

    async def close(self) -> None:
        """Remove what was laid out."""
        ...


BeginAttempt = Callable[[FleetRun, Claim], Awaitable[SiteAttempt]]
"""Lays out the head of a run, and starts the process of an attempt."""

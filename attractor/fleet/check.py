"""Compares the rows of a fleet with its queue, its heads and its blobs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.fleet.decisions import FULL
from attractor.fleet.errors import BlobMissing
from attractor.fleet.records import CommittedHead, FleetRun, RowState, attempt_id
from attractor.fleet.seams import Blobs
from attractor.fleet.store.heads import reachable
from attractor.fleet.views.reasons import is_alive

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet

SETTLE_S = 2.5
"""A little longer than the pause between two sweeps, which bring much together by themselves."""


class Kind(StrEnum):
    """Kinds of differences."""

    BLOB_MISSING = "blob_missing"
    """A head, or a blob that it reaches, is not in the store."""
    BLOB_CHANGED = "blob_changed"
    ATTEMPT_MISSING = "attempt_missing"
    """A row says queued, and the queue has no attempt."""
    ATTEMPT_UNKNOWN = "attempt_unknown"
    """The queue has an attempt that is not the present one of a row."""
    OWNER_DEAD = "owner_dead"
    ROW_MISSING = "row_missing"
    """A run directory says that its run is in the fleet, and it has no row."""


@dataclass(frozen=True)
class Difference:
    """A difference: the run, the difference in words, and how to repair it."""

    run_id: str
    kind: Kind
    words: str
    remedy: str


@dataclass(kw_only=True)
class CheckReport:
    """The result of a check; unreached blobs are no difference: a sweep removes the old ones.

    `unreached_bytes` is only known after a deep check.
    """

    runs: int = 0
    blobs: int = 0
    unreached: int = 0
    unreached_bytes: int | None = None
    differences: list[Difference] = field(default_factory=list[Difference])

    def to_record(self) -> dict[str, Json]:
        """Return the report as JSON."""
        return write_fields(self)


async def check(
    fleet: "Fleet", clock: Clock, *, copies: Mapping[str, Path], deep: bool
) -> CheckReport:
    """Compare everything; with `deep`, read all blobs.

    `copies` are the files by which run directories say that their run is in the fleet.
    """
    found = await _compare_rows(fleet, copies)
    if found:
        # Much is on its way at any moment; what stays is a difference.
        await clock.sleep(timedelta(seconds=SETTLE_S))
        found &= await _compare_rows(fleet, copies)
    report = CheckReport(
        differences=sorted(found, key=lambda difference: (difference.run_id, difference.words))
    )
    by_area: dict[str, list[FleetRun]] = {}
    for run in await fleet.table.runs():
        by_area.setdefault(run.area, []).append(run)
        report.runs += 1
    for area, runs in sorted(by_area.items()):
        await _compare_blobs(await fleet.blobs_of(area), runs, report, deep=deep)
    return report


async def _compare_rows(fleet: "Fleet", copies: Mapping[str, Path]) -> set[Difference]:
    pending = await fleet.table.pending()
    rows = {run.run_id: run for run in await fleet.table.runs()}
    now = await fleet.table.now()
    living = {worker.id for worker in await fleet.table.workers() if is_alive(worker, now)}
    found = {difference for run in rows.values() for difference in _of_row(run, pending, living)}
    for name, worker in pending.items():
        run_id, _, attempt = name.rpartition(":")
        run = rows.get(run_id)
        # One that a dead worker left is never given to another one.
        if run is None or (not worker and f"{run.attempt}" != attempt):
            words = f"attempt {name} is in the queue, but " + (
                f"the present one is {run.attempt}" if run else "the run has no row"
            )
            remedy = "nothing: a worker of its pool drops it"
            found.add(Difference(run_id, Kind.ATTEMPT_UNKNOWN, words, remedy))
    for run_id, file in copies.items():
        if run_id not in rows:
            words = f"{file} says that the run is in the fleet, but it has no row"
            remedy = (
                "look in the fleet in which it began (--fleet, ATTRACTOR_FLEET__URL); if that is "
                f"lost, to continue it here: rm {file}; attractor resume {run_id}"
            )
            found.add(Difference(run_id, Kind.ROW_MISSING, words, remedy))
    return found


def _of_row(
    run: FleetRun, pending: Mapping[str, str], living: Collection[str]
) -> Iterable[Difference]:
    """Yield what is wrong with a row that its queue or its owner shows."""
    start = f"attractor worker --pool {run.pool}"
    if run.state is RowState.QUEUED and not (run.reason and run.reason.kind in FULL):
        if attempt_id(run.run_id, run.attempt) not in pending:
            words = f"the row says queued, but attempt {run.attempt} is not in the queue"
            yield Difference(
                run.run_id, Kind.ATTEMPT_MISSING, words, f"any worker enqueues it again: {start}"
            )
    elif run.state is RowState.RUNNING and run.owner not in living:
        words = f"the row says running, but its owner {run.owner} is dead"
        yield Difference(run.run_id, Kind.OWNER_DEAD, words, f"any worker takes over: {start}")


async def _compare_blobs(
    blobs: Blobs, runs: Sequence[FleetRun], report: CheckReport, *, deep: bool
) -> None:
    """Compare the heads of a universe with its blobs."""
    known = {digest async for digest, _ in blobs.digests()}
    looked_at: _LookedAt = {} if deep else dict.fromkeys(known)
    reached = set[str]()
    # All at once: heads have most of their blobs in common.
    if await _first_flaw(blobs, [run.head for run in runs], looked_at, reached):
        for run in runs:
            if flaw := await _first_flaw(blobs, [run.head], looked_at, reached):
                report.differences.append(_of_head(run, flaw))
    report.blobs += len(known)
    unreached = known - reached
    report.unreached += len(unreached)
    if deep:
        sizes = [await _size_of(blobs, digest) for digest in sorted(unreached)]
        report.unreached_bytes = (report.unreached_bytes or 0) + sum(sizes)


async def _first_flaw(
    blobs: Blobs, heads: Sequence[str], looked_at: "_LookedAt", reached: set[str]
) -> VerificationError | None:
    """Return the error of the first blob of heads that is missing or changed; add what they reach.

    Each blob is looked at once.
    """
    own = set[str]()
    try:
        async for digest in reachable(blobs, heads):
            own.add(digest)
    except VerificationError as flaw:
        return flaw
    finally:
        reached |= own
    for digest in sorted(own):
        if digest not in looked_at:
            # Also one that was put after the listing.
            looked_at[digest] = await _flaw_of(blobs, digest)
        if flaw := looked_at[digest]:
            return flaw
    return None


async def last_whole_head(fleet: "Fleet", run: FleetRun) -> CommittedHead | None:
    """Return the last head of a run whose blobs are in the store and unchanged, or None.

    The present head is known from the run itself: a worker of an earlier version notes none.
    """
    blobs, looked_at = await fleet.blobs_of(run.area), _LookedAt()
    present, heads = CommittedHead(run.seq, run.head), await fleet.table.heads(run.run_id)
    for found in dict.fromkeys((present, *heads)):
        if await _first_flaw(blobs, [found.head], looked_at, set()) is None:
            return found
    return None


_LookedAt = dict[str, VerificationError | None]
"""The blobs that were looked at, each with its error."""


async def _flaw_of(blobs: Blobs, digest: str) -> VerificationError | None:
    try:
        await blobs.get(digest)
    except VerificationError as flaw:
        return flaw
    return None


async def _size_of(blobs: Blobs, digest: str) -> int:
    """Return the size of a blob; 0 if it is gone or has changed."""
    try:
        return len(await blobs.get(digest))
    except VerificationError:
        return 0


def _of_head(run: FleetRun, flaw: VerificationError) -> Difference:
    kind = Kind.BLOB_MISSING if isinstance(flaw, BlobMissing) else Kind.BLOB_CHANGED
    words = f"head {run.head[:12]}, commit {run.seq}: {flaw.message}"
    remedy = (
        "restore the blob from a copy of the store, or continue from an earlier head: "
        f"attractor fleet head {run.run_id} --restore"
    )
    return Difference(run.run_id, kind, words, remedy)

"""What a run that goes on from another one has when it begins: that one's artifacts, a journal."""

from collections.abc import Iterable

from attractor.base.clock import Clock
from attractor.engine.blobs import ARTIFACTS, share
from attractor.engine.journal.events import EventLog, Happening, data_of, kind_of
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.secrets import Redactor


def begin_journal(
    directory: RunDirectory,
    happenings: Iterable[Happening],
    *,
    run_id: str,
    clock: Clock,
    redactor: Redactor,
) -> None:
    """Write the first events of a run: where it comes from, and how far its walk has come there."""
    log = EventLog(directory.events, run_id=run_id, clock=clock, redactor=redactor)
    try:
        for one in happenings:
            log.append(kind_of(one), data_of(one))
        log.sync()
    finally:
        log.close()


def share_artifacts(parent: RunDirectory, directory: RunDirectory) -> None:
    """Give a run what values in its context stand for; no artifact ever changes."""
    share(parent.root / ARTIFACTS, directory.root / ARTIFACTS)

"""The processes that execute runs."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.base.locks import holder_of
from attractor.base.records import write_fields
from attractor.engine.run_folder.layout import RunDirectory
from attractor.records.open_work import StageInFlight, stages_in_flight
from attractor.records.summary import RunOverview


@dataclass(frozen=True)
class Worker:
    """A process that holds a run, and the stages that it executes.

    Without a note beside the lock, `pid` is None.
    """

    summary: RunOverview
    stages: Sequence[StageInFlight]
    pid: int | None = None
    host: str = ""
    since: datetime | None = None
    purpose: str = ""

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the worker."""
        return {
            "run_id": self.summary.run_id,
            "pipeline": self.summary.pipeline,
            "goal": self.summary.goal,
            "status": self.summary.status,
            "paused": self.summary.is_paused,
            "pid": self.pid,
            "host": self.host,
            "since": self.since.isoformat() if self.since else None,
            "purpose": self.purpose,
            "stages": [
                write_fields(stage, run_id="", folder="", calling_since="") for stage in self.stages
            ],
        }


def read_worker(summary: RunOverview) -> Worker:
    """Return the process that holds a live run."""
    holder = holder_of(RunDirectory(summary.directory).lock)
    stages: Sequence[StageInFlight] = ()
    # The summary reports a corrupt journal.
    with suppress(AttractorError):
        stages = stages_in_flight(summary.directory)
    if holder is None:
        return Worker(summary, stages)
    return Worker(summary, stages, holder.pid, holder.host, holder.since, holder.purpose)

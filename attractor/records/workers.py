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
        one = self.summary
        return {
            "run_id": one.run_id,
            "pipeline": one.pipeline,
            "goal": one.goal,
            "status": one.status,
            "paused": one.is_paused,
            "pid": self.pid,
            "host": self.host,
            "since": self.since.isoformat() if self.since else None,
            "purpose": self.purpose,
            "stages": [write_fields(stage, run_id="", folder="") for stage in self.stages],
        }


def read_worker(one: RunOverview) -> Worker:
    """Return the process that holds a live run."""
    holder = holder_of(RunDirectory(one.directory).lock)
    stages: Sequence[StageInFlight] = ()
    # The summary reports a corrupt journal.
    with suppress(AttractorError):
        stages = stages_in_flight(one.directory)
    if holder is None:
        return Worker(one, stages)
    return Worker(one, stages, holder.pid, holder.host, holder.since, holder.purpose)

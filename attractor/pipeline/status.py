"""The status of a run: its summary, the output of running stages, and the delivered result."""

from collections.abc import Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.engine.run_folder.layout import RunDirectory
from attractor.pipeline.runs.lookup import RunSummary, reference_of, summarize
from attractor.pipeline.runs.open_work import (
    StageAtWork,
    printed_last,
    shown_lines,
    stages_at_work,
)
from attractor.pipeline.workspace.deliver import Delivery, read_delivery


@dataclass(frozen=True)
class RunStatusView:
    """The status of a run, with the last output lines of running stages."""

    summary: RunSummary
    reference: str
    at_work: Sequence[tuple[StageAtWork, tuple[str, ...]]] = ()
    delivery: Delivery = Delivery()

    def to_record(self) -> dict[str, Json]:
        """Return the status as a JSON object."""
        patch = self.delivery.patch
        return {
            **self.summary.to_record(),
            "changed": self.delivery.changed,
            "result_patch": patch.to_record() if patch else None,
            "at_work": [
                {
                    "run_id": one.run_id,
                    "node": one.node,
                    "visit": one.visit,
                    "attempt": one.attempt,
                    "branch": one.branch,
                    "last_lines": list(lines),
                }
                for one, lines in self.at_work
            ],
        }


def read_status(root: Path, runs_dir: Path) -> RunStatusView:
    """Read the status of a run."""
    summary = summarize(root)
    return RunStatusView(summary, reference_of(root, runs_dir), _printing(root), _delivered(root))


def _delivered(root: Path) -> Delivery:
    # The summary reports a corrupt journal.
    try:
        found = read_delivery(RunDirectory(root))
    except AttractorError:
        return Delivery()
    return found if found.patch is None or found.patch.place.exists() else Delivery()


def _printing(root: Path) -> Sequence[tuple[StageAtWork, tuple[str, ...]]]:
    # The summary reports a corrupt journal.
    try:
        stages = stages_at_work(root)
    except AttractorError:
        return ()
    return [(one, shown_lines(printed_last(one.folder))) for one in stages]

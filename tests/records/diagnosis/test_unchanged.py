"""Runs that changed no files."""

import asyncio
from pathlib import Path

from attractor.agent.tool_calls.hooks import SKIPPED
from attractor.base.clock import SystemClock
from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.seams import Stage
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import start_run
from attractor.pipeline.project.custom_parts import CustomParts
from attractor.records.diagnosis.diagnose import diagnose
from attractor.records.diagnosis.unchanged import describe_unchanged
from tests.pipeline.projects import adjusted, make_project, open_project, simulated
from tests.tables import table

AGENT = """
digraph linear {
    start [shape=Mdiamond]
    exit [shape=Msquare]
    implement [prompt="Do it."]
    other [shape=parallelogram, tool_command="true"]
    start -> implement -> other -> exit
}
"""
READ_ONLY = "Tool error (write_file): cannot write a.txt: the files are read-only\nleave it"
WRITE = ("write_file", READ_ONLY)


class Refused:
    """An agent whose tool calls end as given."""

    def __init__(self, calls: list[tuple[str, str]]) -> None:
        self._calls = calls

    async def execute(self, stage: Stage) -> Outcome:
        for tool, error in self._calls:
            stage.emit("TOOL_CALL_END", tool_name=tool, call_id="1", error=error)
        return Outcome(StageStatus.SUCCESS)


@table(
    ("calls", "command", "words"),
    [
        ([], "true", "no files changed"),
        ([WRITE], "touch made.txt", ""),
        ([("read_file", "no such file")], "true", "no files changed"),
        (
            [WRITE, WRITE],
            "true",
            "no files changed: write_file of implement was refused twice "
            "(cannot write a.txt: the files are read-only)",
        ),
        (
            [WRITE, WRITE, ("shell", f"{SKIPPED}, because of the hook")],
            "true",
            "no files changed: write_file of implement was refused twice, shell of implement was "
            f"refused once ({SKIPPED}, because of the hook)",
        ),
    ],
)
def test_run_without_changes_names_its_refused_calls(
    tmp_path: Path, calls: list[tuple[str, str]], command: str, words: str
) -> None:
    for kind in ("isolated", "copy"):
        folder = tmp_path / f"{kind}"
        project = make_project(folder / "project", AGENT.replace("true", command))
        opened = adjusted(
            open_project(project),
            parts=CustomParts(handlers={"codergen": Refused(calls)}),
        )
        result = asyncio.run(start_run(simulated(project, workspace=kind), OpenProject(opened)))
        assert describe_unchanged(result.directory) == words
        case = diagnose(result.directory, reference="RUN", now=SystemClock().now())
        [remedy] = case.finding.remedies
        # Nothing is merged or applied if nothing was changed.
        assert (remedy.command == "attractor logs RUN") == bool(words)

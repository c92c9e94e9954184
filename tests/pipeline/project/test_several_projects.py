"""Several projects in one process, with one state folder, and secrets of the same name."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER, AWAITING_DECISION
from attractor.factory.operations.resume import resume_run
from attractor.factory.operations.start import start_run
from attractor.pipeline.project.project import Project
from attractor.records.request import Overrides
from tests.pipeline.projects import adjusted, make_project, open_project, simulated

SECRETS = {"north": "hush-north-1", "east": "hush-east-22", "south": "hush-south-333"}
PIPELINE = """
digraph simple {
    graph [goal="Say it", inputs="word:secret"]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    say   [shape=parallelogram, secrets="word", tool_command="echo $ATTRACTOR_INPUT_WORD; env"]
    ask   [shape=hexagon, label="Ship it?"]
    again [shape=parallelogram, secrets="word", tool_command="echo $ATTRACTOR_INPUT_WORD; env"]
    start -> say -> ask -> again -> exit
}
"""


def open_all(folder: Path, events: dict[str, list[str]]) -> Mapping[str, Project]:
    """Open three projects on one machine; each observer keeps the events of its project."""
    opened: dict[str, Project] = {}
    for name in SECRETS:
        project = open_project(
            make_project(folder / name / "project", PIPELINE),
            observer=lambda event, name=name: events[name].append(str(event.to_record())),
        )
        opened[name] = adjusted(project, state_dir=folder / "state")
    [first, *_] = opened.values()
    return {name: replace(one, machine=first.machine) for name, one in opened.items()}


def test_runs_of_projects_in_one_process_share_no_secret(tmp_path: Path) -> None:
    events: dict[str, list[str]] = {name: [] for name in SECRETS}
    opened = open_all(tmp_path, events)

    async def go() -> list[RunResult]:
        return await asyncio.gather(
            *(
                start_run(
                    simulated(one.root, inputs={"word": SECRETS[name]}, interviewer="park"), one
                )
                for name, one in opened.items()
            )
        )

    async def go_on(parked: list[RunResult]) -> list[RunResult]:
        return await asyncio.gather(
            *(
                resume_run(
                    run.directory,
                    opened[name],
                    Overrides(interviewer="auto_approve", inputs={"word": SECRETS[name]}),
                )
                for name, run in zip(opened, parked, strict=True)
            )
        )

    parked = asyncio.run(go())
    assert [run.status for run in parked] == [AWAITING_ANSWER] * 3
    ended = asyncio.run(go_on(parked))
    assert [run.status for run in ended] == [AWAITING_DECISION] * 3
    for name, run in zip(opened, ended, strict=True):
        assert run.directory.parent == opened[name].runs_dir
        assert run.run_id in "".join(events[name])
        assert not [other for other in ended if other.run_id in "".join(events[name])][1:]
        assert (run.directory / "again" / "stdout.txt").read_text().startswith("***\n")
    kept = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    seen = b"".join(kept) + str(events).encode()
    assert len(kept) > 100
    for secret in SECRETS.values():
        assert secret.encode() not in seen

"""What is at work in a run is found with the folder that it writes into, also in branches."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.stage.live_output import TAIL
from attractor.engine.state.identifiers import stage_id
from attractor.pipeline.request import RunRequest, WorkspaceKind
from attractor.pipeline.runs.running_stages import (
    StageAtWork,
    attempt_folder,
    printed_last,
    stages_at_work,
)
from attractor.pipeline.start import start
from tests.pipeline.projects import make_host, make_project

UNTIL_GO = "timeout 60 sh -c 'until [ -e go ]; do sleep 0.02; done'"
BRANCHES = f"""
digraph branches {{
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    fan   [shape=component]
    a     [shape=conditional]
    b     [shape=conditional]
    c     [shape=conditional]
    work  [shape=parallelogram, tool_command="echo hello; {UNTIL_GO}"]
    meet  [shape=tripleoctagon]
    start -> fan
    fan -> a -> work
    fan -> b -> work
    fan -> c -> meet
    work -> meet -> exit
}}
"""


async def seen_meanwhile(project: Path) -> Sequence[StageAtWork]:
    """Run to where both branches are at the same node; return what is at work there."""
    options = RunRequest(
        file=project / "pipeline.dot",
        backend="simulate",
        sandbox="none",
        workspace=WorkspaceKind.NONE,
    )
    host = make_host(project)
    walking = asyncio.create_task(start(options, host))
    try:
        async with asyncio.timeout(30):
            while not (found := list(host.runs_dir.glob("*/events.jsonl"))):
                await asyncio.sleep(0.02)
            while not all_printed(at_work := stages_at_work(found[0].parent)):
                await asyncio.sleep(0.02)
    finally:
        (project / "go").touch()
        result = await walking
    assert stages_at_work(result.directory) == []
    return at_work


def all_printed(stages: Sequence[StageAtWork]) -> bool:
    is_there = [printed_last(one.folder) == "hello\n" for one in stages if one.node == "work"]
    return len(is_there) == 2 and all(is_there)


def test_branches_at_one_node_have_a_folder_each(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", BRANCHES)
    stages = [one for one in asyncio.run(seen_meanwhile(project)) if one.branch]
    assert [one.name for one in stages] == ["[fan@1.1/a] work", "[fan@1.1/b] work"]
    assert len({one.folder for one in stages}) == 2
    [root] = {one.folder.parents[[*one.folder.parts[::-1]].index("work")] for one in stages}
    assert {stage_id(one.node, one.visit, one.attempt) for one in stages} == {
        "work@1.1",
        "work@2.1",
    }
    # Who knows the attempt alone finds the same folder while it is there.
    aside = stages[1]
    found = attempt_folder(RunDirectory(root), "work", aside.visit, aside.attempt)
    assert found == aside.folder


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    assert printed_last(tmp_path) == ""
    (tmp_path / "elsewhere").write_text("of somebody")
    (tmp_path / TAIL).symlink_to(tmp_path / "elsewhere")
    assert printed_last(tmp_path) == ""

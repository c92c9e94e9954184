"""Paths that no snapshot contains are recorded in journal and logs."""

import asyncio
import os
from io import StringIO
from pathlib import Path

from attractor.base.events import Event
from attractor.config.load import load_configuration
from attractor.pipeline.project.console import Console
from attractor.pipeline.project.machine import Machine
from attractor.pipeline.project.project import project_from
from attractor.pipeline.workspace.journal_notes import MOST_NAMED, LeftOutPaths
from attractor.records.event_lines import describe_event
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.result_tree import LEAVE_OUT
from attractor.workspaces.snapshot import Snapshot
from tests.engine.graphs import line
from tests.engine.runs import Workplace, read_events
from tests.needs import needs
from tests.pipeline.projects import adjusted, git, make_project, open_project, simulated, start

TWO_STAGES = """digraph d {{
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    one   [shape=parallelogram, tool_command="{one}"]
    two   [shape=parallelogram, tool_command="{two}"]
    start -> one -> two -> exit
}}
"""


def left_out(tmp_path: Path, one: str, two: str = "true", kind: str = "isolated") -> list[Event]:
    """Run two commands, and return the notes about the paths that were left out."""
    pipeline = TWO_STAGES.format(one=one, two=two)
    project = make_project(tmp_path / "project", pipeline, **{".gitignore": "*.log\nbuilt/\n"})
    options = simulated(project, workspace=kind)
    result = asyncio.run(start(options, open_project(project)))
    assert result.exit_code == 0
    return [event for event in read_events(result.directory) if event.type == "FilesLeftOut"]


def test_left_out_files_are_reported_with_their_stage(tmp_path: Path) -> None:
    one = "touch a.log kept.txt && mkdir built sub && git init -q sub && mkfifo pipe"
    first, second = left_out(tmp_path, one, "rm a.log; touch b.log; mkdir .GIT; touch .GIT/x")
    assert (first.node, first.visit, first.attempt) == ("one", 1, 1)
    assert first.data == {
        "ignored": ["a.log", "built"],
        "ignored_count": 2,
        "refused": [
            {"path": "pipe", "why": "it is not a file, folder or link"},
            {"path": "sub/.git", "why": "its name is reserved by git"},
        ],
        "refused_count": 2,
    }
    assert second.node == "two"
    assert second.data["ignored"] == ["b.log"]
    assert second.data["refused"] == [{"path": ".GIT", "why": "its name is reserved by git"}]
    found = describe_event(first)
    assert "one: not in the snapshot: ignored: a.log, built; refused: pipe (it is no" in found


def test_caches_of_a_stage_are_reported_and_not_in_its_result(tmp_path: Path) -> None:
    for number, kind in enumerate(("isolated", "copy", "in-place")):
        make = "mkdir __pycache__ node_modules dist && touch {__pycache__,node_modules,dist}/x y"
        [event] = left_out(tmp_path / str(number), f"bash -c '{make}'", kind=kind)
        assert (event.node, event.data["ignored"]) == ("one", ["__pycache__", "node_modules"])


def test_setting_leaves_out_more_or_fewer_files(tmp_path: Path) -> None:
    (tmp_path / "attractor.toml").write_text(
        '[workspace]\nleave_out = ["dist/", "!node_modules/"]\n'
    )
    environ = {"HOME": str(tmp_path)}
    user_file = tmp_path / "user.toml"
    settings = load_configuration(
        start=tmp_path, cwd=tmp_path, environ=environ, user_file=user_file
    )
    machine = Machine(state_dir=tmp_path / "state", environ=environ)
    console = Console(input=StringIO(), output=StringIO())
    opened = project_from(settings, machine=machine, console=console)
    ignores = IgnoreRules({}, opened.leave_out)
    names = (b"__pycache__", b"node_modules", b"dist")
    assert [ignores.ignores(one, is_folder=True) for one in names] == [True, False, True]


def test_build_folders_are_not_in_the_result_and_reported_once(tmp_path: Path) -> None:
    for number, kind in enumerate(("isolated", "copy", "in-place")):
        project = make_project(
            tmp_path / str(number),
            TWO_STAGES.format(
                one="mkdir target sub app && touch Cargo.toml target/x sub/pom.xml",
                two="mkdir sub/target app/build && touch sub/target/x app/build.gradle app/build/x",
            ),
        )
        told: list[str] = []
        opened = adjusted(open_project(project), tell=told.append)
        result = asyncio.run(start(simulated(project, workspace=kind), opened))
        one, two = [one for one in read_events(result.directory) if one.type == "FilesLeftOut"]
        assert one.data["ignored"] == ["target"]
        assert two.data["ignored"] == ["app/build", "sub/target"]
        assert [line for line in told if "left out" in line] == [
            "Build folders left out of the result: target. Add target/ to .gitignore, or keep "
            'them with leave_out = ["!target/"] in [workspace].',
            "Build folders left out of the result: app/build. Add build/ to .gitignore, or keep "
            'them with leave_out = ["!build/"] in [workspace].',
        ]


@needs("cargo")
def test_result_of_a_cargo_build_is_its_sources_and_its_lock(tmp_path: Path) -> None:
    files = {
        "Cargo.toml": '[package]\nname = "a"\nversion = "1.0.0"',
        "src/main.rs": "fn main() {}",
    }
    build, again = "cargo build --offline", "test -x target/debug/a && cargo build --offline"
    project = make_project(tmp_path / "project", TWO_STAGES.format(one=build, two=again), **files)
    rustup = os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup"))
    result = asyncio.run(start(simulated(project), open_project(project, RUSTUP_HOME=rustup)))
    assert result.exit_code == 0
    changed = git(project, "diff", "--name-only", "HEAD", f"attractor/run/{result.run_id}")
    assert changed.splitlines() == ["Cargo.lock"]


def test_setting_keeps_build_folders_in_the_result(tmp_path: Path) -> None:
    make = "mkdir target build && touch target/x build/x Cargo.toml build.gradle"
    project = make_project(tmp_path / "project", TWO_STAGES.format(one=make, two="true"))
    opened = adjusted(open_project(project), leave_out=(*LEAVE_OUT, "!target/"))
    result = asyncio.run(start(simulated(project), opened))
    changed = git(project, "diff", "--name-only", "HEAD", f"attractor/run/{result.run_id}")
    assert changed.splitlines() == ["Cargo.toml", "build.gradle", "target/x"]


def test_stage_without_left_out_files_has_no_event(tmp_path: Path) -> None:
    assert left_out(tmp_path, "touch kept.txt") == []


def test_event_lists_first_paths_and_counts_all(tmp_path: Path) -> None:
    many = MOST_NAMED + 25
    name = "x" * 210
    [event] = left_out(
        tmp_path, f"for n in $(seq {many}); do touch $n.log; done; touch 0{name}.log"
    )
    names = event.data["ignored"]
    assert isinstance(names, list)
    assert len(names) == MOST_NAMED
    assert event.data["ignored_count"] == many + 1
    assert str(names[0]).endswith("…")
    assert f"and {many + 1 - 5} more" in describe_event(event)


def test_left_out_files_are_recorded_in_place_too(tmp_path: Path) -> None:
    [event] = left_out(tmp_path, "touch a.log", kind="in-place")
    assert event.data["ignored"] == ["a.log"]


def test_resume_records_left_out_files_again(tmp_path: Path) -> None:
    heard = LeftOutPaths()
    heard.record_new("one 1", Snapshot("", (), ("a.log",), {}))
    root = tmp_path / "run"
    with Workplace(root, line("one")).open() as run:
        heard.run = run
        heard.record_new("two 1", Snapshot("", (), ("a.log",), {}))
        LeftOutPaths(run).record_new("two 1", Snapshot("", (), ("a.log", "runs"), {}))
        LeftOutPaths(run, ours=["runs"]).record_new("two 1", Snapshot("", (), ("runs",), {}))
    [event] = [one.data["ignored"] for one in read_events(root) if one.type == "FilesLeftOut"]
    assert event == ["a.log", "runs"]

"""Outside git a run works on a copy of the folder, and its result is one patch."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from attractor.base.errors import Refused
from attractor.cli.runs.results import as_record, as_text, read_next_step_facts
from attractor.cli.runs.status import as_text as status_text
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER, FAILED
from attractor.language.diagnostics import NotRunnable
from attractor.pipeline.execute import resume
from attractor.pipeline.project.project import Project
from attractor.pipeline.status import read_status
from attractor.records.request import Overrides, RunRequest
from attractor.workspaces.preparation import Preparation
from tests.pipeline.projects import adjusted, fork, open_project, start
from tests.workspaces.projects import contents, everything

PIPELINE = r"""
digraph changes {
    node [shape=parallelogram, max_retries=0]
    start [shape=Mdiamond]
    exit [shape=Msquare]
    change [tool_command="echo more >> readme.txt; rm old.txt; printf '\\000\\001' > new.bin"]
    ask [shape=hexagon]
    last [tool_command="%s"]
    start -> change -> ask
    ask -> last [label="Go on"]
    last -> exit
}
"""
BRANCHES = """
digraph branches {
    node [shape=parallelogram]
    start [shape=Mdiamond]
    exit [shape=Msquare]
    fork [shape=component]
    one [tool_command="echo one > one.txt"]
    two [tool_command="echo two > two.txt"]
    meet [shape=tripleoctagon, merge=all]
    start -> fork
    fork -> one -> meet
    fork -> two -> meet
    meet -> exit
}
"""


@pytest.fixture
def opened(tmp_path: Path) -> Project:
    project = tmp_path / "plain"
    project.mkdir()
    (project / "pipeline.dot").write_text(PIPELINE % "echo last > last.txt")
    (project / "readme.txt").write_text("hello\n")
    (project / "old.txt").write_text("old\n")
    return open_project(project)


def go(opened: Project, interviewer: str = "auto_approve") -> RunResult:
    file = opened.root / "pipeline.dot"
    plain = RunRequest(file=file, backend="simulate", sandbox="none", interviewer=interviewer)
    return asyncio.run(start(plain, opened))


def apply(result: RunResult, folder: Path) -> None:
    """Apply a result with the commands in the last lines of a run."""
    command = ["git", "apply", str(result.directory / "result.patch")]
    subprocess.run(command, cwd=folder, check=True)


def test_nothing_is_written_into_the_folder_and_the_patch_takes_all_over(opened: Project) -> None:
    folder = opened.root
    before = contents(folder)
    result = go(opened)
    assert result.outcome is StageStatus.SUCCESS
    runs = {name for name in contents(folder) if name.startswith("runs/")}
    assert {name: one for name, one in contents(folder).items() if name not in runs} == before
    apply(result, folder)
    assert (folder / "readme.txt").read_text() == "hello\nmore\n"
    assert (folder / "new.bin").read_bytes() == b"\0\1"
    assert (folder / "last.txt").exists()
    assert not (folder / "old.txt").exists()
    assert (result.directory / "change" / "diff.patch").exists()


def test_last_lines_name_the_commands_for_the_result(opened: Project) -> None:
    result = go(opened)
    text = as_text(result, read_next_step_facts(result, opened.runs_dir))
    assert f"git apply --stat {result.directory}/result.patch" in text
    assert f"git apply {result.directory}/result.patch" in text
    assert "git merge" not in text


def test_result_with_a_secret_is_applied_from_the_store(opened: Project) -> None:
    (opened.root / "conf.ini").write_text("user=hush-hush-hush\nport=1\n")
    change = "sed -i s/port=1/port=2/ conf.ini; head -1 conf.ini > new.txt"
    (opened.root / "pipeline.dot").write_text(PIPELINE % change)
    result = go(
        adjusted(opened, environ={**opened.machine.environ, "DB_PASSWORD": "hush-hush-hush"})
    )
    patch = result.directory / "result.patch"
    assert b"hush" not in patch.read_bytes()
    assert b"| +port=2" in patch.read_bytes()
    before = contents(opened.root)
    assert subprocess.run(["git", "apply", patch], cwd=opened.root, check=False).returncode != 0
    assert contents(opened.root) == before
    outlook = read_next_step_facts(result, opened.runs_dir)
    text = as_text(result, outlook)
    assert f"git apply {patch}" not in text
    assert "secrets are replaced by ***" in text
    assert outlook.patch
    assert "hush-hush-hush\n" in (Path(outlook.patch.folder) / "conf.ini").read_text()
    status = read_status(result.directory, opened.runs_dir)
    for record in (as_record(result, outlook), status.to_record()):
        assert record["result_patch"] == outlook.patch.to_record()
    line = f"secrets are replaced by ***; original files: {outlook.patch.folder}"
    assert line in status_text(status, status.summary.started)
    command = outlook.patch.applying
    assert command in text
    subprocess.run(command, shell=True, cwd=opened.root, check=True)
    assert (opened.root / "conf.ini").read_text() == "user=hush-hush-hush\nport=2\n"
    assert (opened.root / "new.txt").read_text() == "user=hush-hush-hush\n"
    assert (opened.root / "new.bin").read_bytes() == b"\0\1"
    assert not (opened.root / "old.txt").exists()


def test_a_run_that_waits_or_fails_has_its_patch_too(opened: Project) -> None:
    (opened.root / "pipeline.dot").write_text(PIPELINE % "echo half > half.txt; exit 1")
    parked = go(opened, interviewer="park")
    assert parked.status == AWAITING_ANSWER
    patch = parked.directory / "result.patch"
    assert b"new.bin" in patch.read_bytes()
    failed = asyncio.run(resume(parked.directory, opened, Overrides(interviewer="auto_approve")))
    assert failed.status == FAILED
    assert b"half.txt" in patch.read_bytes()
    text = as_text(failed, read_next_step_facts(failed, opened.runs_dir))
    assert "git apply --stat" in text
    assert f"git apply {failed.directory}" not in text


def test_branches_are_put_together_as_in_git(opened: Project) -> None:
    (opened.root / "pipeline.dot").write_text(BRANCHES)
    result = go(opened)
    assert result.outcome is StageStatus.SUCCESS
    apply(result, opened.root)
    assert (opened.root / "one.txt").exists()
    assert (opened.root / "two.txt").exists()


def test_a_fork_begins_with_the_files_of_that_visit(opened: Project) -> None:
    result = go(opened)
    (opened.root / "readme.txt").write_text("changed by its owner\n")
    forked = asyncio.run(fork(result.directory, "last", opened))
    assert forked.outcome is StageStatus.SUCCESS
    assert forked.tree == result.tree
    assert b"new.bin" in (forked.directory / "result.patch").read_bytes()


def test_copy_excludes_records_of_attractor(opened: Project) -> None:
    inside = adjusted(opened, state_dir=opened.root / "my [state]", runs_dir=opened.root / "rec")
    for _ in range(2):
        result = go(inside)
        patch = (result.directory / "result.patch").read_bytes()
        assert b"state" not in patch
        assert b"rec/" not in patch
        kept = everything(inside.machine.state_dir / "workspaces")
        assert "my [state]" not in kept


def test_carried_paths_must_be_ignored_outside_git(opened: Project) -> None:
    (opened.root / ".gitignore").write_text("modules/\n")
    (opened.root / "modules").mkdir()
    (opened.root / "modules" / "x").write_text("x")
    carrying = adjusted(opened, preparation=Preparation(carry=("modules", "old.txt")))
    with pytest.raises(NotRunnable, match=r"'old.txt' in carry of .*: git does not ignore it"):
        go(carrying)
    fit = adjusted(opened, preparation=Preparation(carry=("modules",)))
    (opened.root / "pipeline.dot").write_text(PIPELINE % "cat modules/x")
    assert go(fit).outcome is StageStatus.SUCCESS


def test_a_result_that_was_freed_cannot_be_forked(opened: Project) -> None:
    result = go(opened)
    for one in (opened.machine.state_dir / "stores").rglob("workspace.json"):
        one.unlink()
    with pytest.raises(Refused, match="were removed"):
        asyncio.run(fork(result.directory, "last", opened))


@pytest.mark.parametrize("path", ["scenarios", "runs", "scenarios/s"])
def test_hidden_folders_are_not_carried(opened: Project, path: str) -> None:
    (opened.root / ".gitignore").write_text("scenarios/\nruns/\n")
    (opened.root / path).mkdir(parents=True)
    with pytest.raises(NotRunnable, match="agents have no access to it"):
        go(adjusted(opened, preparation=Preparation(carry=(path,))))

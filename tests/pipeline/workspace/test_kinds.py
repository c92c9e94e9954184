"""Contract of the kinds of workspace: a person's edits, two runs in one folder."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import UnknownName, UsageError
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.environments.errors import SandboxUnavailable
from attractor.pipeline.execute import resume
from attractor.pipeline.project.project import Project
from attractor.records.lookup import find_run
from attractor.records.request import RunRequest
from attractor.workspaces.create.registry import workspace_registry
from attractor.workspaces.errors import DimensionBusy, DimensionMissing
from attractor.workspaces.folders import lock_writer
from attractor.workspaces.run_store import STORES, read_record
from tests.needs import needs_sandbox
from tests.pipeline.dying_task import APPROVING, resume_and_die
from tests.pipeline.projects import adjusted, git, make_project, open_project, simulated, start
from tests.tables import table

TASKS = r"""
digraph tasks {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    work  [shape=parallelogram, max_retries=1, default_retry_delay="1ms",
           tool_command="cd \"$PERSON\"; [ -e ~/on ] || { touch ~/on; date > during.txt; false; }"]
    ask   [shape=hexagon, label="Go on?"]
    tell  [prompt="Go on."]
    start -> work -> ask
    ask -> tell [label="Yes"]
    tell -> exit
}
"""
KINDS = sorted(name for name, kind in workspace_registry().items() if not kind.only_reads)


def person_folder(project: Path, kind: str) -> Path:
    """Return the folder in which a person edits files while a run of a kind works."""
    folder = project.parent / f"the {kind}"
    if kind == "worktree":
        git(project, "worktree", "add", "--quiet", "-b", "side", str(folder))
    elif kind == "directory":
        folder.mkdir()
        (folder / "readme.txt").write_text("hello\n")
    return folder if folder.exists() else project


def request_of(project: Path, kind: str) -> RunRequest:
    place = person_folder(project, kind)
    needs = workspace_registry()[kind].needs_folder
    return simulated(project, workspace=kind, folder=str(place) if needs else "")


def run_until_killed(project: Path, request: RunRequest, place: Path) -> tuple[Project, RunResult]:
    """Run with a failed attempt, an open question and a kill, while a person edits the folder."""
    opened = open_project(project, PERSON=str(place))
    parked = asyncio.run(start(request, opened))
    assert parked.status == AWAITING_ANSWER, parked.reason
    (place / "asked.txt").write_text("mine\n")
    resume_and_die(project, "tell")
    (place / "killed.txt").write_text("mine\n")
    ended = asyncio.run(resume(find_run("latest", opened.runs_dir), opened, APPROVING))
    assert ended.outcome is StageStatus.SUCCESS
    return opened, ended


@pytest.mark.crash
@table("kind", KINDS)
def test_edits_of_a_person_survive(tmp_path: Path, kind: str) -> None:
    project = make_project(tmp_path / kind / "project", TASKS)
    request = request_of(project, kind)
    place = Path(request.folder or project)
    opened, ended = run_until_killed(project, request, place)
    edits = ("during.txt", "asked.txt", "killed.txt")
    assert all((place / name).read_text() for name in edits)
    own = read_record(opened.machine.state_dir / STORES / ended.run_id)
    prompt = (RunDirectory(ended.directory).stage("tell") / "prompt.md").read_text()
    if own is None:
        assert kind == "none"
    elif workspace_registry()[kind].sets_back:
        assert own.folder != place
        assert not (own.folder / "half.txt").exists()
        assert [*ended.directory.glob("incidents/*/*.patch")]
        assert "were changed" not in prompt
    else:
        assert own.folder == place
        assert (place / "half.txt").read_text() == "half"
        assert "asked.txt, half.txt, killed.txt. Keep these changes" in prompt
        assert not [*ended.directory.glob("incidents/*/*.patch")]


@table("kind", [kind for kind in KINDS if kind not in ("isolated", "copy", "none")])
def test_second_run_in_a_folder_is_refused(tmp_path: Path, kind: str) -> None:
    project = make_project(tmp_path / kind / "project")
    opened, request = open_project(project), request_of(project, kind)
    place = Path(request.folder or project)
    opened.machine.state_dir.mkdir()
    with lock_writer(place, opened.machine.state_dir, run_id="01HOLDER"):
        with pytest.raises(DimensionBusy, match="run 01HOLDER") as refused:
            asyncio.run(start(request, opened))
        assert refused.value.details == {"code": "dimension_busy"}
        assert not [*opened.runs_dir.glob("*/manifest.json")]
    assert asyncio.run(start(request, opened)).outcome is StageStatus.SUCCESS
    assert (place / "made.txt").exists()
    assert [*(project / "runs").glob("*/manifest.json")]


READER = """
digraph reader {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    read  [shape=parallelogram,
           tool_command="cat readme.txt; ls scenarios; ! touch made.txt && ! touch .git/made"]
    start -> read -> exit
}
"""


@needs_sandbox
@table("kind", ["", "worktree", "directory"])
def test_any_number_of_runs_reads_a_folder_while_another_writes_there(
    tmp_path: Path, kind: str
) -> None:
    project = make_project(tmp_path / (kind or "project") / "project", READER)
    opened, place = open_project(project), person_folder(project, kind)
    (place / "readme.txt").write_text("hello\n")
    # It and `.git` have mounts of their own.
    (place / "attractor.toml").touch()
    (place / "scenarios").mkdir()
    (place / "scenarios/secret.toml").write_text("hidden")
    folder = str(place) if kind else ""
    request = simulated(project, workspace="read-only", folder=folder, sandbox="bubblewrap")
    opened.machine.state_dir.mkdir()
    with lock_writer(place, opened.machine.state_dir, run_id="01WRITER"):
        for _ in range(2):
            result = asyncio.run(start(request, opened))
            assert result.outcome is StageStatus.SUCCESS, result.reason
            output = (RunDirectory(result.directory).stage("read") / "output.txt").read_text()
            assert "hello" in output
            assert "secret" not in output
    assert not (place / "made.txt").exists()
    assert not (place / ".git" / "made").exists()
    with pytest.raises(SandboxUnavailable, match="nothing keeps commands from changing files"):
        asyncio.run(start(replace(request, sandbox="none"), opened))


SERVING = r"""
digraph serving {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    work  [shape=parallelogram, tool_command="echo $WEB_PORT $DB_PORT >> ~/ports"]
    ask   [shape=hexagon, label="Go on?"]
    again [shape=parallelogram, tool_command="echo $WEB_PORT $DB_PORT >> ~/ports"]
    start -> work -> ask
    ask -> again [label="Yes"]
    again -> exit
}
"""


@table("kind", KINDS)
def test_ports_are_those_of_the_dimension_or_the_run(tmp_path: Path, kind: str) -> None:
    project = make_project(tmp_path / kind / "project", SERVING)
    request, opened = request_of(project, kind), open_project(project)
    opened = adjusted(opened, ports=("WEB_PORT", "DB_PORT"))
    for _ in range(2):
        assert asyncio.run(start(request, opened)).status == AWAITING_ANSWER
        asyncio.run(resume(find_run("latest", opened.runs_dir), opened, APPROVING))
    first, resumed, second, _ = (tmp_path / kind / "ports").read_text().splitlines()
    assert len({*first.split()}) == 2
    assert resumed == first
    assert (second == first) == bool(request.folder)


@table("kind", ["worktree", "directory"])
def test_missing_folder_of_a_dimension_is_never_made(tmp_path: Path, kind: str) -> None:
    project = make_project(tmp_path / kind / "project", TASKS)
    request = request_of(project, kind)
    opened = open_project(project, PERSON="$PWD")
    asyncio.run(start(request, opened))
    Path(request.folder).rename(tmp_path / kind / "moved")
    with pytest.raises(DimensionMissing):
        asyncio.run(start(request, opened))
    with pytest.raises(DimensionMissing):
        asyncio.run(resume(find_run("latest", opened.runs_dir), opened, APPROVING))
    assert not Path(request.folder).exists()


@table(
    ("name", "error", "hint"),
    [
        ("isolate", UnknownName, "did you mean isolated?"),
        ("worktree", UsageError, "dimension"),
    ],
)
def test_unknown_kind_is_refused(
    tmp_path: Path, name: str, error: type[UsageError], hint: str
) -> None:
    project = make_project(tmp_path / name / "project")
    with pytest.raises(error) as refused:
        asyncio.run(start(simulated(project, workspace=name), open_project(project)))
    assert hint in f"{refused.value.message} {refused.value.hint}"
    assert not (project / "runs").exists()

"""Pipelines run through the composition root, on real repositories, without a sandbox."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import FileError, VerificationError
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import EVALUATING
from attractor.language.diagnostics import NotRunnable, ValidationError
from attractor.pipeline.execute import resume
from attractor.pipeline.project.project import Project
from attractor.records.request import Overrides, RunRequest
from attractor.workspaces.errors import NotARepository
from tests.pipeline.projects import LINEAR, git, make_project, open_project, simulated, start

GATE = """
digraph asks {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    ask   [shape=hexagon, label="Ship it?"]
    mend  [prompt="Mend"]
    start -> ask
    ask -> exit [label="[Y] Yes"]
    ask -> mend [label="[N] No"]
    mend -> exit
}
"""


def options(project: Path, **more: object) -> RunRequest:
    plain = simulated(project)
    return replace(plain, **more)


def run(opened: Project, chosen: RunRequest, root: Path | None = None) -> RunResult:
    return asyncio.run(start(chosen, opened, root=root))


def test_a_run_leaves_its_stages_as_commits_and_the_project_as_it_was(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    head = git(project, "rev-parse", "HEAD")
    result = run(open_project(project), options(project))
    assert (result.status, result.outcome) == (EVALUATING, StageStatus.SUCCESS)
    assert result.completed == ("start", "plan", "make", "exit")[: len(result.completed)]
    branch = f"attractor/run/{result.run_id}"
    assert git(project, "show", f"{branch}:made.txt") == "made\n"
    subjects = git(project, "log", "--format=%s", f"main..{branch}").splitlines()
    assert subjects == ["Stage make", "Stage plan"]
    trailers = git(project, "log", "-1", "--format=%(trailers:only)", branch).split("\n")
    assert trailers[:4] == [
        f"Attractor-Run: {result.run_id}",
        "Attractor-Stage: make",
        "Attractor-Visit: 1",
        "Attractor-Outcome: success",
    ]
    assert git(project, "rev-parse", "HEAD") == head
    assert git(project, "status", "--porcelain") == ""


def test_where_git_finds_no_repository_in_its_place_nothing_is_copied(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    (project / ".git" / "HEAD").unlink()
    with pytest.raises(NotARepository) as refused:
        run(open_project(project), options(project))
    assert "--workspace copy" in refused.value.hint
    assert not (project / "runs").exists()


def test_invalid_pipeline_or_backend_starts_no_run(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", LINEAR.replace("-> exit", ""))
    with pytest.raises(ValidationError):
        run(open_project(project), options(project))
    (project / "pipeline.dot").write_text(LINEAR)
    with pytest.raises(NotRunnable, match="unknown backend 'simulat'"):
        run(open_project(project), options(project, backend="simulat"))
    with pytest.raises(NotRunnable, match="unknown node 'pln'"):
        run(open_project(project), options(project, outcomes={"pln": "fail"}))
    assert not (project / "runs").exists()
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_crlf_pipeline_is_resumed(tmp_path: Path, mark: bytes) -> None:
    project = make_project(tmp_path / "project", GATE)
    (project / "pipeline.dot").write_bytes(mark + GATE.replace("\n", "\r\n").encode())
    opened = open_project(project)
    parked = run(opened, options(project, interviewer="park"))
    assert b"\r\n" in (parked.directory / "graph.dot").read_bytes()
    ended = asyncio.run(resume(parked.directory, opened, Overrides(interviewer="auto_approve")))
    assert ended.outcome is StageStatus.SUCCESS


def test_lost_or_changed_graph_file_is_reported(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", GATE)
    opened = open_project(project)
    parked = run(opened, options(project, interviewer="park"))
    (parked.directory / "graph.dot").write_bytes(b"\xff")
    with pytest.raises(VerificationError, match="was changed after the start of the run"):
        asyncio.run(resume(parked.directory, opened))
    (parked.directory / "graph.dot").unlink()
    with pytest.raises(FileError, match="cannot read"):
        asyncio.run(resume(parked.directory, opened))

"""A resumed run keeps the guarantees of its start."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from attractor.base.errors import MachineryError
from attractor.engine.run_folder.result import RunResult
from attractor.environments import selection
from attractor.environments.environment import Promises
from attractor.environments.errors import SandboxNotStarted, SandboxUnavailable, SandboxWeakened
from attractor.environments.sandbox.landlock import landlock_abi
from attractor.pipeline.execute import resume
from attractor.pipeline.project.project import Project
from attractor.records.request import Overrides
from tests.pipeline.projects import adjusted, git, make_project, open_project, simulated, start

ASKS = """
digraph asks {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    ask   [shape=hexagon, label="Go on?"]
    make  [shape=parallelogram, tool_command="pwd > where.txt"]
    start -> ask
    ask -> make [label="[Y] Yes"]
    make -> exit
}
"""


def begin(opened: Project, sandbox: str) -> RunResult:
    """Run up to the question."""
    chosen = simulated(opened.root, sandbox=sandbox, interviewer="park")
    return asyncio.run(start(chosen, opened))


def go_on(result: RunResult, opened: Project) -> RunResult:
    return asyncio.run(resume(result.directory, opened, Overrides(interviewer="auto_approve")))


def without_bubblewrap(folder: Path, script: str = "") -> str:
    """Return a PATH without bubblewrap, or with a script in its place."""
    folder.mkdir()
    (folder / "git").symlink_to(str(shutil.which("git")))
    if script:
        (folder / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "bwrap").chmod(0o755)
    return str(folder)


@pytest.fixture
def opened(tmp_path: Path) -> Project:
    return open_project(make_project(tmp_path / "project", ASKS))


@pytest.fixture
def guarded(opened: Project, sandbox_allowed: None) -> RunResult:
    """A run that started in a sandbox."""
    return begin(opened, "auto")


WITHOUT_SANDBOX: dict[str, type[MachineryError]] = {
    "": SandboxUnavailable,
    "exit 1": SandboxNotStarted,
    "echo No permissions to create new namespace >&2; exit 1": SandboxUnavailable,
}


def test_guarded_run_resumes_guarded_or_not(
    opened: Project, guarded: RunResult, tmp_path: Path
) -> None:
    journal = guarded.directory / "events.jsonl"
    before = journal.read_bytes()
    for number, (script, error) in enumerate(WITHOUT_SANDBOX.items()):
        path = without_bubblewrap(tmp_path / f"bin{number}", script)
        with pytest.raises(error) as caught:
            go_on(guarded, adjusted(opened, environ={**opened.machine.environ, "PATH": path}))
        assert "--sandbox none" in caught.value.hint
        assert journal.read_bytes() == before, script
    # The run is intact, and continues when the sandbox is repaired.
    ended = go_on(guarded, opened)
    branch = f"attractor/run/{ended.run_id}"
    assert git(opened.root, "show", f"{branch}:where.txt") == "/workspace\n"


def test_run_with_lost_guarantees_is_not_resumed(opened: Project) -> None:
    messages: list[str] = []
    opened = adjusted(opened, tell=messages.append)
    result = begin(opened, "none")
    manifest = result.directory / "manifest.json"
    record = json.loads(manifest.read_text())
    assert record["promises"] == dict.fromkeys(vars(Promises()), False)
    record["promises"]["own_network"] = True
    manifest.write_text(json.dumps(record))
    messages.clear()
    with pytest.raises(SandboxWeakened, match="your network may be reachable"):
        go_on(result, opened)
    assert messages == []


@pytest.mark.parametrize("abi", [0, landlock_abi()])
def test_run_without_bubblewrap_resumes_so(
    abi: int, opened: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "landlock_abi", lambda: abi)
    messages: list[str] = []
    path = without_bubblewrap(tmp_path / "bin")
    bare = adjusted(opened, tell=messages.append, environ={**opened.machine.environ, "PATH": path})
    result = begin(bare, "auto")
    said = (
        "in a sandbox (Landlock, not bubblewrap" if abi else "without a sandbox, with your rights"
    )
    assert messages[0].startswith(f"Tools run {said}")
    ended = go_on(result, opened)
    where = git(opened.root, "show", f"attractor/run/{ended.run_id}:where.txt")
    assert where != "/workspace\n"

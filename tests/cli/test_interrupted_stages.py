"""A stage asks for the status of its interrupted attempt, after its process was killed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import make_project
from tests.prepared import begin_prepared, run_prepared


@dataclass(frozen=True)
class Desk:
    """A project whose pipeline has an effect outside of it, and commands for it."""

    project: Path
    outside: Path
    environ: dict[str, str]

    def attractor(self, *words: str) -> tuple[int, str]:
        ended = run_prepared(words, folder=self.project, variables=self.environ)
        return ended.returncode, ended.stdout + ended.stderr

    def kill_in_stage(self, *words: str) -> None:
        """Run until the stage has had its effect outside, and kill the process."""
        before = self.sent
        process = begin_prepared(words, folder=self.project, variables=self.environ)
        try:
            wait_until(lambda: self.sent != before or process.poll() is not None)
            assert process.poll() is None
        finally:
            process.kill()
            process.wait(timeout=PATIENCE_S)

    @property
    def sent(self) -> int:
        """Number of times the stage had its effect."""
        return len(self.outside.read_text().splitlines()) if self.outside.exists() else 0


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    outside, go_on = tmp_path / "sent.txt", tmp_path / "go-on"
    # The effect cannot be undone; then the command waits up to 30 s for a file.
    command = f"echo sent >> {outside}; for i in $(seq 600); do test -e {go_on} && break; "
    pipeline = f"""digraph mail {{
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    send  [shape=parallelogram, if_interrupted=ask, tool_command="{command}sleep 0.05; done"]
    start -> send -> exit
}}
"""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "ATTRACTOR_STATE_DIR": str(tmp_path / "state"),
        "ATTRACTOR_WORKSPACES_DIR": str(tmp_path / "workspaces"),
    }
    yield Desk(make_project(tmp_path / "project", pipeline), outside, environ)
    go_on.touch()


@pytest.mark.crash
def test_person_decides_about_an_interrupted_stage(desk: Desk, tmp_path: Path) -> None:
    desk.kill_in_stage("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none")
    assert desk.sent == 1

    code, output = desk.attractor("resume", "latest")
    assert code == 3
    assert desk.sent == 1
    code, output = desk.attractor("answer", "latest")
    assert code == 0
    assert "The stage send was interrupted when the run stopped" in output
    for line in (
        "[repeat] Repeat it from the start",
        "[done] It is completed: continue as after a success",
        "[fail] It failed: continue as after a failure",
    ):
        assert line in output
    code, output = desk.attractor("answer", "latest", "perhaps")
    assert code == 2
    assert "invalid choice 'perhaps'" in output

    assert desk.attractor("answer", "latest", "repeat", "--reason", "no mail came")[0] == 0
    desk.kill_in_stage("resume", "latest")
    assert desk.sent == 2

    assert desk.attractor("resume", "latest")[0] == 3
    assert desk.attractor("answer", "latest", "done")[0] == 0
    code, output = desk.attractor("resume", "latest")
    assert code == 0, output
    assert desk.sent == 2
    assert "completed according to" in desk.attractor("logs", "latest", "--json")[1]

"""Kill the process of a run while its agent runs: no process of the agent is left."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pytest

from attractor.environments.orphan_processes import can_find_orphans
from attractor.twins.script.script import Script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, script, use, uses
from tests.backends.test_outside import TWO, install
from tests.cli.git_desk import GitDesk
from tests.environments.test_escapes import processes_of
from tests.needs import needs_kind
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git

pytestmark = [pytest.mark.crash, pytest.mark.skipif(not can_find_orphans(), reason="no /proc")]

PIPELINE = """digraph killed {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    work  [prompt="Work"]
    start -> work -> exit
}"""
LIMIT_S = 60.0


def scripted(command: str) -> Script:
    return script(
        uses(use("shell", {"command": command})),
        uses(use("report_outcome", {"outcome": "success"})),
        says("done"),
    )


class TwinDesk(GitDesk):
    """A project whose agents talk to a twin over HTTP."""

    twin: ProviderTwin

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, **self.twin.environ()}


class ProgramDesk(GitDesk):
    """A project whose agent is the stub of codex."""

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, **self._stub}

    @cached_property
    def _stub(self) -> dict[str, str]:
        stub = install(self.folder, "codex")
        return {name: stub[name] for name in ("PATH", "OPENAI_API_KEY")}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[TwinDesk]:
    desk = TwinDesk(tmp_path)
    desk.make(PIPELINE)
    yield desk
    desk.end()


@needs_kind
@pytest.mark.parametrize("sandbox", ["bubblewrap", "landlock", "none"])
def test_killed_run_leaves_no_process_of_its_agent_and_resumes(
    sandbox: str, desk: TwinDesk
) -> None:
    stay = f"sleep 1000.{os.getpid()}{sandbox == 'none':d}"
    words = ("--model", MODELS["openai"], "--provider", "openai", "--sandbox", sandbox)
    # One process leaves the group, and one ignores SIGTERM.
    command = f"setsid {stay} & trap '' TERM; {stay}; true"
    with in_background(ProviderTwin(scripted(command))) as desk.twin:
        runner = desk.begin("run", "pipeline.dot", "--no-evaluate", *words)
        wait_until(lambda: len(processes_of(stay)) == 2)
        runner.kill()
        runner.wait(PATIENCE_S)
        wait_until(lambda: not processes_of(stay))
    with in_background(ProviderTwin(scripted("echo resumed > file"))) as desk.twin:
        done = desk.do("resume", "latest")
    assert done.returncode == 0, done.stderr
    [run] = desk.runs()
    assert git(desk.project, "show", f"attractor/run/{run.name}:file") == "resumed\n"


def test_resume_of_a_killed_run_continues_the_session_of_its_program(tmp_path: Path) -> None:
    desk = ProgramDesk(tmp_path)
    desk.make(TWO.replace("{one}", "first report").replace("{two}", "then hang report"))
    try:
        runner = desk.begin(
            "run", "pipeline.dot", "--no-evaluate", "--sandbox", "none", "--backend", "codex"
        )
        beside = tmp_path / "npm" / "node_modules" / "codex"
        wait_until((beside / "hangs").exists)
        runner.kill()
        runner.wait(PATIENCE_S)
        (beside / "go").touch()
        done = desk.do("resume", "latest", "--restore-sessions")
    finally:
        desk.end()
    assert done.returncode == 0, done.stderr
    [run] = desk.runs()
    assert (run / "two" / "response.md").read_text() == "Turn 2."
    saved = run / "one" / "session.json"
    assert saved.stat().st_mode & 0o777 == 0o600

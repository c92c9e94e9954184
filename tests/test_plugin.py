"""The plug-in for Claude Code has the skill of this version, and offers verdicts sparingly."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from attractor import __version__
from attractor.projects.skill import write_skill
from tests.cli.commands.test_judge import HOLDOUT, SUITE, call
from tests.examples import ROOT
from tests.needs import needs_sandbox
from tests.pipeline.projects import make_project
from tests.prepared import quick_programs
from tests.scenarios.suites import write_suite

PLUGIN = ROOT / "plugin"


def read_json(name: str) -> dict[str, Any]:
    return json.loads((PLUGIN / name).read_text())


def end_turn(folder: Path, programs: str = f"{quick_programs()}:{os.environ['PATH']}") -> str:
    """Run the hook as Claude Code does at the end of a turn; return its output."""
    [stop] = read_json("hooks/hooks.json")["hooks"]["Stop"]
    [hook] = stop["hooks"]
    state = folder.parent
    done = subprocess.run(
        ["sh", "-c", hook["command"]],
        cwd=folder,
        env={
            "PATH": programs,
            "HOME": str(state),
            "ATTRACTOR_STATE_DIR": str(state / "state"),
            "CLAUDE_PLUGIN_ROOT": str(PLUGIN),
            "CLAUDE_PLUGIN_DATA": str(state / "data"),
        },
        input="{}",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_skill_and_version_are_those_of_the_package(tmp_path: Path) -> None:
    written = {file.relative_to(tmp_path): file.read_text() for file in write_skill(tmp_path)}
    own = PLUGIN / "skills" / "pipelines"
    files = [file for file in own.rglob("*") if file.is_file()]
    assert {file.relative_to(own): file.read_text() for file in files} == written, "make docs"
    assert read_json(".claude-plugin/plugin.json")["version"] == __version__


@needs_sandbox
def test_verdict_is_offered_once_for_each_change_in_a_project_with_a_suite(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", **{"half.sh": "echo 0\n"})
    file = project / "half.sh"
    file.write_text("echo 1\n")
    assert end_turn(project) == ""
    write_suite(tmp_path / "secret" / "half", suite=SUITE, halves=HOLDOUT)
    assert not call(project, "suite", "register", str(tmp_path / "secret" / "half")).returncode
    assert end_turn(project) == ""
    for change in (lambda: file.write_text("echo 10\n"), (project / "new").touch, file.unlink):
        change()
        offer = end_turn(project)
        assert offer.count("\n") == 1
        # Without `decision` and `continue`, the agent is not blocked.
        assert [*json.loads(offer)] == ["systemMessage"]
        assert "/judge" in offer
        assert end_turn(project) == ""
    file.write_text("echo 0\n")
    (project / "new").unlink()
    assert end_turn(project) == ""
    assert not call(project, "suite", "archive", "half", "--reason", "It is old").returncode
    file.write_text("echo 2\n")
    assert end_turn(project) == ""


def test_end_of_a_turn_without_git_or_attractor_is_silent(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert end_turn(tmp_path / "plain") == ""
    project = make_project(tmp_path / "project")
    (project / "new").touch()
    assert end_turn(project, "/usr/bin:/bin") == ""

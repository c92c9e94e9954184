"""Commands that write and check pipelines work on macOS and Windows; others say what they need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from attractor.base.errors import NeedsLinux
from attractor.cli.invocation import EVERYWHERE, command_registry
from tests.examples import ROOT

UGLY = """digraph hello { start [shape=Mdiamond]; exit [shape=Msquare]; work [prompt="Work → done"]
    start -> work -> exit }
"""
TESTS = '[[test]]\nname = "straight"\nexpect.path = ["start", "work", "exit"]\n'
PORTABLE = {
    "validate hello.dot": "1 file, no problems found",
    "fmt hello.dot": "1 file changed",
    "fmt --diff other.dot": "Work → done",
    "render hello.dot -o hello.svg": "",
    "render hello.dot --format dot": "digraph",
    "simulate hello.dot": "success: completed",
    "test hello.dot": "1 test, none failed",
    "rules": "terminal_node",
    "diff hello.dot other.dot": "- work",
    "convert --help": "Usage: attractor convert",
    "completion zsh": "compdef",
    "gallery list": "gallery:feature",
    "gallery copy feature": "wrote pipelines/feature.dot",
    "agents": "coder",
    "models": "anthropic",
    "skill": "SKILL.md",
    "--help": "Usage: attractor",
    "help run": "Usage: attractor run",
    "lsp --help": "Usage: attractor lsp",
}
NEEDING = {
    "run hello.dot": "attractor run",
    "agent Hello": "attractor agent",
    "serve": "attractor serve",
    "doctor": "attractor doctor",
    "suite register scenarios": "attractor suite register",
}


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_commands_work_on_other_systems_or_say_that_they_need_linux(
    system: str, tmp_path: Path
) -> None:
    (tmp_path / "hello.dot").write_text(UGLY)
    (tmp_path / "other.dot").write_text(UGLY.replace("-> work ", ""))
    (tmp_path / "hello.test.toml").write_text(TESTS)
    # Found on the PATH of Windows; it cannot be ended at a time limit there.
    (tmp_path / "dot.EXE").touch(mode=0o755)
    helps = [f"{name.replace('.', ' ')} --help" for name in command_registry()]
    asked = [*PORTABLE, *NEEDING, *helps]
    program = (sys.executable, "-P", ROOT / "tests" / "other_system.py", system)
    played = subprocess.run(
        [*program, json.dumps([one.split() for one in asked])],
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin",
            "PATHEXT": ".EXE",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert played.returncode == 0, played.stderr
    results = dict(zip(asked, json.loads(played.stdout), strict=True))
    for words, expected in PORTABLE.items():
        code, output, errors = results[words]
        assert (code, errors) == (0, ""), (words, errors)
        assert expected in output, words
    assert "</svg>" in (tmp_path / "hello.svg").read_text()
    for words, command in NEEDING.items():
        code, _, errors = results[words]
        assert (code, errors) == (4, f"error: '{command}' needs Linux ({NeedsLinux.hint})\n")
    assert {words for words in helps if results[words][0]} == set()
    assert {words.split()[0] for words in PORTABLE} >= set(EVERYWHERE)

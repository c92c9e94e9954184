"""The real Claude Code validates and installs the plug-in, and has changes judged with it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.cli.commands.test_judge import HOLDOUT, SUITE, call
from tests.examples import ROOT, fences
from tests.external_agents.test_external_agents import LIMIT
from tests.external_agents.test_mcp import PROGRAM
from tests.pipeline.projects import make_project
from tests.scenarios.suites import write_suite

pytestmark = pytest.mark.agents
SCRIPT = """
[[rules]]
when = { last_user = "Have the present uncommitted changes judged", step = 0 }

[[rules.answer.tool_calls]]
name = "mcp__plugin_attractor_attractor__judge"
arguments = { suite = "half" }

[[rules]]
answer.text = "Done."
"""
GUIDE = ROOT / "docs/how-to/teach-coding-agents.md"


def test_plugin_is_valid_installs_in_two_lines_and_judges(tmp_path: Path) -> None:
    if shutil.which("claude") is None:
        pytest.fail("claude is not on the PATH; run scripts/external-agents")
    project = make_project(tmp_path / "project", **{"half.sh": "echo 0\n"})
    write_suite(tmp_path / "secret" / "half", suite=SUITE, halves=HOLDOUT)
    assert not call(project, "suite", "register", str(tmp_path / "secret" / "half")).returncode
    (project / "half.sh").write_text("echo 1.5\n")
    with in_background(ProviderTwin(parse_script(SCRIPT))) as twin:
        environ = {
            "PATH": f"{Path(PROGRAM).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path / "home"),
            "ATTRACTOR_STATE_DIR": str(tmp_path / "state"),
            "ANTHROPIC_API_KEY": "any-key",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "IS_SANDBOX": "1",
            "MCP_CONNECTION_NONBLOCKING": "false",
            **twin.environ(),
        }

        def claude(*words: str) -> str:
            done = subprocess.run(
                ["claude", *words],
                cwd=project,
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LIMIT,
                check=False,
            )
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
            return done.stdout

        for folder in (ROOT, ROOT / "plugin"):
            assert "Validation passed" in claude("plugin", "validate", "--strict", str(folder))
        [lines] = [one.text for one in fences(page=GUIDE) if "plugin install" in one.text]
        first, second = (line.removeprefix("$ claude ").split() for line in lines.splitlines())
        claude(*first[:-1], str(ROOT))
        claude(*second)
        parts = claude("plugin", "details", "attractor")
        assert "Hooks (1)  Stop" in parts
        assert "MCP servers (1)  attractor" in parts
        prompt = ("-p", "--output-format", "stream-json", "--verbose", "--model")
        said = claude(*prompt, "claude-sonnet-4-5", "--", "/judge half")
        told = claude(*prompt, "claude-sonnet-4-5", "--", "/attractor")
        bodies = [json.dumps(one.body) for one in twin.requests]
    assert '\\"verdict\\": \\"go\\"' in said
    assert "Stop says: attractor: the changes are not judged" in said
    assert "Stop says" not in told
    assert "Draft, validate, simulate, test" in bodies[0]
    assert "suites: half@1" in bodies[-1]

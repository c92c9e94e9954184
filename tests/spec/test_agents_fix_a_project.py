"""Plan, implement, test and fix a small project, with the agents and the key of one provider."""

import json
import os
import sys
from pathlib import Path

import pytest

from attractor.backends.models import newest_model
from attractor.base.json import JsonObject
from attractor.twins.exchange.answer import Answer, ToolUse
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import WIRES, says, use, uses
from tests.cli.running import run_here
from tests.pipeline.projects import make_project

PIPELINE = """
digraph calc {
    graph [goal="Let the tests pass"]
    start     [shape=Mdiamond]
    exit      [shape=Msquare]
    plan      [agent=planner, prompt="Plan how to do this: $goal"]
    implement [agent=coder, prompt="Carry out the plan: $goal"]
    test      [shape=parallelogram, goal_gate=true, tool_command="python3 -m unittest -q"]
    fix       [agent=coder, max_visits=3, prompt="The tests fail: find out why"]
    start -> plan -> implement -> test
    test -> exit [condition="outcome=success"]
    test -> fix  [condition="outcome!=success"]
    fix -> test
}
"""
BUGGY = "def mean(numbers):\n    return sum(numbers) // len(numbers)\n"
HALF = BUGGY.replace("//", "/")
FIXED = HALF.replace("    return", "    if not numbers:\n        return 0\n    return")
TESTS = """
import unittest

import calc


class MeanTest(unittest.TestCase):
    def test_mean_is_exact(self):
        self.assertEqual(calc.mean([1, 2]), 1.5)

    def test_mean_of_nothing_is_zero(self):
        self.assertEqual(calc.mean([]), 0)
"""
TESTING = use("shell", {"command": "python3 -m unittest -q"})
READING = use("read_file", {"file_path": "calc.py"})
REPORT = use("report_outcome", {"outcome": "success"})


def edit(wire: str, old: str, new: str) -> ToolUse:
    """Return an edit of calc.py in the format of a provider's models."""
    if wire == "openai":
        lines = [
            *(f"-{line}" for line in old.splitlines()),
            *(f"+{line}" for line in new.splitlines()),
        ]
        patch = ["*** Begin Patch", "*** Update File: calc.py", "@@", *lines, "*** End Patch"]
        return use("apply_patch", {"patch": "\n".join(patch)})
    return use("edit_file", {"file_path": "calc.py", "old_string": old, "new_string": new})


def scripted(wire: str) -> Script:
    """Return the answers of all stages; the implementation leaves one test failing."""
    stages: dict[str, list[Answer]] = {
        "Plan how": [uses(READING), uses(REPORT), says("Divide exactly, and treat no numbers.")],
        "Carry out": [uses(READING), uses(edit(wire, BUGGY, HALF)), uses(REPORT), says("Done.")],
        "The tests fail": [
            uses(TESTING, READING),
            uses(edit(wire, HALF, FIXED)),
            uses(TESTING),
            uses(REPORT),
            says("The tests pass."),
        ],
    }
    rules = [
        Rule(when=When(first_user=words, step=step), answer=answer)
        for words, answers in stages.items()
        for step, answer in enumerate(answers)
    ]
    return Script(rules=tuple(rules))


def read(file: Path) -> JsonObject:
    return json.loads(file.read_text())


@pytest.mark.parametrize("wire", WIRES)
def test_agents_of_one_provider_fix_a_project(tmp_path: Path, wire: str) -> None:
    project = make_project(tmp_path / "calc", PIPELINE, **{"calc.py": BUGGY, "test_calc.py": TESTS})
    with in_background(ProviderTwin(scripted(wire))) as twin:
        prefix = f"{wire.upper()}_"
        keys = {name: value for name, value in twin.environ().items() if name.startswith(prefix)}
        environ = {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "HOME": str(tmp_path),
            "ATTRACTOR_STATE_DIR": str(tmp_path / "state"),
            "ATTRACTOR_WORKSPACES_DIR": str(tmp_path),
            **keys,
        }
        folder = tmp_path / "run"
        words = ["run", "pipeline.dot", "--sandbox", "none", "--run-dir", str(folder)]
        ended = run_here(words, folder=project, variables=environ)
    assert ended.returncode == 0, ended.stderr
    assert f"Model: {newest_model(wire)}, the newest of {wire}" in ended.stderr
    # The tests failed once, then passed.
    statuses = [read(file)["outcome"] for file in sorted(folder.glob("test/**/status.json"))]
    assert sorted(map(str, statuses)) == ["fail", "success"]
    assert "+    return sum(numbers) / len(" in (folder / "implement/diff.patch").read_text()
    assert "+    if not numbers:" in (folder / "fix/diff.patch").read_text()
    assert not (folder / "plan/diff.patch").exists()
    final = read(folder / "final.json")
    assert final["outcome"] == "success"
    usage = final["usage"]
    assert isinstance(usage, dict)
    assert all(usage[one] for one in ("cost_usd", "input_tokens", "output_tokens")), usage
    lines = (folder / "implement/transcript.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    used = [one["tool_name"] for one in events if one["kind"] == "TOOL_CALL_START"]
    editing = "apply_patch" if wire == "openai" else "edit_file"
    assert used == ["read_file", editing, "report_outcome"]

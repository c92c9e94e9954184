"""`attractor judge -- PROGRAM ...` with the real coding agents, in the words of a person."""

import json
import shlex
from pathlib import Path

import pytest

from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.cli.running import attractor
from tests.external_agents.test_backends import PROGRAMS, Outside
from tests.pipeline.projects import make_project
from tests.spec.runs import environ_for

pytestmark = pytest.mark.agents
SCRIPT = """
[[rules]]
name = "gemini asks which model to use"
when.system = "Task Routing AI"
answer.text = '{{"complexity_reasoning": "It is one line.", "complexity_score": 10}}'

[[rules]]
when = {{ last_user = "Halve", step = 0 }}
answer = {{ text = "I edit.", tool_calls = [{edit}] }}

[[rules]]
answer.text = "It halves now."
"""
TASK = "Halve the number in calc.py."
WORDS = {
    "claude": ["claude", "-p", TASK],
    "codex": ["codex", "exec", TASK],
    "gemini": ["gemini", "-p", TASK],
    "opencode": ["opencode", "run", "-m", "anthropic/claude-sonnet-4-5", TASK],
}


@pytest.mark.parametrize("one", PROGRAMS, ids=lambda one: one.program)
def test_command_of_a_person_is_judged(one: Outside, tmp_path: Path) -> None:
    one.require()
    project = make_project(tmp_path / "project", **{"calc.py": "def half(n):\n    return 0\n"})
    calls = ", ".join(call.toml() for call in one.edit("calc.py", "return 0", "return n / 2"))
    script = parse_script(SCRIPT.format(edit=calls))
    with in_background(ProviderTwin(script)) as twin:
        environ = {**environ_for(tmp_path), **twin.environ()}
        words = WORDS[one.program]
        done = attractor("judge", "--json", "--", *words, folder=project, variables=environ)
    said = f"{shlex.join(WORDS[one.program])}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert done.returncode == 5, said
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["verdict"] == "not judged", said
    assert [file["path"] for file in record["changes"]["files"]] == ["calc.py"], said
    assert record["input_tokens"] > 0, said

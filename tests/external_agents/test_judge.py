"""From an installed wheel to a verdict on the work of a real agent: three commands, no file."""

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.environments.places import skipping_without_sandbox
from tests.external_agents.test_backends import PROGRAMS, ROUTING
from tests.pipeline.projects import make_project
from tests.test_wheel import install, wheel

__all__ = ["wheel"]
pytestmark = pytest.mark.agents
SCRIPT = (
    ROUTING
    + """
[[rules]]
when = {{ last_user = "Halve", step = 0 }}
answer = {{ text = "I edit.", tool_calls = [{edit}] }}

[[rules]]
answer.text = "It halves now."
"""
)
TASK = "Halve the number in calc.py."
SED = "sed -i 's#= 0#= int(n) / 2#' calc.py"
WORDS = {
    "claude": ["claude", "-p", TASK],
    "codex": ["codex", "exec", TASK],
    "gemini": ["gemini", "-p", TASK],
    "opencode": ["opencode", "run", "-m", "anthropic/claude-sonnet-4-5", TASK],
    "script": ["sh", "-c", SED],
}
CALC = "import sys\n\nn = sys.argv[1]\nhalf = 0\nprint(half)\n"
SUITE = "scenarios/half"
EXAMPLES = ["--example", "python3 calc.py 3 => 1.5", "--example", "python3 calc.py 7 => 3.5"]


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(wheel, tmp_path_factory.mktemp("installed"), "pip")


@pytest.mark.parametrize("sandbox", ["bubblewrap", "landlock"])
@pytest.mark.parametrize("name", WORDS)
def test_command_of_a_person_gets_a_verdict(
    programs: Path, tmp_path: Path, name: str, sandbox: str
) -> None:
    one = next((one for one in PROGRAMS if one.program == name), None)
    if one:
        one.require()
    project = make_project(tmp_path / "project", **{"calc.py": CALC})
    script = parse_script(SCRIPT.format(edit=one.run(SED).toml() if one else ""))
    home = tmp_path / "home"
    home.mkdir()
    began = time.monotonic()
    with in_background(ProviderTwin(script)) as twin, skipping_without_sandbox():
        environ = {"PATH": os.environ["PATH"], "HOME": str(home), **twin.environ()}

        def call(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [programs / "attractor", *words],
                cwd=project,
                env=environ,
                capture_output=True,
                text=True,
                check=False,
            )

        for words in (["init", SUITE, *EXAMPLES], ["register", SUITE, "--sandbox", sandbox]):
            made = call("suite", *words)
            assert made.returncode == 0, made.stderr
        judge = ("judge", "--json", "--suite", "half", "--sandbox", sandbox, "--")
        done = call(*judge, *WORDS[name])
    said = f"{shlex.join(WORDS[name])}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    if sandbox == "landlock" and ("no ports" in done.stderr or "status 134" in done.stdout):
        pytest.skip(f"{name} does not work with Landlock here")  # opencode aborts
    assert done.returncode == 0, said
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["verdict"] == "go", said
    assert [file["path"] for file in record["changes"]["files"]] == ["calc.py"], said
    assert (record["input_tokens"] > 0) == bool(one), said
    sys.stdout.write(f"{name} in {sandbox}: {time.monotonic() - began:.1f} s to the verdict\n")

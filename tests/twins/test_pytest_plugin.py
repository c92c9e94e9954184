"""The fixture works in tests of other projects, as documented."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.examples import fences
from tests.tables import table

EXAMPLE = next(
    one.text
    for one in fences("python")
    if one.page.name == "twin-scripts.md" and "def test_" in one.text
)
BY_OPTION = EXAMPLE.replace(', provider_twin\n\n__all__ = ["provider_twin"]', "")


def pytest_in(folder: Path, *words: str) -> str:
    """Run tests in a folder, and return the output; results of older runs are kept."""
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "--basetemp=temporary", *words]
    # The plugins of this environment take longer to load than pytest itself.
    environ = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    result = subprocess.run(
        command,
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout + result.stderr


@table(
    ("code", "options"),
    [(EXAMPLE, []), (BY_OPTION, ["-p", "attractor.twins.pytest_plugin"])],
    ids=["imported", "by option"],
)
def test_the_example_passes(code: str, options: list[str], tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(code)
    said = pytest_in(tmp_path, *options, "test_mine.py")
    assert "1 passed" in said, said


PROJECT = """
from pathlib import Path

import httpx
from attractor.twins.server.virtual_clock import VirtualClock

BODY = {"model": "gpt-5", "input": "hello"}
KEY = {"authorization": "Bearer any"}


def ask(twin):
    place = f"{twin.base_url('openai')}/responses"
    return httpx.post(place, json=BODY, headers=KEY, timeout=60).text


def test_an_hour_takes_no_time(provider_twin):
    clock = VirtualClock(jumps=True)
    script = 'rules = [{ answer = { text = "At last.", delay = "1h" } }]'
    assert "At last." in ask(provider_twin(script, clock=clock))
    assert clock.monotonic() == 3600


def test_a_script_in_a_file(provider_twin, tmp_path):
    file = tmp_path / "own.py"
    file.write_text("def answer(conversation, attempt): return {'text': conversation.model}")
    assert "gpt-5" in ask(provider_twin(file))


def test_recordings(provider_twin):
    assert "As it was." in ask(provider_twin(replay=Path("calls.jsonl")))
"""
RECORDED = {
    "version": 1,
    "wire": "openai",
    "path": "/v1/responses",
    "request": {"model": "gpt-5", "input": "hello"},
    "status": 200,
    "headers": {"content-type": "application/json"},
    "body": [{"at": 0.1, "text": "As it was."}],
}


def test_fixture_works_in_another_project(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["attractor.twins.pytest_plugin"]\n')
    (tmp_path / "test_own.py").write_text(PROJECT)
    (tmp_path / "calls.jsonl").write_text(json.dumps(RECORDED))
    said = pytest_in(tmp_path, "test_own.py")
    assert "3 passed" in said, said

import json
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.cli.running import ATTRACTOR, attractor

ASKED = {"model": "gpt-5", "input": "hello"}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "script.toml"
    file.write_text('rules = [{ name = "r", answer = { text = "Hi." } }]')
    return file


@contextmanager
def standing_in(script: Path, *words: str) -> Generator[subprocess.Popen[str]]:
    command = [ATTRACTOR, "twin", "llm", "--script", str(script), *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as twin:
        try:
            yield twin
        finally:
            twin.kill()


def lines_of(twin: subprocess.Popen[str], last: str) -> str:
    """Read what is printed up to a line."""
    assert twin.stdout is not None
    read = ""
    while not read.endswith(f"{last}\n"):
        line = twin.stdout.readline()
        assert line, read
        read += line
    return read


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_until_it_is_interrupted(script: Path, number: signal.Signals) -> None:
    with standing_in(script, "--json") as twin:
        told = json.loads(lines_of(twin, "}"))
        base, key = told["environ"]["OPENAI_BASE_URL"], told["environ"]["OPENAI_API_KEY"]
        headers = {"authorization": f"Bearer {key}"}
        answer = httpx.post(f"{base}/responses", json=ASKED, headers=headers)
        assert "Hi." in answer.text
        token = {"authorization": f"Bearer {told['token']}"}
        shown = httpx.get(f"{told['control_url']}/requests", headers=token).json()
        assert [one["rule"] for one in shown["requests"]] == ["r"]
        twin.send_signal(number)
        assert twin.wait(20) == 130
        assert twin.communicate() == ("", "")


def test_a_person_is_told_what_to_export(script: Path) -> None:
    with standing_in(script) as twin:
        assert twin.stdout is not None
        lines = [twin.stdout.readline() for _ in range(10)]
    assert lines[0].startswith("The twin answers at http://127.0.0.1:")
    assert sum(line.startswith("  export ") for line in lines) == 7
    assert "Authorization: Bearer" in lines[9]


def test_a_script_that_is_none_is_wrong_usage(script: Path) -> None:
    script.write_text("rules = [{ anwer = {} }]")
    result = attractor("twin", "llm", "--script", str(script))
    assert result.returncode == 2
    assert "did you mean 'answer'?" in result.stderr
    assert attractor("twin", "llm", "--script", "nowhere.toml").returncode == 2
    assert attractor("twin", "llm").returncode == 2


def test_a_port_that_is_taken_is_trouble_of_the_machine(script: Path) -> None:
    with standing_in(script, "--json") as twin:
        port = json.loads(lines_of(twin, "}"))["url"].rpartition(":")[2]
        result = attractor("twin", "llm", "--script", str(script), "--port", port)
    assert result.returncode == 3
    assert f"port {port}" in result.stderr

import asyncio
import json
import resource
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from attractor.twins.exchange.wire import wire_registry
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import model_requests
from tests.cli.running import attractor, running_program
from tests.cli.test_budgets import TwinDesk
from tests.examples import fences
from tests.patience import PATIENCE_S, wait_until
from tests.prepared import Process
from tests.tables import table

ASKED = {"model": "gpt-5", "input": "hello"}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "script.toml"
    file.write_text('rules = [{ name = "r", answer = { text = "Hi." } }]')
    return file


def standing_in(script: Path | None, *words: str) -> AbstractContextManager[Process]:
    by = ["--script", str(script)] if script else []
    return running_program("twin", "llm", *by, *words)


def lines_of(twin: Process, last: str) -> str:
    """Read the output up to this line."""
    assert twin.stdout is not None
    read = ""
    while not read.endswith(f"\n{last}\n"):
        line = twin.stdout.readline()
        assert line, read
        read += line
    return read


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_twin_answers_until_interrupted(script: Path, number: signal.Signals) -> None:
    with standing_in(script, "--json") as twin:
        record = json.loads(lines_of(twin, "}"))
        base, key = record["environ"]["OPENAI_BASE_URL"], record["environ"]["OPENAI_API_KEY"]
        headers = {"authorization": f"Bearer {key}"}
        answer = httpx.post(f"{base}/responses", json=ASKED, headers=headers)
        assert "Hi." in answer.text
        token = {"authorization": f"Bearer {record['token']}"}
        shown = httpx.get(f"{record['control_url']}/requests", headers=token).json()
        assert [one["rule"] for one in shown["requests"]] == ["r"]
        twin.send_signal(number)
        assert twin.wait(PATIENCE_S) == 130
        assert twin.communicate() == ("", "")


def test_variables_and_help_are_printed(script: Path) -> None:
    with standing_in(script) as twin:
        assert twin.stdout is not None
        lines = [twin.stdout.readline()]
        while "Authorization: Bearer" not in lines[-1]:
            lines.append(twin.stdout.readline())
            assert lines[-1]
    assert lines[0].startswith("The twin listens at http://127.0.0.1:")
    exported = {line.split("=")[0] for line in lines if line.startswith("  export ")}
    variables = {name for wire in wire_registry().values() for name in wire.variables}
    assert exported == {f"  export {name}" for name in variables}
    output = " ".join(attractor("twin", "llm", "--help").stdout.split())
    assert "with and without streaming" in output
    assert all(f"{wire} (" in output for wire in wire_registry())


def test_invalid_scripts_exit_with_2(script: Path, tmp_path: Path) -> None:
    script.write_text("rules = [{ anwer = {} }]")
    result = attractor("twin", "llm", "--script", str(script))
    assert result.returncode == 2
    assert "did you mean answer?" in result.stderr
    assert attractor("twin", "llm", "--script", "nowhere.toml").returncode == 2
    assert attractor("twin", "llm").returncode == 2
    (tmp_path / "s.py").write_text("x = 1\n1 / 0\n")
    result = attractor("twin", "llm", "--script", "s.py", folder=tmp_path)
    assert result.returncode == 2
    assert "s.py:2: ZeroDivisionError" in result.stderr


def test_used_port_exits_with_4(script: Path) -> None:
    with standing_in(script, "--json") as twin:
        port = json.loads(lines_of(twin, "}"))["url"].rpartition(":")[2]
        result = attractor("twin", "llm", "--script", str(script), "--port", port)
    assert result.returncode == 4
    assert f"port {port}" in result.stderr


def asked(fields: dict[str, Any], text: str = "hello") -> httpx.Response:
    base = fields["environ"]["OPENAI_BASE_URL"]
    key = {"authorization": "Bearer sk-the-clients-own"}
    return httpx.post(f"{base}/responses", json=ASKED | {"input": text}, headers=key)


def test_requests_and_unused_rules_are_logged(script: Path) -> None:
    script.write_text(
        """
        rules = [
            { name = "plan", when = { words = "hello" }, answer.tool_calls = [{ name = "look" }] },
            { name = "never", when = { words = "bye" }, answer = {} },
        ]
        """
    )
    with standing_in(script, "--json", "--verbose") as twin:
        record = json.loads(lines_of(twin, "}"))
        asked(record)
        asked(record, "what\x1b[2J?")
        twin.send_signal(signal.SIGINT)
        _, lines = twin.communicate(timeout=PATIENCE_S)
    first, second, last = lines.splitlines()
    warning = "the request does not offer the tool 'look'; it offers: none"
    assert first == f"#1 openai gpt-5 step 0: 200 'plan' (warning: {warning})"
    assert second.startswith("#2 openai gpt-5 step 0: 400 no rule of the script matches step 0")
    assert "\x1b" not in second
    assert last == "unused rules: never"


def test_provider_answers_are_recorded_and_replayed(script: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls.jsonl"
    with standing_in(script, "--json") as provider:
        url = json.loads(lines_of(provider, "}"))["url"]
        with standing_in(None, "--json", "--record", str(calls), "--to", url) as twin:
            record = json.loads(lines_of(twin, "}"))
            came = asked(record).content
            twin.send_signal(signal.SIGINT)
            assert twin.wait(PATIENCE_S) == 130
    assert record["record"]["providers"]["openai"] == url
    # A client that is recorded uses its own API keys.
    assert not any(name.endswith("_API_KEY") for name in record["environ"])
    assert "clients-own" not in calls.read_text()
    with standing_in(None, "--json", "--replay", str(calls), "--pace", "recorded") as twin:
        record = json.loads(lines_of(twin, "}"))
        assert record["replay"] == {"path": str(calls), "recordings": 1}
        assert asked(record).content == came


def test_failed_recording_stops_the_twin(script: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls.jsonl"
    with standing_in(script, "--json") as provider:
        url = json.loads(lines_of(provider, "}"))["url"]
        with standing_in(None, "--json", "--record", str(calls), "--to", url) as twin:
            record = json.loads(lines_of(twin, "}"))
            calls.mkdir()
            with pytest.raises(httpx.TransportError):
                asked(record)
            assert twin.wait(PATIENCE_S) == 3
            assert "calls.jsonl" in twin.communicate()[1]


@table(
    ("words", "message"),
    [
        ("--record c.jsonl --script s.toml", "--record cannot be combined with --script"),
        ("--record c.jsonl --replay s.toml", "--record cannot be combined with --replay"),
        ("--script s.toml --to http://a", "--to requires --record"),
        ("--script s.toml --pace recorded", "--pace requires --replay"),
        ("--script s.toml --ignore $.id", "--ignore requires --replay"),
        ("--replay s.toml --ignore id", "invalid path 'id'"),
        ("--record c.jsonl --to nonsense", "invalid address of a provider: 'nonsense'"),
        ("--replay s.toml", "s.toml:1: invalid JSON"),
        ("", "missing --script, --replay or --record"),
    ],
)
def test_incompatible_options_are_refused(words: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("rules = []")
    result = attractor("twin", "llm", *words.split(), folder=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr


def test_thousand_concurrent_streams_end(script: Path) -> None:
    words = " ".join(["word"] * 30)
    script.write_text(f'rules = [{{ answer = {{ text = "{words}", delay = "1s" }} }}]')
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with standing_in(script, "--json") as twin:
            record = json.loads(lines_of(twin, "}"))
            ends = asyncio.run(_streamed(record["url"], 1000))
            assert ends == [True] * 1000
            status = Path(f"/proc/{twin.pid}/status").read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 300_000


async def _streamed(url: str, count: int) -> list[bool]:
    """Send all requests for streams before the first one is answered."""
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps(ASKED | {"stream": True})
    head = ["POST /v1/responses HTTP/1.1", "host: localhost", "authorization: Bearer k"]
    head += ["connection: close", f"content-length: {len(body)}", "", body]

    async def one() -> bool:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write("\r\n".join(head).encode())
        came = await reader.read()
        writer.close()
        return b"response.completed" in came and came.endswith(b"\r\n0\r\n\r\n")

    return await asyncio.gather(*(one() for _ in range(count)))


def test_second_signal_ends_a_hanging_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "def answer(conversation, attempt):\n"
        f"    open({str(tmp_path / 'begun')!r}, 'w').close()\n"
        "    while True:\n        pass\n"
    )
    with standing_in(script, "--json") as twin:
        url = json.loads(lines_of(twin, "}"))["environ"]["OPENAI_BASE_URL"]
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/responses", json=ASKED, headers={"authorization": "x"}, timeout=0.5)
        wait_until((tmp_path / "begun").exists)
        twin.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            twin.wait(0.5)
        twin.send_signal(signal.SIGTERM)
        assert twin.wait(PATIENCE_S) == 130


def test_first_example_of_the_page_works_in_a_run(tmp_path: Path) -> None:
    page = [one for one in fences() if one.page.name == "twin-scripts.md"]
    script = next(one.text for one in page if one.language == "toml")
    pipeline = next(one.text for one in page if one.language == "dot")
    with in_background(ProviderTwin(parse_script(script))) as twin:
        desk = TwinDesk(tmp_path)
        desk.twin = twin
        desk.write(pipeline)
        desk.write("print(5)", "todo.py")
        places = ("--sandbox", "none", "--workspace", "none", "--no-evaluate")
        ran = desk.do("run", "pipeline.dot", "--model", "gpt-5", *places)
        asked = [(one.rule, one.status, one.warning) for one in model_requests(twin)]
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "todo.py").read_text() == "print([])"
    assert asked == [
        ("plan: look first", 200, ""),
        ("the first try is refused", 429, ""),
        ("plan: report", 200, ""),
        ("end of a stage", 200, ""),
        ("make: write", 200, ""),
        ("make: test", 200, ""),
        ("make: report", 200, ""),
        ("end of a stage", 200, ""),
    ]

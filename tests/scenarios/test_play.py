"""Scenarios played for real, in a folder on this machine."""

import asyncio
import os
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from attractor.base.clock import SystemClock
from attractor.environments.local import LocalExecutionEnvironment
from attractor.scenarios.check import CheckResult, Observation
from attractor.scenarios.play import ScenarioPlayer
from attractor.scenarios.suite import Scenario, SuiteSettings

SETTINGS = SuiteSettings(name="s", pipeline="p")
SERVER = "python3 -m http.server --bind 127.0.0.1 {port}"


def scenario(
    steps: Sequence[dict[str, Any]], checks: Sequence[dict[str, Any]] = (), **more: Any
) -> Scenario:
    checks = checks or [{"kind": "file", "path": ".", "exists": True}]
    told = {"id": "s", "title": "S", "story": "S.", "steps": steps, "checks": checks}
    return Scenario.model_validate(told | more)


def local(folder: Path) -> LocalExecutionEnvironment:
    return LocalExecutionEnvironment(folder, environ={"PATH": os.environ["PATH"]})


def played(
    folder: Path, one: Scenario, *, suite: Path = Path(), settings: SuiteSettings = SETTINGS
) -> tuple[Observation, tuple[CheckResult, ...]]:
    player = ScenarioPlayer(settings, suite, local, SystemClock())
    result = asyncio.run(player.play(one, folder))
    return result.observation, result.checks


def verdicts(folder: Path, one: Scenario) -> list[tuple[bool, str]]:
    return [(check.passed, check.reason) for check in played(folder, one)[1]]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_commands_share_a_folder_and_are_judged_one_by_one(tmp_path: Path) -> None:
    steps = [
        {"name": "write", "run": "echo hello > greeting.txt; echo done"},
        {"name": "read", "run": "cat greeting.txt; echo warned >&2; exit 3"},
    ]
    checks = [
        {"kind": "exit", "step": "write"},
        {"kind": "exit", "step": "read"},
        {"kind": "exit", "step": "read", "equals": 3},
        {"kind": "stdout", "step": "read", "equals": "hello"},
        {"kind": "stdout", "step": "read", "lacks": "hell"},
        {"kind": "stderr", "step": "read", "matches": "^warn"},
        {"kind": "file", "path": "greeting.txt", "contains": "ell"},
        {"kind": "file", "path": "greeting.txt", "contains": "bye"},
        {"kind": "file", "path": "absent.txt"},
        {"kind": "file", "path": "absent.txt", "exists": False},
        {"kind": "file", "path": "greeting.txt", "exists": False},
    ]
    assert verdicts(tmp_path, scenario(steps, checks)) == [
        (True, "step write ended with 0"),
        (False, "step read ended with 3, not 0"),
        (True, "step read ended with 3"),
        (True, "standard output of step read is as expected"),
        (False, "standard output of step read contains 'hell'"),
        (True, "standard error of step read is as expected"),
        (True, "greeting.txt is as expected"),
        (False, "greeting.txt does not contain 'bye'"),
        (False, "absent.txt is missing"),
        (True, "absent.txt is missing, as expected"),
        (False, "greeting.txt is present"),
    ]


def test_a_command_whose_time_is_up_has_no_exit_code(tmp_path: Path) -> None:
    steps = [{"name": "sleep", "run": "sleep 30", "timeout": "100ms"}]
    [(passed, reason)] = verdicts(tmp_path, scenario(steps, [{"kind": "exit", "step": "sleep"}]))
    assert (passed, reason) == (
        False,
        "step sleep ended with none, because of the time limit, not 0",
    )


def test_a_service_is_waited_for_asked_and_stopped(tmp_path: Path, port: int) -> None:
    (tmp_path / "index.html").write_text("<p>hello</p>")
    steps = [
        {"name": "serve", "service": SERVER.format(port=port), "port": port},
        {"name": "open", "port": port, "path": "/index.html"},
        {"name": "miss", "port": port, "path": "/nothing"},
    ]
    checks = [
        {"kind": "http", "step": "open", "contains": "hello"},
        {"kind": "http", "step": "miss", "status": 404},
        {"kind": "http", "step": "miss"},
    ]
    assert verdicts(tmp_path, scenario(steps, checks)) == [
        (True, "the response to step open is as expected"),
        (True, "the response to step miss is as expected"),
        (False, "step miss was answered with 404, not 200"),
    ]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 1)


def test_a_service_that_never_answers_fails_the_checks_behind_it(tmp_path: Path, port: int) -> None:
    steps = [
        {"name": "serve", "service": "sleep 30", "port": port, "ready": "200ms"},
        {"name": "open", "port": port},
    ]
    observed, checks = played(tmp_path, scenario(steps, [{"kind": "http", "step": "open"}]))
    assert observed.steps["serve"].trouble == f"no connection to port {port} in time"
    assert [(one.passed, one.reason) for one in checks] == [
        (False, f"step open did not run: step serve: no connection to port {port} in time")
    ]


def test_a_request_nobody_answers_is_the_candidates_failure(tmp_path: Path, port: int) -> None:
    steps = [{"name": "open", "port": port}]
    [(passed, reason)] = verdicts(tmp_path, scenario(steps, [{"kind": "http", "step": "open"}]))
    assert not passed
    assert "GET / failed" in reason


def _zipped(content: bytes, wbits: int = 31) -> bytes:
    maker = zlib.compressobj(1, wbits=wbits)
    return maker.compress(content) + maker.flush()


BOMB = b"0" * 5_000_000
RESPONSES = {
    "/plain": ("identity", b"hello"),
    "/gzip": ("gzip", _zipped(b"hello")),
    "/zlib": ("deflate", _zipped(b"hello", 15)),
    "/raw": ("DEFLATE", _zipped(b"hello", -15)),
    "/nothing": ("gzip", b""),
    "/bomb": ("gzip", _zipped(BOMB)),
    "/large": ("identity", BOMB),
    "/twice": ("gzip, gzip", _zipped(_zipped(BOMB))),
    "/other": ("br", b"?"),
    "/broken": ("gzip", b"?" * 50),
}


class _Responses(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with suppress(ConnectionError):
            self.send_response(200)
            if self.path == "/endless":
                self.end_headers()
                while True:
                    self.wfile.write(b"x")
                    time.sleep(0.01)
            encoding, content = RESPONSES[self.path]
            self.send_header("content-encoding", encoding)
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_responses_are_bounded_and_decoded_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attractor.scenarios.http_request._MAX_BODY", 100_000)
    bodies = dict.fromkeys(("/plain", "/gzip", "/zlib", "/raw"), "hello") | {"/nothing": ""}
    troubles = {
        "/bomb": "the response is larger than 100000 bytes",
        "/large": "the response is larger than 100000 bytes",
        "/twice": "unsupported content-encoding 'gzip, gzip'",
        "/other": "unsupported content-encoding 'br'",
        "/broken": "invalid compressed response",
        "/endless": "TimeoutError",
    }
    with ThreadingHTTPServer(("127.0.0.1", 0), _Responses) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        tracemalloc.start()
        for path in (*bodies, *troubles):
            step = {"name": "get", "port": server.server_port, "path": path, "timeout": "500ms"}
            if path != "/endless":
                step |= {"timeout": "30s"}
            record = played(tmp_path, scenario([step]))[0].steps["get"]
            trouble = troubles.get(path, "")
            assert record.body == bodies.get(path, "")
            assert record.trouble.startswith(f"GET {path} failed: {trouble}" if trouble else "")
            assert bool(record.trouble) == bool(trouble)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        server.shutdown()
    assert most < len(BOMB) / 2


def test_a_setup_that_fails_ends_the_play(tmp_path: Path) -> None:
    steps = [{"name": "list", "run": "ls"}]
    checks = [{"kind": "exit", "step": "list"}]
    one = scenario(steps, checks, setup={"run": ["touch made", "exit 4", "touch too-late"]})
    observed, results = played(tmp_path, one)
    assert observed.steps == {}
    assert results[0].reason == "step list did not run: setup.run[1] ended with 4"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["made"]


def test_the_evidence_is_a_hash_of_what_was_seen(tmp_path: Path) -> None:
    steps = [{"name": "say", "run": "echo one"}]
    checks = [{"kind": "stdout", "step": "say", "contains": "one"}]
    first = played(tmp_path, scenario(steps, checks))[1][0]
    again = played(tmp_path, scenario(steps, checks))[1][0]
    other = played(tmp_path, scenario([{"name": "say", "run": "echo one two"}], checks))[1][0]
    assert first.evidence == again.evidence != other.evidence
    assert len(first.evidence) == 64

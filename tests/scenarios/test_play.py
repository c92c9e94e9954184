"""Scenarios played for real, in a folder on this machine."""

import asyncio
import os
import re
import shutil
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
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.scenarios.check import CheckResult, Observation, StepRecord
from attractor.scenarios.checks.json import JsonCheck
from attractor.scenarios.play import ScenarioPlayer
from attractor.scenarios.played import PlayedScenario
from attractor.scenarios.suite import Scenario, SuiteSettings
from tests.ports import free_port
from tests.scenarios.suites import write_files
from tests.tables import table

SETTINGS = SuiteSettings(name="s", pipeline=("p",))
SERVER = "python3 -m http.server --bind 127.0.0.1 {port}"


def scenario(
    steps: Sequence[dict[str, Any]], checks: Sequence[dict[str, Any]] = (), **more: Any
) -> Scenario:
    checks = checks or [{"kind": "file", "path": ".", "exists": True}]
    fields = {"id": "s", "title": "S", "story": "S.", "steps": steps, "checks": checks}
    return Scenario.model_validate(fields | more)


def local(folder: Path) -> LocalExecutionEnvironment:
    return LocalExecutionEnvironment(folder, environ={"PATH": os.environ["PATH"]})


def play(
    folder: Path, one: Scenario, *, suite: Path = Path(), settings: SuiteSettings = SETTINGS
) -> PlayedScenario:
    player = ScenarioPlayer(settings, suite, local, SystemClock())
    return asyncio.run(player.play(one, folder))


def played(folder: Path, one: Scenario) -> tuple[Observation, tuple[CheckResult, ...]]:
    result = play(folder, one)
    return result.observation, result.checks


def verdicts(folder: Path, one: Scenario, edition: int = 2) -> list[tuple[bool, str]]:
    player = ScenarioPlayer(SETTINGS, Path(), local, SystemClock(), edition=edition)
    return [(check.passed, check.reason) for check in asyncio.run(player.play(one, folder)).checks]


@pytest.fixture
def port() -> int:
    return free_port()


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
        {"kind": "stdout", "step": "read", "lacks_match": "^hel+"},
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
        (False, "standard output of step read matches '^hel+'"),
        (True, "standard error of step read is as expected"),
        (True, "greeting.txt is as expected"),
        (False, "greeting.txt does not contain 'bye'"),
        (False, "absent.txt is missing"),
        (True, "absent.txt is missing, as expected"),
        (False, "greeting.txt is present"),
    ]


def test_overlong_output_fails_its_checks(tmp_path: Path) -> None:
    steps = [{"name": "go", "run": "for n in 1 2; do head -c 1100000 /dev/zero >&$n; done"}]
    checks = [
        {"kind": "stdout", "step": "go", "lacks": "x"},
        {"kind": "stderr", "step": "go", "lacks": "x"},
        {"kind": "json", "step": "go"},
    ]
    assert verdicts(tmp_path, scenario(steps, checks)) == [
        (False, "standard output of step go is too long"),
        (False, "standard error of step go is too long"),
        (False, "the output of step go is too long"),
    ]


def test_command_after_its_time_limit_has_no_exit_code(tmp_path: Path) -> None:
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


def test_silent_service_fails_the_checks_that_use_it(tmp_path: Path, port: int) -> None:
    steps = [
        {"name": "serve", "service": "sleep 30", "port": port, "ready": "200ms"},
        {"name": "open", "port": port},
    ]
    observed, checks = played(tmp_path, scenario(steps, [{"kind": "http", "step": "open"}]))
    assert observed.steps["serve"].trouble == f"no connection to port {port} in time"
    cause = f"step serve: no connection to port {port} in time"
    assert [(one.kind, one.passed, one.reason) for one in checks] == [
        ("http", False, f"step open did not run: {cause}"),
        ("steps", False, cause),
    ]


def test_unanswered_request_is_a_failure_of_the_candidate(tmp_path: Path, port: int) -> None:
    steps = [{"name": "open", "port": port}]
    checks = [{"kind": "http", "step": "open"}, {"kind": "file", "path": "absent", "exists": False}]
    (passed, reason), negative, (satisfied, _) = verdicts(tmp_path, scenario(steps, checks))
    assert not passed
    assert "GET / failed" in reason
    assert (negative[0], satisfied) == (True, False)


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
    "/codec": ("identity", b"hello"),
    "/unknown": ("identity", b"hello"),
    "/latin": ("identity", b"hell\xf6"),
    "/redirect": ("identity", b""),
}
HEADERS = {
    "/codec": {"content-type": "text/plain; charset=bz2"},
    "/unknown": {"content-type": "text/plain; charset=\xe9"},
    "/latin": {"content-type": "text/plain; charset=ISO-8859-1"},
    "/redirect": {"location": "http://xn--a"},
}


class _Responses(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with suppress(ConnectionError):
            self.send_response(301 if self.path == "/redirect" else 200)
            if self.path == "/endless":
                self.end_headers()
                while True:
                    self.wfile.write(b"x")
                    time.sleep(0.01)
            encoding, content = RESPONSES[self.path]
            self.send_header("content-encoding", encoding)
            for name, value in HEADERS.get(self.path, {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_responses_are_bounded_and_decoded_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attractor.scenarios.http_request._MAX_BODY", 100_000)
    plain = ("/plain", "/gzip", "/zlib", "/raw", "/codec", "/unknown")
    bodies = dict.fromkeys(plain, "hello") | {"/nothing": "", "/latin": "hellö"}
    troubles = {
        "/bomb": "the response is larger than 100000 bytes",
        "/large": "the response is larger than 100000 bytes",
        "/twice": "unsupported content-encoding 'gzip, gzip'",
        "/other": "unsupported content-encoding 'br'",
        "/broken": "invalid compressed response",
        "/redirect": "InvalidCodepoint",
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


def test_evidence_is_a_hash_of_the_observation(tmp_path: Path) -> None:
    steps = [{"name": "say", "run": "echo one"}]
    checks = [{"kind": "stdout", "step": "say", "contains": "one"}]
    first = played(tmp_path, scenario(steps, checks))[1][0]
    again = played(tmp_path, scenario(steps, checks))[1][0]
    other = played(tmp_path, scenario([{"name": "say", "run": "echo one two"}], checks))[1][0]
    assert first.evidence == again.evidence != other.evidence
    assert len(first.evidence) == 64


def test_fixtures_are_copied_before_the_setup(tmp_path: Path) -> None:
    files = {
        "fixtures/a.json": "[1]",
        "fixtures/data/run": "#!/bin/sh\necho ran",
        "fixtures/b": "b",
    }
    suite = write_files(tmp_path / "suite", files)
    (suite / "fixtures" / "b").write_bytes(b"\0\xff")
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    tree.mkdir()
    (tree / "in").symlink_to(outside)
    fixtures = ["a.json", {"from": "data", "to": "it's/here"}, {"from": "b", "to": "in"}]
    steps = [{"name": "show", "run": 'cat a.json copied; "it\'s/here/run"; wc -c < in'}]
    one = scenario(steps, fixtures=fixtures, setup={"run": ["cp a.json copied"]})
    assert play(tree, one, suite=suite).observation.steps["show"].stdout == "[1][1]ran\n2\n"
    assert not outside.exists()


def test_fixture_that_the_candidate_blocks_fails_the_trial(tmp_path: Path) -> None:
    suite = write_files(tmp_path / "suite", {"fixtures/a": ""})
    (tmp_path / "a").mkdir()
    one = scenario(
        [{"name": "list", "run": "ls"}], [{"kind": "exit", "step": "list"}], fixtures=["a"]
    )
    result = play(tmp_path, one, suite=suite).checks[0]
    assert result.reason.startswith("step list did not run: the fixture a was not copied: ")


def test_command_gets_its_variables_input_and_folder(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    step = {"name": "go", "run": "echo $NAME; cat; basename $PWD"}
    more = {"env": {"NAME": "ann"}, "stdin": "größe\n", "cwd": "below"}
    record = played(tmp_path, scenario([{**step, **more}]))[0].steps["go"]
    assert record.stdout == "ann\ngröße\nbelow\n"
    record = played(tmp_path, scenario([{**step, "cwd": "absent"}]))[0].steps["go"]
    assert "absent" in record.trouble


ECHO = """
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Echo(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        seen = {name.lower(): value for name, value in self.headers.items()}
        self.answer(201, {**seen, "": body})

    def do_GET(self):
        self.answer(204 if self.path == "/health" else 503, {})

    def answer(self, status, seen):
        self.send_response(status)
        self.send_header("X-Kind", "echo; v=1")
        self.end_headers()
        if status == 201:
            self.wfile.write(json.dumps(seen).encode())

    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
"""


def test_request_carries_headers_and_json_and_its_response_is_judged(
    tmp_path: Path, port: int
) -> None:
    (tmp_path / "echo.py").write_text(ECHO)
    serve = {
        "name": "serve",
        "service": "python3 echo.py $PORT",
        "env": {"PORT": str(port)},
        "port": port,
        "health": {"path": "/health", "status": 204},
    }
    post = {"name": "post", "port": port, "method": "POST", "path": "/a?b=c"}
    sent = {"headers": {"X-Mine": "1", "Accept-Encoding": "identity"}, "json": {"größe": [1, None]}}
    checks = [
        {"kind": "http", "step": "post", "status": 201, "headers": {"x-kind": "echo; v=1"}},
        {"kind": "http", "step": "post", "status": 201, "headers": {"X-Kind": {"lacks": "echo"}}},
        {"kind": "http", "step": "post", "status": 201, "headers": {"X-Absent": "1"}},
        {"kind": "json", "step": "post", "path": "$.x-mine", "equals": "1"},
        {"kind": "json", "step": "post", "path": "$.host", "equals": f"127.0.0.1:{port}"},
        {"kind": "json", "step": "post", "path": "$.accept-encoding", "equals": "identity"},
        {"kind": "json", "step": "post", "path": "$.content-type", "equals": "application/json"},
        {"kind": "json", "step": "post", "path": "$['']", "equals": '{"größe": [1, null]}'},
    ]
    found = verdicts(tmp_path, scenario([serve, {**post, **sent}], checks))
    assert [passed for passed, _ in found] == [True, False, False, *[True] * 5], found
    assert found[1][1].endswith("has a header X-Kind that contains 'echo'")
    assert found[2][1].endswith("has no header X-Absent")


def test_service_that_is_not_ready_reports_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attractor.scenarios.services._DAEMON_READY_S", 0.2)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Responses) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        here = server.server_port
        with socket.create_server(("127.0.0.1", 0)) as silent:
            for port, path, service, trouble in (
                (
                    here,
                    "/plain",
                    "true",
                    f"port {here}, /plain responded with 200, not 204 in time after the service "
                    "ended with 0",
                ),
                (here, "/plain", "echo ?; exit 3", "the service ended with 3: ?"),
                (silent.getsockname()[1], "/", "sleep 30", "no response from port"),
            ):
                ready = "300ms" if "sleep" in service else "30s"
                step = {"name": "s", "service": service, "port": port, "ready": ready}
                step["health"] = {"path": path, "status": 204}
                found = played(tmp_path, scenario([step]))[0].steps["s"].trouble
                assert found.startswith(trouble)
        server.shutdown()


@table(
    ("options", "reason"),
    [
        ({"path": "$.tasks[*].done", "type": "boolean"}, ""),
        ({"path": "$.tasks", "length": 2}, ""),
        ({"path": "$.tasks", "length": 3}, "$.tasks in {place} has the length 2, not 3"),
        ({"path": "$.tasks[0].done", "equals": 1}, "$.tasks[0].done in {place} is true, not 1"),
        ({"path": "$.total", "equals": 2.0, "type": "integer"}, ""),
        ({"path": "$.total", "length": 1}, "$.total in {place} is 2, which has no length"),
        ({"path": "$.tasks[*].name", "matches": "^[a-z]+$"}, ""),
        (
            {"path": "$..name", "matches": "^c"},
            "$..name in {place} is \"dog\", which does not match '^c'",
        ),
        ({"path": "$", "matches": '"größe"'}, ""),
        ({"path": "$..name", "lacks_match": "^b"}, ""),
        (
            {"path": "$..name", "lacks_match": "^d"},
            "$..name in {place} is \"dog\", which matches '^d'",
        ),
        ({"path": "$.absent"}, "$.absent in {place} is missing"),
        ({"path": "$.absent", "exists": False}, ""),
        ({"path": "$.total", "exists": False}, "$.total in {place} is present"),
        ({"path": "$.none", "type": "string"}, "$.none in {place} is null, not of the type string"),
    ],
)
def test_json_of_outputs_and_files_is_compared(
    tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    tasks = '[{"name": "cat", "done": true}, {"name": "dog", "done": false}]'
    more = f'"none": null, "long": [{"1, " * 99}1], "größe": 1'
    (tmp_path / "a.json").write_text(f'{{"tasks": {tasks}, "total": 2, {more}}}')
    checks = [{"kind": "json", "file": "a.json"}, {"kind": "json", "step": "go"}]
    one = scenario(
        [{"name": "go", "run": "cat a.json"}], [{**check, **options} for check in checks]
    )
    for (passed, said), place in zip(
        verdicts(tmp_path, one), ("a.json", "the output of step go"), strict=True
    ):
        assert passed == (not reason)
        assert said == reason.format(place=place) or said.endswith("is as expected")


@table("text", ["{", "NaN", "[" * 100_000, "1" * 10_000])
def test_invalid_json_fails_the_check(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    one = scenario([{"name": "go", "run": "true"}], [{"kind": "json", "file": "a.json"}])
    [(passed, reason)] = verdicts(tmp_path, one)
    assert not passed
    assert reason.startswith("a.json is not JSON: ")


def test_deep_json_is_compared_or_fails_the_check() -> None:
    check = JsonCheck(step="go", length=1)
    for depth in range(50, 1100, 25):
        record = StepRecord("go", stdout="[" * depth + "]" * depth)
        seen = Observation({"go": record}, MemoryExecutionEnvironment())
        result = asyncio.run(check.judge(seen))
        assert result.passed or "is not JSON: maximum recursion" in result.reason


def test_only_allowed_files_may_change_in_the_steps(tmp_path: Path) -> None:
    write_files(tmp_path, {"kept": "1", "data/a.json": "1"})
    checks = [
        {"kind": "tree", "only": one} for one in (["data/", "**/*.log"], ["/data/*", "*.log"])
    ]
    steps = [{"name": "go", "run": "echo 2 > data/a.json; mkdir x; touch x/y.log; echo 1 > kept"}]
    setup = {"run": ["echo 1 > made-by-setup; printf 1 > kept"]}
    assert verdicts(tmp_path, scenario(steps, checks, setup=setup)) == [
        (False, "the steps changed kept"),
        (False, "the steps changed kept, x/y.log"),
    ]
    steps[0]["run"] = "echo 2 > data/a.json; touch 'y.log'; touch kept"
    assert verdicts(tmp_path, scenario(steps, checks[:1])) == [(True, "only allowed files changed")]


def test_tree_check_sees_what_the_edition_says(tmp_path: Path) -> None:
    new, earlier = tmp_path / "new", tmp_path / "earlier"
    write_files(new, {".git/config": "1", "gone/a": "1", "mode": "1", "plain": "1", "in/a": ""})
    hidden = "chmod 600 mode; echo 2 >.git/config; mkdir -p empty/inner; rm -r gone; chmod 700 in"
    marked = 'python3 -c \'import os; os.setxattr("plain", "user.mark", b"1")\''
    steps = [{"name": "go", "run": f"{hidden}; {marked}; mkdir sub; echo 1 > sub/out.txt"}]
    checks = [
        {"kind": "tree", "only": ["/gone/", "out.txt"]},
        {
            "kind": "tree",
            "only": ["/gone/", "/sub/out.txt", "in", "plain", "!/in", "empty/", "mode"],
        },
        {"kind": "tree", "only": ["*"]},
    ]
    shutil.copytree(new, earlier)
    passed = (True, "only allowed files changed")
    assert verdicts(earlier, scenario(steps, checks), edition=1) == [passed] * 3
    assert verdicts(new, scenario(steps, checks)) == [
        (False, "the steps changed .git/config, empty/inner/, in/, mode, plain and 1 more"),
        (False, "the steps changed .git/config, in/"),
        passed,
    ]
    deep = {"name": "go", "run": "mkdir -p $(printf 'd/%.0s' $(seq 300))"}
    for edition, verdict in ((1, True), (2, False)):
        [(passed, reason)] = verdicts(earlier, scenario([deep], checks[2:]), edition=edition)
        assert passed is verdict
        assert passed or reason == "the tree of the candidate has folders deeper than 199"


def test_link_to_a_missing_file_is_neither_a_file_nor_missing(tmp_path: Path) -> None:
    steps = [{"name": "go", "run": "mkdir d; ln -s nothing d/out.txt; ln -s nothing gone"}]
    paths = ("d/out.txt", "none/out.txt", "d/other", "gone/out.txt")
    checks = [{"kind": "file", "path": path, "exists": False} for path in paths]
    one = scenario(steps, [*checks, {"kind": "file", "path": "d/out.txt"}])
    missing = [(True, f"{path} is missing, as expected") for path in paths]
    fails = (False, "d/out.txt is missing")
    assert verdicts(tmp_path, one, edition=1) == [*missing, fails]
    steps[0]["run"] = "true"
    link = (False, "d/out.txt is a link to a missing file")
    assert verdicts(tmp_path, one) == [link, *missing[1:], fails]


def test_very_large_tree_fails_the_checks_that_read_it(tmp_path: Path) -> None:
    suite = write_files(tmp_path / "suite", {"checks/verify": "#!/bin/sh\n"})
    checks = [
        {"kind": "tree", "only": ["*"]},
        {"kind": "command", "program": "verify"},
        {"kind": "file", "path": "sparse1"},
    ]
    grow = "for i in $(seq 30); do truncate -s 4G sparse$i; done"
    for name, setup, run in (("setup", [grow], "true"), ("steps", [], grow)):
        (tmp_path / name).mkdir()
        one = scenario([{"name": "go", "run": run}], checks, setup={"run": setup})
        too_large = (False, "the tree of the candidate is larger than 4 GiB")
        assert [
            (check.passed, check.reason) for check in play(tmp_path / name, one, suite=suite).checks
        ] == [too_large, too_large, (True, "sparse1 is present, as expected")]


def test_check_has_the_time_limit_of_the_trial(tmp_path: Path) -> None:
    write_files(tmp_path / "suite", {"checks/verify": "#!/bin/sh\nsleep 30\n"})
    settings = SuiteSettings.model_validate(
        {"name": "s", "pipeline": "p", "trials": {"timeout": "1s"}}
    )
    (tmp_path / "tree").mkdir()
    steps = [{"name": "go", "run": "true"}]
    one = scenario(steps, [{"kind": "command", "program": "verify"}])
    [check] = play(tmp_path / "tree", one, suite=tmp_path / "suite", settings=settings).checks
    assert (check.passed, check.reason) == (False, "verify exceeded its time limit")


class Slow(LocalExecutionEnvironment):
    """An environment whose files are read for a long time."""

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        await asyncio.sleep(30)
        return ""


def test_check_that_does_not_end_is_failed(tmp_path: Path) -> None:
    settings = SuiteSettings.model_validate(
        {"name": "s", "pipeline": "p", "trials": {"timeout": "500ms"}}
    )
    checks = [{"kind": "file", "path": "a", "equals": ""}, {"kind": "exit", "step": "go"}]
    one = scenario([{"name": "go", "run": "echo > a", "timeout": "10s"}], checks)
    player = ScenarioPlayer(
        settings, Path(), lambda folder: Slow(folder, environ=os.environ), SystemClock()
    )
    slow, fine = asyncio.run(player.play(one, tmp_path)).checks
    reason = "the check exceeded its time limit of 500ms"
    assert (slow.kind, slow.passed, slow.reason) == ("file", False, reason)
    assert fine.passed


def test_budget_counts_the_time_of_the_steps(tmp_path: Path) -> None:
    steps = [{"name": "go", "run": "sleep 0.2"}]
    checks = [{"kind": "budget", "seconds": 0.1}, {"kind": "budget", "seconds": 60, "tokens": 0}]
    setup = {"run": ["sleep 0.2"]}
    (slow, reason), (fine, _) = verdicts(tmp_path, scenario(steps, checks, setup=setup))
    assert (slow, fine) == (False, True)
    assert re.fullmatch(r"the trial used 0\.\d seconds, more than 0\.1 seconds", reason)


def test_hard_is_an_option_of_every_check(tmp_path: Path) -> None:
    checks = [{"kind": "exit", "step": "go"}, {"kind": "exit", "step": "go", "hard": False}]
    results = played(tmp_path, scenario([{"name": "go", "run": "true"}], checks))[1]
    assert [one.hard for one in results] == [True, False]

"""Services that are probed, killed and restarted in a real sandbox, also ones that misbehave."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from attractor.base.clock import SystemClock
from attractor.engine.outcome import Culprit
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.sandbox.bubblewrap import SandboxBounds
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from attractor.environments.sandbox.sockets import Address, forwarded, listen
from attractor.scenarios.evaluation import TrialKey, TrialResult, TrialTrouble, evaluate
from attractor.scenarios.play import ScenarioPlayer
from attractor.scenarios.played import PlayedScenario
from attractor.scenarios.suite import Scenario, SuiteSettings, TrialSettings
from tests.counts import count
from tests.environments.places import make_walls
from tests.needs import needs_sandbox
from tests.scenarios.suites import write_files
from tests.scenarios.test_evaluation import Log
from tests.scenarios.test_play import scenario

pytestmark = needs_sandbox

# Bookings of one place: the first one gets it. Words of the command line make it wrong.
SERVICE = """
import json, os, signal, socket, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
wrong, lock, booked = sys.argv[1:], threading.Lock(), []
if "ignores-term" in wrong:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "writes-at-term" in wrong:
    def end(*_):
        write()
        os._exit(0)
    signal.signal(signal.SIGTERM, end)
if "leaves-listener" in wrong and not os.path.exists("left") and os.fork() == 0:
    os.setsid()
    open("left", "w").close()
    signal.pause() if "passive" in wrong else None
if "closes-each" in wrong and not os.path.exists("left") and os.fork() == 0:
    os.setsid()
    open("left", "w").close()
    while not os.path.exists("booked.json"):
        time.sleep(0.01)
    server = socket.create_server(("127.0.0.1", 8000), reuse_port=True)
    while True:
        server.accept()[0].close()
if "forks" in wrong:
    while True:
        os.fork()

def write():
    with open("booked.json", "w") as file:
        json.dump(booked, file)
if os.path.exists("booked.json") and "forgets" not in wrong:
    booked = json.load(open("booked.json"))

class Service(BaseHTTPRequestHandler):
    def do_POST(self):
        if "late" in wrong:
            time.sleep(5)
        with lock if "races" not in wrong else open(os.devnull):
            is_free = not booked
            if "races" in wrong:
                time.sleep(0.05)
            if is_free:
                booked.append(self.headers["user"])
                "writes-at-term" in wrong or write()
        self.answer(201 if is_free else 500 if "breaks" in wrong else 409)
    def do_GET(self):
        self.answer(200)
    def answer(self, status):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(booked).encode())
    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size, daemon_threads = 200, True
    def server_bind(self):
        if {"closes-each", "leaves-listener"} & {*wrong}:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()
Server(("127.0.0.1", 8000), Service).serve_forever()
"""
PROBE = """#!/usr/bin/env python3
import os, sys, urllib.request
with urllib.request.urlopen(os.environ["BASE_URL"] + "/", timeout=10) as answer:
    said = answer.read().decode()
print("looked at", os.environ["BASE_URL_serve"])
print("booked:", said)
sys.exit(said != '["Ann"]')
"""
BOOK = {"name": "book", "port": 8000, "method": "POST", "path": "/", "headers": {"user": "Ann"}}
LOOK = {"name": "look", "port": 8000, "path": "/"}
PROBED = {"kind": "probe", "program": "look"}
BOOKED = {"kind": "http", "step": "look", "equals": '["Ann"]'}


def serve(*wrong: str, **more: Any) -> dict[str, Any]:
    command = f"exec /usr/bin/python3 service.py {' '.join(wrong)}"
    return {"name": "serve", "service": command, "port": 8000, "ready": "20s"} | more


def play(
    tmp_path: Path,
    steps: Sequence[dict[str, Any]],
    checks: Sequence[dict[str, Any]] = (),
    *,
    programs: Mapping[str, str] = {"look": PROBE},
    within: float = 40.0,
    environment: type[SandboxedExecutionEnvironment] = SandboxedExecutionEnvironment,
) -> PlayedScenario:
    """Play a scenario in sandboxes; it ends in time, and leaves no file, port or process."""
    copy = write_files(tmp_path / "copies" / "copy", {"service.py": SERVICE})
    player = make_player(tmp_path, programs, environment)
    began = time.monotonic()
    before = processes()
    try:
        return asyncio.run(player.play(scenario(steps, checks), copy))
    finally:
        assert time.monotonic() - began < within
        assert [one.name for one in copy.parent.iterdir()] == ["copy"]
        assert processes() <= before


def make_player(
    tmp_path: Path,
    programs: Mapping[str, str] = {"look": PROBE},
    environment: type[SandboxedExecutionEnvironment] = SandboxedExecutionEnvironment,
) -> ScenarioPlayer:
    suite = write_files(
        tmp_path / "suite", {f"checks/{name}": text for name, text in programs.items()}
    )
    settings = SuiteSettings.model_validate(
        {"name": "s", "pipeline": "p", "trials": {"timeout": "20s"}}
    )

    def make(folder: Path) -> ExecutionEnvironment:
        bounds = SandboxBounds(max_processes=64)
        walls = replace(make_walls("bubblewrap", hide=[suite]), bounds=bounds)
        return environment(folder, walls)

    return ScenarioPlayer(settings, suite, make, SystemClock())


def processes() -> set[str]:
    """Return the processes that this one has started, also those that were adopted."""
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {number for children in found for number in children.read_text().split()}


def reasons(played: PlayedScenario) -> str:
    return "; ".join(str(check) for check in played.checks if not check.passed)


def test_a_probe_talks_to_a_running_service_and_its_exit_and_last_line_are_the_verdict(
    tmp_path: Path,
) -> None:
    played = play(tmp_path, [serve(), BOOK], [PROBED])
    assert [str(one) for one in played.checks] == [
        'probe: probe look ended with 0: booked: ["Ann"]'
    ]
    played = play(tmp_path, [serve("forgets"), {"name": "look", "probe": "look"}, BOOK], [PROBED])
    assert "step look: probe look ended with 1: booked: []" in reasons(played)
    assert "book" not in played.observation.steps


def test_a_probe_reaches_the_ports_of_the_services_and_sees_no_file_of_the_candidate(
    tmp_path: Path,
) -> None:
    look = """#!/usr/bin/env python3
import os, socket
ports = []
for port in (8000, 8001, 8002):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        ports.append(port)
    except OSError:
        pass
tops = ("workspace", "tmp", "home", "run")
found = [name for top in tops for _, _, names in os.walk(f"/{top}") for name in names]
found = [name for name in found if name == "service.py"]
print(ports, found, "CANDIDATE" in os.environ, os.listdir(), os.environ["BASE_URL_b_2"])
"""
    other = "/usr/bin/python3 -m http.server --bind 127.0.0.1 "
    steps = [
        serve(),
        {"name": "b-2", "service": f"{other} 8001 & {other} 8002", "port": 8001},
    ]
    [check] = play(tmp_path, steps, [PROBED], programs={"look": look}).checks
    assert check.reason.endswith(": [8000, 8001] [] False ['checks'] http://127.0.0.1:8001")


def test_a_probe_that_hangs_fails_the_candidate_in_time(tmp_path: Path) -> None:
    hangs = "#!/bin/sh\necho waiting\nsleep 100 & sleep 100\n"
    check = {**PROBED, "timeout": "500ms"}
    played = play(tmp_path, [serve()], [check], programs={"look": hangs})
    assert reasons(played) == "probe: probe look exceeded its time limit: waiting"


def test_a_probe_that_cannot_be_executed_is_a_fault_of_the_suite(tmp_path: Path) -> None:
    with pytest.raises(TrialTrouble, match="checks/look was not executed") as caught:
        play(tmp_path, [serve()], [PROBED], programs={"look": "#!/absent\n"})
    assert caught.value.culprit is Culprit.SUITE


@pytest.mark.parametrize(
    ("how", "wrong", "words"),
    [
        ("kill", (), ""),
        ("restart", (), ""),
        ("restart", ("ignores-term",), ""),
        ("restart", ("writes-at-term",), ""),
        ("kill", ("writes-at-term",), "is not '[\"Ann\"]'"),
        ("kill", ("forgets",), "is not '[\"Ann\"]'"),
        ("kill", ("leaves-listener",), "the service serve was killed, and a process that it left"),
        ("restart", ("leaves-listener",), "the service serve was stopped, and a process that it"),
        ("kill", ("closes-each",), "the service serve was killed, and a process that it left"),
        ("kill", ("leaves-listener", "passive"), ""),
    ],
)
def test_a_service_starts_again_on_its_files(
    tmp_path: Path, how: str, wrong: Sequence[str], words: str
) -> None:
    wait = {"name": "wait", "run": "sleep 0.2"}
    steps = [serve(*wrong), BOOK, wait, {"name": "again", how: "serve"}, LOOK]
    played = play(tmp_path, steps, [BOOKED])
    found = reasons(played)
    assert words in found if words else not found, found


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("late",), "POST / failed"),
        (("forks",), "step serve: "),
    ],
)
def test_a_service_that_misbehaves_fails_in_time(
    tmp_path: Path, wrong: Sequence[str], words: str
) -> None:
    book = {**BOOK, "timeout": "500ms"}
    steps = [serve(*wrong, ready="5s"), book, {"name": "again", "kill": "serve"}]
    played = play(tmp_path, steps, [PROBED], within=15)
    assert words in reasons(played)


class SlowlyReached(SandboxedExecutionEnvironment):
    """A sandbox whose ports are connected late, as on a machine with much work."""

    @asynccontextmanager
    async def reach(self, port: int) -> AsyncGenerator[str]:
        async with super().reach(port) as address:

            async def connect() -> socket.socket:
                await asyncio.sleep(0.3)
                return await Address.parse(address).connect()

            listener = listen(socket.socket(), 0)
            async with forwarded(listener, connect):
                yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_service_is_ready_when_it_listens_also_if_connections_are_slow(tmp_path: Path) -> None:
    late = serve(service="sleep 1; exec /usr/bin/python3 service.py")
    played = play(tmp_path, [late, LOOK], environment=SlowlyReached)
    assert not reasons(played)


def test_a_service_that_ended_before_it_is_killed_is_named(tmp_path: Path) -> None:
    crash = {"name": "crash", "run": "pkill -f servic[e].py; sleep 0.3"}
    played = play(tmp_path, [serve(), crash, {"name": "again", "kill": "serve"}])
    assert "step again: the service serve ended with -15 before this step" in reasons(played)


RUSH = {**BOOK, "name": "rush", "repeat": 50, "at_once": 50, "statuses": {"201": 1, "409": 49}}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ((), ""),
        (("races",), "50 times POST /: 50 with 201"),
        (("breaks",), "50 times POST /: 49 with 500, 1 with 201"),
    ],
)
def test_one_of_fifty_simultaneous_requests_gets_the_place(
    tmp_path: Path, wrong: Sequence[str], words: str
) -> None:
    found = reasons(play(tmp_path, [serve(*wrong), RUSH]))
    if wrong == ("races",):
        assert "with 201" in found
        assert not found.endswith(", 1 with 201")
    else:
        assert words in found if words else not found, found


def test_trials_side_by_side_have_the_verdicts_of_one_after_the_other(tmp_path: Path) -> None:
    wrongs = ["", "races", "", "breaks", "forgets", ""]
    steps = [BOOK, {"name": "again", "kill": "serve"}, LOOK]
    scenarios = [
        scenario([serve(wrong), *steps], [BOOKED, PROBED]).model_copy(update={"id": f"s{number}"})
        for number, wrong in enumerate(wrongs)
    ]
    player = make_player(tmp_path)

    async def play_trial(scenario: Scenario, key: TrialKey) -> TrialResult:
        with TemporaryDirectory(dir=tmp_path) as folder:
            copy = write_files(Path(folder) / "copy", {"service.py": SERVICE})
            played = await player.play(scenario, copy)
            return TrialResult(key, all(one.passed for one in played.checks), (), 1)

    def verdicts(at_once: int) -> list[bool]:
        settings = TrialSettings(concurrency=at_once)
        results = asyncio.run(evaluate(scenarios, play_trial, Log(), settings))
        return [one.satisfied for one in results]

    expected = verdicts(1)
    assert expected == [wrong != "forgets" for wrong in wrongs]
    for _ in range(count(ci=1, full=100)):
        assert verdicts(4) == expected


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"repeat": 1}, "belong to a request with repeat"),
        ({"statuses": {"201": 1}}, "sum up to repeat"),
        ({"statuses": {"abc": 50}}, "abc"),
        ({"take": {"id": "$.id"}}, "takes nothing"),
        ({"at_once": 51, "statuses": {"201": 50}}, "at most repeat"),
    ],
)
def test_repeated_request_that_says_nothing_is_refused(more: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        scenario([{**RUSH, **more}], [])

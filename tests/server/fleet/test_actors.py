"""Actors in pools: their runs over real servers, which are killed, and real workers."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from attractor.fleet.fleet import Addresses, open_fleet
from attractor.fleet.records import FleetRun
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, uses
from tests.cli.git_desk import GitDesk
from tests.cli.test_agent import EDITS, steps
from tests.counts import count
from tests.fleet.living import PROGRAM
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git

pytestmark = pytest.mark.crash

APPENDS = """digraph appends {
  start [shape=Mdiamond]; done [shape=Msquare]
  say [shape=parallelogram, tool_command="echo once >> said.txt"]
  start -> say -> done
}
"""
KILLED = """
import functools, importlib, os, signal, sys
place, name, when = sys.argv[1:4]
del sys.argv[1:4]
module, _, kind = place.partition(":")
owner = getattr(importlib.import_module(module), kind)
do = getattr(owner, name)
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def now(*words, **more):
    if when == "before": die()
    do(*words, **more)
    die()
setattr(owner, name, functools.wraps(do)(now))
from attractor.cli.main import main
main()
"""
TASK = ("attractor.worlds.actors:ActorFolder", "write_task")
POINTS = (
    (*TASK, "before"),
    (*TASK, "after"),
    ("attractor.worlds.actors:ActorFolder", "record", "before"),
    ("attractor.worlds.actors:ActorFolder", "record", "after"),
    ("attractor.worlds.inbox:Inbox", "remove", "after"),
)
"""Where a server is killed: a class, a function there, and the moment.

tests/fleet/test_contract_due_place.py kills what begins the run in between.
"""


class PooledDesk(GitDesk):
    """A desk with a fleet, whose servers and workers are processes of their own."""

    twin: ProviderTwin | None = None
    is_alone = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def environ(self) -> dict[str, str]:
        fleet = self.state / "fleet"
        environ = {**super().environ, **(self.twin.environ() if self.twin else {})}
        if self.is_alone:
            return environ
        return {
            **environ,
            "ATTRACTOR_FLEET__URL": f"sqlite:///{fleet / 'fleet.sqlite'}",
            "ATTRACTOR_FLEET__STORE": str(fleet / "store"),
        }

    def start(self, *words: str, **more: str) -> subprocess.Popen[bytes]:
        """Start a program in the background."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                words, cwd=self.place, env={**self.environ, **more}, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def serve(self) -> subprocess.Popen[bytes]:
        return self.start(*PROGRAM, "serve", "--port", "0")

    def work(self, name: str) -> subprocess.Popen[bytes]:
        """Start a worker with a state folder of its own, as on another machine."""
        return self.start(*PROGRAM, "worker", ATTRACTOR_STATE_DIR=str(self.folder / name))

    def serve_until(self, place: str, name: str, when: str) -> None:
        """Serve until the moment before or after a function, at which the server is killed."""
        words = ("-P", "-c", KILLED, place, name, when, "serve", "--port", "0")
        assert self.start(sys.executable, *words).wait(PATIENCE_S) == -signal.SIGKILL, self.log()

    def type(self, *words: str, code: int = 0) -> str:
        done = self.do(*words)
        assert done.returncode == code, done.stdout + done.stderr + self.log()
        return done.stdout + done.stderr

    def messages(self) -> Sequence[dict[str, Any]]:
        return json.loads(self.do("message", "list", "helper", "--json").stdout)

    def answers(self) -> Sequence[dict[str, Any]]:
        return [one for one in self.messages() if one["status"] == "answered"]

    def wait(self, number: int) -> Sequence[dict[str, Any]]:
        """Wait until so many messages are answered; return the answers."""
        wait_until(lambda: len(self.answers()) >= number, lambda: f"{self.messages()}{self.log()}")
        return self.answers()

    def tree(self, run: str, file: str) -> str:
        """Return a file of the result of a run."""
        events = (self.place / "runs" / run / "events.jsonl").read_text().splitlines()
        [commit, *_] = [
            one["data"]["commit"]
            for one in map(json.loads, reversed(events))
            if one["type"] == "RunBranchWritten"
        ]
        return git(self.place, "show", f"{commit}:{file}")

    def rows(self) -> Sequence[FleetRun]:
        async def read() -> Sequence[FleetRun]:
            async with open_fleet(Addresses.of(self.state), {}) as fleet:
                return await fleet.table.runs()

        return asyncio.run(read())

    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PooledDesk]:
    desk = PooledDesk(tmp_path)
    desk.make(APPENDS, **{"calc.py": "def add(a, b):\n    return a - b\n"})
    (desk.state / "fleet").mkdir(parents=True, mode=0o700)
    (tmp_path / "log").touch()
    yield desk
    for process in desk.processes:
        if process.poll() is None:
            process.kill()
            process.wait(PATIENCE_S)


def test_actor_keeps_conversation_and_files_from_one_worker_to_the_next(desk: PooledDesk) -> None:
    rules = steps("fix", uses(EDITS["openai"]), says("Fixed add."))
    rules += [Rule(when=When(last_user="what", words="Fixed add"), answer=says("I fixed add."))]
    with in_background(ProviderTwin(Script(rules=tuple(rules)))) as desk.twin:
        model = ("--model", MODELS["openai"], "--sandbox", "none")
        spawned = desk.type(
            *("actor", "spawn", "fix the sum", "--name", "helper", "--pool", "agents", *model)
        )
        assert "in pool agents" in spawned
        server, first = desk.serve(), desk.work("first")
        [fixed] = desk.wait(1)
        assert (fixed["succeeded"], fixed["words"]) == (True, "Fixed add.")
        first.kill()
        first.wait(PATIENCE_S)
        desk.work("second")
        asked = desk.do("message", "send", "helper", "what was it?", "--wait")
        assert (asked.returncode, asked.stdout) == (0, "I fixed add.\n"), asked.stderr + desk.log()
        server.kill()
    [_, told] = desk.answers()
    assert "return a + b" in desk.tree(told["run_id"], "calc.py")
    assert not list(desk.state.glob("projects/*/actors/helper/process.log"))


def test_server_alone_makes_the_fleet_and_a_worker_for_a_message(desk: PooledDesk) -> None:
    desk.is_alone = True
    spawn = ("actor", "spawn", "first", "--name", "helper", "--pool", "agents")
    desk.type(*spawn, "--pipeline", "pipeline.dot", "--sandbox", "none")
    # As on a disk that is full for a moment.
    place = desk.state / "fleet"
    place.rmdir()
    place.touch()
    server = desk.serve()
    wait_until(lambda: "Serving" in desk.log(), desk.log)
    time.sleep(3.0)
    place.unlink()
    [answer] = desk.wait(1)
    assert (answer["succeeded"], answer["changed"]) == (True, 1)
    # Its worker ends with it.
    server.send_signal(signal.SIGINT)
    assert server.wait(PATIENCE_S) in (0, 130)


def test_each_message_gets_one_run_over_servers_that_are_killed_at_any_moment(
    desk: PooledDesk,
) -> None:
    spawn = ("actor", "spawn", "first", "--name", "helper", "--pool", "agents")
    spawned = desk.type(*spawn, "--pipeline", "pipeline.dot", "--sandbox", "none")
    assert "no server takes its messages: attractor serve" in spawned
    desk.work("machine")
    for place, name, when in POINTS[1 :: count(ci=3, full=1)]:
        if len(desk.messages()) - len(desk.answers()) < 2:
            desk.type("message", "send", "helper", f"then {name} {when}")
        desk.serve_until(place, name, when)
    desk.type("message", "send", "helper", "last")
    sent = desk.messages()
    desk.serve()
    answers = desk.wait(len(sent))
    assert [one["message"]["id"] for one in answers] == [one["message"]["id"] for one in sent]
    assert [(one["succeeded"], one["reason"]) for one in answers] == [(True, "")] * len(sent)
    rows = desk.rows()
    assert sorted(row.run_id for row in rows) == sorted(one["run_id"] for one in answers)
    assert {row.actor.rpartition("/")[2] for row in rows} == {"helper"}
    assert desk.tree(answers[-1]["run_id"], "said.txt") == "once\n" * len(sent)
    desk.type("fleet", "check", "--deep")


def test_actor_in_a_pool_has_no_process_here_and_says_what_it_waits_for(desk: PooledDesk) -> None:
    for where in ("in-place", "worktree", "tree"):
        if where == "tree":
            desk.type("dimension", "add", "tree")
        words = ("actor", "spawn", "x", "--pool", "agents", "--in", where)
        assert "its files are on this machine" in desk.type(*words, code=4)
    desk.write('[worlds]\npool = "agents"\n', "attractor.toml")
    spawn = ("actor", "spawn", "first", "--name", "helper", "--sandbox", "none")
    desk.type(*spawn, "--pipeline", "pipeline.dot")
    assert "helper stays here without a process: it is in pool agents" in desk.type("up", "--once")
    missing = "idle; 1 message waiting: no server takes its messages: attractor serve"
    assert missing in desk.type("actor", "show", "helper")
    server = desk.serve()
    wait_until(lambda: "no worker" in desk.type("actor", "show", "helper"), desk.log)
    [waiting] = json.loads(desk.do("actor", "list", "--json").stdout)
    assert (waiting["status"], waiting["workspace"]) == ("working", "isolated")
    desk.type("actor", "stop", "helper")
    [stopped] = desk.wait(1)
    assert (stopped["succeeded"], "stopped" in stopped["reason"]) == (False, True)
    desk.type("message", "send", "helper", "again")
    desk.work("machine")
    [_, again] = desk.wait(2)
    assert (again["succeeded"], again["reason"]) == (True, "")
    server.kill()
    assert not list(desk.state.glob("projects/*/actors/helper/process.log"))

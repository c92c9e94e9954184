"""A person works with an actor in the terminal of its program."""

import fcntl
import json
import signal
import struct
import termios
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, use, uses
from tests.cli.terminals import Sitting, sit
from tests.needs import needs_bubblewrap
from tests.patience import wait_until
from tests.prepared import PROGRAM
from tests.worlds.desks import PlacedDesk

SPAWN = ("actor", "spawn", "Remember ant", "--name", "one", "--in", "in-place")
CLAUDE = """#!/usr/bin/env python3
import datetime, json, os, pathlib, signal, sys, time
words = sys.argv[1:]
if "--version" in words:
    sys.exit(print("claude VERSION"))
home = pathlib.Path(os.environ["HOME"])
session = words[words.index("--resume") + 1] if "--resume" in words else "s1"
log = home / ".claude" / "projects" / "-work" / f"{session}.jsonl"
log.parent.mkdir(parents=True, exist_ok=True)
def note(kind, text):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    message = {"content": [{"type": "text", "text": text}]}
    line = {"type": kind, "message": message, "sessionId": session, "timestamp": now}
    with log.open("a") as file:
        file.write(json.dumps(line) + "\\n")
    return line
if "-p" in words:
    said = json.loads(sys.stdin.readline())
    if "slowly" in said["message"]["content"]:
        time.sleep(3)
    note("user", said["message"]["content"])
    texts = [json.loads(line)["message"]["content"][0]["text"] for line in log.open()]
    print(json.dumps({"type": "system", "subtype": "init", "session_id": session}))
    print(json.dumps({**said, "isReplay": True}))
    print(json.dumps(note("assistant", " / ".join(texts))))
    print(json.dumps({"type": "result", "modelUsage": {}}), flush=True)
    sys.stdin.read()
    sys.exit()
trusted = json.loads((home / ".claude.json").read_text())["projects"][os.getcwd()]
print("claude in", os.get_terminal_size().columns, "columns, trusts", *trusted)
for line in map(str.strip, sys.stdin):
    if line == "sleep":
        os.kill(os.getpid(), signal.SIGSTOP)
    note("user", line)
    note("assistant", f"Yes, {line}.")
    pathlib.Path("person.txt").write_text(line)
    print(f"noted {line}, {os.get_terminal_size().columns}", flush=True)
"""


class TerminalDesk(PlacedDesk):
    """A desk with a stand-in for claude, whose every session is in its own file."""

    twin: ProviderTwin | None = None

    @property
    def environ(self) -> dict[str, str]:
        programs = self.folder / "bin"
        return {
            **super().environ,
            "PATH": f"{programs}:{super().environ['PATH']}",
            "ANTHROPIC_API_KEY": "sk-ant-0123456789",
            **(self.twin.environ() if self.twin else {}),
        }

    def install(self, version: str = "1.2.3") -> None:
        programs = self.folder / "bin"
        programs.mkdir(exist_ok=True)
        (programs / "claude").write_text(CLAUDE.replace("VERSION", version))
        (programs / "claude").chmod(0o755)

    def open(self, *more: str) -> AbstractContextManager[Sitting]:
        words = [PROGRAM, "actor", "open", "one", *more]
        return sit(words, cwd=self.place, environ=self.environ)

    def spawn(self, *more: str) -> None:
        done = self.do(*SPAWN, *more)
        assert done.returncode == 0, done.stderr
        assert self.do("actor", "wait", "one", "--timeout", "30s").returncode == 0

    def messages(self) -> list[dict[str, Any]]:
        return json.loads(self.do("message", "list", "one", "--json").stdout)

    def answers(self) -> list[str]:
        wait_until(lambda: all(one["status"] == "answered" for one in self.messages()))
        return [one["words"] or one["reason"] for one in self.messages()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[TerminalDesk]:
    (tmp_path / "project").mkdir()
    desk = TerminalDesk(tmp_path)
    desk.install()
    yield desk
    for actor in desk.actors():
        desk.do("actor", "stop", actor["name"])


def resize(sitting: Sitting, columns: int) -> None:
    fcntl.ioctl(sitting.ours, termios.TIOCSWINSZ, struct.pack("HHHH", 20, columns, 0, 0))
    sitting.process.send_signal(signal.SIGWINCH)


@pytest.mark.parametrize("sandbox", ["none", pytest.param("bubblewrap", marks=needs_bubblewrap)])
def test_person_works_between_two_tasks(desk: TerminalDesk, sandbox: str) -> None:
    desk.spawn("--with", "claude", "--sandbox", sandbox)
    desk.install("1.3.0")
    with desk.open() as person:
        person.until("The session is of claude 1.2.3, and this is 1.3.0.", "trusts hasTrustDialog")
        resize(person, 40)
        with desk.open() as other:
            assert other.ends_with() == 4
            assert "works with the actor one" in other.shown
        person.type("bee\n")
        person.until("noted bee, 40")
        # Ctrl-Z: nothing inside could continue the program.
        person.type("sleep\n")
        person.until("noted sleep")
        desk.do("message", "send", "one", "Say all")
        [row] = desk.actors()
        assert (row["status"], row["waiting"]) == ("working", 1)
        assert "works with it" in row["plain"]
        person.type("\x04")
        assert person.ends_with() == 0
        assert "succeeded; 1 file changed: person.txt" in person.shown
    first, taken, last = desk.answers()
    assert (first, taken) == ("Remember ant", "Yes, sleep.")
    assert last == "Remember ant / Remember ant / bee / Yes, bee. / sleep / Yes, sleep. / Say all"
    shown = desk.do("logs", desk.messages()[1]["run_id"], "--stage", "work").stdout
    assert "input: bee" in shown
    assert "Remember ant" not in shown


@pytest.mark.parametrize("signal_", [signal.SIGHUP, signal.SIGKILL])
def test_next_message_follows_a_terminal_that_was_closed_or_killed(
    desk: TerminalDesk, signal_: signal.Signals
) -> None:
    desk.spawn("--with", "claude", "--sandbox", "none")
    with desk.open() as person:
        person.until("claude in")
        person.type("bee\n")
        person.until("noted bee")
        person.process.send_signal(signal_)
        person.ends_with()
    desk.do("message", "send", "one", "Say all")
    _, taken, last = desk.answers()
    is_kept = signal_ is signal.SIGHUP
    assert taken == ("Yes, bee." if is_kept else taken)
    assert ("was closed with the terminal" in taken) == (not is_kept)
    assert last.startswith("Remember ant / Remember ant")
    assert ("/ bee /" in last) == is_kept
    assert last.endswith("Say all") or not is_kept


def test_task_in_work_ends_its_turn_first(desk: TerminalDesk) -> None:
    desk.spawn("--with", "claude", "--sandbox", "none")
    desk.do("message", "send", "one", "Work slowly")
    wait_until(lambda: desk.actors()[0]["run"])
    desk.do("message", "send", "one", "Last")
    with desk.open() as person:
        assert person.ends_with() == 4
        assert "works on a task (add --interrupt" in person.shown
    with desk.open("--interrupt") as person:
        person.until("ends its turn first", "claude in")
        person.type("bee\n\x04")
        assert person.ends_with() == 0
    assert [one.split(" / ")[-1] for one in desk.answers()] == [
        "Remember ant",
        "Work slowly",
        "Yes, bee.",
        "Last",
    ]


def test_actor_without_a_terminal_is_refused(desk: TerminalDesk) -> None:
    desk.spawn("--with", "simulate", "--sandbox", "none")
    assert "are no terminal" in desk.do("actor", "open", "one").stderr
    with desk.open() as person:
        assert person.ends_with() == 4
        assert "the backend simulate has no terminal (give it a task" in person.shown


SLOW = use("shell", {"command": "touch begun; sleep 60", "timeout_ms": 60_000})
RULES = (
    Rule(when=When(last_user="Say all", words="Noted cow"), answer=says("ant, bee, cow")),
    Rule(when=When(last_user="Say all"), answer=says("ant")),
    Rule(when=When(last_user="bee"), answer=says("Noted bee.")),
    Rule(when=When(last_user="wait"), answer=uses(SLOW)),
    Rule(when=When(last_user="cow"), answer=says("Noted cow.")),
    Rule(when=When(last_user="Remember"), answer=says("Noted ant.")),
)


LEAVES = [pytest.param("/exit\n", id="exit"), pytest.param("\x04", id="Ctrl-D")]


@pytest.mark.parametrize("ends", [*LEAVES, "with its window", "killed"])
def test_person_talks_to_the_built_in_agent(desk: TerminalDesk, ends: str) -> None:
    with in_background(ProviderTwin(Script(rules=RULES))) as desk.twin:
        desk.spawn("--sandbox", "none", "--model", MODELS["anthropic"])
        with desk.open() as person:
            person.until("Ctrl-C ends its turn")
            person.type("bee\n")
            person.until("Noted bee.")
            person.type("wait\n")
            wait_until((desk.place / "begun").exists)
            person.type("\x03")
            person.until("shell: $ touch begun", "aborted")
            person.type("cow\nand a line more\n")
            person.until("Noted cow.")
            desk.do("message", "send", "one", "Say all")
            if ends == "killed":
                person.kill()
                desk.do("message", "send", "one", "Remember more")
            elif ends == "with its window":
                person.process.send_signal(signal.SIGHUP)
            else:
                person.type(ends)
            assert person.ends_with() == (-signal.SIGKILL if ends == "killed" else 0)
        _, taken, last, *_ = desk.answers()
    row = desk.messages()[1]
    if ends == "killed":
        assert "was closed with the terminal" in taken
        assert last == "ant"
        return
    assert (taken, last) == ("Noted cow.", "ant, bee, cow")
    assert row["cost_usd"] > 0
    assert "and a line more" in desk.do("logs", row["run_id"], "--stage", "work").stdout

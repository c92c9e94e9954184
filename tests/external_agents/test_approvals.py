"""The real coding agents ask a person before a tool call: each answer counts once, for one call."""

import json
import shutil
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.factory.ledger.tokens import TokenStore
from attractor.factory.operator_process import Scope
from attractor.twins.exchange.answer import Answer, ToolUse
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import says, use, uses
from tests.cli.test_agent import ProjectDesk, desk_with, steps
from tests.external_agents.test_actors import ROUTE
from tests.external_agents.test_backends import PROGRAMS, Outside
from tests.external_agents.test_external_agents import Call
from tests.external_agents.test_usage import ACP
from tests.patience import wait_until
from tests.worlds.desks import kill_process

pytestmark = pytest.mark.agents

TOKEN = "s" * 64
ATTACK = Path(__file__).with_name("answering.py")
GO_ON = "ended while you waited"
ASKING = [(one, "acp" if one.program in ACP else one.program) for one in PROGRAMS]
each_that_asks = pytest.mark.parametrize(
    ("one", "backend"), ASKING, ids=[one.program for one, _ in ASKING]
)


def calls(one: Outside, command: str) -> Answer:
    call = one.run(command)
    if isinstance(call.arguments, str):
        return uses(ToolUse(name=call.name, raw_arguments=call.arguments))
    return uses(ToolUse.model_validate({"name": call.name, "arguments": dict(call.arguments)}))


def exec_command(command: str) -> Call:
    return Call("exec_command", {"cmd": command})


def one_by_one(codex: Outside) -> Outside:
    """Return codex with a model whose tools are called one by one."""
    return replace(codex, model="gpt-5.2-codex", run=exec_command)


class AskedDesk(ProjectDesk):
    """An actor that asks, and a person who answers."""

    where = ("--in", "in-place")

    def spawn(self, one: Outside, backend: str, *words: str) -> None:
        TokenStore(self.folder / "state").create(
            "ann", Scope.OPERATE, TOKEN, by="ann", now=datetime.now(UTC)
        )
        if backend == "acp":
            self.write(f'[backends.acp]\nrun = "{ACP[one.program]}"\n', "attractor.toml")
        model = ["--model", one.model] if one.model else []
        place = ["--name", "one", *self.where, "--permissions", "ask", "--with", backend]
        spawned = self.do("actor", "spawn", "Do it", *place, *model, *words)
        assert spawned.returncode == 0, spawned.stderr

    def questions(self) -> Sequence[str]:
        asked = self.do("answer", "latest", "--json")
        return [one["id"] for one in json.loads(asked.stdout)] if not asked.returncode else []

    def await_question(self) -> str:
        wait_until(lambda: bool(self.questions()))
        return self.questions()[0]

    def say(self, *words: str) -> None:
        environ = {**self.environ, "ATTRACTOR_TOKEN": TOKEN}
        command = [sys.executable, "-m", "attractor", "answer", "latest", *words]
        done = subprocess.run(
            command, env=environ, cwd=self.place, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def done(self) -> str:
        def answer() -> str:
            [listed] = json.loads(self.do("message", "list", "one", "--json").stdout)
            return str(listed.get("words") or listed.get("reason") or "")

        return wait_until(answer)

    def used(self) -> Sequence[str]:
        journals = self.place.glob("runs/*/events.jsonl")
        lines = [json.loads(line) for one in journals for line in one.read_text().splitlines()]
        return [one["data"]["choice"] for one in lines if one["type"] == "ApprovalUsed"]


@contextmanager
def asked_desk(folder: Path, one: Outside, rules: Sequence[Rule]) -> Generator[AskedDesk]:
    one.require()
    desk = AskedDesk(folder)
    desk_with(folder)
    routing = Rule(when=When(system="Task Routing AI"), answer=says(ROUTE))
    with in_background(ProviderTwin(Script(rules=(routing, *rules)))) as desk.twin:
        try:
            yield desk
        finally:
            desk.do("actor", "stop", "one")


@each_that_asks
def test_person_allows_and_refuses_with_words(tmp_path: Path, one: Outside, backend: str) -> None:
    rules = [
        Rule(when=When(last_user="not so", step=0), answer=says("I understand.")),
        *steps("Do it", calls(one, "touch a"), calls(one, "touch b"), says("Done.")),
        # What codex and ACP agents hear after a refusal is a message of its own.
        Rule(when=When(last_user="not so"), answer=says("I understand.")),
    ]
    with asked_desk(tmp_path, one, rules) as desk:
        desk.spawn(one, backend)
        desk.await_question()
        assert not (desk.place / "a").exists()
        desk.say("allow")
        wait_until(lambda: (desk.place / "a").exists())
        desk.await_question()
        desk.say("deny", "not", "so")
        assert desk.done() in ("Done.", "I understand.")
        assert "not so" in str([asked.body for asked in desk.twin.requests])
        assert not (desk.place / "b").exists()
        assert desk.used() == ["allow", "deny"]


ALLOWED_BY_PROJECT = {
    "claude": (".claude/settings.json", '{"permissions": {"allow": ["Bash"]}}'),
    "codex": (".codex/rules/x.rules", 'prefix_rule(pattern=["touch"], decision="allow")'),
    "gemini": (".gemini/settings.json", '{"tools": {"allowed": ["run_shell_command"]}}'),
    "opencode": ("opencode.json", '{"agent": {"build": {"permission": {"bash": "allow"}}}}'),
}


@each_that_asks
def test_file_of_the_project_allows_no_call(tmp_path: Path, one: Outside, backend: str) -> None:
    if one.program == "codex":
        one = one_by_one(one)
    with asked_desk(tmp_path, one, steps("Do it", calls(one, "touch a"), says("Done."))) as desk:
        name, text = ALLOWED_BY_PROJECT[one.program]
        (desk.place / name).parent.mkdir(parents=True, exist_ok=True)
        (desk.place / name).write_text(text)
        (desk.place / "AGENTS.md").write_text("Say plum.")
        desk.spawn(one, backend)
        desk.await_question()
        assert not (desk.place / "a").exists()
        has_read = "Say plum." in str([asked.body for asked in desk.twin.requests])
        assert has_read or one.program == "gemini"


# gemini does not ask before it reads.
@pytest.mark.parametrize(("one", "backend"), [row for row in ASKING if row[0].program != "gemini"])
def test_refusal_counts_for_reading(tmp_path: Path, one: Outside, backend: str) -> None:
    read = [uses(use("Read", {"file_path": "/workspace/calc.py"}))] * (one.program == "claude")
    rules = steps("Do it", *read, calls(one, "cat calc.py"), says("Done."))
    rules.append(Rule(when=When(last_user="Not done"), answer=says("Done.")))
    with asked_desk(tmp_path, one, rules) as desk:
        desk.spawn(one, backend, "--deny", "Read", "--deny", "Bash(cat *)")
        assert desk.done() == "Done."
        assert "return a - b" not in str([asked.body for asked in desk.twin.requests])


@each_that_asks
def test_always_is_asked_once_and_is_a_rule_of_the_actor(
    tmp_path: Path, one: Outside, backend: str
) -> None:
    touch = "touch a"
    rules = steps("Do it", *[calls(one, touch) for _ in range(3)], says("Done."))
    with asked_desk(tmp_path, one, rules) as desk:
        desk.spawn(one, backend)
        desk.await_question()
        desk.say("always")
        assert desk.done() == "Done."
        assert desk.used() == ["always"]
        listed = json.loads(desk.do("actor", "rules", "one", "--json").stdout)
        assert listed["rules"] == {f"Bash({touch})": "allow"}


@each_that_asks
def test_twenty_calls_are_twenty_questions(tmp_path: Path, one: Outside, backend: str) -> None:
    commands = [f"echo {number} >> log" for number in range(20)]
    rules = steps("Do it", *[calls(one, command) for command in commands], says("Done."))
    with asked_desk(tmp_path, one, rules) as desk:
        desk.spawn(one, backend)
        for number in range(20):
            wait_until(lambda number=number: len(desk.used()) == number and bool(desk.questions()))
            desk.say("allow")
        assert desk.done() == "Done."
        assert (desk.place / "log").read_text().split() == [*map(str, range(20))]


@each_that_asks
@pytest.mark.parametrize("end", ["parked", "killed"])
def test_answer_counts_after_the_program_has_ended(
    tmp_path: Path, one: Outside, backend: str, end: str
) -> None:
    call = calls(one, "touch a && echo made-it")
    rules = [
        Rule(when=When(tool_result="made-it"), answer=says("Done.")),
        Rule(when=When(last_user=GO_ON), answer=call),
        Rule(when=When(last_user="Do it"), answer=call),
    ]
    with asked_desk(tmp_path, one, rules) as desk:
        desk.spawn(one, backend)
        asked = desk.await_question()
        if end == "parked":
            wait_until(lambda: "awaiting_human" in desk.do("status", "latest", "--json").stdout)
        else:
            kill_process(desk, "one")
        assert desk.await_question() == asked
        desk.say("allow")
        if end == "killed":
            # A task that was cut goes on when a person says so.
            desk.do("up", "--once")
        assert desk.done() == "Done."
        assert (desk.place / "a").exists()
        assert desk.used() == ["allow"]


def test_person_edits_a_command_of_claude(tmp_path: Path) -> None:
    [one] = [one for one in PROGRAMS if one.program == "claude"]
    with asked_desk(tmp_path, one, steps("Do it", calls(one, "touch a"), says("Done."))) as desk:
        desk.spawn(one, "claude")
        desk.await_question()
        desk.say("edit", "touch", "b")
        assert desk.done() == "Done."
        assert sorted(path.name for path in desk.place.iterdir()) == ["b", "calc.py", "runs"]


@pytest.mark.parametrize("program", ["claude", "codex"])
def test_allowed_command_cannot_answer_the_next_question(tmp_path: Path, program: str) -> None:
    [one] = [one for one in PROGRAMS if one.program == program]
    if program == "codex":
        one = one_by_one(one)
    attack = "setsid python3 answering.py < /dev/null > attack.log 2>&1 &"
    rules = [
        *steps("Do it", calls(one, attack), calls(one, "touch forbidden"), says("Done.")),
        Rule(when=When(last_user="never"), answer=says("Done.")),
    ]
    with asked_desk(tmp_path, one, rules) as desk:
        shutil.copy(ATTACK, desk.place)
        desk.spawn(one, program)
        desk.await_question()
        desk.say("allow")
        wait_until(lambda: desk.used() == ["allow"] and bool(desk.questions()))
        wait_until(lambda: (desk.place / "attacked").exists())
        wait_until(lambda: "connected to the input" in desk.do("status", "latest").stdout)
        assert desk.used() == ["allow"]
        assert not (desk.place / "forbidden").exists()
        desk.say("deny", "never")
        desk.done()
        assert not (desk.place / "forbidden").exists()

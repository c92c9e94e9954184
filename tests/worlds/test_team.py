"""Agents that write to other actors, and start some: with real processes and a scripted model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from attractor.twins.exchange.answer import Answer, ToolUse
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, use, uses
from tests.cli.test_killed_runner import TwinDesk
from tests.patience import wait_until

LEAD = ("actor", "spawn", "Cut the work", "--name", "lead", "--sandbox", "none")


def turns(prompt: str, *answers: Answer) -> list[Rule]:
    """Return rules that give these answers to one prompt, one after the other."""
    when = When(last_user=prompt)
    return [*(Rule(when=when, first=1, answer=one) for one in answers[:-1])] + [
        Rule(when=when, answer=answers[-1])
    ]


def spawns(name: str, task: str, **more: Any) -> ToolUse:
    return use("spawn_actor", {"name": name, "task": task, **more})


def sends(to: str, text: str) -> ToolUse:
    return use("send_message", {"to": to, "text": text})


class TeamDesk(TwinDesk):
    """A project whose agents lead others."""

    def lead(self, leads: str, *more: str) -> None:
        model = ("--model", MODELS["anthropic"])
        done = self.do(*LEAD, *model, "--leads", leads, *more)
        assert done.returncode == 0, done.stderr

    def actors(self) -> dict[str, Any]:
        return {one["name"]: one for one in json.loads(self.do("actor", "list", "--json").stdout)}

    def messages(self, name: str) -> list[dict[str, Any]]:
        return json.loads(self.do("message", "list", name, "--json").stdout)

    def words(self, name: str) -> list[str]:
        return [one.get("words") or one["status"] for one in self.messages(name)]

    def await_words(self, name: str, count: int) -> list[str]:
        def is_done() -> bool:
            shown = self.messages(name)
            return len(shown) >= count and all(one["status"] == "answered" for one in shown)

        wait_until(is_done)
        return self.words(name)

    def results(self) -> list[str]:
        """Return what the tools of the team told the agents."""
        found: list[str] = []
        for place in sorted(self.place.glob("runs/*/work/transcript.jsonl"), key=str):
            for line in map(json.loads, place.read_text().splitlines()):
                if line["kind"] == "TOOL_CALL_END":
                    found.append(line.get("output") or line["error"])
        return found


@pytest.fixture
def desk(tmp_path: Path) -> TeamDesk:
    desk = TeamDesk(tmp_path)
    desk.make("digraph g { a [shape=Mdiamond]; b [shape=Msquare]; a -> b }")
    return desk


def at_work(desk: TeamDesk, rules: Sequence[Rule]) -> Any:
    return in_background(ProviderTwin(Script(rules=(*rules, Rule(answer=says("Nothing."))))))


def test_actors_cut_a_task_among_themselves(desk: TeamDesk) -> None:
    rules = [
        *turns(
            "Cut the work",
            uses(spawns("lexer", "Write the lexer", usd=1), spawns("parser", "Write the parser")),
            uses(use("list_actors")),
            says("I asked two."),
        ),
        *turns("Write the lexer", says("The lexer is written.")),
        *turns("Write the parser", says("The parser is written.")),
        *turns("A result about", says("Noted.")),
    ]
    with at_work(desk, rules) as desk.twin:
        desk.lead("most=2 usd=3", "--max-cost-usd", "5")
        assert desk.await_words("lead", 3) == ["I asked two.", "Noted.", "Noted."]
        assert desk.words("lexer") == ["The lexer is written."]
        shown = desk.actors()
        assert shown["lexer"]["spawner"] == "actor lead"
        assert shown["lexer"]["dimension"] == "lexer"
        [task] = desk.messages("parser")
        assert task["message"]["sender"]["proof"].startswith("run ")
        asked = [json.dumps(one.body) for one in desk.twin.requests]
        assert any("A task from actor lead, which is not a person" in one for one in asked)
        assert any("> The lexer is written." in one for one in asked)
        assert any("lexer: queued, started by you" in one for one in desk.results())
        for name in shown:
            desk.do("actor", "stop", name)


REFUSED: Sequence[tuple[ToolUse, str]] = [
    (sends("stranger", "hi"), "unknown actor 'stranger'"),
    (sends("lead", "hi"), "unknown actor 'lead'"),
    (sends("helper", "  "), "the message is empty"),
    (use("send_message", {"to": "helper", "text": "x", "sender": "ann"}), "sender"),
    (spawns("other", "x", usd=2), "1 USD are left for other actors, not 2"),
    (spawns("helper", "x"), "the actor helper exists already"),
    (spawns("../x", "x"), "invalid name of an actor"),
    (use("read_answer", {"message": "01ABC"}), "unknown message of yours"),
]


def test_what_no_rule_allows_is_refused(desk: TeamDesk) -> None:
    calls = uses(*(one for one, _ in REFUSED))
    rules = [*turns("Cut the work", calls, says("Refused.")), *turns("help", says("Yes."))]
    with at_work(desk, rules) as desk.twin:
        model = ("--model", MODELS["anthropic"], "--sandbox", "none")
        for name in ("helper", "stranger"):
            desk.do("actor", "spawn", "help", "--name", name, *model)
            desk.await_words(name, 1)
        desk.lead("to=helper most=2 usd=1")
        assert desk.await_words("lead", 1) == ["Refused."]
        told = desk.results()
        for _, words in REFUSED:
            assert any(words in one for one in told), words
        assert len(desk.messages("helper")) == len(desk.messages("stranger")) == 1
        desk.do("actor", "stop", "lead")

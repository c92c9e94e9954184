"""The real coding agents write to other actors, by the tools of the harness."""

import json
from pathlib import Path

import pytest

from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import says, use, uses
from tests.cli.test_agent import desk_with
from tests.external_agents.test_actors import ROUTE
from tests.external_agents.test_backends import Outside
from tests.external_agents.test_usage import ACP, each_program
from tests.patience import wait_until

pytestmark = pytest.mark.agents

# Each program calls the tools of a server by names of its own.
NAMES = {
    "claude": "mcp__attractor__{}",
    "codex": "{}",
    "gemini": "mcp_attractor_{}",
    "opencode": "attractor_{}",
}


@each_program
def test_program_writes_to_another_actor_and_reads_its_answer(
    tmp_path: Path, one: Outside, backend: str
) -> None:
    one.require()
    desk = desk_with(tmp_path)
    if backend == "acp":
        desk.write(f'[backends.acp]\nrun = "{ACP[one.program]}"\n', "attractor.toml")
    words = ["--with", backend, *(["--model", one.model] if one.model else [])]
    named = NAMES[one.program].format("send_message")
    sent = uses(use(named, {"to": "helper", "text": "Say a word"}))
    rules = (
        Rule(when=When(system="Task Routing AI"), answer=says(ROUTE)),
        Rule(when=When(last_user="A result about"), answer=says("It said quokka.")),
        Rule(when=When(last_user="Ask the helper", step=0), answer=sent),
        Rule(when=When(last_user="Ask the helper"), answer=says("I asked.")),
        Rule(answer=says("Nothing.")),
    )
    with in_background(ProviderTwin(Script(rules=rules))) as desk.twin:
        try:
            simulated = ("--with", "simulate", "--in", "none", "--sandbox", "none")
            desk.do("actor", "spawn", "Wait", "--name", "helper", *simulated)
            leads = ("--in", "in-place", "--leads", "to=helper")
            desk.do("actor", "spawn", "Ask the helper", "--name", "one", *leads, *words)

            def answers() -> list[str]:
                listed = json.loads(desk.do("message", "list", "one", "--json").stdout)
                return [one.get("words") or one.get("reason") or "" for one in listed]

            wait_until(lambda: len(answers()) == 2 and all(answers()))
            assert answers() == ["I asked.", "It said quokka."]
            [_, asked] = json.loads(desk.do("message", "list", "helper", "--json").stdout)
            assert asked["message"]["sender"]["name"] == "one"
        finally:
            for name in ("one", "helper"):
                desk.do("actor", "stop", name)

"""The real coding agents stay: their conversation goes on over tasks, and after a kill."""

import json
from pathlib import Path

import pytest

from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import says
from tests.cli.test_agent import desk_with
from tests.external_agents.test_backends import Outside
from tests.external_agents.test_usage import ACP, each_program
from tests.worlds.desks import kill_process

pytestmark = pytest.mark.agents

SPAWN = ("actor", "spawn", "Remember a word", "--name", "one", "--in", "in-place")
ROUTE = '{"complexity_reasoning": "It is one line.", "complexity_score": 10}'
RULES = (
    # gemini asks which model to use.
    Rule(when=When(system="Task Routing AI"), answer=says(ROUTE)),
    Rule(when=When(last_user="which word", words="Noted: quokka"), answer=says("It was quokka.")),
    Rule(when=When(last_user="Remember"), answer=says("Noted: quokka.")),
)


@each_program
def test_actor_continues_its_conversation_also_after_a_kill(
    tmp_path: Path, one: Outside, backend: str
) -> None:
    one.require()
    desk = desk_with(tmp_path)
    if backend == "acp":
        desk.write(f'[backends.acp]\nrun = "{ACP[one.program]}"\n', "attractor.toml")
    words = ["--with", backend, *(["--model", one.model] if one.model else [])]
    with in_background(ProviderTwin(Script(rules=RULES))) as desk.twin:
        try:
            desk.do(
                "actor", "spawn", "Remember a word", "--name", "one", "--in", "in-place", *words
            )
            waited = desk.do("actor", "wait", "one", "--timeout", "60s")
            assert waited.returncode == 0, waited.stdout + waited.stderr
            kill_process(desk, "one")
            for _ in range(2):
                desk.do("message", "send", "one", "which word was it?", "--wait")
            listed = json.loads(desk.do("message", "list", "one", "--json").stdout)
            answers = [answer["words"] or answer["reason"] for answer in listed]
            assert answers == ["Noted: quokka.", "It was quokka.", "It was quokka."]
        finally:
            desk.do("actor", "stop", "one")

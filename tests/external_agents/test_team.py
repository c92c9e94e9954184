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
    "claude": "mcp__attractor__spawn_actor",
    "codex": "spawn_actor",
    "gemini": "mcp_attractor_spawn_actor",
    "opencode": "attractor_spawn_actor",
}


@each_program
def test_program_starts_another_actor_and_reads_its_answer(
    tmp_path: Path, one: Outside, backend: str
) -> None:
    one.require()
    if (backend, one.program) == ("acp", "gemini"):
        pytest.skip("it begins before it knows the tools of a server")
    desk = desk_with(tmp_path)
    if backend == "acp":
        desk.write(f'[backends.acp]\nrun = "{ACP[one.program]}"\n', "attractor.toml")
    # With other models, codex calls tools by a program that the model writes.
    model = "gpt-5.2-codex" if one.program == "codex" else one.model
    words = ["--with", backend, *(["--model", model] if model else [])]
    started = uses(use(NAMES[one.program], {"name": "helper", "task": "Say a word"}))
    rules = (
        Rule(when=When(system="Task Routing AI"), answer=says(ROUTE)),
        Rule(when=When(last_user="A result about"), answer=says("It said quokka.")),
        Rule(when=When(last_user="Say a word"), answer=says("Quokka.")),
        Rule(when=When(last_user="Ask a helper", step=0), answer=started),
        Rule(when=When(last_user="Ask a helper"), answer=says("I asked.")),
        Rule(answer=says("Nothing.")),
    )
    with in_background(ProviderTwin(Script(rules=rules))) as desk.twin:
        try:
            leads = ("--in", "in-place", "--leads", "most=1 usd=1")
            desk.do("actor", "spawn", "Ask a helper", "--name", "one", *leads, *words)

            def answers(name: str) -> list[str]:
                shown = desk.do("message", "list", name, "--json").stdout or "[]"
                return [one.get("words") or one.get("reason") or "" for one in json.loads(shown)]

            wait_until(lambda: len(answers("one")) == 2 and all(answers("one")))
            assert answers("one") == ["I asked.", "It said quokka."]
            assert answers("helper") == ["Quokka."]
        finally:
            for name in ("one", "helper"):
                desk.do("actor", "stop", name)

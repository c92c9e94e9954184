"""The real coding agents stay: their conversation goes on over tasks, and after a kill."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import says
from tests.cli.terminals import sit
from tests.cli.test_agent import ProjectDesk, desk_with
from tests.external_agents.test_backends import PROGRAMS, Outside
from tests.external_agents.test_usage import ACP, each_program
from tests.patience import PATIENCE_S, wait_until
from tests.prepared import PROGRAM
from tests.worlds.desks import kill_process

pytestmark = pytest.mark.agents

SPAWN = ("actor", "spawn", "Remember a word", "--name", "one", "--in", "in-place")
HAVE_TERMINALS = {"claude": "claude", "codex": "codex", "opencode": "opencode", "acp": "opencode"}
ROUTE = '{"complexity_reasoning": "It is one line.", "complexity_score": 10}'
RULES = (
    # gemini asks which model to use.
    Rule(when=When(system="Task Routing AI"), answer=says(ROUTE)),
    Rule(when=When(last_user="which word", words="Noted: quokka"), answer=says("It was quokka.")),
    Rule(when=When(last_user="Remember"), answer=says("Noted: quokka.")),
)

PERSON = (
    Rule(when=When(last_user="which word", words="Noted: numbat"), answer=says("It was numbat.")),
    Rule(when=When(last_user="tell me"), answer=says("Noted: numbat.")),
)


@each_program
def test_actor_continues_its_conversation_also_after_a_kill(
    tmp_path: Path, one: Outside, backend: str
) -> None:
    desk, words = desk_of(tmp_path, one, backend)
    with in_background(ProviderTwin(Script(rules=RULES))) as desk.twin:
        try:
            desk.do(*SPAWN, *words)
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


@pytest.mark.parametrize("backend", HAVE_TERMINALS)
@pytest.mark.parametrize("ends", ["by itself", "with its window", "killed"])
def test_person_takes_over_between_two_tasks(tmp_path: Path, backend: str, ends: str) -> None:
    [one] = [one for one in PROGRAMS if one.program == HAVE_TERMINALS[backend]]
    desk, words = desk_of(tmp_path, one, backend)
    opens = [PROGRAM, "actor", "open", "one"]
    with in_background(ProviderTwin(Script(rules=(*PERSON, *RULES)))) as desk.twin:
        try:
            desk.do(*SPAWN, *words)
            desk.do("message", "send", "one", "Remember it", "--wait")
            with sit(opens, cwd=desk.place, environ={**desk.environ, "TERM": "xterm"}) as person:
                # Both show the conversation so far, and ask nothing else.
                person.until("Noted:")
                with sit(opens, cwd=desk.place, environ={**desk.environ, "TERM": "xterm"}) as other:
                    assert other.ends_with() == 4
                desk.do("message", "send", "one", "which word was it?")
                time.sleep(3)
                person.type("tell me another word")
                time.sleep(1)
                person.type("\r")
                person.until("numbat")
                if ends == "by itself":
                    person.type("/exit")
                    time.sleep(1)
                    person.type("\r")
                    assert person.ends_with() == 0
                else:
                    number = signal.SIGHUP if ends == "with its window" else signal.SIGKILL
                    person.process.send_signal(number)
                    person.process.wait(PATIENCE_S)
            if ends == "killed":
                desk.do("message", "send", "one", "which word was it?")
            wait_until(lambda: all(one["status"] == "answered" for one in messages(desk)))
            _, _, taken, last, *_ = messages(desk)
        finally:
            desk.do("actor", "stop", "one")
    is_kept = ends != "killed"
    assert (taken["words"] == "Noted: numbat.") == is_kept, taken
    assert taken["cost_usd"] > 0 or not is_kept, taken
    assert last["words"] == ("It was numbat." if is_kept else "It was quokka."), last


def desk_of(folder: Path, one: Outside, backend: str) -> tuple[ProjectDesk, list[str]]:
    """Return a desk, and the options of an actor with this program and backend."""
    one.require()
    desk = desk_with(folder)
    if backend == "acp":
        desk.write(f'[backends.acp]\nrun = "{ACP[one.program]}"\n', "attractor.toml")
    return desk, ["--with", backend, *(["--model", one.model] if one.model else [])]


def messages(desk: ProjectDesk) -> list[dict[str, Any]]:
    return json.loads(desk.do("message", "list", "one", "--json").stdout)

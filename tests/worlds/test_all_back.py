"""Two agents in two worktrees, all of whose processes are killed, go on where they were."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, model_requests, says, use, uses
from tests.cli.running import run_here
from tests.cli.test_agent import ProjectDesk, desk_with
from tests.patience import wait_until
from tests.repositories import begin_repository
from tests.server.conftest import service_of, serving
from tests.worlds.desks import kill_process
from tests.worlds.test_actors import MODEL, commit_all

AT_MOST_S = 1.0
OPEN = re.compile(r"needs you \(question\)")
ASK = """digraph ask {
  start [shape=Mdiamond]; done [shape=Msquare]
  numbers [shape=hexagon, label="Which numbers?"]
  work [llm_provider=openai, llm_model="MODEL", auto_status=true, prompt="Number them: $goal",
        fidelity=full, thread_id=work]
  start -> numbers
  numbers -> work [label="[W] Those of the list"]
  work -> done
}
""".replace("MODEL", MODELS["openai"])
SLEEP = use("shell", {"command": "test -e ../began || { touch ../began; sleep 60; }"})


def type_(desk: ProjectDesk, typed: str, *words: str) -> str:
    done = run_here(words, folder=desk.place, variables=desk.environ, typed=typed)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ProjectDesk]:
    desk = desk_with(tmp_path)
    begin_repository(desk.place)
    (desk.place / "ask.dot").write_text(ASK)
    commit_all(desk.place)
    rules = (
        Rule(when=When(last_user="And", words="All numbered"), answer=says("Also that.")),
        Rule(when=When(last_user="Number"), answer=says("All numbered.")),
        Rule(when=When(last_user="later", words="I fixed it"), answer=says("Fixed more.")),
        Rule(when=When(last_user="fix", step=0), answer=uses(SLEEP)),
        Rule(when=When(last_user="fix"), answer=says("I fixed it.")),
    )
    with in_background(ProviderTwin(Script(rules=rules))) as desk.twin:
        yield desk
        for name in ("fixer", "asker"):
            desk.do("actor", "stop", name)


def test_answered_question_is_gone_everywhere_within_a_second(desk: ProjectDesk) -> None:
    spawn = ("actor", "spawn", "the list", "--name", "asker", "--pipeline", "ask.dot")
    assert desk.do(*spawn, "--sandbox", "none").returncode == 0
    assert desk.do("actor", "wait", "asker", "--timeout", "30s").returncode == 3
    service = service_of(desk.place)
    with serving(service) as server, closing(server.browser()) as browser:
        shown = {
            "attention": lambda: "Which numbers?" in desk.do("attention").stdout,
            "list": lambda: OPEN.search(desk.do("actor", "list").stdout) is not None,
            "runs": lambda: OPEN.search(desk.do("runs", "--everywhere").stdout) is not None,
            "page": lambda: "Which numbers?" in browser.get("/runs").text,
        }
        assert {name: is_shown() for name, is_shown in shown.items()} == dict.fromkeys(shown, True)
        assert "answered" in type_(desk, "W\n", "attention", "next")
        answered = time.monotonic()
        for name, is_shown in shown.items():
            began = time.monotonic()
            while is_shown():
                assert began - answered < AT_MOST_S, name
                began = time.monotonic()


@pytest.mark.crash
def test_killed_agents_go_on_and_learn_what_happened(desk: ProjectDesk) -> None:
    ask = ("actor", "spawn", "the list", "--name", "asker", "--pipeline", "ask.dot")
    assert desk.do(*ask, "--sandbox", "none").returncode == 0
    # The oldest row is the first that a person answers.
    assert desk.do("actor", "wait", "asker", "--timeout", "30s").returncode == 3
    fix = ("actor", "spawn", "fix the sum", "--name", "fixer", "--sandbox", "none", *MODEL)
    assert desk.do(*fix).returncode == 0
    worktrees = desk.folder / "project.worktrees"
    wait_until(lambda: (worktrees / "began").exists())
    (worktrees / "fixer" / "mine.txt").write_text("by hand")
    desk.do("message", "send", "fixer", "later, fix more")
    kill_process(desk, "fixer")
    type_(desk, "W\n", "attention", "next")
    assert "fixer goes on" in desk.do("up", "--once").stdout
    for name in ("fixer", "asker"):
        assert desk.do("actor", "wait", name, "--timeout", "60s").returncode == 0
    assert (worktrees / "fixer" / "mine.txt").read_text() == "by hand"
    answers = json.loads(desk.do("message", "list", "fixer", "--json").stdout)
    assert [one["words"] for one in answers] == ["I fixed it.", "Fixed more."]
    said = [str(one.body) for one in model_requests(desk.twin)]
    # The cut task is told so, with the file of the person; its conversation is that of the next.
    assert [one for one in said if "mine.txt" in one and "was interrupted" in one]
    assert desk.do("message", "send", "asker", "And now", "--wait").returncode == 3
    for name in ("fixer", "asker"):
        desk.do("actor", "seen", name)
    assert "answered" in type_(desk, "W\n", "attention", "next")
    assert desk.do("actor", "wait", "asker", "--timeout", "60s").returncode == 0
    answers = json.loads(desk.do("message", "list", "asker", "--json").stdout)
    assert [one["words"] for one in answers] == ["All numbered.", "Also that."]

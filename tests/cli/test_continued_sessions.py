"""`attractor agent --continue` after a session whose process was killed while it answered."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import pytest

from attractor.twins.exchange.answer import Answer, Fault, FaultKind
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, model_requests, says
from tests.backends.test_outside import install
from tests.cli.plain_desk import PlainDesk
from tests.cli.terminals import sit
from tests.cli.test_agent import ProjectDesk, desk_with
from tests.patience import PATIENCE_S, wait_until
from tests.prepared import PROGRAM

LONG = "A sentence of several words. " * 100
HANGS = Answer(text=LONG, fault=Fault(kind=FaultKind.HANG, after=50))
# What is retold contains earlier tasks, so the rule of the newest comes first.
RULES = (
    Rule(
        when=When(system="Task Routing AI"),
        answer=says('{"complexity_reasoning": "It is one line.", "complexity_score": 10}'),
    ),
    Rule(when=When(last_user="Which"), answer=says("All three.")),
    Rule(name="jade", when=When(last_user="Remember jade"), first=1, answer=HANGS),
    Rule(when=When(last_user="Remember jade"), answer=says("Jade it is.")),
    Rule(when=When(last_user="Remember oak"), answer=says("Oak it is.")),
    Rule(when=When(last_user="Remember pink"), answer=says("Pink it is.")),
    Rule(answer=says("Colours")),
)
SAID = ["Remember pink", "Pink it is.", "Remember oak", "Oak it is."]


def run_ids(desk: ProjectDesk) -> Sequence[str]:
    return sorted(one.parent.name for one in desk.place.glob("runs/*/manifest.json"))


def asked(desk: ProjectDesk, words: str) -> str:
    """Return the last request whose task contains words."""
    return [json.dumps(one.body) for one in desk.twin.requests if words in json.dumps(one.body)][-1]


def kill_third_turn(desk: ProjectDesk, *words: str) -> None:
    """Take two turns, and kill the third while its answer streams."""
    for task, more in (("Remember pink", words), ("Remember oak", ("--continue",))):
        done = desk.do("agent", task, *more)
        assert done.returncode == 0, done.stderr
    working = desk.begin("agent", "--continue", "Remember jade")
    wait_until(lambda: "jade" in [one.rule for one in desk.twin.requests])
    working.kill()
    working.wait(PATIENCE_S)


def require_third_turn_known(desk: ProjectDesk) -> None:
    """Continue the killed turn, then resume it: both know what was said before."""
    third = run_ids(desk)[-1]
    fourth = desk.do("agent", "--continue", "Which colours?")
    assert fourth.returncode == 0, fourth.stderr
    assert fourth.stdout.startswith("All three.")
    request = asked(desk, "Which colours?")
    assert [words for words in (*SAID, "Remember jade", "cut off") if words not in request] == []
    resumed = desk.do("resume", third)
    assert resumed.returncode == 0, resumed.stderr
    request = asked(desk, "Remember jade")
    assert [words for words in SAID if words not in request] == []
    assert "Which colours?" not in request
    # The fourth run continued the third as it was then.
    fifth = desk.do("agent", "--continue", "Which, once more?")
    assert fifth.returncode == 0, fifth.stderr
    request = asked(desk, "once more?")
    assert [words for words in (*SAID, "Remember jade") if words not in request] == []


def test_built_in_agent_knows_a_killed_turn(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    with in_background(ProviderTwin(Script(rules=RULES))) as desk.twin:
        try:
            kill_third_turn(desk, "--model", MODELS["anthropic"])
            require_third_turn_known(desk)
        finally:
            desk.end()


def test_continued_session_keeps_its_model_unless_another_is_named(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    with in_background(ProviderTwin(Script(rules=RULES))) as desk.twin:
        for number, wire in enumerate(("anthropic", "openai")):
            desk.write(f'[llm]\nmodel = "{MODELS[wire]}"\n', "attractor.toml")
            done = desk.do("agent", *["--continue"][:number], "Remember pink")
            assert done.returncode == 0, done.stderr
        done = desk.do("agent", "--continue", "Remember oak", "--model", MODELS["gemini"])
        assert done.returncode == 0, done.stderr
        used = [one.path for one in model_requests(desk.twin)]
    assert ["messages" in used[0], "messages" in used[1]] == [True, True]
    assert MODELS["gemini"] in used[2]


class StubDesk(ProjectDesk):
    """A desk with a program named codex."""

    @cached_property
    def stub(self) -> Mapping[str, str]:
        return install(self.folder, "codex")

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, "PATH": self.stub["PATH"], "OPENAI_API_KEY": "sk-x"}

    def prompts(self) -> Sequence[str]:
        return (self.place / "prompts.txt").read_text().split("\n=====\n")[:-1]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[StubDesk]:
    desk = StubDesk(tmp_path)
    desk.place.mkdir()
    with in_background(ProviderTwin(Script(rules=RULES))) as desk.twin:
        yield desk
        desk.end()


CODEX = ("--backend", "codex", "--sandbox", "none")


def take_two_turns(desk: StubDesk) -> None:
    for task, more in (("pink", CODEX), ("oak", ("--continue", *CODEX[2:]))):
        done = desk.do("agent", task, *more)
        assert done.returncode == 0, done.stderr


def test_program_continues_the_session_before_a_killed_turn(desk: StubDesk) -> None:
    take_two_turns(desk)
    working = desk.begin("agent", "--continue", "hang, then jade", *CODEX[2:])
    wait_until((desk.folder / "npm/node_modules/codex/hangs").exists)
    working.kill()
    working.wait(PATIENCE_S)
    (desk.folder / "npm/node_modules/codex/go").touch()
    third = run_ids(desk)[-1]
    fourth = desk.do("agent", "--continue", "which colours?", *CODEX[2:])
    assert fourth.stdout.startswith("Turn 3."), fourth.stderr
    told = desk.prompts()[-1]
    assert told.startswith("which colours?")
    assert ["hang, then jade" in told, "cut off" in told, "oak" in told] == [True, True, False]
    resumed = desk.do("resume", third)
    assert resumed.returncode == 0, resumed.stderr
    assert (desk.place / "runs" / third / "work/response.md").read_text() == "Turn 3."


def swap_session(saved: Path) -> None:
    saved.write_text(json.dumps({**json.loads(saved.read_text()), "session": "another"}))


def test_lost_session_of_a_program_ends_with_the_commands_to_go_on(desk: StubDesk) -> None:
    desk.do("agent", "pink", *CODEX)
    desk.do("agent", "--continue", "oak, then forget", *CODEX[2:])
    second = run_ids(desk)[-1]
    lost = desk.do("agent", "--continue", "jade", *CODEX[2:])
    assert lost.returncode == 3
    assert "codex cannot continue its session: ended with exit status 1: no session" in lost.stderr
    third = run_ids(desk)[-1]
    assert f"attractor agent --run {third} --fresh TASK" in lost.stderr
    assert f"attractor resume {third}" in lost.stderr
    swap_session(desk.place / "runs" / second / "work/session.json")
    reason = "session.json was changed after it was saved"
    lost = desk.do("agent", "--run", second, "jade", *CODEX[2:])
    assert (lost.returncode, reason in lost.stderr) == (3, True), lost.stderr
    again = desk.do("resume", run_ids(desk)[-1])
    assert (again.returncode, reason in again.stderr) == (3, True), again.stderr
    assert "jade" not in desk.prompts()[-1]
    fresh = desk.do("agent", "--run", second, "--fresh", "jade", *CODEX[2:])
    assert fresh.stdout.startswith("Turn 1."), fresh.stderr
    told = desk.prompts()[-1]
    places = [told.index(words) for words in ("jade", "pink", "Turn 1.", "oak", "Turn 2.")]
    assert places == sorted(places)


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 3)])
def test_lost_session_of_a_program_is_a_question_at_a_terminal(
    desk: StubDesk, typed: str, code: int
) -> None:
    desk.do("agent", "pink, then forget", *CODEX)
    words = [PROGRAM, "agent", "--continue", "oak", *CODEX[2:]]
    with sit(words, cwd=desk.place, environ=desk.environ) as sitting:
        sitting.until("Begin afresh")
        sitting.type(typed)
        assert sitting.ends_with() == code
    assert len(desk.prompts()) == 1 + (code == 0)
    assert "pink, then forget" in desk.prompts()[-1]


def test_fresh_session_needs_a_session_to_continue(tmp_path: Path) -> None:
    done = PlainDesk(tmp_path).do("agent", "--fresh", "x")
    assert done.returncode == 2
    assert "add --continue or --run RUN" in done.stderr


def test_another_backend_is_told_the_whole_chain(desk: StubDesk) -> None:
    take_two_turns(desk)
    desk.write("[backends.command]\nrun = 'tee told.txt'\n", "attractor.toml")
    done = desk.do("agent", "--continue", "jade", "--backend", "command", *CODEX[2:])
    assert done.returncode == 0, done.stderr
    told = (desk.place / "told.txt").read_text()
    places = [told.index(words) for words in ("jade", "pink", "Turn 1.", "oak", "Turn 2.")]
    assert places == sorted(places)
    [gone, _] = run_ids(desk)[:2]
    (desk.place / "runs" / gone).rename(desk.folder / gone)
    done = desk.do("agent", "--run", run_ids(desk)[0], "jade", "--fresh", *CODEX[2:])
    assert done.returncode == 0, done.stderr
    assert f"What was said in run {gone} is lost." in desk.prompts()[-1]

"""An interrupted stage is repeated, fails, or a person is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode, UnknownName
from attractor.engine.errors import NotRunnable
from attractor.engine.journal.events import Action
from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.preflight import find_faults, require_executable, resolve_handler
from attractor.engine.questions.question import Answer, AnswerKind, Question
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.runner import Runner
from attractor.engine.seams import Parked, Stage
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.engine.storage.secrets import Redactor
from attractor.language.graph.graph import Graph
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import RETRY, Nothing, Scripted, Workplace, handlers_of

Said = str | Answer


@dataclass
class Person:
    """Says one thing after the other, and then leaves."""

    says: list[Said] = field(default_factory=list[Said])
    asked: list[Question] = field(default_factory=list[Question])
    told: list[str] = field(default_factory=list[str])

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        if not self.says:
            raise Parked(question)
        said = self.says.pop(0)
        return said if isinstance(said, Answer) else Answer(AnswerKind.GIVEN, said, "ann")

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return [await self.ask(one) for one in questions]

    async def inform(self, message: str, stage: str) -> None:
        self.told.append(message)


class Asked(Workplace):
    """A run directory with somebody who is asked."""

    def __init__(self, root: Path, whole: Graph) -> None:
        super().__init__(root, whole)
        self.person = Person()

    def runner(self, run: OpenRun, *, content_hash: str = "") -> Runner:
        return Runner(
            self.graph,
            run,
            handlers=self.handlers,
            workspace=self.workspace,
            interviewer=self.person,
        )


class Deploying(Asked):
    """A run whose one stage must not be done twice unasked."""

    def __init__(self, folder: Path, *, attribute: str = "ask", **more: str | int) -> None:
        deploy = node("deploy", label="Deploy it", if_interrupted=attribute, **more)
        whole = graph(
            [start(), deploy, node("sorry"), end()],
            [
                *chain("start", "deploy"),
                edge("deploy", "exit", condition="outcome=success"),
                edge("deploy", "sorry", condition="outcome=fail"),
                edge("sorry", "exit"),
            ],
        )
        super().__init__(folder / "run", whole)

    def die(self) -> None:
        """Let the process end while the stage is at work."""
        self.handler.script = {"deploy": _die}
        with pytest.raises(KeyboardInterrupt):
            self.run()
        self.handler.script = {}

    @property
    def deployed(self) -> int:
        """How often the stage was really begun."""
        return self.handler.nodes.count("deploy")


class Tired(SystemClock):
    """A clock of a process that dies as soon as it waits."""

    async def sleep(self, duration: timedelta) -> None:
        raise KeyboardInterrupt


async def _die(stage: Stage) -> Outcome:
    raise KeyboardInterrupt


def test_stage_without_interruption_asks_nothing(tmp_path: Path) -> None:
    place = Deploying(tmp_path)
    assert place.run().exit_code is ExitCode.DONE
    assert place.person.asked == []


@pytest.mark.parametrize(
    ("said", "times", "path"),
    [
        ("repeat", 2, ["start", "deploy"]),
        (" Repeat ", 2, ["start", "deploy"]),
        ("done", 1, ["start", "deploy"]),
        ("It is done: continue as after a success", 1, ["start", "deploy"]),
        ("fail", 1, ["start", "deploy", "sorry"]),
    ],
)
def test_choice_is_applied(tmp_path: Path, said: str, times: int, path: list[str]) -> None:
    place = Deploying(tmp_path)
    place.die()
    place.person.says = [said]
    result = place.run()
    assert (result.exit_code, list(result.completed)) == (ExitCode.DONE, path)
    assert place.deployed == times


def test_interruption_question_describes_choices(tmp_path: Path) -> None:
    place = Deploying(tmp_path)
    place.die()
    place.person.says = ["repeat"]
    place.run()
    (question,) = place.person.asked
    assert (question.id, question.stage) == ("deploy@1.1#interrupted", "deploy")
    assert question.text.startswith("The stage deploy (Deploy it) was interrupted")
    assert [(one.key, one.label) for one in question.options] == [
        ("repeat", "Repeat it from its beginning"),
        ("done", "It is done: continue as after a success"),
        ("fail", "It failed: continue as after a failure"),
    ]


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("done", "StageCompleted", "interrupted, and done according to ann"),
        ("fail", "StageFailed", "interrupted, and failed according to ann"),
    ],
)
def test_journal_has_author_of_answer(tmp_path: Path, said: str, kind: str, words: str) -> None:
    place = Deploying(tmp_path)
    place.die()
    place.person.says = [said]
    place.run()
    (asked,) = place.events("InterviewStarted")
    (answered,) = place.events("InterviewCompleted")
    assert (asked.node, asked.visit, asked.attempt) == ("deploy", 1, 1)
    assert answered.data["answer"] == {"kind": "given", "value": said, "by": "ann"}
    (ended,) = [one for one in place.events(kind) if one.node == "deploy"]
    assert words in (ended.data.get("notes"), ended.data.get("error"))


def test_nothing_is_begun_before_it_is_chosen_however_long_that_takes(tmp_path: Path) -> None:
    place = Deploying(tmp_path, timeout="1s")
    place.die()
    begun = len(place.events("StageStarted"))
    result = place.run()
    assert (result.status, result.exit_code) == (AWAITING_ANSWER, ExitCode.UNFINISHED)
    assert result.question
    assert result.question.id == "deploy@1.1#interrupted"
    assert result.question.deadline == ""
    assert len(place.events("StageStarted")) == begun


@pytest.mark.parametrize(
    "said", [Answer(AnswerKind.SKIPPED), Answer(AnswerKind.TIMEOUT), "yes", "", "rep"]
)
def test_question_without_choice_stays_open(tmp_path: Path, said: Said) -> None:
    place = Deploying(tmp_path)
    place.die()
    place.person.says = [said] * 3
    assert place.run().status == AWAITING_ANSWER
    assert place.deployed == 1
    if isinstance(said, str):
        assert len(place.person.told) == 3
        assert place.person.told[0].startswith(f"{said!r} is none of the choices")
        assert "repeat" in place.person.told[0]


def test_a_stage_that_is_interrupted_again_is_asked_about_again(tmp_path: Path) -> None:
    place = Deploying(tmp_path)
    place.die()
    place.person.says = ["repeat"]
    place.die()
    result = place.run()
    assert result.question
    assert result.question.id == "deploy@1.1#interrupted.2"
    place.person.says = ["done"]
    assert place.run().exit_code is ExitCode.DONE
    assert place.deployed == 2


def test_an_answer_that_was_used_is_not_used_again(tmp_path: Path) -> None:
    place = Deploying(tmp_path)
    place.die()
    assert place.run().status == AWAITING_ANSWER
    order = Order(Action.ANSWER, "ann", question="deploy@1.1#interrupted", value="repeat")
    leave_order(place.root / "inbox", order, name="A1")
    with place.open() as run:
        run.take_orders()
        question = place.person.asked[-1]
        assert run.answer_to(question) == Answer(AnswerKind.GIVEN, "repeat", "ann")
    place.person.says = ["repeat"]
    place.die()
    with place.open() as run:
        assert not run.state.questions
        assert run.answer_to(question) is None


def test_between_two_attempts_nothing_is_interrupted(tmp_path: Path) -> None:
    """Who dies while it waits for its next attempt has done nothing that could be half done."""
    for attribute in ("ask", "fail"):
        place = Deploying(
            tmp_path / attribute, attribute=attribute, max_retries=1, retry_policy="none"
        )

        place.handler.script = {"deploy": [RETRY, success()]}
        awake, place.clock = place.clock, Tired()
        with pytest.raises(KeyboardInterrupt):
            place.run()
        place.clock = awake
        assert place.run().exit_code is ExitCode.DONE
        assert place.person.asked == []
        assert place.handler.calls[-1] == ("deploy", 1, 2)


def test_a_branch_that_waits_for_a_word_holds_up_no_other(tmp_path: Path) -> None:
    whole = graph(
        [
            start(),
            node("fan", "component"),
            node("ask", if_interrupted="ask"),
            node("other"),
            node("more"),
            node("in", "tripleoctagon"),
            end(),
        ],
        [
            *chain("start", "fan", "ask", "in", "exit"),
            *chain("fan", "other", "more", "in"),
        ],
    )
    place = Asked(tmp_path / "run", whole)
    place.handler.script = {"ask": _die}
    with pytest.raises(KeyboardInterrupt):
        place.run()
    place.handler.script = {}
    result = place.run()
    assert result.status == AWAITING_ANSWER
    assert place.handler.nodes.count("ask") == 1
    assert place.handler.nodes[-1] == "more"
    place.person.says = ["done"]
    assert place.run().exit_code is ExitCode.DONE
    assert place.handler.nodes.count("ask") == 1
    assert place.handler.nodes.count("more") == 1


def test_interrupted_stage_with_fail_fails_and_walk_continues(tmp_path: Path) -> None:
    place = Deploying(tmp_path, attribute="fail")
    place.die()
    result = place.run()
    assert result.outcome is StageStatus.SUCCESS
    assert list(result.completed) == ["start", "deploy", "sorry"]
    (failed,) = place.events("StageFailed")
    assert failed.data["error"] == "interrupted, and if_interrupted=fail"
    assert place.person.asked == []


def test_checkpoint_and_journal_agree_on_question(tmp_path: Path) -> None:
    place = Deploying(tmp_path)
    place.die()
    place.person.says = ["repeat"]
    place.die()
    place.run()
    with place.open() as run:
        found = run.state
        run.save()
    (place.root / "checkpoint.json").unlink()
    with place.open() as run:
        assert run.state == found
        flight = run.state.in_flight
        assert flight is not None
        assert flight.starts == 2


HANDLERS = handlers_of(Nothing())


def test_a_graph_that_can_run_passes() -> None:
    require_executable(line("a"), HANDLERS, Redactor())
    assert list(find_faults(line("a"), HANDLERS)) == []
    with pytest.raises(NotRunnable):
        require_executable(graph([node("a")], []), HANDLERS, Redactor())


def test_all_faults_are_listed_at_once() -> None:
    whole = graph(
        [
            start(),
            end(),
            node("inbox"),
            node("boss", "house"),
            node("slow", timeout="soon"),
            node("again", retry_policy="patent"),
        ],
        [*chain("start", "exit"), edge("boss", "exit", loop_restart=True)],
    )
    with pytest.raises(NotRunnable) as caught:
        require_executable(whole, HANDLERS, Redactor())
    told = caught.value.message
    for words in ("'inbox'", "'stack.manager_loop'", "'soon'", "'patent'", "loop_re"):
        assert words in told
    assert caught.value.exit_code is ExitCode.USAGE
    assert len(list(find_faults(whole, HANDLERS))) == 5


def test_secret_in_graph_is_refused_without_disclosure() -> None:
    with pytest.raises(NotRunnable) as caught:
        require_executable(line("my_password"), HANDLERS, Redactor(["password"]))
    assert "secret" in caught.value.message
    assert "password" not in caught.value.message


def test_a_node_is_executed_by_its_type_else_by_its_shape() -> None:
    mine = Scripted()
    handlers = {**HANDLERS, "my_type": mine}
    assert resolve_handler(node("a", type="my_type"), handlers) is mine
    assert resolve_handler(node("a", "diamond"), handlers) is handlers["conditional"]
    assert resolve_handler(node("a", "diamond", type="other"), handlers) is handlers["conditional"]
    assert resolve_handler(node("a", "star"), handlers) is handlers["codergen"]
    with pytest.raises(UnknownName):
        resolve_handler(node("a", "house"), handlers)

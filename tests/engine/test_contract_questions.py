"""Contract of Questions: every store of questions."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.registry import find_shortcoming
from attractor.engine.interviews import ChildQuestions, Questions, RunQuestions, UnrecordedQuestions
from attractor.engine.outcome import Outcome, success
from attractor.engine.questions.question import Answer, AnswerKind, Option, Question, QuestionKind
from attractor.engine.seams import Stage
from tests.engine.graphs import line
from tests.engine.runs import Workplace

OPTIONS = (Option("Y", "Yes"), Option("ß", "größe 🐍"))
QUESTION = Question("gate@1.1", "Go?", QuestionKind.MULTIPLE_CHOICE, OPTIONS, "gate")
FIRST = Answer(AnswerKind.GIVEN, "ß", "ann")
SECOND = Answer(AnswerKind.TIMEOUT, "Y")

Scene = Callable[[Questions], None]
NAMES = ("run", "child", "unkept")
KEEPING = ("run", "child")


def play(name: str, folder: Path, scene: Scene) -> None:
    """Play a scene during a stage of a run, or of its child run."""
    if name == "unkept":
        scene(UnrecordedQuestions())
        return
    outer, inner = (Workplace(folder / one, line("gate")) for one in ("outer", "inner"))

    async def walk() -> None:
        with outer.open() as above, inner.open() as run:

            async def in_child(stage: Stage) -> Outcome:
                scene(ChildQuestions(RunQuestions(above), "gate@1.1", run))
                return success()

            async def in_run(stage: Stage) -> Outcome:
                if name == "run":
                    scene(RunQuestions(above))
                else:
                    inner.handler.script = {"gate": in_child}
                    assert (await inner.runner(run).run()).outcome
                return success()

            outer.handler.script = {"gate": in_run}
            result = await outer.runner(above).run()
            assert result.outcome is not None, result.reason
            assert result.outcome.is_success, result.reason

    asyncio.run(walk())


everything = pytest.mark.parametrize("name", NAMES)
keeping = pytest.mark.parametrize("name", KEEPING)


@everything
def test_named_question_changes_only_its_id(name: str, tmp_path: Path) -> None:
    def scene(questions: Questions) -> None:
        assert find_shortcoming(questions, Questions) == ""
        assert questions.named(QUESTION).id.endswith(QUESTION.id)
        assert replace(questions.named(QUESTION), id=QUESTION.id) == QUESTION

    play(name, tmp_path, scene)


@everything
def test_question_has_no_answer_at_first(name: str, tmp_path: Path) -> None:
    def scene(questions: Questions) -> None:
        asked = questions.ask(QUESTION)
        assert replace(asked, deadline="") == QUESTION
        assert questions.answer_to(QUESTION) is None
        assert questions.settle(asked, FIRST) == FIRST

    play(name, tmp_path, scene)


@everything
def test_question_without_stage_can_be_settled(name: str, tmp_path: Path) -> None:
    def scene(questions: Questions) -> None:
        other = replace(QUESTION, id="other@9.9")
        assert questions.ask(other).id == other.id
        assert questions.settle(other, FIRST) == FIRST
        assert questions.answer_to(other) is None

    play(name, tmp_path, scene)


@keeping
def test_first_answer_is_kept_until_the_question_is_repeated(name: str, tmp_path: Path) -> None:
    def scene(questions: Questions) -> None:
        questions.ask(QUESTION)
        questions.settle(QUESTION, FIRST)
        assert questions.settle(QUESTION, SECOND) == FIRST
        assert questions.answer_to(QUESTION) == FIRST
        questions.ask(QUESTION)
        assert questions.answer_to(QUESTION) is None
        assert questions.settle(QUESTION, SECOND) == SECOND

    play(name, tmp_path, scene)


@keeping
def test_deadline_of_question_does_not_move(name: str, tmp_path: Path) -> None:
    def scene(questions: Questions) -> None:
        limited = replace(QUESTION, timeout_seconds=60)
        first = questions.ask(limited)
        assert first.deadline
        assert questions.ask(replace(limited, timeout_seconds=3600)).deadline == first.deadline

    play(name, tmp_path, scene)


@keeping
def test_questions_of_a_stage_have_separate_answers(name: str, tmp_path: Path) -> None:
    def scene(questions: Questions) -> None:
        other = replace(QUESTION, id=f"{QUESTION.id}#sure")
        questions.ask(QUESTION)
        questions.ask(other)
        questions.settle(other, SECOND)
        assert questions.answer_to(QUESTION) is None
        assert questions.settle(QUESTION, FIRST) == FIRST
        assert questions.answer_to(other) == SECOND

    play(name, tmp_path, scene)

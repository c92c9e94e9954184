"""What a run asks stands in its journal: who answers first counts, also after a crash."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.clock import TurnableClock
from attractor.base.json import canonical_json, parse_json
from attractor.engine.answers import AnsweredFirst, ask_each
from attractor.engine.asking import Answer, AnswerKind, Interviewer, Option, Question, QuestionKind
from attractor.engine.fields import Fields
from attractor.engine.inbox import Action, Order, leave_order
from attractor.engine.open_run import OpenRun
from attractor.engine.outcome import Outcome, success
from attractor.engine.question_records import (
    answer_from_record,
    answer_to_record,
    question_from_record,
    question_to_record,
)
from attractor.engine.questions import ChildQuestions, RunQuestions
from attractor.engine.refusals import refuse_answer
from attractor.engine.results import RunResult
from attractor.engine.seams import Parked, Stage
from attractor.engine.status import AWAITING_ANSWER
from tests.engine.graphs import line
from tests.engine.runs import Work, Workplace

YES, NO = Option("Y", "Yes"), Option("N", "No")


def asked_by(stage: Stage, *, name: str = "", limit: float | None = None) -> Question:
    kind = QuestionKind.MULTIPLE_CHOICE
    return Question(
        f"{stage.id}{name}", "Go?", kind, (YES, NO), stage.node.id, timeout_seconds=limit
    )


class Died(BaseException):
    """The process ended without a word."""


@dataclass
class Person:
    """Says one thing after the other, and then dies or parks."""

    says: list[str] = field(default_factory=list[str])
    ends: BaseException | None = None

    async def ask(self, question: Question) -> Answer:
        if self.says:
            return Answer(AnswerKind.GIVEN, self.says.pop(0), "ada")
        raise self.ends or Parked(question)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None: ...


def ask_in(run: OpenRun, person: Interviewer, got: list[Answer], *names: str) -> Work:
    """Return the work of a stage that asks something, and keeps the answers."""

    async def work(stage: Stage) -> Outcome:
        asking = AnsweredFirst(person, RunQuestions(run), clock=run.clock)
        for name in names or ("",):
            got.append(await asking.ask(asked_by(stage, name=name, limit=3600)))
        return success()

    return work


def go(
    place: Workplace, person: Interviewer, *names: str, then: BaseException | None = None
) -> tuple[RunResult, list[Answer]]:
    """Run to wherever it rests, as a process of its own would; it may die after it asked."""
    got: list[Answer] = []

    async def walk() -> RunResult:
        with place.open() as run:
            ask = ask_in(run, person, got, *names)

            async def work(stage: Stage) -> Outcome:
                outcome = await ask(stage)
                if then:
                    raise then
                return outcome

            place.handler.script = {"gate": work}
            return await place.runner(run).run()

    return asyncio.run(walk()), got


def values(answers: Sequence[Answer]) -> list[str]:
    return [one.value for one in answers]


def test_an_answer_is_in_the_journal_before_the_stage_goes_on(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("gate"))
    with pytest.raises(Died):
        go(place, Person(["Y"]), then=Died())
    with place.open() as run:
        assert (run.state.questions, values(list(run.state.answers.values()))) == ([], ["Y"])
        assert run.state.given == {"ada": 1}
    result, got = go(place, Person())
    # Nobody is asked again, and it counts once.
    assert (values(got), result.completed) == (["Y"], ("start", "gate"))
    assert len(place.events("QuestionAsked")) == len(place.events("QuestionSettled")) == 1
    with place.open() as run:
        assert (run.state.asked, run.state.answers) == ([], {})
        assert run.state.given == {"ada": 1}


def test_a_question_is_open_to_all_while_it_is_asked_and_after_a_crash(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("gate"))
    with pytest.raises(Died):
        go(place, Person(ends=Died()))
    with place.open() as run:
        assert [one.id for one in run.state.questions] == ["gate@1.1"]
    order = Order(Action.ANSWER, "ann", question="gate@1.1", value="N")
    leave_order(place.root / "inbox", order, name="A1")
    _, got = go(place, Person())
    assert [(one.value, one.by) for one in got] == [("N", "ann")]
    # Whoever was not asked gave no answer of their own.
    with place.open() as run:
        assert run.state.given == {}


def test_several_questions_of_a_stage_are_kept_each(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("gate"))
    parked, got = go(place, Person(["Y"]), "", "#sure")
    assert (parked.standing, values(got)) == (AWAITING_ANSWER, ["Y"])
    assert parked.question
    assert parked.question.id == "gate@1.1#sure"
    result, got = go(place, Person(["N"]), "", "#sure")
    assert (values(got), result.completed) == (["Y", "N"], ("start", "gate"))


def test_a_question_that_is_none_of_the_stage_is_asked_without_the_journal(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("gate"))
    _, got = go(place, Person(["Y"]), "0")
    assert (values(got), place.events("QuestionAsked", "QuestionSettled")) == (["Y"], [])


def test_the_deadline_stays_when_a_question_is_asked_again(tmp_path: Path) -> None:
    place, clock = Workplace(tmp_path / "run", line("gate")), TurnableClock()
    place.clock = clock
    go(place, Person())
    clock.set_back(timedelta(minutes=-30))
    again, _ = go(place, Person())
    assert again.question
    assert again.question.deadline == (clock.now() + timedelta(minutes=30)).isoformat()
    clock.set_back(timedelta(minutes=-31))
    _, got = go(place, Person(["Y"]))
    assert [one.kind for one in got] == [AnswerKind.TIMEOUT]


@pytest.mark.parametrize(
    ("question", "value", "minutes", "why"),
    [
        ("gate@1.1", "y", 0, ""),
        ("gate@1.2", "Y", 0, "refused: this is not the question asked"),
        ("gate@1.1", "maybe", 0, "refused: 'maybe' is none of the choices: Y (Yes), N (No)"),
        ("gate@1.1", "Y", 61, "refused: its time was up at 2026-01-01T01:00:00+00:00"),
    ],
)
def test_what_cannot_be_taken_is_refused(
    tmp_path: Path, question: str, value: str, minutes: int, why: str
) -> None:
    place, clock = Workplace(tmp_path / "run", line("gate")), TurnableClock()
    place.clock = clock
    go(place, Person())
    with place.open() as run:
        order = Order(Action.ANSWER, "ann", question=question, value=value)
        now = clock.now() + timedelta(minutes=minutes)
        assert refuse_answer(order, run.state, now) == why


def test_only_the_first_answer_counts(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("gate"))
    go(place, Person())
    for name, value in (("A1", "N"), ("A2", "Y")):
        order = Order(Action.ANSWER, "ann", question="gate@1.1", value=value)
        leave_order(place.root / "inbox", order, name=name)
    with place.open() as run:
        first, second = run.take_orders()
    assert (first.is_accepted, second.is_accepted) == (True, False)
    assert second.why == "refused: ann answered before: N"
    assert values(go(place, Person())[1]) == ["N"]


@dataclass
class Families:
    """A parent and its child, both at a gate; the child's is asked at the parent as well."""

    folder: Path

    @property
    def parent(self) -> Workplace:
        return Workplace(self.folder / "run", line("inner"))

    @property
    def child(self) -> Workplace:
        return Workplace(self.folder / "child", line("gate"))

    def go(self, person: Interviewer, *, dies: bool = False) -> list[Answer]:
        got: list[Answer] = []

        async def walk() -> None:
            outer, inner = self.parent, self.child
            with outer.open() as above, inner.open() as run:
                questions = ChildQuestions(RunQuestions(above), "inner@1.1", run)

                async def gate(stage: Stage) -> Outcome:
                    got.append(await AnsweredFirst(person, questions).ask(asked_by(stage)))
                    if dies:
                        raise Died
                    return success()

                async def child(stage: Stage) -> Outcome:
                    result = await inner.runner(run).run()
                    if result.question:
                        raise Parked(replace(result.question, id=f"inner@1.1/{result.question.id}"))
                    return success()

                inner.handler.script, outer.handler.script = {"gate": gate}, {"inner": child}
                await outer.runner(above).run()

        asyncio.run(walk())
        return got

    def asked(self) -> list[list[str]]:
        asked: list[list[str]] = []
        for place in (self.parent, self.child):
            with place.open() as run:
                asked.append([one.id for one in run.state.asked])
        return asked

    def given(self) -> dict[str, int]:
        with self.parent.open() as run:
            return dict(run.state.given)


def test_a_child_asks_at_its_parent_and_takes_what_is_left_there(tmp_path: Path) -> None:
    family = Families(tmp_path)
    assert family.go(Person()) == []
    assert family.asked() == [["inner@1.1/gate@1.1"], ["gate@1.1"]]
    order = Order(Action.ANSWER, "ann", question="inner@1.1/gate@1.1", value="n")
    leave_order(tmp_path / "run" / "inbox", order, name="A1")
    with pytest.raises(Died):
        family.go(Person(), dies=True)
    # The child has it now, and nobody is asked at the parent any more.
    assert family.asked() == [[], ["gate@1.1"]]
    assert [(one.value, one.by) for one in family.go(Person())] == [("N", "ann")]
    assert family.given() == {}


def test_what_a_child_was_told_counts_once_at_its_parent(tmp_path: Path) -> None:
    family = Families(tmp_path)
    with pytest.raises(Died):
        family.go(Person(["Y"]), dies=True)
    assert values(family.go(Person(["N"]))) == ["Y"]
    assert family.given() == {"ada": 1}


TEXTS = st.text(max_size=5)
OPTIONS = st.builds(Option, TEXTS, TEXTS)


@given(
    st.builds(
        Question,
        TEXTS,
        TEXTS,
        st.sampled_from(QuestionKind),
        st.lists(OPTIONS, max_size=2).map(tuple),
        TEXTS,
        TEXTS,
        TEXTS,
        st.none() | st.floats(0, 1e6),
        st.dictionaries(TEXTS, TEXTS, max_size=2),
    ),
    st.builds(Answer, st.sampled_from(AnswerKind), TEXTS, TEXTS, st.none() | OPTIONS, TEXTS),
)
def test_questions_and_answers_come_back_from_their_records(
    question: Question, answer: Answer
) -> None:
    one = parse_json(canonical_json(question_to_record(question)))
    assert question_from_record(Fields(one, "question")) == question
    other = parse_json(canonical_json(answer_to_record(answer)))
    assert answer_from_record(Fields(other, "answer")) == answer

"""Questions of a run in its journal: the first answer counts, also after a crash."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.base.clock import ManualClock
from attractor.base.json import Json, canonical_json, parse_json
from attractor.engine.interviews import LONGEST_ITEM, AnsweredFirst, ChildQuestions, RunQuestions
from attractor.engine.journal.events import Action
from attractor.engine.outcome import Outcome, success
from attractor.engine.questions.question import (
    Answer,
    AnswerKind,
    EnclosingBranch,
    Interviewer,
    Option,
    Question,
    QuestionKind,
    answer_from_record,
    answer_to_record,
    ask_each,
    branch_of,
    describe_branches,
    describe_recorded_branches,
    describe_wait,
    question_from_record,
    question_to_record,
    sort_questions,
)
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import Parked, Parts, Stage
from attractor.engine.storage.json_files import Fields
from attractor.engine.storage.secrets import Redactor
from attractor.handlers.for_each import ForEach
from attractor.handlers.wait__human import WaitHuman
from tests.engine.forked import wrote
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import Silent, Work, Workplace

YES, NO = Option("Y", "Yes"), Option("N", "No")


def asked_by(stage: Stage, *, name: str = "", limit: float | None = None) -> Question:
    kind = QuestionKind.MULTIPLE_CHOICE
    return Question(
        f"{stage.id}{name}", "Go?", kind, (YES, NO), stage.node.id, timeout_seconds=limit
    )


class ProcessDied(BaseException):
    """The process dies."""


@dataclass
class Person:
    """Gives its answers in order, then dies or parks."""

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
    """Return a stage that asks one question for each name, and collects the answers."""

    async def work(stage: Stage) -> Outcome:
        asking = AnsweredFirst(person, RunQuestions(run), clock=run.clock)
        for name in names or ("",):
            got.append(await asking.ask(asked_by(stage, name=name, limit=3600)))
        return success()

    return work


def run_process(
    place: Workplace, person: Interviewer, *names: str, then: BaseException | None = None
) -> tuple[RunResult, list[Answer]]:
    """Run as a new process would, until the run ends or parks; with `then`, die after asking."""
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


def test_question_is_listed_while_it_is_open_and_after_a_crash(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("gate"))
    with pytest.raises(ProcessDied):
        run_process(place, Person(ends=ProcessDied()))
    with place.open() as run:
        assert [one.id for one in run.state.questions] == ["gate@1.1"]
    order = Order(Action.ANSWER, "ann", question="gate@1.1", value="N")
    leave_order(place.root / "inbox", order, name="A1")
    _, got = run_process(place, Person())
    assert [(one.value, one.by) for one in got] == [("N", "ann")]
    # An answer from the inbox is not counted as an answer of the interviewer.
    with place.open() as run:
        assert run.state.answer_counts == {}


def test_question_of_no_stage_is_not_journaled(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("gate"))
    _, got = run_process(place, Person(["Y"]), "0")
    assert (values(got), place.events("QuestionAsked", "QuestionSettled")) == (["Y"], [])


def test_the_deadline_stays_when_a_question_is_asked_again(tmp_path: Path) -> None:
    place, clock = Workplace(tmp_path / "run", line("gate")), ManualClock()
    place.clock = clock
    run_process(place, Person())
    clock.set_back(timedelta(minutes=-30))
    again, _ = run_process(place, Person())
    assert again.question
    assert again.question.deadline == (clock.now() + timedelta(minutes=30)).isoformat()
    clock.set_back(timedelta(minutes=-31))
    _, got = run_process(place, Person(["Y"]))
    assert [one.kind for one in got] == [AnswerKind.TIMEOUT]


def test_only_the_first_answer_counts(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("gate"))
    run_process(place, Person())
    for name, value in (("A1", "N"), ("A2", "Y")):
        order = Order(Action.ANSWER, "ann", question="gate@1.1", value=value)
        leave_order(place.root / "inbox", order, name=name)
    with place.open() as run:
        first, second = run.take_orders()
    assert (first.is_accepted, second.is_accepted) == (True, False)
    assert second.why == "refused: ann answered before: N"
    assert values(run_process(place, Person())[1]) == ["N"]


@dataclass
class ParentAndChild:
    """A parent run and its child, both at a gate; the parent asks the child's question too."""

    folder: Path

    @property
    def parent(self) -> Workplace:
        return Workplace(self.folder / "run", line("inner"))

    @property
    def child(self) -> Workplace:
        return Workplace(self.folder / "child", line("gate"))

    def run_both(self, person: Interviewer, *, dies: bool = False) -> list[Answer]:
        got: list[Answer] = []

        async def walk() -> None:
            outer, inner = self.parent, self.child
            with outer.open() as above, inner.open() as run:
                questions = ChildQuestions(RunQuestions(above), "inner@1.1", run)

                async def gate(stage: Stage) -> Outcome:
                    got.append(await AnsweredFirst(person, questions).ask(asked_by(stage)))
                    if dies:
                        raise ProcessDied
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
            return dict(run.state.answer_counts)


def test_child_asks_through_parent_and_takes_its_answer(tmp_path: Path) -> None:
    family = ParentAndChild(tmp_path)
    assert family.run_both(Person()) == []
    assert family.asked() == [["inner@1.1/gate@1.1"], ["gate@1.1"]]
    order = Order(Action.ANSWER, "ann", question="inner@1.1/gate@1.1", value="n")
    leave_order(tmp_path / "run" / "inbox", order, name="A1")
    with pytest.raises(ProcessDied):
        family.run_both(Person(), dies=True)
    # The child has received the answer, so the parent no longer asks.
    assert family.asked() == [[], ["gate@1.1"]]
    assert [(one.value, one.by) for one in family.run_both(Person())] == [("N", "ann")]
    assert family.given() == {}


def test_answer_to_child_counts_once_at_parent(tmp_path: Path) -> None:
    family = ParentAndChild(tmp_path)
    with pytest.raises(ProcessDied):
        family.run_both(Person(["Y"]), dies=True)
    assert values(family.run_both(Person(["N"]))) == ["Y"]
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
def test_questions_and_answers_round_trip(question: Question, answer: Answer) -> None:
    one = parse_json(canonical_json(question_to_record(question)))
    assert question_from_record(Fields(one, "question")) == question
    other = parse_json(canonical_json(answer_to_record(answer)))
    assert answer_from_record(Fields(other, "answer")) == answer


EACH = graph(
    [
        start(),
        end(),
        node("list"),
        node("each", type="for_each", items="context.things"),
        node("fan", "component"),
        node("gate", "hexagon", label="Ship it?"),
        node("other"),
        node("meet", "tripleoctagon"),
        node("join", "tripleoctagon"),
    ],
    [
        *chain("start", "list", "each", "fan", "gate"),
        edge("gate", "meet", label="[Y] Yes"),
        *chain("fan", "other", "meet", "join", "exit"),
    ],
)
SECRET = "s3cr3t-of-the-operator"
GATE = Question("gate@1.1", "Ship it?", QuestionKind.FREEFORM, (), "gate")


class Parking(Silent):
    async def ask(self, question: Question) -> Answer:
        raise Parked(question)


class AskingRun(Workplace):
    """A run that asks a question for each item."""

    def __init__(self, root: Path, *items: Json) -> None:
        super().__init__(root, EACH, {"list": wrote(things=list(items))})
        self.redactor = Redactor([SECRET])

    def park(self) -> RunResult:
        async def walk() -> RunResult:
            with self.open() as run:
                parts = Parts(Silent(), AnsweredFirst(Parking(), RunQuestions(run)))
                self.handlers |= {"wait.human": WaitHuman(parts), "for_each": ForEach(parts)}
                return await self.runner(run).run()

        return asyncio.run(walk())


def of_item(index: int, item: Json, *, count: int = 2, name: str = "") -> Question:
    within = EnclosingBranch(f"each@1.1/{index}", name or str(index), "each", item, index, count)
    return replace(GATE, id=f"gate@{index}.1", within=(within,))


def first(result: RunResult) -> Sequence[EnclosingBranch]:
    return sort_questions(result.questions)[0].within


def test_question_lists_all_branches_around_gate(tmp_path: Path) -> None:
    place = AskingRun(tmp_path / "run", "alpha", {"id": 7})
    parked = place.park()
    assert [one.id for one in sort_questions(parked.questions)] == ["gate@1.1", "gate@2.1"]
    assert first(parked) == (
        EnclosingBranch("each@1.1/1", "1", "each", "alpha", 1, 2),
        EnclosingBranch("each@1.1/1/fan@1.1/gate", "gate", "fan"),
    )
    assert describe_branches(sort_questions(parked.questions)[1]) == [
        'item 2 of 2 of each: {"id":7}',
        "branch gate of fan",
    ]
    for kind in ("QuestionAsked", "StageParked"):
        recorded = [
            describe_recorded_branches(one.data["question"])[0] for one in place.events(kind)
        ]
        assert sorted(recorded)[0] == "item 1 of 2 of each: alpha"
    assert describe_recorded_branches({"id": 1}) == []
    branches = {one.branch for one in place.events("StageParked")}
    assert {branch_of(one) for one in parked.questions} == branches


def test_item_is_redacted_before_truncation(tmp_path: Path) -> None:
    before = "x" * (LONGEST_ITEM - 5)
    place = AskingRun(tmp_path / "run", f"{before}{SECRET}")
    assert first(place.park())[0].item == f"{before}***"


def test_question_of_child_lists_branches_of_parent_first(tmp_path: Path) -> None:
    place = AskingRun(tmp_path / "run", "alpha")
    place.park()
    below = Workplace(tmp_path / "child", line("a"))
    with place.open() as parent, below.open() as child:
        questions = ChildQuestions(RunQuestions(parent), "gate@1.1", child)
        own = replace(GATE, id="ask@1.1", within=(EnclosingBranch("fork@1.1/a", "a", "fork"),))
        named = RunQuestions(parent).named(replace(own, id="gate@1.1/ask@1.1"))
        assert [one.name for one in named.within] == ["1", "gate", "a"]
        assert [one.branch for one in questions.named(own).within][-1] == "gate@1.1/fork@1.1/a"


def test_reason_counts_questions_and_names_the_first() -> None:
    assert describe_wait([GATE]) == "waits for an answer: Ship it?"
    many = [of_item(at, f"i{at}", count=120) for at in range(120, 0, -1)]
    assert describe_wait(many) == (
        "waits for 120 answers: Ship it? (item 1 of 120 of each: i1); "
        "Ship it? (item 2 of 120 of each: i2); Ship it? (item 3 of 120 of each: i3); 117 more"
    )


def test_item_is_one_short_line_with_its_branch() -> None:
    found = describe_branches(of_item(2, f"one\ntwo {'z' * 500}", name="2-review"))[0]
    assert found.startswith("item 2 of 2 of each, branch 2-review: one two zzz")
    assert len(found) < 140

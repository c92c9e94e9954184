"""Whoever is asked in a branch is told in which, and for which item."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.json import Json
from attractor.engine.answers import AnsweredFirst
from attractor.engine.asked_within import (
    LONGEST_ITEM,
    asked_where,
    branch_of,
    in_order,
    natural,
    waits_for,
    where_asked,
    where_in,
)
from attractor.engine.asking import Answer, Question, QuestionKind, Within
from attractor.engine.fields import Fields
from attractor.engine.question_records import question_from_record, question_to_record
from attractor.engine.questions import ChildQuestions, RunQuestions
from attractor.engine.results import RunResult
from attractor.engine.seams import Parked, Parts
from attractor.engine.secrets import Redactor
from attractor.handlers.for_each import ForEach
from attractor.handlers.wait__human import WaitHuman
from tests.engine.forked import wrote
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import Silent, Workplace

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


class Asking(Workplace):
    """A run that asks once for each of some items."""

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
    within = Within(f"each@1.1/{index}", name or str(index), "each", item, index, count)
    return replace(GATE, id=f"gate@{index}.1", within=(within,))


def first(result: RunResult) -> Sequence[Within]:
    return in_order(result.questions)[0].within


def test_a_gate_knows_the_whole_way_to_it(tmp_path: Path) -> None:
    place = Asking(tmp_path / "run", "alpha", {"id": 7})
    parked = place.park()
    assert [one.id for one in in_order(parked.questions)] == ["gate@1.1", "gate@2.1"]
    assert first(parked) == (
        Within("each@1.1/1", "1", "each", "alpha", 1, 2),
        Within("each@1.1/1/fan@1.1/gate", "gate", "fan"),
    )
    assert where_asked(in_order(parked.questions)[1]) == [
        'item 2 of 2 of each: {"id":7}',
        "branch gate of fan",
    ]
    for kind in ("QuestionAsked", "StageParked"):
        told = [where_in(one.data["question"])[0] for one in place.events(kind)]
        assert sorted(told)[0] == "item 1 of 2 of each: alpha"
    branches = {one.branch for one in place.events("StageParked")}
    assert {branch_of(one) for one in parked.questions} == branches


def test_another_process_finds_it_in_the_journal_and_in_the_checkpoint(tmp_path: Path) -> None:
    place = Asking(tmp_path / "run", "alpha", "beta")
    asked = place.park().questions
    assert tuple(place.park().questions) == tuple(asked)
    (place.root / "checkpoint.json").unlink()
    with place.open() as run:
        assert tuple(run.state.questions) == tuple(asked)


def test_no_secret_stands_in_an_item_not_even_where_it_is_cut(tmp_path: Path) -> None:
    before = "x" * (LONGEST_ITEM - 5)
    place = Asking(tmp_path / "run", f"{before}{SECRET}")
    assert first(place.park())[0].item == f"{before}***"


@pytest.mark.parametrize("size", [LONGEST_ITEM + 1, 200_000])
def test_of_a_large_item_the_beginning_is_told(tmp_path: Path, size: int) -> None:
    parked = Asking(tmp_path / "run", "y" * size).park()
    item = first(parked)[0].item
    assert isinstance(item, str)
    assert len(item) == LONGEST_ITEM
    assert len(where_asked(parked.questions[0])[0]) < 200


def test_what_a_child_asks_has_the_way_of_its_parent_before_its_own(tmp_path: Path) -> None:
    place = Asking(tmp_path / "run", "alpha")
    place.park()
    below = Workplace(tmp_path / "child", line("a"))
    with place.open() as parent, below.open() as child:
        questions = ChildQuestions(RunQuestions(parent), "gate@1.1", child)
        own = replace(GATE, id="ask@1.1", within=(Within("fork@1.1/a", "a", "fork"),))
        named = RunQuestions(parent).named(replace(own, id="gate@1.1/ask@1.1"))
        assert [one.name for one in named.within] == ["1", "gate", "a"]
        assert [one.key for one in questions.named(own).within][-1] == "gate@1.1/fork@1.1/a"


def test_a_question_of_an_older_record_has_no_branch() -> None:
    record = question_to_record(of_item(1, "alpha"))
    assert question_from_record(Fields(record, "question")) == of_item(1, "alpha")
    del record["within"]
    old = question_from_record(Fields(record, "question"))
    assert (old.within, branch_of(old), asked_where(old)) == ((), "", "Ship it?")
    assert where_in(None) == where_in({"within": 3}) == where_in(record) == []


def test_of_many_questions_the_reason_tells_how_many_and_the_first_few() -> None:
    assert waits_for([GATE]) == "waits for an answer: Ship it?"
    many = [of_item(at, f"i{at}", count=120) for at in range(120, 0, -1)]
    assert waits_for(many) == (
        "waits for 120 answers: Ship it? (item 1 of 120 of each: i1); "
        "Ship it? (item 2 of 120 of each: i2); Ship it? (item 3 of 120 of each: i3); 117 more"
    )


def test_an_item_is_one_short_line_and_says_which_of_several_ways_it_takes() -> None:
    told = where_asked(of_item(2, f"one\ntwo {'z' * 500}", name="2-review"))[0]
    assert told.startswith("item 2 of 2 of each, branch 2-review: one two zzz")
    assert len(told) < 140


def test_numbers_in_names_are_sorted_as_numbers() -> None:
    names = ["g@10.1", "g@2.1", "a/g@1.1", "g@1.1"]
    assert sorted(names, key=natural) == ["a/g@1.1", "g@1.1", "g@2.1", "g@10.1"]

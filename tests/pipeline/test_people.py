import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.engine.journal.events import RunForked
from attractor.engine.questions.question import Answer, Question, QuestionKind
from attractor.interviewers.recording import Recording
from attractor.pipeline.brought import HANDED_IN, NOTHING_BROUGHT, Brought
from attractor.pipeline.options import RunOptions
from attractor.pipeline.people import choose_interviewer, find_interviewer_faults
from tests.engine.graphs import line
from tests.engine.runs import Workplace
from tests.handlers.stages import Person
from tests.pipeline.projects import make_world

SURE = Question("gate@1.1", "Sure?", QuestionKind.YES_NO, (), "gate")
OPTIONS = RunOptions(file=Path("pipeline.dot"), interviewer="queue", answers=["yes", "no"])


def ask(
    tmp_path: Path, options: RunOptions, *, taken: int = 0, brought: Brought = NOTHING_BROUGHT
) -> Answer:
    place = Workplace(tmp_path / "run", line("gate"))
    world = replace(make_world(tmp_path), brought=brought)
    with place.open() as run:
        if taken:
            run.record(RunForked("other", "a", 1, 9, "hash", "", {}, {"queue": taken}))
        return asyncio.run(choose_interviewer(options, world, run).ask(SURE))


@pytest.mark.parametrize(("taken", "value"), [(0, "yes"), (1, "no"), (2, "")])
def test_a_queue_goes_on_where_the_journal_says_that_it_was(
    tmp_path: Path, taken: int, value: str
) -> None:
    answer = ask(tmp_path, OPTIONS, taken=taken)
    assert (answer.value, answer.by) == (value, "queue")


def test_a_recording_lies_in_the_run_directory_unless_it_is_given_a_place(tmp_path: Path) -> None:
    ask(tmp_path, replace(OPTIONS, interviewer="recording:queue"))
    assert '"value":"yes"' in (tmp_path / "run" / "answers.jsonl").read_text()
    file = tmp_path / "mine.jsonl"
    ask(tmp_path, replace(OPTIONS, interviewer=f"recording:queue:{file}"))
    assert '"value":"yes"' in file.read_text()


def test_who_was_handed_in_asks(tmp_path: Path) -> None:
    person = Person(["no"])
    assert ask(tmp_path, OPTIONS, brought=Brought(interviewer=person)).value == "no"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("queue", ""),
        ("recording", ""),
        ("recording:auto_approve", ""),
        ("nobody", "unknown interviewer 'nobody'"),
        ("recording:nobody", "unknown interviewer 'nobody'"),
        ("replay", "was given no recording"),
        ("replay:/nowhere.jsonl", "/nowhere.jsonl"),
        ("callback", "was given no function"),
        (HANDED_IN, "was handed in by the program that began the run"),
    ],
)
def test_what_keeps_an_interviewer_from_asking_is_found_beforehand(name: str, told: str) -> None:
    options = replace(OPTIONS, interviewer=name)
    faults = list(find_interviewer_faults(options, NOTHING_BROUGHT))
    assert [told in one.message for one in faults] == ([True] if told else [])
    brought = Brought(interviewer=Person())
    assert list(find_interviewer_faults(options, brought)) == []


def test_the_part_that_records_is_found_by_its_name(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("gate"))
    with place.open() as run:
        options = replace(OPTIONS, interviewer="recording:queue")
        assert isinstance(choose_interviewer(options, make_world(tmp_path), run), Recording)

"""Interviewers by name, and their replies."""

import asyncio
import inspect
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from attractor import RunResult, StageStatus
from attractor.base.errors import UsageError
from attractor.base.registry import find_shortcoming
from attractor.engine.questions.question import (
    Answer,
    AnswerKind,
    Interviewer,
    Option,
    Question,
    QuestionKind,
)
from attractor.engine.seams import Parked
from attractor.interviewers.registry import (
    InterviewerName,
    Reply,
    build_interviewer,
    interviewer_registry,
    placed_name,
    read_name,
    read_reply,
)
from tests.handlers.stages import Person
from tests.interviewers.questions import Terminal, given, question
from tests.patience import PATIENCE_S
from tests.spec.runs import between, events, run
from tests.tables import table

NAMES = list(interviewer_registry())
EMPTY = Path(__file__).with_name("__init__.py")


def built(name: str, terminal: Terminal | None = None) -> Interviewer:
    terminal = terminal or Terminal(StringIO("y\n"))
    parts = terminal.parts(
        answers=[given("Y")],
        callback=lambda _: given("Y"),
        inner=Person(["Y"]),
        file=EMPTY if name == "replay" else None,
    )
    return interviewer_registry()[name](parts)


def test_the_interviewers_of_the_specification_are_there() -> None:
    wanted = {"auto_approve", "callback", "console", "park", "queue", "recording", "replay"}
    assert wanted <= set(NAMES)


@table("name", NAMES)
def test_interviewer_is_built_from_parts_and_has_docstring(name: str) -> None:
    assert find_shortcoming(built(name), Interviewer) == ""
    assert inspect.getdoc(interviewer_registry()[name])
    assert interviewer_registry().summary(name)


@table("kind", list(QuestionKind))
@table("name", [one for one in NAMES if one != "replay"])
def test_an_interviewer_answers_or_parks_every_kind_of_question(
    name: str, kind: QuestionKind
) -> None:
    asked = question(kind, Option("Y", "Yes"), Option("N", "No"))
    met = asyncio.run(asyncio.wait_for(ask(built(name), asked), PATIENCE_S))
    assert met == asked or (isinstance(met, Answer) and met.kind is AnswerKind.GIVEN and met.value)


async def ask(interviewer: Interviewer, asked: Question) -> Answer | Question:
    """Return the answer, or the parked question."""
    try:
        return await interviewer.ask(asked)
    except Parked as parked:
        return parked.question


@table("name", NAMES)
def test_a_message_is_shown_where_a_person_looks_and_nowhere_else(name: str) -> None:
    terminal = Terminal(StringIO("y\n"))
    asyncio.run(built(name, terminal).inform("Nothing to do", "gate"))
    shown = "[gate] Nothing to do\n" if name == "console" else ""
    assert (terminal.output.getvalue(), terminal.input.read()) == (shown, "y\n")


def test_name_may_contain_inner_interviewer_and_file(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    parts = Terminal().parts(answers=[given("Y")])
    interviewer = build_interviewer(f"recording:queue:{file}", parts)
    asked = question(QuestionKind.YES_NO)
    assert asyncio.run(interviewer.ask(asked)) == given("Y", "queue", "answers file")
    again = build_interviewer(f"replay:{file}", parts)
    assert asyncio.run(again.ask(asked)) == given("Y", "replay of queue", "answers file")


@table(
    ("name", "message"),
    [
        ("console:park", "takes no options"),
        ("recording:nobody", "unknown interviewer 'nobody'"),
        ("nobody:console", "takes no options|unknown"),
        ("recording:replay:a.jsonl", "has no recording"),
    ],
)
def test_unknown_interviewer_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_interviewer(name, Terminal().parts())


@table(
    ("text", "named"),
    [
        ("park", InterviewerName("park")),
        ("recording", InterviewerName("recording")),
        ("recording:queue", InterviewerName("recording", "queue")),
        ("recording::a:b.jsonl", InterviewerName("recording", "", "a:b.jsonl")),
        ("recording:console:a.jsonl", InterviewerName("recording", "console", "a.jsonl")),
        ("replay:/a:b.jsonl", InterviewerName("replay", "", "/a:b.jsonl")),
        ("replay", InterviewerName("replay")),
        ("", InterviewerName("")),
    ],
)
def test_name_is_parsed_into_interviewer_inner_and_file(text: str, named: InterviewerName) -> None:
    assert read_name(text) == named
    assert str(named) == text


@table(
    ("text", "placed"),
    [
        ("console", "console"),
        ("handed in", "handed in"),
        ("replay:a.jsonl", "replay:/home/ann/a.jsonl"),
        ("recording::a.jsonl", "recording::/home/ann/a.jsonl"),
        ("replay:/b/a.jsonl", "replay:/b/a.jsonl"),
    ],
)
def test_a_file_is_found_from_anywhere(text: str, placed: str) -> None:
    assert placed_name(text, Path("/home/ann")) == placed


GATE = between(
    'ask [shape=hexagon, label="Ship it?"]',
    'ship [prompt="Ship"]',
    'drop [prompt="Drop"]',
    "start -> ask",
    'ask -> ship [label="[S] Ship"]',
    'ask -> drop [label="[D] Drop it"]',
    "ship -> exit; drop -> exit",
)


def asked(folder: Path, reply: Callable[[Question], Reply]) -> RunResult:
    return run(folder, GATE, interviewer=reply)


@table("said", ["D", "d", "Drop it", " drop it ", "drop"])
def test_text_selects_the_choice_that_it_names(tmp_path: Path, said: str) -> None:
    result = asked(tmp_path, lambda question: said)
    assert result.outcome is StageStatus.SUCCESS, result.reason
    assert [one.node for one in events(result, "StageStarted")] == ["start", "ask", "drop"]


def test_text_without_a_matching_choice_is_refused(tmp_path: Path) -> None:
    result = asked(tmp_path, lambda question: "perhaps")
    assert result.outcome is StageStatus.FAIL
    assert "invalid choice 'perhaps': S ([S] Ship), D ([D] Drop it)" in result.reason


def test_missing_reply_skips_the_question(tmp_path: Path) -> None:
    result = asked(tmp_path, lambda question: None)
    assert "human skipped interaction" in result.reason


def test_invalid_reply_is_described(tmp_path: Path) -> None:
    result = asked(tmp_path, lambda question: 7)  # type: ignore[arg-type, return-value]
    assert "returned a int, which is not an answer" in result.reason


def test_a_reply_is_read_as_an_answer() -> None:
    answer = Answer(AnswerKind.GIVEN, "S", by="Ann")
    assert read_reply(answer) is answer
    assert read_reply("S", by="Ann") == Answer(AnswerKind.GIVEN, "S", by="Ann", text="S")
    assert read_reply(None).kind is AnswerKind.SKIPPED
    with pytest.raises(UsageError) as refused:
        read_reply(["S"])
    assert "None to skip the question" in refused.value.hint


class Asker:
    """An object with `ask` only, of no class of ours."""

    def ask(self, question: Question) -> str:
        return "S"


def test_object_may_reply_with_text(tmp_path: Path) -> None:
    result = run(tmp_path, GATE, interviewer=Asker())
    assert [one.node for one in events(result, "StageStarted")] == ["start", "ask", "ship"]

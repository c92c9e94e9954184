import asyncio
import os
from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper

import pytest

from attractor.engine.seams import Answer, AnswerKind, Option, Parked, Question, QuestionKind
from attractor.interviewers.console import Console, show_question
from attractor.interviewers.parts import InterviewerParts
from tests.interviewers.questions import GATE, Terminal, given, question

SKIPPED = Answer(AnswerKind.SKIPPED, by="console")


def ask(typed: str, asked: Question) -> tuple[Answer, str]:
    terminal = Terminal(StringIO(typed))
    answer = asyncio.run(Console(terminal.parts()).ask(asked))
    return answer, terminal.output.getvalue()


def test_choices_are_shown_with_their_keys_and_a_line_is_the_answer() -> None:
    answer, shown = ask("  n \n", GATE)
    assert answer == given("n", "console")
    assert shown == "[?] Deploy?\n  [Y] Yes, deploy\n  [N] No\nSelect: "


@pytest.mark.parametrize(
    ("option", "line"),
    [
        (Option("Y", "[Y] Yes"), "[Y] Yes"),
        (Option("Y", "Y) Yes"), "Y) Yes"),
        (Option("Y", "y - yes"), "y - yes"),
        (Option("Y", "Yes"), "[Y] Yes"),
        (Option("1", "[Y] Yes"), "[1] [Y] Yes"),
        (Option("1", "Yes"), "[1] Yes"),
    ],
)
def test_a_key_is_shown_once(option: Option, line: str) -> None:
    shown = show_question(question(QuestionKind.MULTIPLE_CHOICE, option))
    assert shown == f"[?] Deploy?\n  {line}\n"


@pytest.mark.parametrize("kind", list(QuestionKind))
def test_the_end_of_the_input_skips(kind: QuestionKind) -> None:
    answer, _ = ask("", question(kind))
    assert answer == SKIPPED


@pytest.mark.parametrize("kind", [QuestionKind.YES_NO, QuestionKind.CONFIRMATION])
@pytest.mark.parametrize(
    ("typed", "value"), [("y", "yes"), ("YES", "yes"), ("n", "no"), ("No", "no")]
)
def test_yes_and_no_have_many_spellings(kind: QuestionKind, typed: str, value: str) -> None:
    answer, shown = ask(f"{typed}\n", question(kind))
    assert answer == given(value, "console")
    assert shown == "[?] Deploy?\n[Y/N]: "


def test_what_is_neither_yes_nor_no_is_asked_again() -> None:
    answer, shown = ask("maybe\n\nyes\n", question(QuestionKind.YES_NO))
    assert answer == given("yes", "console")
    assert shown.count("[Y/N]: ") == 3


@pytest.mark.parametrize("typed", ["maybe\n" * 9, "maybe\n"])
def test_who_never_says_yes_or_no_skips(typed: str) -> None:
    answer, shown = ask(typed, question(QuestionKind.YES_NO))
    assert answer == SKIPPED
    assert shown.count("[Y/N]: ") <= 3


def test_free_text_is_taken_as_it_is() -> None:
    answer, shown = ask("Make it blue.\n", question(QuestionKind.FREEFORM))
    assert answer == given("Make it blue.", "console")
    assert shown == "[?] Deploy?\n> "


def test_an_empty_line_is_an_answer() -> None:
    assert ask("\n", GATE)[0] == given("", "console")


def test_a_message_is_shown_with_its_stage() -> None:
    terminal = Terminal()
    asyncio.run(Console(terminal.parts()).inform("Nothing fits", "gate"))
    assert terminal.output.getvalue() == "[gate] Nothing fits\n"


def test_the_question_is_there_before_the_answer_is_awaited_and_time_can_run_out() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stream:
        terminal = Terminal(stream)
        console = Console(terminal.parts())

        async def in_time() -> Answer:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(console.ask(GATE), 0.03)
            assert terminal.output.getvalue().endswith("Select: ")
            os.write(writing, b"y\n")
            return await asyncio.wait_for(console.ask(GATE), 20)

        assert asyncio.run(in_time()) == given("y", "console")
    os.close(writing)


def test_a_prompt_is_not_held_back_in_a_buffer() -> None:
    terminal = BytesIO()
    output = TextIOWrapper(terminal, write_through=False)
    console = Console(InterviewerParts(input=StringIO("y\n"), output=output))
    asyncio.run(console.ask(GATE))
    assert terminal.getvalue().endswith(b"Select: ")


def test_two_questions_at_once_are_asked_one_after_the_other() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stream:
        terminal = Terminal(stream)
        console = Console(terminal.parts())

        async def both() -> list[Answer]:
            asked = [console.ask(GATE), console.ask(replace(GATE, text="Sure?"))]
            waiting = asyncio.gather(*asked)
            for _ in range(5):
                await asyncio.sleep(0)
            assert "Sure?" not in terminal.output.getvalue()
            os.write(writing, b"y\nn\n")
            return await asyncio.wait_for(waiting, 20)

        assert asyncio.run(both()) == [given("y", "console"), given("n", "console")]
    os.close(writing)


@pytest.mark.parametrize("kind", [QuestionKind.MULTIPLE_CHOICE, QuestionKind.YES_NO])
def test_a_terminal_that_is_closed_leaves_the_question_waiting(kind: QuestionKind) -> None:
    async def close_while_asked() -> None:
        ours, theirs = os.openpty()
        with os.fdopen(theirs, "r") as reading:
            output = StringIO()
            console = Console(InterviewerParts(input=reading, output=output))
            asking = asyncio.create_task(console.ask(question(kind)))
            while not output.getvalue():
                await asyncio.sleep(0)
            os.close(ours)
            with pytest.raises(Parked):
                await asking

    asyncio.run(close_while_asked())

import asyncio
import os
from contextlib import suppress
from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper

import pytest

from attractor.engine.questions.question import Answer, AnswerKind, Question, QuestionKind
from attractor.engine.seams import Parked
from attractor.interviewers.console import Console
from attractor.interviewers.registry import InterviewerParts
from tests.interviewers.questions import GATE, Terminal, option_answer, question, text_answer
from tests.patience import PATIENCE_S, until
from tests.tables import table

SKIPPED = Answer(AnswerKind.SKIPPED, by="console")


def ask(typed: str, asked: Question) -> tuple[Answer, str]:
    terminal = Terminal(StringIO(typed))
    answer = asyncio.run(Console(terminal.parts()).ask(asked))
    return answer, terminal.output.getvalue()


@table("kind", [QuestionKind.YES_NO, QuestionKind.CONFIRMATION])
@table(("typed", "value"), [("y", "yes"), ("YES", "yes"), ("n", "no"), ("No", "no")])
def test_yes_and_no_have_many_spellings(kind: QuestionKind, typed: str, value: str) -> None:
    answer, shown = ask(f"{typed}\n", question(kind))
    assert answer == text_answer(typed, "console", value=value)
    assert shown == "[?] Deploy?\n[Y/N]: "


def test_invalid_yes_no_answer_is_asked_again() -> None:
    answer, shown = ask("maybe\n\nyes\n", question(QuestionKind.YES_NO))
    assert answer == text_answer("yes", "console")
    assert shown.count("[Y/N]: ") == 3
    assert "invalid choice 'maybe': yes (Yes), no (No)\n" in shown


def test_yes_no_with_invalid_answers_only_skips() -> None:
    answer, shown = ask("maybe\n" * 9, question(QuestionKind.YES_NO))
    assert answer == SKIPPED
    assert shown.count("[Y/N]: ") <= 3


def test_free_text_is_not_changed() -> None:
    answer, shown = ask("Make it blue.\n", question(QuestionKind.FREEFORM))
    assert answer == text_answer("Make it blue.", "console")
    assert shown == "[?] Deploy?\n> "


def test_an_empty_line_is_no_choice_but_may_be_a_text() -> None:
    assert ask("\ny\n", GATE)[0] == option_answer(GATE, 0, "y", "console")
    assert ask("\n", question(QuestionKind.FREEFORM))[0] == text_answer("", "console")


def test_invalid_choice_from_pipe_is_asked_again_up_to_maximum() -> None:
    answer, shown = ask("perhaps\nyes, deploy\n", GATE)
    assert answer == option_answer(GATE, 0, "yes, deploy", "console")
    assert "invalid choice 'perhaps': Y ([Y] Yes, deploy), N (No)\nSelect: " in shown
    # The caller rejects the third invalid choice.
    answer, shown = ask("a\nb\nc\nd\n", GATE)
    assert (answer, shown.count("Select: ")) == (text_answer("c", "console"), 3)


@table(
    ("asked", "prompt", "value"),
    [
        (replace(GATE, default="N"), "Select [N]: ", "N"),
        (replace(question(QuestionKind.YES_NO), default="no"), "[y/N]: ", "no"),
        (replace(question(QuestionKind.CONFIRMATION), default="yes"), "[Y/n]: ", "yes"),
        (replace(question(QuestionKind.FREEFORM), default="blue"), " [blue]> ", "blue"),
    ],
)
def test_enter_is_the_default_which_the_prompt_shows(
    asked: Question, prompt: str, value: str
) -> None:
    answer, shown = ask("\n", asked)
    assert answer.value == value
    assert shown.endswith(prompt)


@table("typed", ["", "maybe\n"])
def test_end_of_input_parks(typed: str) -> None:
    with pytest.raises(Parked):
        ask(typed, replace(GATE, default="N"))


def test_several_questions_are_asked_in_their_order() -> None:
    terminal = Terminal(StringIO("y\nblue\n"))
    asked = [GATE, question(QuestionKind.FREEFORM)]
    answers = asyncio.run(Console(terminal.parts()).ask_multiple(asked))
    assert [one.value for one in answers] == ["Y", "blue"]


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
            assert terminal.output.getvalue().endswith("Select: \n")
            os.write(writing, b"y\n")
            return await asyncio.wait_for(console.ask(GATE), PATIENCE_S)

        assert asyncio.run(in_time()) == option_answer(GATE, 0, "y", "console")
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
            return await asyncio.wait_for(waiting, PATIENCE_S)

        assert [one.value for one in asyncio.run(both())] == ["Y", "N"]
    os.close(writing)


@table("kind", [QuestionKind.MULTIPLE_CHOICE, QuestionKind.YES_NO])
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


def test_closed_terminal_ignores_messages() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(os.dup(theirs), "r") as reading, os.fdopen(theirs, "w") as writing:
        console = Console(InterviewerParts(input=reading, output=writing))
        os.close(ours)
        asyncio.run(console.inform("ann answered: Y", "gate"))
        with suppress(OSError):
            writing.close()


def test_message_keeps_prompt_of_open_question() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stream:
        terminal = Terminal(stream)
        console = Console(terminal.parts())

        async def scene() -> None:
            asking = asyncio.create_task(console.ask(GATE))
            while not terminal.output.getvalue().endswith("Select: "):
                await asyncio.sleep(0)
            await console.inform("ann answered\x1b[2J", "other")
            shown = terminal.output.getvalue()
            assert shown.endswith("\n[other] ann answered\N{REPLACEMENT CHARACTER}[2J\nSelect: ")
            os.write(writing, b"y\n")
            await asyncio.wait_for(asking, PATIENCE_S)

        asyncio.run(scene())
    os.close(writing)


def test_terminal_drops_early_input_and_allows_any_number_of_tries() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, encoding="utf-8") as reading:
        terminal = Terminal(reading)
        console = Console(terminal.parts())

        async def scene() -> Answer:
            os.write(ours, b"y\nhal")
            asking = asyncio.create_task(console.ask(GATE))
            for times in range(1, 8):
                await until(lambda n=times: terminal.output.getvalue().count("Select: ") >= n)
                os.write(ours, f"größe {times}\n".encode())
            await until(lambda: terminal.output.getvalue().count("Select: ") >= 8)
            os.write(ours, b"n\n")
            return await asyncio.wait_for(asking, PATIENCE_S)

        assert asyncio.run(scene()).value == "N"
    os.close(ours)
    shown = terminal.output.getvalue()
    assert shown.startswith("(ignored input from before the question: y)\n[?] Deploy?")
    assert "invalid choice 'größe 7'" in shown

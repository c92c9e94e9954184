from dataclasses import replace

import pytest

from attractor.engine.questions.question import Option, QuestionKind, Within
from attractor.interviewers.prompts import shown_line, shown_question
from tests.interviewers.questions import GATE, question


@pytest.mark.parametrize(
    ("option", "line"),
    [
        (Option("Y", "[Y] Yes"), "[Y] Yes"),
        (Option("Y", "Y) Yes"), "Y) Yes"),
        (Option("Y", "y - yes"), "y - yes"),
        (Option("Y", "Yes"), "[Y] Yes"),
        (Option("1", "[Y] Yes"), "[1] [Y] Yes"),
        (Option("1", "Yes"), "[1] Yes"),
        (Option("是", "是的，部署"), "[是] 是的，部署"),
    ],
)
def test_a_key_is_shown_once(option: Option, line: str) -> None:
    shown = shown_question(question(QuestionKind.MULTIPLE_CHOICE, option))
    assert shown == f"[?] Deploy?\n  {line}\n"


def test_who_is_asked_sees_for_which_item() -> None:
    item = Within("each@1.1/2", "2", "each", "be\x1bta", 2, 3)
    shown = shown_question(replace(GATE, within=(item, Within("k", "a", "fan"))))
    assert shown.startswith("[?] Deploy?\n  (item 2 of 3 of each: be")
    assert "\n  (branch a of fan)\n  [" in shown
    assert "\x1b" not in shown


def test_no_terminal_obeys_what_a_question_says() -> None:
    shown = shown_question(
        replace(GATE, text="Go?\x1b[2J\nNow?\r", options=(Option("Y", "Yes\x1b]0;x\x07\nNo"),))
    )
    assert not {"\x1b", "\r", "\x07"} & set(shown)
    assert shown.count("\n") == 3
    assert "Now?" in shown


def test_a_very_long_question_keeps_its_two_ends() -> None:
    shown = shown_question(replace(GATE, text=f"Begin {'größe ' * 100_000} End?"))
    assert len(shown) < 10_000
    assert shown.startswith("[?] Begin")
    assert " End?\n" in shown
    assert "bytes left out" in shown
    assert len(shown_line("x" * 100_000)) < 1000


def test_it_is_said_until_when_there_is_time_and_what_happens_then() -> None:
    late = replace(GATE, deadline="2026-01-01T12:00:00+00:00", default="N")
    last = shown_question(late).splitlines()[-1]
    assert last.startswith("  (until ")
    assert last.endswith(":00, then No)")
    assert shown_question(replace(late, default="")).splitlines()[-1].endswith(":00)")

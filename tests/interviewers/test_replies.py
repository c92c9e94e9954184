"""A function that is asked may reply with an answer, with words, or with nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attractor import Answer, AnswerKind, Question, RunResult, StageStatus
from attractor.base.errors import UsageError
from attractor.interviewers.replies import Reply, read_reply
from tests.spec.runs import between, events, run

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


@pytest.mark.parametrize("said", ["D", "d", "Drop it", " drop it ", "drop"])
def test_words_are_the_choice_they_name(tmp_path: Path, said: str) -> None:
    result = asked(tmp_path, lambda question: said)
    assert result.outcome is StageStatus.SUCCESS, result.reason
    assert [one.node for one in events(result, "StageStarted")] == ["start", "ask", "drop"]


def test_words_that_name_no_choice_are_refused(tmp_path: Path) -> None:
    result = asked(tmp_path, lambda question: "perhaps")
    assert result.outcome is StageStatus.FAIL
    assert "'perhaps' is none of the choices: S ([S] Ship), D ([D] Drop it)" in result.reason


def test_nothing_leaves_the_question_out(tmp_path: Path) -> None:
    result = asked(tmp_path, lambda question: None)
    assert "human skipped interaction" in result.reason


def test_what_is_no_reply_is_told_in_words(tmp_path: Path) -> None:
    result = asked(tmp_path, lambda question: 7)  # type: ignore[arg-type, return-value]
    assert "replied with int, which is no answer" in result.reason


def test_a_reply_is_read_as_an_answer() -> None:
    answer = Answer(AnswerKind.GIVEN, "S", by="Ann")
    assert read_reply(answer) is answer
    assert read_reply("S", by="Ann") == Answer(AnswerKind.GIVEN, "S", by="Ann", text="S")
    assert read_reply(None).kind is AnswerKind.SKIPPED
    with pytest.raises(UsageError) as refused:
        read_reply(["S"])
    assert "None to skip it" in refused.value.hint


class Asker:
    """Is no interviewer of ours: it only asks."""

    def ask(self, question: Question) -> str:
        return "S"


def test_an_object_may_reply_with_words(tmp_path: Path) -> None:
    result = run(tmp_path, GATE, interviewer=Asker())
    assert [one.node for one in events(result, "StageStarted")] == ["start", "ask", "ship"]

"""The status of a run for people: three words, each with its reason."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.base.errors import UnknownName
from attractor.engine.questions.question import Answer, AnswerKind, Question, QuestionKind
from attractor.engine.state.run_state import Wait, WaitReason
from attractor.pipeline.status import (
    RunStatusView,
    allowed_actions,
    is_found_by,
    plain_status,
    require_known_status,
)
from attractor.records.summary import RunOverview
from tests.tables import table

SPENT = "the budget max_tokens is exhausted: 120 of 100"
NOW = datetime(2026, 1, 31, tzinfo=UTC)
DEAD = RunOverview("01", Path("/runs/01"), "wish", "", NOW, status="executing", stage="make")
LIVE = replace(DEAD, is_live=True)
ASKED = Question("ask@1.1", "Ship it?", QuestionKind.FREEFORM, (), "ask")
PARKED = replace(DEAD, status="awaiting_human", phase="stage", questions=(ASKED,))
ANSWERS = {"ask@1.1": Answer(AnswerKind.GIVEN, "yes")}
DECISION = replace(DEAD, status="awaiting_human", phase="decision", suite="todo@1#a")
APPROVED = replace(DEAD, status="approved", suite="todo@1#a")


@table(
    ("run", "words"),
    [
        (LIVE, "running"),
        (replace(LIVE, status="queued"), "running (queued)"),
        (replace(LIVE, status="evaluating"), "running (evaluating)"),
        (replace(LIVE, status="waiting", wait=Wait(WaitReason.LIMIT)), "running (waits for limit)"),
        (replace(LIVE, is_paused=True, pausing=("make",)), "running, pauses after make"),
        (replace(LIVE, is_paused=True), "running (paused)"),
        (replace(PARKED, questions=(), answers=ANSWERS, is_live=True), "running"),
        (DEAD, "needs you (dead process)"),
        (replace(DEAD, is_paused=True), "needs you (dead process)"),
        (replace(DEAD, status="waiting", wait=Wait(WaitReason.LIMIT)), "needs you (dead process)"),
        (replace(DEAD, why_stopped="interrupted by SIGINT"), "needs you (stopped)"),
        (replace(DEAD, why_stopped=SPENT), "needs you (limit)"),
        (replace(DEAD, questions=(ASKED,)), "needs you (question), no process"),
        (replace(LIVE, questions=(ASKED,)), "needs you (question)"),
        (PARKED, "needs you (question)"),
        (replace(PARKED, questions=(), answers=ANSWERS), "needs you (answered)"),
        (DECISION, "needs you (decision)"),
        (replace(DEAD, status="unknown"), "needs you (unreadable)"),
        (replace(DECISION, suite=""), "succeeded, not judged: no suite"),
        (
            replace(DECISION, suite="", landed_on="main at 12"),
            "succeeded, not judged: no suite, landed on main at 12",
        ),
        (replace(DEAD, status="evaluating"), "succeeded, not evaluated"),
        (replace(APPROVED, promoted_to="main"), "approved, promoted to main"),
        (replace(DEAD, status="failed"), "failed"),
        (replace(DEAD, status="canceled"), "canceled"),
        (replace(DEAD, status="rejected"), "rejected"),
    ],
)
def test_status_is_one_of_three_words_with_a_reason(run: RunOverview, words: str) -> None:
    assert str(plain_status(run)) == words
    assert is_found_by(words, run)
    require_known_status(words)


@table(
    ("run", "words"),
    [
        (LIVE, "pause cancel fork rewind"),
        (replace(LIVE, is_paused=True, actor="fixer"), "resume cancel fork"),
        (replace(LIVE, status="evaluating"), "cancel fork rewind"),
        (replace(DEAD, workspace="in-place"), "resume cancel rewind"),
        (replace(DEAD, workspace="gone"), "resume cancel rewind"),
        (PARKED, "cancel fork rewind"),
        (replace(PARKED, questions=(), answers=ANSWERS), "resume cancel fork rewind"),
        (replace(DEAD, status="evaluating"), "resume fork rewind"),
        (replace(DEAD, status="evaluating", suite="todo@1#a"), "resume evaluate fork rewind"),
        (DECISION, "decide rebase cancel evaluate fork rewind"),
        (replace(DECISION, suite=""), "decide fork rewind"),
        (replace(APPROVED, promoted_to="main"), "amend promote rebase rollback fork rewind"),
        (replace(APPROVED, workspace="in-place"), "amend rewind"),
        (replace(DEAD, status="rejected"), "amend fork rewind"),
        (replace(DEAD, status="failed"), "fork rewind"),
        (replace(LIVE, status="unknown"), "cancel fork rewind"),
    ],
)
def test_status_decides_which_actions_a_run_allows(run: RunOverview, words: str) -> None:
    assert " ".join(allowed_actions(RunStatusView(run, "01"))) == words


@table(
    ("words", "run", "is_found"),
    [
        ("executing, stopped", DEAD, True),
        ("executing, stopped", LIVE, False),
        ("waiting (limit)", replace(LIVE, status="waiting", wait=Wait(WaitReason.LIMIT)), True),
        ("awaiting_human (decision)", DECISION, True),
        ("awaiting_human", replace(DECISION, suite=""), False),
        ("needs you", PARKED, True),
        ("running", PARKED, False),
        ("approved, promoted to main", replace(APPROVED, promoted_to="next"), False),
    ],
)
def test_runs_are_found_by_words_of_the_journal_and_of_people(
    words: str, run: RunOverview, *, is_found: bool
) -> None:
    assert is_found_by(words, run) is is_found


def test_unknown_status_is_refused() -> None:
    with pytest.raises(UnknownName):
        require_known_status("aproved")

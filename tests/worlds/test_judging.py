"""When a judged command goes on, and what it is said to reach."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

from attractor.engine.budgets import Budgets
from attractor.engine.outcome import Usage
from attractor.records.request import RunRequest, TypedCommand
from attractor.worlds.judging import JudgedWork, describe_access, next_try
from tests.tables import table

RESULT = Mock(usage=Usage(input_tokens=60, output_tokens=40, cost_usd=0.5), run_id="first")
REQUEST = RunRequest(file=Path("judge.dot"))


@table(
    "go, satisfied, budgets, left",
    [
        (False, 1, Budgets(), Budgets()),
        (False, 1, Budgets(2.0, 300, timedelta(60)), Budgets(1.5, 200, timedelta(60, -9))),
        (False, 1, Budgets(0.5), None),
        (False, 1, Budgets(None, 100), None),
        (False, 1, Budgets(None, None, timedelta(seconds=9)), None),
        (True, 2, Budgets(), None),
        # Another try cannot help if it is no trial that failed.
        (False, 2, Budgets(), None),
    ],
)
def test_next_try_has_the_files_and_what_is_left(
    go: bool, satisfied: int, budgets: Budgets, left: Budgets | None
) -> None:
    work = Mock(result=RESULT, report=Mock(go=go, satisfied=satisfied, played=2))
    found = next_try(work, replace(REQUEST, budgets=budgets), 9.0)
    wanted = None if left is None else replace(REQUEST, budgets=left, builds_on="first")
    assert found == wanted


def test_work_without_a_verdict_is_not_tried_again() -> None:
    assert next_try(JudgedWork(RESULT), REQUEST, 1.0) is None


@table(
    "words, opens, sandbox, said",
    [
        ("make", False, "auto", "make has no network"),
        ("make", True, "auto", "make has your network"),
        ("make", False, "none", "make runs with your rights"),
        ("claude", False, "auto", "claude reaches its models through Attractor"),
    ],
)
def test_reach_of_a_command_is_said_before(
    words: str, opens: bool, sandbox: str, said: str
) -> None:
    request = replace(REQUEST, sandbox=sandbox)
    assert describe_access(request, TypedCommand([words], opens)).startswith(said)

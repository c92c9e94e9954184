"""Ruling R12: a budget warns at 80 %, and stops a run that goes on when it gets more."""

from pathlib import Path
from typing import Any

import pytest

from attractor import Context, Node, Outcome, StageStatus, Usage
from attractor.base.errors import ExitCode
from attractor.engine.status import EXECUTING
from tests.spec.runs import between, events, resume, run

NODES = [f'{name} [prompt="{name}"]' for name in "abc"]
WAY = "start -> a -> b -> c -> exit"


def costly(node: Node, prompt: str, context: Context) -> Outcome:
    """Use 100 tokens and half a dollar."""
    return Outcome(StageStatus.SUCCESS, usage=Usage(60, 40, 0.5))


BUDGETS = [("max_tokens", 200, 120), ("max_cost_usd", 1.0, 0.6)]


@pytest.mark.parametrize(("name", "limit", "tight"), BUDGETS)
def test_R12_a_used_up_budget_stops_the_run_by_its_name(
    tmp_path: Path, name: str, limit: float, tight: float
) -> None:
    wishes: dict[str, Any] = {name: limit}
    result = run(tmp_path, between(*NODES, WAY), backend=costly, **wishes)
    assert (result.standing, result.exit_code) == (EXECUTING, ExitCode.UNFINISHED)
    assert f"the budget {name} is used up" in result.reason
    assert result.completed == ("start", "a", "b")


@pytest.mark.parametrize(("name", "limit", "tight"), BUDGETS)
def test_R12_a_graph_may_say_it_and_what_is_given_counts_more(
    tmp_path: Path, name: str, limit: float, tight: float
) -> None:
    text = between(f"{name}={limit}", *NODES, WAY)
    assert run(tmp_path, text, backend=costly).completed == ("start", "a", "b")
    wishes: dict[str, Any] = {name: 10 * limit}
    assert run(tmp_path, text, backend=costly, **wishes).outcome is StageStatus.SUCCESS


@pytest.mark.parametrize(("name", "limit", "tight"), BUDGETS)
def test_R12_people_are_warned_once_from_four_fifths_on(
    tmp_path: Path, name: str, limit: float, tight: float
) -> None:
    wishes: dict[str, Any] = {name: tight}
    result = run(tmp_path, between(*NODES, WAY), backend=costly, **wishes)
    [warning] = events(result, "BudgetWarning")
    assert (warning.data["budget"], warning.data["limit"]) == (name, tight)
    assert result.completed == ("start", "a", "b")


def test_R12_time_is_a_budget_too(tmp_path: Path) -> None:
    slow = between('a [shape=parallelogram, tool_command="sleep 0.1"]', *NODES[1:], WAY)
    result = run(tmp_path, slow, max_duration="50ms")
    assert "the budget max_duration is used up" in result.reason
    assert result.completed == ("start", "a")
    assert run(tmp_path, slow, max_duration="1m").outcome is StageStatus.SUCCESS


def test_R12_with_more_the_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    stopped = run(tmp_path, between(*NODES, WAY), backend=costly, max_tokens=100)
    assert stopped.completed == ("start", "a")
    ended = resume(tmp_path, backend=costly, max_tokens=1_000)
    assert (ended.run_id, ended.outcome) == (stopped.run_id, StageStatus.SUCCESS)
    assert ended.completed == ("start", "a", "b", "c")

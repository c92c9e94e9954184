"""A run that has used what it may use stops, says which budget it was, and can be resumed (R12)."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from attractor.engine.budgets import (
    NO_BUDGETS,
    Budgets,
    budgets_from_record,
    budgets_to_record,
    read_budgets,
)
from attractor.engine.outcome import Outcome, StageStatus, Usage
from attractor.engine.runner import Runner
from attractor.engine.state.run_state import EXECUTING
from attractor.engine.storage.json_files import Fields
from tests.engine.graphs import chain, end, graph, node, start
from tests.engine.runs import Workplace

COSTLY = Outcome(StageStatus.SUCCESS, usage=Usage(60, 40, 0.5))


def workplace(tmp_path: Path, **attributes: float) -> Workplace:
    names = ["a", "b", "c"]
    of = graph([start(), *map(node, names), end()], chain("start", *names, "exit"), **attributes)
    return Workplace(tmp_path / "run", of, dict.fromkeys(names, COSTLY))


def test_a_graph_says_what_a_run_may_use() -> None:
    of = graph([start(), end()], [], max_cost_usd=2.5, max_tokens=1000, max_duration="2h")
    assert read_budgets(of) == Budgets(2.5, 1000, timedelta(hours=2))
    assert read_budgets(graph([start(), end()], [])) == NO_BUDGETS


def test_what_is_given_stands_over_what_the_graph_says() -> None:
    given = Budgets(cost_usd=1.0)
    assert given.over(Budgets(5.0, 7, None)) == Budgets(1.0, 7, None)
    assert Budgets(cost_usd=0.0).over(Budgets(5.0)) == Budgets(cost_usd=0.0)


@pytest.mark.parametrize("budgets", [NO_BUDGETS, Budgets(0.0, 1, timedelta()), Budgets(tokens=5)])
def test_budgets_are_read_back_as_they_were_written(budgets: Budgets) -> None:
    assert budgets_from_record(Fields(budgets_to_record(budgets), "x")) == budgets


@pytest.mark.parametrize(
    ("attributes", "name"),
    [({"max_cost_usd": 1.0}, "max_cost_usd"), ({"max_tokens": 200}, "max_tokens")],
)
def test_a_budget_that_is_used_up_stops_the_run_after_the_stage(
    tmp_path: Path, attributes: dict[str, float], name: str
) -> None:
    place = workplace(tmp_path, **attributes)
    result = place.run()
    assert (result.status, result.exit_code) == (EXECUTING, ExitCode.UNFINISHED)
    assert f"the budget {name} is used up" in result.reason
    assert place.handler.nodes == ["a", "b"]
    assert not (place.root / "final.json").exists()


def test_a_warning_comes_once_from_four_fifths_on(tmp_path: Path) -> None:
    place = workplace(tmp_path, max_cost_usd=1.2)
    place.run()
    [warning] = place.events("BudgetWarning")
    assert warning.data == {"budget": "max_cost_usd", "spent": 1.0, "limit": 1.2}


def test_with_more_the_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    place = workplace(tmp_path, max_tokens=100)
    assert place.run().status == EXECUTING
    assert place.run().status == EXECUTING
    assert place.handler.nodes == ["a"]
    with place.open() as run:
        runner = Runner(
            place.graph,
            run,
            handlers=place.handlers,
            workspace=place.workspace,
            budgets=Budgets(tokens=10_000),
        )
        result = asyncio.run(runner.run())
    assert str(result.outcome) == "success"
    assert place.handler.nodes == ["a", "b", "c"]
    assert result.usage == Usage(180, 120, 1.5)

"""Each figure of the table is what the program computes; others are refused."""

from pathlib import Path

import pytest

from attractor.asking.figures import FIGURES, compute, read_table
from attractor.base.errors import UnknownName, UsageError
from attractor.factory.decisions.decide import DecisionKind
from tests.asking.states import KnownState, make_state


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> KnownState:
    """A project with made runs, and two judged ones: approved, and undecided."""
    made = make_state(tmp_path_factory.mktemp("state"), seed=1)
    made.flow.decide(made.flow.launch(), DecisionKind.APPROVED)
    made.flow.launch()
    return made


def test_figures_are_those_of_the_generated_state(state: KnownState) -> None:
    run, inquiry = state.runs[0], state.inquiry()
    since = {"since": "1d"}
    cost = sum(one.usage.cost_usd for one in state.runs)
    truth: list[tuple[dict[str, str], float]] = [
        *(({"name": "runs_by_state", "state": one}, n) for one, n in state.states.items()),
        ({"name": "runs_of_pipeline", "pipeline": "Test"}, len(state.runs)),
        ({"name": "runs_since", **since}, len(state.runs) + 2),
        ({"name": "cost_since", **since}, cost),
        ({"name": "cost_of_run", "run": run.id}, run.usage.cost_usd),
        ({"name": "tokens_of_run", "run": run.id}, run.usage.tokens),
        ({"name": "seconds_of_run", "run": run.id}, 0),
        ({"name": "failed_attempts_of_run", "run": run.id}, run.state == "failed"),
        ({"name": "attempts_of_version", "suite": "todo"}, 1),
        ({"name": "verdicts_by_result", "result": "go", **since}, 2),
        ({"name": "verdicts_by_result", "result": "no-go", **since}, 0),
        ({"name": "decisions_since", "verdict": "approved", **since}, 1),
        ({"name": "decisions_since", "verdict": "rejected", **since}, 0),
        ({"name": "queue_length", "branch": "main"}, state.queued),
        ({"name": "fleet_runs", "state": "queued"}, 0),
    ]
    for query, value in truth:
        assert compute(inquiry, query).agrees(round(value, 2)), query
    waits = compute(inquiry, {"name": "waiting_rows"}).value
    assert waits >= 1
    assert (compute(inquiry, {"name": "oldest_wait"}).value > 0) == (waits > 0)


def test_run_that_answers_is_not_counted(state: KnownState) -> None:
    before, last = state.inquiry(), state.runs[-1]
    without = KnownState.inquiry(state, last.id)
    query = {"name": "runs_by_state", "state": last.state}
    assert compute(before, query).value - compute(without, query).value == 1
    cost = {"name": "cost_since", "since": "1d"}
    missing = compute(before, cost).value - compute(without, cost).value
    assert missing == pytest.approx(last.usage.cost_usd)  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize(
    "query",
    [
        {"name": "sum_of_all"},
        {},
        {"name": "runs_by_state", "state": "asleep"},
        {"name": "runs_by_state"},
        {"name": "waiting_rows", "state": "failed"},
        {"name": "cost_of_run", "run": "01GONE"},
        {"name": "cost_of_run", "run": "../runs"},
        {"name": "cost_since", "since": "ever"},
        {"name": "cost_since", "since": "'; DROP TABLE runs"},
        {"name": "verdicts_by_result", "result": "maybe", "since": "1d"},
        {"name": "tasks_of_mission", "mission": "nosuch", "status": "landed"},
        {"name": "attempts_of_version", "suite": "nosuch"},
    ],
)
def test_invalid_query_is_refused(state: KnownState, query: dict[str, str]) -> None:
    with pytest.raises((UnknownName, UsageError)):
        compute(state.inquiry(), query)


def test_each_parameter_is_described(tmp_path: Path) -> None:
    table = read_table()
    assert table.figures.keys() == FIGURES.keys()
    named = {name for row in table.figures.values() for name in row.parameters}
    assert named == table.parameters.keys()
    assert len(FIGURES) <= 20

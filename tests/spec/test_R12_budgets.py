"""Ruling R12: a budget warns at 80 %, and stops a run until the budget is raised."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from attractor import Context, Node, Outcome, StageStatus, Usage
from attractor.base.errors import ExitCode
from attractor.engine.state.run_state import EXECUTING
from attractor.llm import Usage as Used, cost_of, get_model_info
from attractor.twins.exchange.answer import Answer, Tokens
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, WIRES, model_requests, use
from tests.spec.runs import between, environ_for, events, record, resume, run
from tests.tables import table

NODES = [f'{name} [prompt="{name}"]' for name in "abc"]
WAY = "start -> a -> b -> c -> exit"


def costly(node: Node, prompt: str, context: Context) -> Outcome:
    """Use 100 tokens and half a dollar."""
    return Outcome(StageStatus.SUCCESS, usage=Usage(60, 40, 0.5))


BUDGETS = [("max_tokens", 200, 120), ("max_cost_usd", 1.0, 0.6)]


@table(("name", "limit", "tight"), BUDGETS)
def test_R12_exhaustion_stops_the_run(
    tmp_path: Path, name: str, limit: float, tight: float
) -> None:
    wishes: dict[str, Any] = {name: limit}
    result = run(tmp_path, between(*NODES, WAY), backend=costly, **wishes)
    assert (result.status, result.exit_code) == (EXECUTING, ExitCode.UNFINISHED)
    assert f"the budget {name} is exhausted" in result.reason
    assert result.completed == ("start", "a", "b")


@table(("name", "limit", "tight"), BUDGETS)
def test_R12_options_override_graph(tmp_path: Path, name: str, limit: float, tight: float) -> None:
    text = between(f"{name}={limit}", *NODES, WAY)
    assert run(tmp_path, text, backend=costly).completed == ("start", "a", "b")
    wishes: dict[str, Any] = {name: 10 * limit}
    assert run(tmp_path, text, backend=costly, **wishes).outcome is StageStatus.SUCCESS


@table(("name", "limit", "tight"), BUDGETS)
def test_R12_one_warning_at_80_percent(
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
    assert "the budget max_duration is exhausted" in result.reason
    assert result.completed == ("start", "a")
    assert run(tmp_path, slow, max_duration="1m").outcome is StageStatus.SUCCESS


def test_R12_larger_budget_resumes_the_run(tmp_path: Path) -> None:
    stopped = run(tmp_path, between(*NODES, WAY), backend=costly, max_tokens=100)
    assert stopped.completed == ("start", "a")
    ended = resume(tmp_path, backend=costly, max_tokens=1_000)
    assert (ended.run_id, ended.outcome) == (stopped.run_id, StageStatus.SUCCESS)
    assert ended.completed == ("start", "a", "b", "c")


# The following tests use a twin of the providers, over real HTTP.

CALL = Tokens(input=900, output=100)
FOR_EVER = Rule(
    answer=Answer(tool_calls=(use("shell", {"command": "echo x >> calls.txt"}),), usage=CALL)
)
WORK = between('work [prompt="Do it"]', "start -> work -> exit")


def cost_of_call(wire: str) -> float:
    known = get_model_info(MODELS[wire])
    assert known
    cost = cost_of(Used(900, 100), known)
    assert cost
    return cost


@contextmanager
def modelled(folder: Path, *rules: Rule) -> Generator[tuple[ProviderTwin, dict[str, Any]]]:
    """Start a twin of the providers; yield the options of a run that uses it."""
    with in_background(ProviderTwin(Script(rules=rules))) as twin:
        environ = {**environ_for(folder), **twin.environ()}
        yield twin, {"backend": "agent", "environ": environ, "workspace": "none"}


@table("wire", WIRES)
def test_R12_an_agent_is_stopped_between_two_calls_of_its_model(tmp_path: Path, wire: str) -> None:
    with modelled(tmp_path, FOR_EVER) as (twin, wishes):
        result = run(tmp_path, WORK, model=MODELS[wire], max_tokens=9_500, **wishes)
        assert len(model_requests(twin)) == 10
    assert (result.status, result.exit_code) == (EXECUTING, ExitCode.UNFINISHED)
    assert result.reason == "the budget max_tokens is exhausted: 10000 of 9500"
    assert len(events(result, "ModelUsed")) == 10
    [warning] = events(result, "BudgetWarning")
    assert (warning.data["spent"], warning.data["limit"]) == (8000, 9500)
    # The last action is completed: the run stops between two calls.
    kinds = [one.type for one in events(result, "TOOL_CALL_START", "TOOL_CALL_END")]
    assert kinds == ["TOOL_CALL_START", "TOOL_CALL_END"] * 10


@table("wire", WIRES)
def test_R12_money_counts_by_the_prices_of_the_catalogue(tmp_path: Path, wire: str) -> None:
    cost = cost_of_call(wire)
    with modelled(tmp_path, FOR_EVER) as (twin, wishes):
        result = run(tmp_path, WORK, model=MODELS[wire], max_cost_usd=2.5 * cost, **wishes)
        assert len(model_requests(twin)) == 3
    assert (result.status, result.exit_code) == (EXECUTING, ExitCode.UNFINISHED)
    assert "the budget max_cost_usd is exhausted" in result.reason
    assert result.usage.cost_usd == pytest.approx(3 * cost)
    assert not [one for one in events(result, "WARNING") if "catalogue" in str(one.data)]


def test_R12_parallel_children_share_the_budget_of_their_run(tmp_path: Path) -> None:
    inner = between('work [prompt="Do it"]', "start -> work -> exit")
    (tmp_path / "project").mkdir()
    (tmp_path / "project/inner.dot").write_text(inner)
    names = "abc"
    nodes = "; ".join(f'{one} [type="pipeline", file="inner.dot"]' for one in names)
    ways = "; ".join(f"fork -> {one} -> meet" for one in names)
    text = between(
        f"fork [shape=component]; meet [shape=tripleoctagon]; {nodes}",
        f"start -> fork; {ways}; meet -> exit",
    )
    with modelled(tmp_path, FOR_EVER) as (twin, wishes):
        result = run(tmp_path, text, model=MODELS["openai"], max_tokens=9_500, **wishes)
        # Each may have one call in flight when the last token is used.
        assert 10 <= len(model_requests(twin)) <= 12
    assert (result.status, result.exit_code) == (EXECUTING, ExitCode.UNFINISHED)
    assert "the budget max_tokens is exhausted" in result.reason
    [warning] = events(result, "BudgetWarning")
    assert warning.data["limit"] == 9_500


def test_R12_usage_of_a_stopped_stage_counts_once(tmp_path: Path) -> None:
    reports = Answer(tool_calls=(use("report_outcome", {"outcome": "success"}),), usage=CALL)
    rules = (
        Rule(when=When(step=3), answer=reports),
        Rule(when=When(step=4), answer=Answer(text="Done.", usage=CALL)),
        FOR_EVER,
    )
    with modelled(tmp_path, *rules) as (_, wishes):
        stopped = run(tmp_path, WORK, model=MODELS["openai"], max_tokens=2_000, **wishes)
        assert stopped.usage.tokens == 2_000
        environ = wishes["environ"]
        ended = resume(tmp_path, environ=environ, max_tokens=1_000_000)
    assert ended.outcome is StageStatus.SUCCESS
    assert ended.usage.tokens == 2_000 + 5_000
    assert record(ended, "final.json")["usage"] == {
        "input_tokens": 6_300,
        "output_tokens": 700,
        "cost_usd": pytest.approx(7 * cost_of_call("openai")),
    }


def test_R12_accepted_report_survives_an_exhausted_budget(tmp_path: Path) -> None:
    reports = Answer(tool_calls=(use("report_outcome", {"outcome": "success"}),), usage=CALL)
    with modelled(tmp_path, Rule(when=When(step=0), answer=reports)) as (twin, wishes):
        text = between(*NODES[:2], "start -> a -> b -> exit")
        result = run(tmp_path, text, model=MODELS["openai"], max_tokens=1_000, **wishes)
        assert len(model_requests(twin)) == 1
    assert result.completed == ("start", "a")
    assert "max_tokens" in result.reason


def test_R12_a_question_to_a_model_counts_when_it_is_answered(tmp_path: Path) -> None:
    text = between(
        "fan [shape=component]",
        *(f'{one} [type=prompt, prompt="Say {one}"]' for one in "abc"),
        'join [shape=tripleoctagon, prompt="Which one?"]',
        "start -> fan",
        *(f"fan -> {one} -> join" for one in "abc"),
        "join -> exit",
    )
    answers = Rule(answer=Answer(text="a", usage=CALL))
    with modelled(tmp_path, answers) as (twin, wishes):
        model = MODELS["openai"]
        stopped = run(tmp_path, text, model=model, max_tokens=3_000, **wishes)
        assert len(model_requests(twin)) == 3
        assert {one.node for one in events(stopped, "ModelUsed")} == {"a", "b", "c"}
        ended = resume(tmp_path, environ=wishes["environ"], max_tokens=1_000_000)
        assert len(model_requests(twin)) == 4
    assert ended.outcome is StageStatus.SUCCESS
    assert ended.usage.tokens == 4_000
    assert events(ended, "ModelUsed")[-1].node == "join"


def test_R12_exhausted_time_stops_the_running_command(tmp_path: Path) -> None:
    text = between(
        'slow [shape=parallelogram, tool_command="sleep 0.9; test -e again || sleep 30"]',
        "start -> slow -> exit",
    )
    result = run(tmp_path, text, max_duration="1s")
    assert (result.status, result.exit_code) == (EXECUTING, ExitCode.UNFINISHED)
    assert "the budget max_duration is exhausted" in result.reason
    assert record(result, "run.json")["status"] == "executing"
    assert [one.data["budget"] for one in events(result, "BudgetWarning")] == ["max_duration"]
    (tmp_path / "project" / "again").touch()
    assert resume(tmp_path, max_duration="1m").outcome is StageStatus.SUCCESS


def test_R12_idle_time_does_not_count(tmp_path: Path) -> None:
    naps = [f'{one} [shape=parallelogram, tool_command="sleep 0.4"]' for one in "abc"]
    text = between(
        "p [shape=component, max_parallel=1]",
        "j [shape=tripleoctagon]",
        *naps,
        "start -> p",
        *(f"p -> {one} -> j" for one in "abc"),
        "j -> exit",
    )
    began = time.monotonic()
    stopped = run(tmp_path, text, max_duration="600ms")
    assert "the budget max_duration is exhausted" in stopped.reason
    left = time.monotonic()
    time.sleep(2)
    back = time.monotonic()
    ended = resume(tmp_path, max_duration="1m")
    at_work = time.monotonic() - back + left - began
    assert ended.outcome is StageStatus.SUCCESS
    took = record(ended, "final.json")["seconds"]
    assert isinstance(took, float)
    assert 1.2 <= took <= at_work

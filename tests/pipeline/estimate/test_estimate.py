"""Estimates from earlier runs, from the graph, or unknown."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.cli.commands.estimate import estimate_text
from attractor.engine.outcome import Usage
from attractor.language.graph.graph import Node
from attractor.language.source.text import Source
from attractor.pipeline.estimate.estimate import Estimate, StageEstimate, estimate
from attractor.pipeline.estimate.samples import (
    NONE_AT_ALL,
    UNKNOWN,
    Assumption,
    Range,
    Sample,
    Samples,
    read_samples,
    spread,
)
from attractor.pipeline.source.read import PipelineSource, read_pipeline
from attractor.records.request import RunRequest
from tests.pipeline.projects import open_project, start

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare];"
TOOLS = """a [shape=parallelogram, tool_command="true"]
    b [shape=parallelogram, tool_command="true"]; start -> a -> b -> exit"""
MODEL = 'm [prompt="Do it"]; start -> m -> exit'


def pipeline(body: str, name: str = "p") -> PipelineSource:
    return read_pipeline(Source(f"digraph {name} {{ {ENDS} {body} }}", "pipeline.dot"))


def sample(run_id: str = "1", **changes: object) -> Sample:
    plain = Sample(
        run_id,
        "another",
        "agent",
        frozenset({"start", "exit", "m"}),
        (),
        is_fork=False,
        has_succeeded=True,
        seconds=10.0,
        usage=Usage(),
    )
    return replace(plain, **changes)


def estimated(source: PipelineSource, *runs: Sample, unreadable: int = 0) -> Estimate:
    return estimate(source, Samples(runs, unreadable), backend="agent")


def stage(one: Estimate, node: str) -> StageEstimate:
    [found] = [stage for stage in one.stages if stage.node == node]
    return found


def test_estimate_is_empty_without_runs_and_assumptions() -> None:
    one = estimated(pipeline(MODEL))
    assert (one.seconds, one.cost_usd, one.tokens) == (UNKNOWN, UNKNOWN, UNKNOWN)
    assert "no earlier run" in one.basis[0]
    assert (stage(one, "m").seconds, stage(one, "m").cost_usd) == (UNKNOWN, UNKNOWN)


def guess(node: Node) -> Assumption | None:
    if node.type != "codergen":
        return None
    return Assumption(Range(1, 60, 600), Range(0.5, 1, 20), Range(10, 100, 1000), "assumed: a lot")


def guessed(body: str, *runs: Sample) -> Estimate:
    return estimate(pipeline(body), Samples(runs, 0), backend="agent", assume=guess)


def test_assumed_stages_count_once_without_runs() -> None:
    one = guessed('m [prompt="x"]; n [prompt="y"]; start -> m -> n -> m; n -> exit')
    assert one.cost_usd == Range(1, 2, 40)
    assert one.tokens == Range(20, 200, 2000)
    assert one.seconds == Range(2, 120, 1200)
    assert "each stage once" in one.basis[0]
    assert stage(one, "m").basis == "in no earlier run; assumed: a lot"


def test_one_round_of_a_loop_that_costs_money_is_estimated() -> None:
    check = 'check [shape=parallelogram, tool_command="true", timeout="5s"]; '
    ways = "start -> m -> n -> check -> n; check -> exit; check -> t -> t [weight=-1]"
    endless = 't [shape=parallelogram, tool_command="true"]; '
    one = guessed(f'm [prompt="x"]; n [prompt="y"]; {endless} {check} {ways}')
    assert [(sorted(it.nodes), it.cost_usd) for it in one.rounds] == [
        (["check", "n"], Range(0.5, 1, 20))
    ]
    assert "one round of the loop n, check: cost $1.00 ($0.5000 to $20.00)" in estimate_text(one)


def test_budgets_bound_the_assumed_range() -> None:
    limits = 'graph [max_cost_usd="1.5", max_duration="90s"]'
    tasks = 'm [prompt="x", timeout="30s", max_retries=0]; n [prompt="y"]'
    one = guessed(f"{limits} {tasks}; start -> m -> n -> exit")
    assert one.cost_usd == Range(1, 1.5, 1.5)
    assert stage(one, "m").seconds == Range(1, 30, 30)
    assert one.seconds.high == 90


def test_unknown_stage_makes_the_total_unknown() -> None:
    tool = 't [shape=parallelogram, tool_command="true"]'
    one = guessed(f'{tool}; m [prompt="x"]; start -> m -> t -> exit')
    assert one.seconds == UNKNOWN
    assert one.cost_usd == Range(0.5, 1, 20)


def test_stage_without_a_model_costs_nothing() -> None:
    one = estimated(pipeline(TOOLS))
    assert (one.cost_usd, one.tokens) == (NONE_AT_ALL, NONE_AT_ALL)
    assert one.seconds == UNKNOWN


def test_attributes_of_the_graph_are_used() -> None:
    one = estimated(
        pipeline(
            """graph [max_cost_usd="3", max_duration="2h"]
            w [type="wait", duration="3m"]; m [prompt="x", timeout="10m", max_retries=2]
            start -> w -> m -> exit"""
        )
    )
    assert (one.seconds, one.cost_usd) == (Range(high=7200.0), Range(high=3.0))
    assert stage(one, "w").seconds == Range(180.0, 180.0, 180.0)
    assert stage(one, "m").seconds == Range(high=1800.0)
    assert any("max_cost_usd=3" in reason for reason in one.basis)


def test_earlier_runs_give_the_ends_and_the_middle() -> None:
    runs = [sample(str(at), seconds=seconds) for at, seconds in enumerate([10.0, 50.0, 20.0])]
    one = estimated(pipeline(MODEL), *runs)
    assert one.seconds == Range(10.0, 20.0, 50.0)
    assert (one.runs, "3 earlier runs" in one.basis[0]) == (3, True)
    assert "based on one run only" in estimated(pipeline(MODEL), runs[0]).basis[1]


def test_runs_with_another_backend_do_not_count_where_a_model_works() -> None:
    simulated = sample(backend="simulate")
    one = estimated(pipeline(MODEL), simulated)
    assert (one.seconds, one.runs) == (UNKNOWN, 0)
    assert "1 run with the backend simulate left out (include with --backend simulate)" in one.basis
    nodes = frozenset({"start", "exit", "a", "b"})
    assert estimated(pipeline(TOOLS), replace(simulated, nodes=nodes)).runs == 1


def test_another_pipeline_of_the_same_name_does_not_count() -> None:
    other = sample(nodes=frozenset({"start", "x", "y"}))
    one = estimated(pipeline(TOOLS), other, unreadable=2)
    assert one.runs == 0
    assert "1 run of another pipeline with this name left out" in one.basis
    assert "2 runs left out, because unreadable" in one.basis


def test_a_new_stage_is_named_and_not_counted() -> None:
    one = estimated(pipeline('m [prompt="x"]; n [prompt="y"]; start -> m -> n -> exit'), sample())
    assert one.unknown == ["n"]
    assert stage(one, "n").basis.startswith("in no earlier run")


def test_tokens_without_a_price_are_no_cost_of_nothing() -> None:
    one = estimated(pipeline(MODEL), sample(usage=Usage(1000, 100)))
    assert (one.tokens, one.cost_usd) == (Range(1100, 1100, 1100), UNKNOWN)
    assert any("without a known price" in reason for reason in one.basis)
    priced = estimated(pipeline(MODEL), sample(usage=Usage(1000, 100, 0.5)))
    assert priced.cost_usd == Range(0.5, 0.5, 0.5)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_range_is_within_the_measured_values(values: list[float]) -> None:
    found = spread(values)
    assert found.low is not None
    assert found.likely is not None
    assert found.high is not None
    assert min(values) <= found.low <= found.likely <= found.high <= max(values)


def test_unreadable_runs_are_counted(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    file = project / "pipeline.dot"
    file.write_text(f"digraph p {{ {ENDS} {TOOLS} }}")
    opened = open_project(project)
    chosen = RunRequest(file=file, backend="simulate", sandbox="none", workspace="none")
    results = [asyncio.run(start(chosen, opened)) for _ in range(3)]
    (results[0].directory / "events.jsonl").write_text("torn\n")
    (results[0].directory / "checkpoint.json").unlink()
    samples = read_samples(opened.runs_dir, "p")
    assert (len(samples.runs), samples.unreadable) == (2, 1)
    one = estimate(pipeline(TOOLS), samples, backend="agent")
    assert one.seconds.likely == pytest.approx(sum(run.seconds for run in samples.runs) / 2)
    assert stage(one, "a").basis == "2 visits in 2 runs"
    assert stage(one, "a").visits == Range(1.0, 1.0, 1.0)
    assert read_samples(opened.runs_dir, "q").runs == []
    assert one.runs == 2

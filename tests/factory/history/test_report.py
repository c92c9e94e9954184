import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.engine.outcome import Outcome, StageStatus, Usage
from attractor.engine.seams import Stage
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.history.index import RunIndex
from attractor.factory.history.report import (
    GroupFigures,
    RunFigures,
    TrialFigures,
    read_costs,
    read_groups,
    read_stages,
    trials_in,
)
from attractor.pipeline.project.custom_parts import CustomParts, adapt_handlers
from attractor.records.summary import RunOverview
from tests.cli.running import attractor
from tests.factory.flows import Flow, make_flow
from tests.factory.test_forked_runs import forked
from tests.pipeline.projects import LINEAR


def groups_of(flow: Flow) -> list[GroupFigures]:
    return read_groups(RunIndex(flow.machine.state_dir), flow.runs_dir, "2026")


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    """A project with three runs: approved, failed in its scenario, and without a suite."""
    flow = make_flow(tmp_path)
    flow.decide(flow.launch(), DecisionKind.APPROVED)
    (flow.project / "pipeline.dot").write_text(
        (flow.project / "pipeline.dot").read_text().replace("echo made", "echo nothing")
    )
    flow.launch()
    flow.launch(suite="")
    return flow


def test_runs_are_counted_by_pipeline_and_models(flow: Flow) -> None:
    [group] = groups_of(flow)
    record = group.to_record()
    assert (group.pipeline, record["runs"], record["evaluated"]) == ("linear", 3, 2)
    assert (record["approved"], record["go_rate"], record["satisfaction"]) == (1, 0.5, 0.5)
    assert record["cost_per_approved_usd"] == record["cost_usd"] == 0
    assert group.runs[0].wall_seconds >= group.runs[0].summary.seconds > 0
    assert read_groups(RunIndex(flow.machine.state_dir), flow.runs_dir, "2100") == []


class PaidHandler:
    """A handler that reports usage of a model."""

    def execute(self, stage: Stage) -> Outcome:
        return Outcome(StageStatus.SUCCESS, usage=Usage(10, 5, 0.25))


def test_costs_are_summed_by_the_day_of_the_start(flow: Flow) -> None:
    index, folder = RunIndex(flow.machine.state_dir), flow.runs_dir
    groups_of(flow)
    with closing(sqlite3.connect(index.file)) as db, db:
        db.execute(
            "UPDATE ledger SET data = json_set(data, '$.trials[0].cost_usd', 0.25, "
            "'$.trials[0].tokens', 7, '$.trials[0].unpriced_tokens', 3) WHERE kind = 'evaluated'"
        )
    db.close()
    [day] = read_costs(index, folder, "2026")
    started = {f"{one.summary.started:%Y-%m-%d}" for one in groups_of(flow)[0].runs}
    assert ({day.day}, day.pipeline, day.runs) == (started, "linear", 3)
    assert (day.cost_usd, day.trials_usd, day.tokens) == (0.5, 0.5, 14)
    assert (day.unpriced_tokens, day.trials_unpriced_tokens) == (6, 6)
    assert groups_of(flow)[0].to_record()["unpriced_tokens"] == 6
    state = {"ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    for words in (["report"], ["report", "--daily"]):
        done = attractor(*words, folder=flow.project, variables=state)
        assert "$0.5000 + unknown" in done.stdout, done.stderr
    assert read_costs(index, folder, "2100") == []


def test_usage_that_a_fork_inherits_is_counted_once(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    file = flow.project / "pipeline.dot"
    file.write_text(LINEAR.replace('prompt="Plan: $goal"', "type=paid"))
    parts = CustomParts(handlers=adapt_handlers({"paid": PaidHandler()}))
    flow = flow.adjusted(parts=parts)
    first = flow.launch(suite="", evaluate=False)
    forked(flow, first, "make")
    forked(flow, first, "plan")
    [group] = groups_of(flow)
    [day] = read_costs(RunIndex(flow.machine.state_dir), flow.runs_dir, "2026")
    assert (day.runs, day.cost_usd, day.tokens) == (3, 0.5, 30)
    assert [one.summary.usage.tokens for one in group.runs] == [15, 0, 15]
    assert (group.usage.cost_usd, group.usage.tokens) == (0.5, 30)
    assert all(0 < one.summary.seconds <= one.wall_seconds for one in group.runs)


def test_stages_and_trials_of_a_run_are_reported(flow: Flow) -> None:
    run = next(iter(groups_of(flow)[0].runs)).summary
    stages = read_stages(run.directory)
    assert [one.node for one in stages] == ["start", "plan", "make"]
    assert all(one.attempts == 1 for one in stages)
    [trial] = trials_in(flow.evaluator.ledger.entries(run.run_id))
    assert (trial.satisfied, trial.number) == (True, 1)
    assert trial.seconds > 0


def test_scenario_with_both_results_in_a_run_is_flaky(tmp_path: Path) -> None:
    def played(*satisfied: bool) -> RunFigures:
        trials = [TrialFigures("a", at, one, 1.5, 0.25, 10) for at, one in enumerate(satisfied)]
        summary = RunOverview("R", tmp_path, "wish", "", datetime.now(UTC), status="approved")
        return RunFigures(summary, "", 0.0, is_go=all(satisfied), trials=trials)

    group = GroupFigures("wish", "", [played(True, True), played(True, False), played(False)])
    assert group.flaky == {"a": 1}
    assert (group.satisfaction, group.usage.cost_usd, group.usage.tokens) == (0.6, 1.25, 50)
    assert group.cost_per_approved == pytest.approx(1.25 / 3)


def test_command_shows_names_to_the_operator_only(flow: Flow) -> None:
    state = {"ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}

    def output_of(*words: str) -> str:
        done = attractor("report", *words, folder=flow.project, variables=state)
        assert done.returncode == 0, done.stderr
        return done.stdout

    heading, row = output_of("--since", "1d").splitlines()
    assert heading.split()[:4] == ["pipeline", "models", "runs", "go"]
    assert row.split()[:6] == ["linear", "-", "3", "50%", "50%", "1"]
    assert output_of("--since", "2100-01-01").startswith("No run started since 2100")
    [group] = json.loads(output_of("--json"))["groups"]
    assert group["runs"] == 3
    run = groups_of(flow)[0].runs[0].summary.run_id
    assert " made " not in output_of(run)
    assert "made 1  satisfied" in output_of(run, "--operator")
    [trial] = json.loads(output_of(run, "--operator", "--json"))["trials"]
    assert (trial["scenario"], trial["satisfied"]) == ("made", True)

"""Causes and remedies for each state of a run."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from attractor.base.clock import SystemClock
from attractor.engine.budgets import Budgets
from attractor.engine.run_folder.result import RunResult
from attractor.engine.storage.secrets import Redactor
from attractor.pipeline.orders import Orders
from attractor.records.diagnosis.diagnose import Diagnosis, diagnose
from attractor.records.totals import slowest
from tests.pipeline.projects import make_project, open_project, simulated, start

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare];"
TOOL = "shape=parallelogram, tool_command"


def run(folder: Path, body: str, **chosen: object) -> RunResult:
    """Run a pipeline in a plain folder, without trees: only its events matter here."""
    project = folder / "project"
    project.mkdir(exist_ok=True)
    (project / "pipeline.dot").write_text(f"digraph p {{ {ENDS} {body} }}")
    plain = simulated(project, workspace="none", interviewer="park")
    return asyncio.run(start(replace(plain, **chosen), open_project(project)))


def found(result: RunResult) -> Diagnosis:
    return diagnose(result.directory, reference="RUN", now=SystemClock().now())


def diagnosed(folder: Path, body: str, **chosen: object) -> Diagnosis:
    return found(run(folder, body, **chosen))


def commands(one: Diagnosis) -> list[str]:
    return [remedy.command for remedy in one.finding.remedies]


def causes(one: Diagnosis) -> str:
    return "\n".join(one.finding.causes)


def test_failed_stage_is_explained(tmp_path: Path) -> None:
    body = f'a [{TOOL}="exit 3"]; start -> a -> exit [condition="outcome=success"]'
    one = diagnosed(tmp_path, body)
    assert (
        one.finding.verdict == "the stage a failed, and no edge or retry_target handles the failure"
    )
    assert "a@1 failed: tool_command ended with exit code 3" in causes(one)
    assert "max_retries is set on its node" in causes(one)
    assert "a -> exit [outcome=success]: its condition is false" in causes(one)
    assert "no retry_target" in causes(one)
    assert "attractor rewind RUN a" in commands(one)
    assert commands(one)[-2].startswith("attractor rewind RUN a --graph /")
    assert commands(one)[-1] == "attractor ask --propose RUN"
    assert str(one.case.run.directory.root / "a") in one.finding.remedies[0].what


def test_retried_stage_has_its_number_of_attempts(tmp_path: Path) -> None:
    one = diagnosed(tmp_path, f'a [{TOOL}="exit 3", max_retries=1]; start -> a -> exit')
    assert "a@1 failed after 2 attempts" in causes(one)
    assert [failure.will_retry for failure in one.case.history.failures] == [True, False]
    assert [stage.retries for stage in one.stages if stage.node == "a"] == [1]


def test_loop_at_its_limit_names_limit_and_failure(tmp_path: Path) -> None:
    body = f"""a [{TOOL}="true", max_visits=3]; b [{TOOL}="false"]; start -> a -> b
        b -> exit [condition="outcome=success"]; b -> a [condition="outcome=fail"]"""
    one = diagnosed(tmp_path, body)
    assert one.finding.verdict == "a was visited 3 times, the limit set by max_visits"
    assert "It repeated a loop 2 times: a -> b -> a" in causes(one)
    assert "b@3: tool_command ended with exit code 1" in causes(one)
    [raised] = [remedy for remedy in one.finding.remedies if "max_visits=6" in remedy.what]
    assert raised.command.startswith("attractor rewind RUN b --graph ")
    assert list(one.loops) == [(("a", "b"), 2)]


def test_limit_of_the_graph_is_named(tmp_path: Path) -> None:
    body = f'graph [max_node_visits=2]; a [{TOOL}="true"]; start -> a -> a; a -> exit [weight=-1]'
    one = diagnosed(tmp_path, body)
    assert "the limit set by max_node_visits" in one.finding.verdict
    assert any("max_node_visits=4 on the graph" in one.what for one in one.finding.remedies)


def test_an_unsatisfied_goal_gate_is_named(tmp_path: Path) -> None:
    body = f"""g [{TOOL}="false", goal_gate=true, on_failure="continue"]
        a [{TOOL}="true"]; start -> g -> a -> exit"""
    one = diagnosed(tmp_path, body)
    assert one.finding.verdict.startswith("the goal gate g is not satisfied")
    assert "g@1 ended with fail: tool_command ended with exit code 1" in causes(one)
    assert any("retry_target" in remedy.what for remedy in one.finding.remedies)
    assert "attractor rewind RUN g" in commands(one)


def test_redirects_at_their_limit_name_it(tmp_path: Path) -> None:
    body = f"""graph [max_goal_gate_redirects=2]
        a [{TOOL}="true"]; g [{TOOL}="false", goal_gate=true, retry_target=a]
        c [shape=diamond]; start -> a -> g -> c
        c -> exit [condition="outcome=success"]; c -> exit [condition="outcome=fail"]"""
    one = diagnosed(tmp_path, body)
    assert "max_goal_gate_redirects" in one.finding.verdict
    assert any("max_goal_gate_redirects=4" in remedy.what for remedy in one.finding.remedies)


def test_missing_route_lists_every_edge(tmp_path: Path) -> None:
    body = f"""a [{TOOL}="true"]; start -> a; a -> exit [condition="preferred_label=yes"]"""
    one = diagnosed(tmp_path, body)
    assert one.finding.verdict == "no edge out of a can be followed"
    assert "a -> exit [preferred_label=yes]: its condition is false" in causes(one)
    assert commands(one)[0].startswith("attractor rewind RUN a --graph ")


def test_failed_branch_is_repeated_from_its_fork(tmp_path: Path) -> None:
    body = f"""f [shape=component, join_policy="k_of_n", k=2]; m [shape=tripleoctagon]
        a [{TOOL}="true"]; b [{TOOL}="exit 4"]; start -> f -> a -> m; f -> b -> m -> exit"""
    one = diagnosed(tmp_path, body)
    assert (
        one.finding.verdict == "the stage f failed, and no edge or retry_target handles the failure"
    )
    assert "Its branch b failed at b@1: tool_command ended with exit code 4" in causes(one)
    assert "attractor rewind RUN f@1" in commands(one)
    assert any(
        "fix the cause of the failure of b" in remedy.what for remedy in one.finding.remedies
    )


def test_a_failed_child_is_to_be_diagnosed_itself(tmp_path: Path) -> None:
    inner = tmp_path / "project" / "inner.dot"
    inner.parent.mkdir()
    inner.write_text(f'digraph q {{ {ENDS} x [{TOOL}="false"]; start -> x -> exit }}')
    one = diagnosed(tmp_path, 'c [type="pipeline", file="inner.dot"]; start -> c -> exit')
    [received] = [cause for cause in one.finding.causes if "attractor diagnose" in cause]
    child = Path(received.rpartition(" ")[2])
    inside = diagnose(child, reference=str(child), now=SystemClock().now())
    assert (
        inside.finding.verdict
        == "the stage x failed, and no edge or retry_target handles the failure"
    )


def test_a_used_up_budget_names_the_option(tmp_path: Path) -> None:
    body = f'a [{TOOL}="sleep 0.2"]; b [{TOOL}="true"]; start -> a -> b -> exit'
    one = diagnosed(tmp_path, body, budgets=Budgets(duration=timedelta(milliseconds=100)))
    assert "max_duration is exhausted" in one.finding.verdict
    assert commands(one) == ["attractor resume RUN --max-duration 1s"]


def test_question_is_listed_with_each_answer(tmp_path: Path) -> None:
    body = 'q [shape=hexagon, label="Ship it?"]; start -> q; q -> exit [label="[Y] Yes"]'
    one = diagnosed(tmp_path, f'{body}; q -> start2 [label="[N] No"]; start2 -> exit')
    assert one.finding.verdict == "it waits for a person's answer"
    assert "Ship it?" in causes(one)
    assert commands(one)[0] == "attractor answer RUN Y"
    assert commands(one)[-1] == "attractor resume RUN"


def test_success_lists_handled_failures(tmp_path: Path) -> None:
    body = f"""a [{TOOL}="false", on_failure="continue"]; b [{TOOL}="false"]; c [{TOOL}="true"]
        start -> a -> b; b -> c [condition="outcome=fail"]; b -> exit; c -> exit"""
    one = diagnosed(tmp_path, body)
    assert (one.outcome, one.case.state.status.word.value) == ("partial_success", "evaluating")
    assert "a failed, and the walk continued (on_failure=continue)." in causes(one)
    assert "b failed, and an edge or a retry_target handled the failure." in causes(one)
    assert commands(one) == ["attractor logs RUN"]


def test_result_without_a_suite_is_merged(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    one = found(asyncio.run(start(simulated(project), open_project(project))))
    assert commands(one) == [f"git merge attractor/run/{one.case.run.run_id}"]


def test_canceled_run_names_its_author(tmp_path: Path) -> None:
    result = run(tmp_path, 'q [shape=hexagon]; start -> q; q -> exit [label="[Y] Yes"]')
    opened = open_project(tmp_path / "project")
    Orders(
        result.directory, "ada", opened.machine.clock, opened.machine.randomness, Redactor()
    ).cancel("enough")
    one = found(result)
    assert one.finding.verdict == "canceled by ada: enough"
    assert "attractor fork RUN q" in commands(one)
    assert any("cancel by ada" in note.words for note in one.interruptions)


def test_assumptions_are_listed(tmp_path: Path) -> None:
    one = diagnosed(tmp_path, f'a [{TOOL}="true", colour=red]; start -> a -> b -> exit')
    text = "\n".join(one.assumed)
    assert "undeclared_node" in text
    assert "unknown_attribute" in text


def test_stages_are_added_up_and_the_slowest_come_first(tmp_path: Path) -> None:
    body = f'a [{TOOL}="sleep 0.3"]; b [{TOOL}="true"]; start -> a -> b -> exit'
    one = diagnosed(tmp_path, body)
    assert slowest(one.stages)[0].node == "a"
    assert 0.3 <= one.seconds <= one.wall
    record = one.to_record()
    assert record["outcome"] == "success"
    assert record["verdict"] == one.finding.verdict

"""Runs with rubrics: the judge is asked in the evaluation, over real HTTP at a provider twin."""

from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.factory.evaluation.failed_scenarios import failed_scenarios
from attractor.factory.launch import ask_gate
from attractor.twins.pytest_plugin import StartTwin, provider_twin as provider_twin
from tests.factory.flows import HOLDOUT, Flow, make_flow
from tests.scenarios.suites import SUITE, write_files
from tests.scenarios.test_judge import rule, script, vote

JUDGE = '[judge]\nmodel = "gpt-5"\nvotes = 2\n[gate]\nmax_cost_usd = 0.001\n'
RUBRIC = '\n[[checks]]\nkind = "rubric"\nrubric = "word.md"\nsteps = ["look"]\n'


def make_judged_flow(tmp_path: Path, environ: dict[str, str]) -> Flow:
    write_files(tmp_path / "suite", {"rubrics/word.md": "The output is one word."})
    made = HOLDOUT.format(wanted="made") + RUBRIC
    flow = make_flow(tmp_path, suite=SUITE + JUDGE, made=made)
    return replace(flow, host=replace(flow.host, environ={**flow.host.environ, **environ}))


@pytest.mark.parametrize(("score", "satisfied"), [(0.9, True), (0.2, False)])
def test_rubric_decides_a_trial_and_its_cost_counts(
    tmp_path: Path, provider_twin: StartTwin, score: float, satisfied: bool
) -> None:
    twin = provider_twin(script(rule(vote(score))))
    flow = make_judged_flow(tmp_path, dict(twin.environ()))
    result = flow.launch()
    judged = ask_gate(result.directory, flow.host)[1]
    [[trial]] = [one.results for one in judged.evaluations]
    assert (trial.satisfied, trial.tokens) == (satisfied, 2200)
    assert trial.cost_usd == judged.cost_usd > 0.001
    assert [check.kind for check in trial.checks] == ["stdout", "rubric"]
    assert "budget" in flow.rules(result)
    assert ("satisfaction" in flow.rules(result)) != satisfied


def test_judge_that_fails_leaves_the_trial_unscored_as_trouble_of_the_model(
    tmp_path: Path, provider_twin: StartTwin
) -> None:
    twin = provider_twin(script(rule("I would rather not.")))
    flow = make_judged_flow(tmp_path, dict(twin.environ()))
    result = flow.launch()
    judged = ask_gate(result.directory, flow.host)[1]
    [[trial]] = [one.results for one in judged.evaluations]
    assert (trial.satisfied, trial.culprit, trial.retries) == (False, "model", 1)
    assert trial.error.startswith("unscored")
    assert trial.tokens == 2 * 2200
    assert "infra_errors" in flow.rules(result)
    [failed] = failed_scenarios(judged)
    assert failed.reasons[0].startswith("model: unscored: the judge failed")


def test_run_does_not_start_without_a_key_of_the_judge(tmp_path: Path) -> None:
    flow = make_judged_flow(tmp_path, {})
    with pytest.raises(UsageError, match="no API key of openai"):
        flow.launch()
    assert list((flow.project / "runs").glob("[0-9]*")) == []

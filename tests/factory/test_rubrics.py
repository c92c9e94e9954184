"""Runs with rubrics: the judge is asked in the evaluation, over real HTTP at a provider twin."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from attractor.base.errors import UsageError, VerificationError
from attractor.cli.runs.verdicts import review_text, verdict_text
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.decisions.review import review
from attractor.factory.errors import NotDecidable
from attractor.factory.evaluation.failed_scenarios import failed_scenarios
from attractor.factory.history.report import trials_in
from attractor.factory.operations.evaluate import ask_gate, judge_again
from attractor.factory.operations.race import begin_race, look
from attractor.factory.operations.race_process import walk_attempt
from attractor.scenarios.evaluation import NoResult
from attractor.twins.pytest_plugin import StartTwin, provider_twin as provider_twin
from tests.factory.flows import HOLDOUT, Flow, make_flow
from tests.pipeline.projects import simulated
from tests.scenarios.suites import SUITE, write_files
from tests.scenarios.test_judge import rule, script, vote
from tests.tables import table

JUDGE = '[judge]\nmodel = "gpt-5"\nvotes = 2\n[gate]\nmax_cost_usd = 0.001\n'
RUBRIC = '\n[[checks]]\nkind = "rubric"\nrubric = "word.md"\nsteps = ["look"]\n'


def make_judged_flow(tmp_path: Path, environ: dict[str, str], judge: str = JUDGE) -> Flow:
    write_files(tmp_path / "suite", {"rubrics/word.md": "The output is one word."})
    made = HOLDOUT.format(wanted="made") + RUBRIC
    flow = make_flow(tmp_path, suite=SUITE + judge, made=made)
    return flow.adjusted(environ={**flow.machine.environ, **environ})


@pytest.mark.parametrize(("score", "satisfied"), [(0.9, True), (0.2, False)])
def test_rubric_decides_a_trial_and_its_cost_counts(
    tmp_path: Path, provider_twin: StartTwin, score: float, satisfied: bool
) -> None:
    twin = provider_twin(script(rule(vote(score))))
    flow = make_judged_flow(tmp_path, dict(twin.environ()))
    result = flow.launch()
    judged = ask_gate(result.directory, flow.opened)[1]
    [[trial]] = [one.results for one in judged.evaluations]
    assert (trial.satisfied, trial.tokens) == (satisfied, 2200)
    assert judged.reading
    assert judged.usage.cost_usd == trial.cost_usd + judged.reading.cost_usd
    assert trial.cost_usd > 0.001
    assert [check.kind for check in trial.checks] == ["stdout", "rubric"]
    assert "budget" in flow.rules(result)
    assert ("satisfaction" in flow.rules(result)) != satisfied


def test_unknown_cost_of_a_judge_fails_the_budget_and_names_a_remedy(
    tmp_path: Path, provider_twin: StartTwin
) -> None:
    twin = provider_twin(script(rule(vote(0.9))))
    judge = JUDGE.replace("gpt-5", 'home-made"\nprovider = "openai').replace("0.001", "9")
    flow = make_judged_flow(tmp_path, dict(twin.environ()), judge)
    result = flow.launch()
    [rule_] = [one for one in flow.report(result).rules if one.rule == "budget"]
    assert (rule_.passed, rule_.figure) == (False, "unknown, at least 0.00 USD")
    assert rule_.words == "the cost is unknown: the models of 4400 tokens have no price"
    assert "models that have a price: attractor models" in rule_.remedy
    facts = read_candidate_run(result.directory)
    shown = asyncio.run(review(facts, flow.evaluator, flow.opened.project))
    words = review_text(shown, "", to_operator=False, shows_all=False)
    assert "cost of the verdict: 1 trial in " in words
    assert " of processor time, judge unknown\n" in words
    [trial] = trials_in(flow.evaluator.ledger.entries(result.run_id))
    assert trial.unpriced_tokens == 2200


def test_equal_attempts_of_a_race_have_the_cost_of_their_one_evaluation(
    tmp_path: Path, provider_twin: StartTwin
) -> None:
    flow = make_judged_flow(tmp_path, dict(provider_twin(script(rule(vote(0.9)))).environ()))
    request = simulated(flow.project, suite="todo", profile="lenient")
    race = asyncio.run(begin_race([request], flow.opened, attempts=2, at_once=1, by="ann"))
    for attempt in race.attempts:
        walk_attempt(attempt, race, flow.opened)
    first, second = (one.result for one in asyncio.run(look(race, flow.opened)))
    assert (first.tree, first.played) == (second.tree, 1)
    assert first.cost_usd == second.cost_usd > 0.001
    assert (first.verdict, second.verdict) == ("no-go", "no-go")


DOWN: dict[str, Any] = {"answer": {"fault": {"kind": "status", "status": 401}}}


def test_only_the_judge_of_an_unjudged_trial_is_asked_again(
    tmp_path: Path, provider_twin: StartTwin
) -> None:
    flow = make_judged_flow(tmp_path, dict(provider_twin(script(DOWN)).environ()))
    result = flow.launch()
    report, judged = flow.report(result), ask_gate(result.directory, flow.opened)[1]
    assert (report.played, report.go) == (0, False)
    assert [one.no_result for one in judged.evaluations[0].results] == [NoResult.UNJUDGED]
    words = {one.rule: one.words for one in report.reasons}["infra_errors"]
    assert words.endswith(f"attractor evaluate {result.run_id} --judge")
    folder = flow.machine.state_dir / "results" / result.run_id
    [kept] = folder.rglob("unjudged/*")
    assert kept.stat().st_mode & 0o777 == 0o600
    back = dict(provider_twin(script(rule(vote(0.9)))).environ())
    flow = flow.adjusted(environ={**flow.machine.environ, **back})
    text = kept.read_text()
    kept.write_text(text.replace("made", "good"))
    judge_again(result.directory, flow.opened, by="ann")
    with pytest.raises(VerificationError, match="corrupt result"):
        flow.resume(result)
    kept.write_text(text)
    flow.resume(result)
    report = flow.report(result)
    assert (report.played, report.satisfied) == (1, 1)
    assert "infra_errors" not in flow.rules(result)
    assert list(folder.rglob("unjudged/*")) == []
    assert (result.directory / "events.jsonl").read_text().count('"TrialStarted"') == 1
    with pytest.raises(NotDecidable, match="are judged"):
        judge_again(result.directory, flow.opened, by="ann")


@table(
    ("answer", "culprit", "retries", "tokens"),
    # Evidence can cause such an answer, and must not lead to another trial.
    [(rule("I would rather not."), "candidate", 0, 2200)],
)
def test_judge_that_fails_leaves_the_trial_unscored(
    tmp_path: Path,
    provider_twin: StartTwin,
    answer: dict[str, Any],
    culprit: str,
    retries: int,
    tokens: int,
) -> None:
    flow = make_judged_flow(tmp_path, dict(provider_twin(script(answer)).environ()))
    result = flow.launch()
    judged = ask_gate(result.directory, flow.opened)[1]
    [[trial]] = [one.results for one in judged.evaluations]
    assert (trial.satisfied, trial.culprit, trial.retries) == (False, culprit, retries)
    assert trial.error.startswith("unscored")
    assert trial.tokens == tokens
    assert ("infra_errors" in flow.rules(result)) == (culprit == "model")
    [failed] = failed_scenarios(judged)
    assert failed.reasons[0].startswith(f"{culprit}: unscored: the judge failed")
    [trouble] = flow.report(result).troubles
    assert (trouble.trouble.culprit, trouble.count) == (culprit, retries + 1)
    shown = verdict_text(read_candidate_run(result.directory), judged, to_operator=False)
    assert f"  trouble in trials: {trouble}\n" in shown
    messages: list[str] = []
    flow.adjusted(tell=messages.append).launch(evaluate=False)
    assert (
        "1 tree was evaluated with this version of the suite; the maximum is 20. "
        f"Trouble in their trials: {trouble}."
    ) in messages


def test_run_does_not_start_without_a_key_of_the_judge(tmp_path: Path) -> None:
    flow = make_judged_flow(tmp_path, {})
    with pytest.raises(UsageError, match="no API key of openai"):
        flow.launch()
    assert list((flow.project / "runs").glob("[0-9]*")) == []

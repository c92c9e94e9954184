"""The setup of a suite: executed once an evaluation, and shared by its trials."""

import json
from collections import Counter
from pathlib import Path

from attractor.engine.outcome import Culprit
from attractor.engine.run_folder.result import RunResult
from attractor.factory.evaluation.gate import gate
from attractor.factory.operations.evaluate import ask_gate
from attractor.workspaces.run_store import STORES
from tests.factory.flows import HOLDOUT, Flow, make_flow
from tests.needs import needs_sandbox
from tests.scenarios.suites import SUITE

BUILD = """
[trials]
n = 3
[setup]
run = ["mkdir bin && cp made.txt bin/made && ln bin/made bin/hard && ln -s made bin/soft", "{last}"]
"""
LOOK = HOLDOUT.replace("cat made.txt", "cat bin/soft; stat -c %h bin/hard; git status -s | wc -l")


pytestmark = needs_sandbox


def flow_with(tmp_path: Path, last: str) -> Flow:
    look = LOOK.format(wanted=r"made\n2\n1\n")
    return make_flow(tmp_path, suite=SUITE + BUILD.format(last=last), look=look)


def events(result: RunResult, kind: str) -> list[dict[str, object]]:
    lines = map(json.loads, (result.directory / "events.jsonl").read_text().splitlines())
    return [line["data"] for line in lines if line["type"] == kind]


def kept_of(flow: Flow) -> list[Path]:
    return [*(flow.machine.state_dir / STORES).glob("*/built/*")]


def test_setup_runs_once_and_trials_share_what_it_left(tmp_path: Path) -> None:
    # A process of the setup that stays, and a special file, reach no trial.
    flow = flow_with(tmp_path, "mkfifo bin/pipe; (sleep 60 && rm -r bin) & date +%N > bin/when")
    result = flow.launch(sandbox="bubblewrap", profile="strict")
    report = flow.report(result)
    assert (report.verdict, report.satisfied) == ("go", 3)
    [setup] = report.setups
    built, left_out = report.setup_sentences()
    assert built.startswith(f"built once ({setup.tree[:12]}), trials share it")
    assert left_out == "1 special or unreadable file of the build left out"
    assert [len(events(result, f"SuiteSetup{one}")) for one in ("Started", "Completed")] == [1, 1]
    [evaluated] = [
        one for one in flow.evaluator.ledger.entries(result.run_id) if one.kind == "evaluated"
    ]
    assert evaluated.data["setup"]["tree"] == setup.tree  # type: ignore[index]
    assert kept_of(flow) == []


def test_failed_setup_fails_all_trials_and_is_said_once(tmp_path: Path) -> None:
    flow = flow_with(tmp_path, "echo main.c:1: broken >&2; exit 2")
    result = flow.launch(sandbox="bubblewrap", profile="strict")
    _, judged = ask_gate(result.directory, flow.opened)
    report = gate(judged)
    assert [one.rule for one in report.reasons] == ["unresolved_failure", "satisfaction"]
    assert report.setup_sentences() == [
        "the setup of the suite failed, so all trials failed: setup.run[1] ended with 2: "
        "main.c:1: broken"
    ]
    trials = [trial for one in judged.evaluations for trial in one.results]
    assert Counter(trial.culprit for trial in trials) == {Culprit.CANDIDATE: 3}
    assert {check.reason for trial in trials for check in trial.checks} == {
        "the setup of the suite failed"
    }


def test_each_trial_executes_the_setup_without_bubblewrap(tmp_path: Path) -> None:
    flow = flow_with(tmp_path, "true")
    result = flow.launch(sandbox="none")
    report = flow.report(result)
    assert (report.satisfied, report.setups) == (3, ())

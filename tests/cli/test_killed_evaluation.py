"""Stop an evaluation during several trials: the resumed one drops and repeats no trial."""

import json
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode
from tests.factory.flows import HOLDOUT, Flow, make_flow
from tests.needs import needs_bubblewrap
from tests.patience import PATIENCE_S, wait_until
from tests.prepared import Process, begin_prepared, plain
from tests.scenarios.suites import SUITE

pytestmark = [pytest.mark.crash, needs_bubblewrap]
TRIALS = 6
SETTINGS = f"[trials]\nn = {TRIALS}\nconcurrency = 2\n"
SLOW = HOLDOUT.format(wanted="made").replace("cat made.txt", "sleep 0.5; cat made.txt")


def events(flow: Flow) -> list[dict[str, Any]]:
    journals = list((flow.project / "runs").glob("[0-9]*/events.jsonl"))
    lines = journals[0].read_bytes().split(b"\n")[:-1] if journals else []
    return [json.loads(line) for line in lines]


def trials(flow: Flow, kind: str) -> Counter[int]:
    return Counter(one["data"]["trial"] for one in events(flow) if one["type"] == kind)


def begin(flow: Flow, *words: str, stdout: int = subprocess.DEVNULL) -> Process:
    variables = {
        **flow.machine.environ,
        "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir),
    }
    variables = plain(
        {**variables, "ATTRACTOR_WORKSPACES_DIR": str(flow.opened.project.workspaces_dir)}
    )
    return begin_prepared(
        words, folder=flow.project, variables=variables, stdout=stdout, stderr=stdout
    )


def command(flow: Flow, *words: str) -> tuple[int, str]:
    process = begin(flow, *words, stdout=subprocess.PIPE)
    text = "".join(process.communicate())
    return process.wait(PATIENCE_S), text


def begin_run(flow: Flow, sandbox: str) -> Process:
    words = ["run", "pipeline.dot", "--suite", "todo", "--backend", "simulate"]
    process = begin(flow, *words, "--sandbox", sandbox)
    wait_until(lambda: len(trials(flow, "TrialCompleted")) >= 2)
    wait_until(lambda: trials(flow, "TrialStarted") > trials(flow, "TrialCompleted"))
    return process


@pytest.mark.parametrize("sandbox", ["bubblewrap", "landlock"])
def test_trials_that_a_kill_cut_are_played_again_only_by_order(
    tmp_path: Path, sandbox: str
) -> None:
    flow = make_flow(tmp_path, suite=SUITE + SETTINGS, made=SLOW)
    process = begin_run(flow, sandbox)
    process.kill()
    process.wait(PATIENCE_S)
    finished, begun = trials(flow, "TrialCompleted"), trials(flow, "TrialStarted")
    cut = begun - finished
    assert 2 <= len(finished) < TRIALS
    assert 1 <= len(cut) <= 2
    code, text = command(flow, "resume", "latest")
    order = ["evaluate", "latest", "--replay-cut", "--reason", "power cut"]
    assert f"{len(cut)} trial" in text
    assert "--replay-cut" in text
    assert trials(flow, "TrialStarted") == Counter(range(1, TRIALS + 1))
    assert trials(flow, "TrialCompleted") == trials(flow, "TrialStarted") - cut
    code, text = command(flow, "gate", "latest")
    assert code == ExitCode.NO_GO
    assert "no result: " in text
    assert command(flow, "evaluate", "latest")[0] == ExitCode.REFUSED
    code, text = command(flow, *order)
    assert code == ExitCode.DONE, text
    assert "\n  6 of 6 trials satisfied" in text
    assert f"\n  {number_of(len(cut), 'trial')} played again by " in text
    assert ": power cut\n" in text
    assert trials(flow, "TrialStarted") == Counter(range(1, TRIALS + 1)) + cut
    assert trials(flow, "TrialCompleted") == Counter(range(1, TRIALS + 1))
    assert command(flow, *order)[0] == ExitCode.REFUSED


def test_signal_lets_the_trials_in_flight_end_and_starts_no_other(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, suite=SUITE + SETTINGS, made=SLOW)
    process = begin_run(flow, "bubblewrap")
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == ExitCode.INTERRUPTED
    assert trials(flow, "TrialStarted") == trials(flow, "TrialCompleted")
    assert len(trials(flow, "TrialCompleted")) < TRIALS
    assert command(flow, "resume", "latest")[0] == ExitCode.DONE
    assert trials(flow, "TrialStarted") == Counter(range(1, TRIALS + 1))
    assert trials(flow, "TrialCompleted") == Counter(range(1, TRIALS + 1))


@pytest.mark.parametrize("more", ["evaluate", "resume"])
def test_time_budget_lets_the_trials_in_flight_end_and_starts_no_other(
    tmp_path: Path, more: str
) -> None:
    # Two of three rounds take the whole time, whatever the stages take.
    flow = make_flow(tmp_path, suite=SUITE + SETTINGS, made=SLOW.replace("sleep 0.5", "sleep 1"))
    words = ["run", "pipeline.dot", "--suite", "todo", "--backend", "simulate"]
    code, text = command(flow, *words, "--max-duration", "2s")
    assert code == ExitCode.UNFINISHED
    assert "not ended: the budget max_duration is exhausted: " in text
    offered = re.compile(r"attractor evaluate \S+ --max-duration \d+s")
    finished = trials(flow, "TrialCompleted")
    assert trials(flow, "TrialStarted") == finished
    assert 0 < len(finished) < TRIALS
    # The time of trials in an earlier process counts.
    code, again = command(flow, "evaluate", "latest")
    assert code == ExitCode.UNFINISHED
    assert trials(flow, "TrialStarted") == finished
    for message in (text, again, command(flow, "status")[1], command(flow, "diagnose")[1]):
        assert offered.search(message), message
    code, text = command(flow, more, "latest", "--max-duration", "10m")
    assert code == ExitCode.DONE, text
    assert "exhausted" not in text
    assert trials(flow, "TrialStarted") == Counter(range(1, TRIALS + 1))
    assert trials(flow, "TrialCompleted") == Counter(range(1, TRIALS + 1))
    assert [one["data"]["budget"] for one in events(flow) if one["type"] == "BudgetWarning"]


@pytest.mark.parametrize("ends", ["never", "by a cancel"])
def test_new_run_of_the_same_tree_does_not_play_cut_trials_again(tmp_path: Path, ends: str) -> None:
    flow = make_flow(tmp_path, suite=SUITE + SETTINGS, made=SLOW)
    process = begin_run(flow, "bubblewrap")
    process.kill()
    process.wait(PATIENCE_S)
    cut = trials(flow, "TrialStarted") - trials(flow, "TrialCompleted")
    [first] = [path.parent.name for path in (flow.project / "runs").glob("[0-9]*/events.jsonl")]
    if ends == "by a cancel":
        assert command(flow, "cancel", first)[0] == ExitCode.DONE
    words = ["run", "pipeline.dot", "--suite", "todo", "--backend", "simulate"]
    command(flow, *words, "--sandbox", "bubblewrap")
    code, text = command(flow, "gate", "latest")
    assert code == ExitCode.NO_GO
    if ends == "never":
        assert f"the evaluation of this tree in run {first} has not ended" in text
        assert f"attractor resume {first}" in text
        # After the resume, its cut trials can be played by order.
        assert command(flow, "resume", first)[0] == ExitCode.DONE
        text = command(flow, "gate", "latest")[1]
        assert f"attractor evaluate {first} --replay-cut" in text
    else:
        assert f"{number_of(sum(cut.values()), 'trial')} ha" in text
        assert "change the tree in a new run" in text
        assert "--replay-cut" not in text


def setups(flow: Flow, kind: str) -> int:
    return sum(one["type"] == f"SuiteSetup{kind}" for one in events(flow))


def kill_when(process: Process, flow: Flow, kind: str, count: int) -> None:
    wait_until(lambda: sum(one["type"] == kind for one in events(flow)) >= count)
    process.kill()
    process.wait(PATIENCE_S)


def test_setup_of_a_suite_that_a_kill_cut_runs_again_and_a_build_is_kept(tmp_path: Path) -> None:
    suite = f'{SUITE}{SETTINGS}[setup]\nrun = ["sleep 1; date +%N > when"]\n'
    flow = make_flow(tmp_path, suite=suite, made=SLOW)
    words = ["run", "pipeline.dot", "--suite", "todo", "--backend", "simulate"]
    kill_when(begin(flow, *words), flow, "SuiteSetupStarted", 1)
    kill_when(begin(flow, "resume", "latest"), flow, "TrialStarted", 1)
    [built] = (flow.machine.state_dir / "stores").glob("*/built/1")
    when = built / "tree" / "when"
    content = when.read_bytes()
    when.write_text("another build\n")
    code, text = command(flow, "resume", "latest")
    assert (code, "changed build" in text) == (ExitCode.BROKEN, True)
    when.write_bytes(content)
    command(flow, "resume", "latest")
    assert (setups(flow, "Started"), setups(flow, "Completed")) == (2, 1)
    assert "the setup of the suite was started 2 times" in command(flow, "gate", "latest")[1]


def test_setup_of_a_suite_is_killed_only_as_often_as_retries_allow(tmp_path: Path) -> None:
    suite = f'{SUITE}{SETTINGS}[setup]\nrun = ["sleep 60"]\n'
    flow = make_flow(tmp_path, suite=suite, made=SLOW)
    words = ["run", "pipeline.dot", "--suite", "todo", "--backend", "simulate"]
    kill_when(begin(flow, *words), flow, "SuiteSetupStarted", 1)
    kill_when(begin(flow, "resume", "latest"), flow, "SuiteSetupStarted", 2)
    command(flow, "resume", "latest")
    text = command(flow, "gate", "latest")[1]
    assert "\n  0 of 6 trials satisfied" in text
    assert "infra_retries allows no further start" in text

"""Kill an evaluation during several trials: the resumed one drops and repeats no result."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cli.git_desk import await_
from tests.factory.flows import HOLDOUT, Flow, make_flow
from tests.prepared import begin_prepared, plain
from tests.scenarios.suites import SUITE

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed"),
]
TRIALS = 6
SETTINGS = f"[trials]\nn = {TRIALS}\nconcurrency = 2\n"
SLOW = HOLDOUT.format(wanted="made").replace("cat made.txt", "sleep 0.5; cat made.txt")


def events(flow: Flow) -> list[dict[str, Any]]:
    journals = list((flow.project / "runs").glob("[0-9]*/events.jsonl"))
    lines = journals[0].read_bytes().split(b"\n")[:-1] if journals else []
    return [json.loads(line) for line in lines]


def trials(flow: Flow, kind: str) -> Counter[int]:
    return Counter(one["data"]["trial"] for one in events(flow) if one["type"] == kind)


def test_killed_evaluation_continues_with_the_missing_trials(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, suite=SUITE + SETTINGS, made=SLOW)
    variables = {**flow.host.environ, "ATTRACTOR_STATE_DIR": str(flow.host.state_dir)}
    variables = plain({**variables, "ATTRACTOR_WORKSPACES_DIR": str(flow.host.workspaces_dir)})
    words = ["run", "pipeline.dot", "--suite", "todo", "--backend", "simulate"]
    process = begin_prepared(words, folder=flow.project, variables=variables)
    await_(lambda: len(trials(flow, "TrialCompleted")) >= 2)
    process.kill()
    process.wait(60)
    finished, begun = trials(flow, "TrialCompleted"), trials(flow, "TrialStarted")
    interrupted = begun - finished
    assert 2 <= len(finished) < TRIALS
    assert 1 <= len(interrupted) <= 2
    words = ["resume", "latest"]
    resumed = begin_prepared(words, folder=flow.project, variables=variables)
    assert resumed.wait(60) == 0
    assert trials(flow, "TrialCompleted") == Counter(range(1, TRIALS + 1))
    assert trials(flow, "TrialStarted") == Counter(range(1, TRIALS + 1)) + interrupted
    retries = {
        one["data"]["trial"]: one["data"]["retries"]
        for one in events(flow)
        if one["type"] == "TrialCompleted"
    }
    assert {one for one, number in retries.items() if number} == set(interrupted)

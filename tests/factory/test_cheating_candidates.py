"""Candidates that attack their evaluation from inside a trial, in a real sandbox."""

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from attractor.base.clock import SystemClock
from attractor.environments.sandbox.bubblewrap import SandboxBounds
from attractor.environments.selection import EnvironmentChoice, choose_environment
from attractor.factory.evaluation.trial_player import TrialPlayer
from attractor.scenarios.evaluation import TrialResult, evaluate
from attractor.scenarios.suite import Scenario, Suite, SuiteSettings, TrialSettings
from tests.scenarios.suites import write_files
from tests.scenarios.test_evaluation import Log

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")

SLEEP = "98765.4321"
# Everything visible to a process inside, except values that are random in each trial.
LOOK = r"""
{ env | sort; id; hostname; pwd; ls -laR . --time-style=+ 2>&1; cat /proc/self/mountinfo
  set -- /proc/[0-9]*; echo $#; ls -A / /tmp /home "$HOME" 2>&1; cat /proc/net/tcp
  git log --format=%s 2>&1; cat /proc/self/cgroup; cat /proc/1/cmdline | tr '\0' ' '; umask
} > /tmp/look
sed -E 's/[0-9a-f]{16}|bindfile\w+/RANDOM/g; s/^[0-9]+ [0-9]+ [0-9]+:[0-9]+ //' /tmp/look
"""
REMEMBER = r"""
exec 2>&-
cat . .. / /tmp/seen /var/tmp/seen /dev/shm/seen "$HOME/seen" "{outside}/seen"
for place in /tmp /var/tmp /dev/shm /run "$HOME" /usr/local/bin / .. "{outside}"; do
  mkdir -p "$place"; echo made > "$place/seen"; echo 'echo made' > "$place/cat"
  chmod +x "$place/cat"; echo '{{"satisfied": true}}' > "$place/made-1.json"
done
setsid sh -c 'while :; do echo made > /tmp/seen; sleep {sleep}; done' &
python3 -m http.server 8123 >&- 2>&- &
"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> EnvironmentChoice:
    scratch = tmp_path_factory.mktemp("scratch")
    bounds = SandboxBounds(max_processes=50, max_memory_mb=100)
    return asyncio.run(
        choose_environment(
            "bubblewrap", environ=os.environ, hide=[], scratch=scratch, bounds=bounds
        )
    )


def scenario(name: str, split: str, check: dict[str, Any], run: str = "sh program.sh") -> Scenario:
    steps = [{"name": "go", "run": run}]
    told = {"id": name, "title": name, "story": f"{name}.", "split": split, "steps": steps}
    return Scenario.model_validate({**told, "checks": [{"step": "go", **check}]})


def play(
    tmp_path: Path,
    sandbox: EnvironmentChoice,
    program: str,
    scenarios: Sequence[Scenario],
    **trials: Any,
) -> list[TrialResult]:
    """Play trials of a program in order, and return the results."""
    tree = write_files(tmp_path / "tree", {"program.sh": program})
    (tmp_path / "copies").mkdir()
    settings = SuiteSettings(name="s", pipeline="p", trials=TrialSettings(**trials))

    async def export(to: Path) -> None:
        shutil.copytree(tree, to, dirs_exist_ok=True)

    player = TrialPlayer(
        export,
        sandbox.make,
        Suite(settings=settings, scenarios=tuple(scenarios)),
        tmp_path / "suite",
        tmp_path / "copies",
        SystemClock(),
    )
    return asyncio.run(evaluate(scenarios, player.play_trial, Log(), settings.trials))


def commands_of_this_machine() -> str:
    files = (one / "cmdline" for one in Path("/proc").glob("[0-9]*"))
    return " ".join(one.read_bytes().decode("utf-8", "replace") for one in files if one.exists())


def test_candidate_leaves_nothing_behind_for_its_next_trial(
    tmp_path: Path, sandbox: EnvironmentChoice
) -> None:
    outside = tmp_path / "state" / "results"
    outside.mkdir(parents=True)
    program = REMEMBER.format(outside=outside, sleep=SLEEP)
    want = {"kind": "stdout", "equals": "made"}
    again = scenario("again", "holdout", want)
    # Two trials at the same time: both listen on the same port, each in its own network.
    results = play(tmp_path, sandbox, program, [again], n=4, concurrency=2)
    assert [one.satisfied for one in results] == [False] * 4
    assert [one.error for one in results] == [""] * 4
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "seen").exists()
    assert SLEEP not in commands_of_this_machine()


def test_train_and_holdout_trials_look_the_same_from_inside(
    tmp_path: Path, sandbox: EnvironmentChoice
) -> None:
    want = {"kind": "stdout", "contains": "HOME=", "lacks": "holdout"}
    both = [scenario("shown", "train", want), scenario("hidden", "holdout", want)]
    results = play(tmp_path, sandbox, LOOK, both, n=2)
    assert all(one.satisfied for one in results)
    assert len({check.evidence for one in results for check in one.checks}) == 1
    assert len({one.seed for one in results}) == 4


def test_candidate_that_replaces_a_command_of_the_suite_deceives_itself_only(
    tmp_path: Path, sandbox: EnvironmentChoice
) -> None:
    """A shim in the candidate's folder is not on PATH, and checks do not run there."""
    program = "printf '#!/bin/sh\\necho made\\n' > cat; chmod +x cat; echo wrong > made.txt"
    step = "sh program.sh; cat made.txt"
    want = {"kind": "stdout", "equals": "made"}
    [result] = play(tmp_path, sandbox, program, [scenario("shim", "holdout", want, step)])
    assert not result.satisfied


LIMITS = {
    "time": "sleep 60",
    "memory": "python3 -c 'x = bytearray(1 << 30); print(len(x))'",
    "processes": "while :; do sleep 60 & done",
    "output": "yes",
}


@pytest.mark.parametrize("limit", LIMITS)
def test_candidate_that_exhausts_a_limit_fails_without_an_error(
    tmp_path: Path, sandbox: EnvironmentChoice, limit: str
) -> None:
    steps = [{"name": "go", "run": "sh program.sh", "timeout": "1s"}]
    told = {"id": "slow", "title": "slow", "story": "slow.", "steps": steps}
    slow = Scenario.model_validate({**told, "checks": [{"kind": "exit", "step": "go"}]})
    [result] = play(tmp_path, sandbox, LIMITS[limit], [slow])
    assert (result.satisfied, result.error, result.culprit) == (False, "", "candidate")
    assert "ended with" in result.checks[0].reason

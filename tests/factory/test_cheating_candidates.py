"""Candidates that attack their evaluation from inside a trial, in a real sandbox."""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attractor.base.clock import SystemClock
from attractor.base.processes import ExecResult
from attractor.engine.outcome import Culprit
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.sandbox.bubblewrap import SandboxBounds
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from attractor.environments.selection import EnvironmentChoice, choose_environment
from attractor.factory.evaluation.gate import gate
from attractor.factory.evaluation.trial_player import TrialPlayer
from attractor.factory.gate_records import EvaluationRecord, GateInput
from attractor.factory.resources.profiles import STRICT_PROFILE
from attractor.scenarios.evaluation import TrialResult, Trouble, TroubleCount, evaluate
from attractor.scenarios.suite import Scenario, Suite, SuiteSettings, TrialSettings
from tests.base.running import command_lines
from tests.counts import count
from tests.environments.places import make_walls, processes_in, skipping_without_sandbox
from tests.needs import needs_bubblewrap
from tests.patience import until
from tests.scenarios.suites import write_files
from tests.scenarios.test_evaluation import Log

pytestmark = needs_bubblewrap

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


# Executed before the program fails: the supervisor becomes its tracer, and sees it stop.
TRACED = """
import ctypes, os, random
if random.random() < {probability}:
    ctypes.CDLL(None).syscall(101, 0, 0, 0, 0)
    os.kill(os.getpid(), 10)
print("made")
"""


def choose(kind: str, scratch: Path) -> EnvironmentChoice:
    bounds = SandboxBounds(max_processes=50, max_memory_mb=100)
    with skipping_without_sandbox():
        return asyncio.run(
            choose_environment(kind, environ=os.environ, hide=[], scratch=scratch, bounds=bounds)
        )


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> EnvironmentChoice:
    return choose("bubblewrap", tmp_path_factory.mktemp("scratch"))


@pytest.fixture(params=["bubblewrap", "landlock"])
def either_sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> EnvironmentChoice:
    (tmp_path / "scratch").mkdir()
    return choose(request.param, tmp_path / "scratch")


def scenario(name: str, split: str, check: dict[str, Any], run: str = "sh program.sh") -> Scenario:
    steps = [{"name": "go", "run": run}]
    fields = {"id": name, "title": name, "story": f"{name}.", "split": split, "steps": steps}
    return Scenario.model_validate({**fields, "checks": [{"step": "go", **check}]})


def play(
    tmp_path: Path,
    sandbox: EnvironmentChoice,
    program: str,
    scenarios: Sequence[Scenario],
    **trials: Any,
) -> list[TrialResult]:
    """Play trials of a program in order, and return the results."""
    return evaluated(tmp_path, sandbox.make, program, scenarios, **trials)[0]


def evaluated(
    tmp_path: Path,
    make: Callable[[Path], ExecutionEnvironment],
    program: str,
    scenarios: Sequence[Scenario],
    **trials: Any,
) -> tuple[list[TrialResult], Log, Suite]:
    """Play trials of a program; return the results, the log and the suite."""
    tree = write_files(tmp_path / "tree", {"program.sh": program})
    (tmp_path / "copies").mkdir()
    settings = SuiteSettings(name="s", pipeline=("p",), trials=TrialSettings(**trials))

    async def export(to: Path) -> None:
        shutil.copytree(tree, to, dirs_exist_ok=True)

    suite, log = Suite(settings=settings, scenarios=tuple(scenarios)), Log()
    player = TrialPlayer(
        export, make, suite, tmp_path / "suite", tmp_path / "copies", SystemClock()
    )
    results = asyncio.run(evaluate(scenarios, player.play_trial, log, settings.trials))
    return results, log, suite


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
    assert not any(SLEEP in " ".join(words) for words in command_lines().values())


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
    fields = {"id": "slow", "title": "slow", "story": "slow.", "steps": steps}
    slow = Scenario.model_validate({**fields, "checks": [{"kind": "exit", "step": "go"}]})
    [result] = play(tmp_path, sandbox, LIMITS[limit], [slow])
    assert (result.satisfied, result.error, result.culprit) == (False, "", "candidate")
    assert "ended with" in result.checks[0].reason


def test_candidate_cannot_turn_its_failure_into_trouble(
    tmp_path: Path, either_sandbox: EnvironmentChoice
) -> None:
    """At full counts, the candidate fails 8 of 100 times, in 200 trials."""
    probability, n = count(ci=80, full=8) / 100, count(ci=8, full=200)
    program = f"exec python3 -c '{TRACED.format(probability=probability)}'"
    made = scenario("made", "holdout", {"kind": "stdout", "equals": "made"})
    results, log, suite = evaluated(tmp_path, either_sandbox.make, program, [made], n=n)
    assert {(one.retries, one.error) for one in results} == {(0, "")}
    assert {one.culprit for one in results if not one.satisfied} == {Culprit.CANDIDATE}
    assert len(log.lines) == 2 * n
    promises = either_sandbox.promises
    given = EvaluationRecord("tree", "seal", promises, tuple(results))
    report = gate(GateInput("tree", suite, "seal", (given,), STRICT_PROFILE, attempts=1))
    assert not report.go
    assert "unresolved_failure" in {one.rule for one in report.reasons}


class Lost:
    """Environments in a sandbox whose supervisor is killed from outside, while a program runs."""

    def __init__(self, choice: EnvironmentChoice) -> None:
        self._choice = choice
        self.killed = 0

    def make(self, folder: Path) -> ExecutionEnvironment:
        environment = self._choice.make(folder)
        execute = environment.exec_command

        async def executed(command: str, **options: Any) -> ExecResult:
            doing = asyncio.create_task(execute(command, **options))
            await until(lambda: (folder / "runs").exists())
            namespace = (folder / "runs").read_text().strip()
            os.kill(min(processes_in(namespace)), signal.SIGKILL)
            self.killed += 1
            return await doing

        environment.exec_command = executed
        return environment


def test_sandbox_lost_while_the_candidate_runs_counts_against_it(
    tmp_path: Path, sandbox: EnvironmentChoice
) -> None:
    lost, program = Lost(sandbox), "readlink /proc/self/ns/pid > now; mv now runs; sleep 1000"
    want = scenario("made", "holdout", {"kind": "stdout", "equals": "made"})
    results, _, suite = evaluated(tmp_path, lost.make, program, [want], n=2, infra_retries=3)
    trouble = Trouble(Culprit.CANDIDATE, "The sandbox ended too early")
    assert lost.killed == 2
    assert [(one.retries, one.culprit, one.troubles) for one in results] == [
        (0, Culprit.CANDIDATE, (trouble,))
    ] * 2
    given = EvaluationRecord("tree", "seal", sandbox.promises, tuple(results))
    report = gate(GateInput("tree", suite, "seal", (given,), STRICT_PROFILE, attempts=1))
    assert not report.go
    assert report.troubles == (TroubleCount(trouble, 2),)


def test_sandbox_that_does_not_start_is_trouble_of_the_machinery(
    tmp_path: Path, sandbox: EnvironmentChoice
) -> None:
    made: list[Path] = []

    def make(folder: Path) -> ExecutionEnvironment:
        made.append(folder)
        if len(made) > 1:
            return sandbox.make(folder)
        missing = replace(make_walls(), bubblewrap=str(tmp_path / "missing"))
        return SandboxedExecutionEnvironment(folder, missing)

    want = scenario("made", "holdout", {"kind": "stdout", "equals": "made"})
    [result], _, _ = evaluated(tmp_path, make, "echo made", [want], n=1)
    assert (result.satisfied, result.retries, len(made)) == (True, 1, 2)
    assert result.troubles == (Trouble(Culprit.MACHINERY, "The sandbox did not start"),)

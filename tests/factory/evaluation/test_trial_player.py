"""Trials of a plain folder, without a run."""

import asyncio
import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.base.processes import ExecResult
from attractor.environments.environment import Promises
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.factory.evaluation.gate import gate
from attractor.factory.evaluation.trial_player import TrialPlayer, exported_once
from attractor.factory.gate_records import EvaluationRecord, GateInput
from attractor.factory.resources.profiles import STRICT_PROFILE
from attractor.scenarios.check import JudgeQuestion, JudgeVerdict, Unjudged
from attractor.scenarios.evaluation import NoResult, TrialKey, TrialResult, evaluate
from attractor.scenarios.suite import CheckSpec
from attractor.scenarios.suite_reader import read_suite
from tests.factory.flows import HOLDOUT
from tests.scenarios.suites import SUITE, write_files, write_suite
from tests.scenarios.test_evaluation import Log


def make_player(tmp_path: Path, **files: str) -> TrialPlayer:
    suite_folder = write_suite(tmp_path / "suite", made=HOLDOUT.format(wanted="made"))
    tree, copies = tmp_path / "tree", tmp_path / "copies"
    tree.mkdir()
    copies.mkdir()
    for name, text in files.items():
        (tree / name).write_text(text)

    async def export(to: Path) -> None:
        shutil.copytree(tree, to, dirs_exist_ok=True)

    return TrialPlayer(
        export,
        lambda folder: LocalExecutionEnvironment(folder, environ=os.environ),
        read_suite(suite_folder),
        suite_folder,
        copies,
        SystemClock(),
    )


def test_trial_is_played_on_a_copy_of_any_tree(tmp_path: Path) -> None:
    player = make_player(tmp_path, **{"made.txt": "made\n"})
    [scenario] = player.suite.scenarios
    result = asyncio.run(player.play_trial(scenario, TrialKey("made", 1)))
    assert (result.satisfied, result.key, result.error) == (True, TrialKey("made", 1), "")
    assert list(player.copies.iterdir()) == []


def test_trial_of_a_tree_that_does_nothing_is_not_satisfied(tmp_path: Path) -> None:
    player = make_player(tmp_path)
    [scenario] = player.suite.scenarios
    result = asyncio.run(player.play_trial(scenario, TrialKey("made", 1)))
    assert not result.satisfied
    assert "made" in result.checks[0].reason


def test_failed_trial_keeps_the_last_lines_of_its_output(tmp_path: Path) -> None:
    player = make_player(tmp_path)
    [scenario] = player.suite.scenarios
    command = r"seq 1 9; seq 1 9 >&2; printf 'a\033b\n' >&2; ./todo"
    step = scenario.steps[0].model_copy(update={"run": command})

    def play(equals: int) -> TrialResult:
        check = CheckSpec(kind="exit", **{"step": "look", "equals": equals})
        played = scenario.model_copy(update={"steps": (step,), "checks": (check,)})
        return asyncio.run(player.play_trial(played, TrialKey("made", 1)))

    failed = play(0)
    [kept] = failed.stderr
    assert (kept.step, kept.exit_code, kept.lines[:4]) == (
        "look",
        127,
        ("7", "8", "9", r"a\U0000001Bb"),
    )
    assert [(one.step, one.lines) for one in failed.stdout] == [("look", tuple("56789"))]
    assert kept.missing_command == "command not found: ./todo"
    assert TrialResult.from_record(failed.to_record()) == failed
    assert (play(127).stderr, "stderr" in play(127).to_record()) == ((), False)
    assert (play(127).stdout, "stdout" in play(127).to_record()) == ((), False)


def test_tree_is_exported_once_for_many_trials(tmp_path: Path) -> None:
    exported: list[Path] = []

    async def export(to: Path) -> None:
        exported.append(to)
        if len(exported) == 1:
            raise OSError("no space left")
        (to / "run.sh").write_text("true\n")
        (to / "run.sh").chmod(0o755)
        (to / "link").symlink_to("/nowhere")

    async def copied() -> None:
        async with exported_once(export, tmp_path / "copies") as copy:
            with pytest.raises(OSError, match="no space left"):
                await copy(tmp_path / "0")
            await asyncio.gather(*(copy(tmp_path / name) for name in "123"))
        assert list((tmp_path / "copies").iterdir()) == []

    (tmp_path / "copies").mkdir()
    asyncio.run(copied())
    assert len(exported) == 2
    for name in "123":
        assert os.access(tmp_path / name / "run.sh", os.X_OK)
        assert (tmp_path / name / "link").readlink() == Path("/nowhere")


@pytest.mark.parametrize("comes_back", [False, True])
def test_output_that_makes_the_judge_fail_is_never_played_until_it_is_good(
    tmp_path: Path, comes_back: bool
) -> None:
    rubric = '\n[[checks]]\nkind = "rubric"\nrubric = "word.md"\nsteps = ["look"]\n'
    made = HOLDOUT.format(wanted="made").replace('equals = "made"', 'contains = "made"') + rubric
    folder = write_suite(tmp_path / "suite", suite=f"{SUITE}[trials]\nn = 200\n", made=made)
    write_files(folder, {"rubrics/word.md": "The output is one word."})
    luck, started, asked = random.Random(7), Counter[str](), Counter[int]()

    def make(_folder: Path) -> MemoryExecutionEnvironment:
        output = "bad: made" if luck.random() < 0.1 else "made"
        started[output] += 1
        made = ExecResult(output, "", exit_code=0, timed_out=False, duration_ms=1)
        return MemoryExecutionEnvironment(commands={"cat made.txt": made})

    async def ask_judge(question: JudgeQuestion) -> JudgeVerdict:
        asked[question.seed] += 1
        is_bad = "bad: made" in question.evidence.values()
        if is_bad and not (comes_back and asked[question.seed] > 1):
            raise Unjudged("429", question, reason="Too many requests", tokens=1)
        return JudgeVerdict(0.0 if is_bad else 1.0, "So it is.")

    async def export(to: Path) -> None:
        """Write nothing: the environment is in memory."""

    suite, log = read_suite(folder), Log()
    player = TrialPlayer(export, make, suite, folder, tmp_path, SystemClock(), ask_judge)
    trials = suite.settings.trials
    results = asyncio.run(
        evaluate(suite.scenarios, player.play_trial, log, trials, judge_again=player.judge_again)
    )
    assert started.total() == 200
    assert 10 < started["bad: made"] == sum(not one.satisfied for one in results) < 30
    unjudged = 0 if comes_back else started["bad: made"]
    assert sum(one.no_result is NoResult.UNJUDGED for one in results) == unjudged
    given = EvaluationRecord("tree", "seal", Promises(), tuple(results))
    report = gate(GateInput("tree", suite, "seal", (given,), STRICT_PROFILE, attempts=1))
    assert report.played == 200 - unjudged
    rule = "infra_errors" if unjudged else "unresolved_failure"
    assert rule in [one.rule for one in report.reasons]

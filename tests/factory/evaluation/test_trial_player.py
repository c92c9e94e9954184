"""Trials of a plain folder, without a run."""

import asyncio
import os
import shutil
from pathlib import Path

from attractor.base.clock import SystemClock
from attractor.environments.local import LocalExecutionEnvironment
from attractor.factory.evaluation.trial_player import TrialPlayer
from attractor.scenarios.evaluation import TrialKey
from attractor.scenarios.suite_reader import read_suite
from tests.factory.flows import HOLDOUT
from tests.scenarios.suites import write_suite


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

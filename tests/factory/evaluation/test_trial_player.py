"""Trials of a plain folder, without a run."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.environments.local import LocalExecutionEnvironment
from attractor.factory.evaluation.trial_player import TrialPlayer, exported_once
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

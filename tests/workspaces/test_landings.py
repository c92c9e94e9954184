"""Results that a person merged by hand, in real repositories."""

import asyncio
import random
from pathlib import Path

import pytest

from attractor.workspaces.git.repository import Git
from attractor.workspaces.landings import find_landings
from tests.counts import count
from tests.pipeline.projects import git, make_project
from tests.workspaces.histories import History, write_history

RUN = "01JZ0000000000000000000000"
OTHER = "01JZ0000000000000000000001"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with two branches of runs: the first changes three files in two commits."""
    made = make_project(tmp_path / "project", **{"a.txt": "a\n", "gone.txt": "x\n", "k.txt": "k\n"})
    base = git(made, "rev-parse", "main").strip()
    for run_id in (RUN, OTHER):
        git(made, "update-ref", f"refs/attractor/base/{run_id}", base)
        git(made, "checkout", "--quiet", "-b", f"attractor/run/{run_id}", base)
        commit(made, {"a.txt": f"{run_id}\n", "\u00fc b.txt": "b\n"})
        git(made, "rm", "--quiet", "gone.txt")
        commit(made, {"c.txt": f"{run_id}\n"})
    git(made, "checkout", "--quiet", "main")
    return made


def start_run(project: Path, base: str, files: dict[str, str]) -> None:
    """Replace the second run by a run that writes these files."""
    git(project, "update-ref", f"refs/attractor/base/{OTHER}", base)
    git(project, "checkout", "--quiet", "-B", f"attractor/run/{OTHER}", base)
    commit(project, files)
    git(project, "checkout", "--quiet", "main")


def commit(folder: Path, files: dict[str, str]) -> str:
    for name, content in files.items():
        (folder / name).write_text(content)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "changed")
    return git(folder, "rev-parse", "HEAD").strip()


def landed(project: Path) -> dict[str, str]:
    git_dir = Git(project / ".git", "/usr/local/bin:/usr/bin:/bin")
    found = asyncio.run(find_landings(git_dir, [RUN, OTHER, "01JZ0000000000000000000009"]))
    return {
        run_id: f"{one.branch}, reverted on {one.reverted_on}" if one.reverted_on else one.branch
        for run_id, one in found.items()
    }


@pytest.mark.parametrize("how", ["merge --squash", "rebase", "merge --no-ff", "merge --ff-only"])
def test_result_that_was_squashed_or_rebased_by_hand_has_landed(project: Path, how: str) -> None:
    branch = f"attractor/run/{RUN}"
    # The push of a proposed result is no landing.
    git(project, "update-ref", f"refs/remotes/origin/attractor/{RUN}", branch)
    assert landed(project) == {}
    if how != "merge --ff-only":
        commit(project, {"k.txt": "of somebody else\n"})
    if how == "rebase":
        git(project, "checkout", "--quiet", "--detach", branch)
        git(project, "rebase", "--quiet", "main")
        git(project, "branch", "--force", "main", "HEAD")
        git(project, "checkout", "--quiet", "main")
    else:
        git(project, *how.split(), "--quiet", branch)
    if how == "merge --squash":
        git(project, "commit", "--quiet", "--message", "The result, squashed")
    assert landed(project) == {RUN: "main"}
    # Later commits change nothing about it.
    commit(project, {"a.txt": "later\n", "c.txt": "later\n"})
    assert landed(project) == {RUN: "main"}


def test_result_that_landed_in_part_has_not_landed(project: Path) -> None:
    git(project, "merge", "--squash", "--quiet", f"attractor/run/{RUN}")
    (project / "a.txt").write_text("otherwise\n")
    commit(project, {})
    assert landed(project) == {}


def test_fetched_branch_counts(project: Path) -> None:
    git(project, "merge", "--squash", "--quiet", f"attractor/run/{RUN}")
    tip = commit(project, {})
    git(project, "update-ref", "refs/remotes/origin/main", tip)
    git(project, "reset", "--quiet", "--hard", "HEAD~1")
    assert landed(project) == {RUN: "origin/main"}


@pytest.mark.parametrize("is_base_replaced", [False, True])
def test_commit_before_the_base_of_a_run_is_not_its_landing(
    project: Path, is_base_replaced: bool
) -> None:
    # The base of the other run is older than the first of these commits.
    _, _, base = [commit(project, {"flag": flag}) for flag in "212"]
    start_run(project, base, {"flag": "1"})
    if is_base_replaced:
        git(project, "commit", "--quiet", "--amend", "--message", "Another message")
    assert landed(project) == {}
    commit(project, {"flag": "1"})
    assert landed(project) == {OTHER: "main"}


LINES = "\n" * 9


@pytest.mark.parametrize("how", ["git revert", "by hand", "among other changes", "by a merge"])
def test_result_that_was_reverted_has_landed_again_after_the_next_merge(
    project: Path, how: str
) -> None:
    base = commit(project, {"flag": f"2{LINES}"})
    git(project, "branch", "old")
    start_run(project, base, {"flag": f"1{LINES}"})
    git(project, "merge", "--squash", "--quiet", f"attractor/run/{OTHER}")
    result = commit(project, {})
    assert landed(project) == {OTHER: "main"}
    match how:
        case "by hand":
            commit(project, {"flag": f"2{LINES}"})
        case "by a merge":
            git(project, "checkout", "--quiet", "old")
            git(project, "merge", "--quiet", "--strategy", "ours", "--no-edit", "main")
            git(project, "branch", "--force", "main", "old")
            git(project, "checkout", "--quiet", "main")
            git(project, "branch", "--delete", "old")
        case _:
            other = {"flag": f"1{LINES}more"} if "among" in how else {}
            commit(project, {"k.txt": "later", **other})
            git(project, "revert", "--no-edit", result)
    assert landed(project) == {OTHER: "main, reverted on main"}
    commit(project, {"flag": f"1{LINES}"})
    assert landed(project) == {OTHER: "main"}


def test_revert_on_another_branch_is_named(project: Path) -> None:
    git(project, "merge", "--squash", "--quiet", f"attractor/run/{RUN}")
    commit(project, {})
    git(project, "checkout", "--quiet", "-b", "a-branch-from-main")
    commit(project, {"a.txt": "a\n"})
    assert landed(project) == {RUN: "main, reverted on a-branch-from-main"}


def test_landings_in_random_histories_are_in_the_own_range_of_each_run(tmp_path: Path) -> None:
    found = {"landed": 0, "reverted": 0, "elsewhere": 0}
    for seed in range(count(ci=20, full=200)):
        history = History(random.Random(seed))
        run_ids = [f"{number:026}" for number in range(len(history.runs))]
        ids = write_history(tmp_path / str(seed), history, run_ids)
        git_dir = Git(tmp_path / str(seed) / ".git", "/usr/local/bin:/usr/bin:/bin")
        landings = asyncio.run(find_landings(git_dir, run_ids))
        for run_id, (base, tip) in zip(run_ids, history.runs, strict=True):
            landed, standing = history.landings(base, tip)
            landing = landings.get(run_id)
            if landing is None:
                assert not landed, (seed, run_id)
                found["elsewhere"] += 1
                continue
            expected = standing or landed
            assert ids.index(landing.commit) in expected, (seed, run_id)
            assert bool(landing.reverted_on) == (not standing), (seed, run_id)
            found["reverted" if landing.reverted_on else "landed"] += 1
    assert min(found.values()) > 9, found

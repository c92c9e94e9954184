"""`dimension submit`: files of a dimension are judged, decided and promoted as those of a run."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import Refused, UsageError
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.dimensions import Dimension
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.queue import MoveKind
from attractor.factory.operations.start import start_run
from attractor.records.request import ActorTask, RunRequest, read_request
from attractor.worlds.actors import Actor, Answered, create_actor
from attractor.worlds.dimensions import add_dimension
from attractor.worlds.orders import here
from attractor.worlds.submit import runs_in, submit_dimension
from attractor.worlds.tasks import settle
from tests.factory.decisions.test_rebase import commit_file
from tests.factory.flows import Flow, make_flow
from tests.factory.queues import approve, enqueue, process
from tests.pipeline.projects import git, simulated
from tests.worlds.flows import ANN, send_to


def add(flow: Flow, name: str, kind: str = "worktree") -> Dimension:
    return asyncio.run(add_dimension(flow.opened, name, kind=kind))


def submit(flow: Flow, dimension: Dimension, **more: str) -> RunResult:
    wanted = {"suite": "todo", "profile": "lenient", "sandbox": "none", **more}
    return asyncio.run(submit_dimension(dimension, flow.opened, ANN, **wanted))


def work(flow: Flow, dimension: Dimension) -> RunResult:
    """Let an actor work in a dimension."""
    request: RunRequest = simulated(flow.project, sandbox="none", workspace=dimension.name)
    task = ActorTask("helper", "m1", "hash", "ann (unverified)")
    return asyncio.run(start_run(replace(request, task=task, evaluate=False), flow.opened))


def test_one_worktree_is_approved_and_landed_and_the_other_one_is_no_go(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    good, bad = add(flow, "good"), add(flow, "bad")
    done = work(flow, good)
    Path(good.folder, "made.txt").write_text("made")
    Path(bad.folder, "made.txt").write_text("something else")
    git(Path(bad.folder), "add", "--all")
    git(Path(bad.folder), "commit", "--quiet", "--message", "Another way")
    passed, failed = submit(flow, good), submit(flow, bad)
    assert flow.rules(failed) == ["unresolved_failure", "satisfaction"]
    assert flow.rules(passed) == []
    [created] = [
        one for one in flow.opened.ledger.entries(passed.run_id) if one.kind == LineKind.CREATED
    ]
    submission = created.data["submission"]
    assert isinstance(submission, dict)
    assert submission["runs"] == [done.run_id]
    assert submission["actors"] == ["helper"]
    assert submission["base"] == git(flow.project, "rev-parse", "HEAD").strip()
    flow.decide(passed, DecisionKind.APPROVED)
    flow.promote(passed)
    assert git(flow.project, "show", "main:made.txt") == "made"
    assert "scenarios/todo/secret.txt" in git(flow.project, "ls-tree", "-r", "--name-only", "main")


def test_run_that_was_started_inside_of_a_worktree_belongs_to_its_work(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    dimension = add(flow, "inside")
    inside = OpenProject(replace(flow.opened.project, root=Path(dimension.folder)))
    request: RunRequest = simulated(flow.project, sandbox="none", workspace="in-place")
    done = asyncio.run(start_run(replace(request, evaluate=False), inside))
    assert [one.run_id for one in runs_in(dimension, flow.opened)] == [done.run_id]


def test_answer_that_came_after_the_submission_is_not_seen(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    dimension = add(flow, "late")
    project, state = here(flow.opened), flow.machine.state_dir
    folder = create_actor(
        Actor(name="helper", spawner=ANN, created=flow.opened.now()), project, state
    )
    done = work(flow, dimension)
    Path(dimension.folder, "made.txt").write_text("made")
    for run_id, is_seen in ((done.run_id, True), ("01JZ0000000000000000000000", False)):
        message = send_to(folder, flow.opened, "do it")
        answer = Answered(message, run_id, True, "", "", 1, (), 0.0, flow.opened.now())
        settle(answer, folder, flow.opened)
        submit(flow, dimension)
        assert (folder.read().seen == message.id) is is_seen


def test_isolated_dimension_is_submitted_with_the_files_of_its_last_run(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    apart = add(flow, "apart", "isolated")
    with pytest.raises(Refused, match="no run has worked"):
        submit(flow, apart)
    done = work(flow, apart)
    result = submit(flow, apart)
    assert result.tree == done.tree
    assert [one.run_id for one in runs_in(apart, flow.opened)] == [done.run_id]


def test_dimension_without_changes_or_without_a_base_in_git_is_refused(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    same, copied = add(flow, "same"), add(flow, "copied", "copy")
    with pytest.raises(Refused, match="has no changes since"):
        submit(flow, same)
    with pytest.raises(Refused, match="of the kind copy"):
        submit(flow, copied)
    with pytest.raises(UsageError, match="no suite judges"):
        submit(flow, same, suite="")
    assert not [*(tmp_path / "state").glob("submissions/*")]


def test_submission_has_neither_hidden_files_nor_more_trust_than_its_work(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    dimension = add(flow, "shown")
    git(Path(dimension.folder), "sparse-checkout", "disable")
    assert Path(dimension.folder, "scenarios/todo/secret.txt").exists()
    work(flow, dimension)
    Path(dimension.folder, "made.txt").write_text("made")
    result = submit(flow, dimension, profile="strict", sandbox="auto")
    manifest = read_manifest(RunDirectory(result.directory))
    assert read_request(manifest).submission
    assert "isolation_unverified" in flow.rules(result)


def test_submitted_files_wait_in_a_queue(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    dimension = add(flow, "mine")
    Path(dimension.folder, "made.txt").write_text("made\n")
    run = submit(flow, dimension)
    approve(flow, run.run_id)
    enqueue(flow, run)
    commit_file(flow, "other.txt", "meanwhile\n")
    moves = process(flow)
    assert [move.kind for move in moves] == [MoveKind.REBASED, MoveKind.WAITS]
    approve(flow, moves[-1].current)
    assert [move.kind for move in process(flow)] == [MoveKind.LANDED]
    assert git(flow.project, "show", "main:made.txt") == "made\n"

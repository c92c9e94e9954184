"""Old runs of actors: `gc` removes their directories, and a judge still knows what they were."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from attractor.factory.dimensions import Dimension
from attractor.factory.history.records import removed_tasks
from attractor.factory.open_project import OpenProject
from attractor.records.lookup import read_run
from attractor.records.request import read_request
from attractor.worlds import old_runs
from attractor.worlds.actors import Actor, ActorFolder, Answered, create_actor
from attractor.worlds.orders import here
from attractor.worlds.process import ActorProcess
from attractor.worlds.tasks import settle
from tests.cli.running import run_here
from tests.factory.flows import Flow, make_flow
from tests.factory.test_holdout_leaks import CANARY, HELD, WITH_CANARY
from tests.worlds.flows import ANN, actor_in, open_at, send_to
from tests.worlds.test_submit import add, submit, work


def collect(opened: OpenProject, *words: str) -> dict[str, Any]:
    machine = opened.project.machine
    environ = {**machine.environ, "ATTRACTOR_STATE_DIR": str(machine.state_dir)}
    said = ("gc", "--older-than", "0s", "--json", *words)
    done = run_here(said, folder=opened.project.root, variables=environ)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def removed(swept: dict[str, Any]) -> Sequence[str]:
    return [one["run_id"] for one in swept["freed"] if one["what"] == "run directory"]


def answered(flow: Flow, dimension: Dimension, times: int) -> list[Path]:
    """Let an actor answer several messages in a dimension; return the directories of its runs."""
    project, state = here(flow.opened), flow.machine.state_dir
    actor = Actor(name="helper", spawner=ANN, created=flow.opened.now())
    folder, done = create_actor(actor, project, state), list[Path]()
    for _ in range(times):
        message, result = send_to(folder, flow.opened, "do it"), work(flow, dimension)
        answer = Answered(message, result.run_id, True, "", "", 1, (), 0.0, flow.opened.now())
        settle(answer, folder, flow.opened)
        done.append(result.directory)
    return done


def test_last_runs_of_an_actor_stay_and_the_older_ones_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_runs, "KEPT", 2)
    opened = open_at(tmp_path)
    folder: ActorFolder = actor_in(opened)
    for text in ("one", "two", "three", "four"):
        send_to(folder, opened, text)
    ActorProcess(folder, opened).work(linger_s=0.1)
    runs = [one.run_id for one in folder.read().answers]
    assert removed(collect(opened, "--dry-run")) == runs[:2]
    assert removed(collect(opened)) == runs[:2]
    names = [one.name for one in opened.project.runs_dir.iterdir()]
    assert sorted(one for one in names if one[0] != "." or one[1:] in runs) == runs[2:]
    assert removed(collect(opened)) == []
    send_to(folder, opened, "five")
    ActorProcess(folder, opened).work(linger_s=0.1)
    assert [one.succeeded for one in folder.read().answers] == [True] * 5


def test_conversation_of_a_clone_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_runs, "KEPT", 1)
    opened = open_at(tmp_path)
    folder = actor_in(opened)
    for text in ("one", "two", "three"):
        send_to(folder, opened, text)
    ActorProcess(folder, opened).work(linger_s=0.1)
    runs = [one.run_id for one in folder.read().answers]
    actor_in(opened, "clone", before=runs[0])
    assert removed(collect(opened)) == [runs[1]]


def test_submission_counts_the_runs_that_were_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_runs, "KEPT", 1)
    flow = make_flow(tmp_path)
    dimension = add(flow, "long")
    first, second = answered(flow, dimension, 2)
    assert removed(collect(flow.opened)) == [first.name]
    Path(dimension.folder, "made.txt").write_text("made")
    judged = submit(flow, dimension, profile="strict", sandbox="auto")
    submission = read_request(read_run(judged.directory).manifest).submission
    assert submission
    assert [*submission.runs] == [first.name, second.name]
    # It worked without a sandbox.
    assert "isolation_unverified" in flow.rules(judged)
    assert not removed_tasks(flow.opened.ledger.entries())[first.name].promises.own_processes
    # What a submission cites is not removed.
    answered_later = work(flow, dimension)
    assert removed(collect(flow.opened)) == []
    assert second.is_dir()
    assert answered_later.directory.is_dir()


def test_run_in_which_a_holdout_leaked_stays_for_the_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_runs, "KEPT", 1)
    flow = make_flow(tmp_path, suite=WITH_CANARY, made=HELD)
    first, _ = answered(flow, add(flow, "long"), 2)
    (first / "note.txt").write_text(CANARY)
    swept = collect(flow.opened)
    assert removed(swept) == []
    assert [one["why"] for one in swept["kept"] if one["run_id"] == first.name] == [
        "a holdout of todo@1 leaked in it, and nothing has judged its files yet"
    ]

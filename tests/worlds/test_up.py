"""`attractor up`: what was cut goes on, or is asked about; leftovers end by their mark."""

import json
import os
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Timer

import pytest

from attractor.base.locks import FileLock
from attractor.factory.open_project import OpenProject
from attractor.worlds import up
from attractor.worlds.actors import ActorFolder, GoneOn
from attractor.worlds.messages import Sender, SenderKind, TaskAtWork
from attractor.worlds.status import read_actor
from attractor.worlds.up import UP, find_actors
from tests.patience import wait_until
from tests.worlds.desks import SLOW, SPAWN, PlacedDesk, desk, kill_process
from tests.worlds.flows import ANN, actor_in, open_at, send_to

__all__ = ["desk"]
HOURS = timedelta(hours=12)


def test_cut_task_goes_on_and_an_old_one_or_one_that_died_twice_is_asked_about(
    tmp_path: Path,
) -> None:
    opened = open_at(tmp_path)
    state, now = tmp_path / "state", opened.now()
    cut, twice, old = (actor_in(opened, name) for name in ("cut", "twice", "waits"))
    for folder in (cut, twice, old):
        message = send_to(folder, opened, "work")
        if folder is not old:
            folder.write_task(TaskAtWork(message, opened.project.machine.new_run_id()))
    found = {one.view.name: one.words for one in find_actors(state, now, HOURS)}
    assert found == {
        "cut": "goes on",
        "twice": "goes on",
        "waits": "begins with the messages that wait",
    }
    task = twice.read_task()
    assert task
    (opened.project.runs_dir / task.run_id).mkdir(parents=True)
    twice.record(GoneOn(task.run_id, UP, now))
    view = read_actor(twice)
    assert view.can_go_on
    merged = find_actors(state, now, HOURS, lambda view: view.name == "cut")
    assert [one.question for one in merged if one.view.name == "cut"] == ["its branch was merged: "]
    late = {one.view.name: one.question for one in find_actors(state, now + 2 * HOURS, HOURS)}
    assert late.pop("cut").startswith("its process died ")
    assert late == {"twice": "", "waits": ""}


def test_actors_for_whom_a_person_waits_start_first(tmp_path: Path) -> None:
    opened = open_at(tmp_path)
    boss = Sender(SenderKind.ACTOR, "boss")
    for name, sender in (("a", boss), ("b", ANN), ("c", boss), ("d", ANN)):
        send_to(actor_in(opened, name), opened, "work", sender)
    found = find_actors(tmp_path / "state", opened.now(), HOURS)
    assert [one.view.name for one in found] == ["b", "d", "a", "c"]


def test_four_actors_start_at_a_time_and_two_of_an_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, starting, counts = open_at(tmp_path), list[str](), list[tuple[int, int]]()
    at_once = Barrier(4)

    def start(folder: ActorFolder, opened: OpenProject, *, waits: bool) -> None:
        starting.append(folder.name[0])
        with suppress(BrokenBarrierError):
            at_once.wait(1.0)
        counts.append((len(starting), max(map(starting.count, starting))))
        starting.remove(folder.name[0])

    monkeypatch.setattr(up, "wake", start)
    for number in range(9):
        backend = ("simulate", "agent", "claude")[number % 3]
        send_to(actor_in(opened, f"{backend}{number}", backend=backend), opened, "work")
    found = find_actors(tmp_path / "state", opened.now(), HOURS)
    up.Starter(tmp_path / "state", opened.project.machine.environ, print).start(found)
    together, of_an_account = zip(*counts, strict=True)
    assert (len(counts), max(together), max(of_an_account)) == (9, 4, 2)


def test_actor_that_has_not_begun_is_started_again_after_longer_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, begun, seconds = open_at(tmp_path), list[int](), 0

    def start(folder: ActorFolder, opened: OpenProject, *, waits: bool) -> None:
        begun.append(seconds)

    monkeypatch.setattr(up, "wake", start)
    send_to(actor_in(opened), opened, "work")
    state, environ = tmp_path / "state", opened.project.machine.environ
    starter = up.Starter(state, environ, print, now=lambda: seconds)
    for seconds in range(100):  # noqa: B007 - the clock
        starter.start(find_actors(state, opened.now(), HOURS))
    assert begun == [0, 2, 6, 14, 30, 60, 90]


def test_actor_whose_process_ends_a_moment_later_is_found(tmp_path: Path) -> None:
    opened = open_at(tmp_path)
    folder = actor_in(opened)
    message = send_to(folder, opened, "work")
    folder.write_task(TaskAtWork(message, opened.project.machine.new_run_id()))
    lock = FileLock(folder.lock).acquire()
    assert find_actors(tmp_path / "state", opened.now(), HOURS) == []
    Timer(0.3, lock.release).start()
    [found] = find_actors(tmp_path / "state", opened.now(), HOURS, patience_s=30.0)
    assert found.words == "goes on"


@pytest.mark.parametrize("is_second", [False, True])
def test_killed_actors_go_on_once_by_up(desk: PlacedDesk, is_second: bool) -> None:
    desk.write(SLOW.replace("test -e ../again || ", "") if is_second else SLOW)
    desk.do(*SPAWN, "--name", "slow", "sleep well")
    wait_until(lambda: (desk.folder / "again").exists())
    kill_process(desk, "slow")
    if is_second:
        (desk.folder / "again").unlink()
    done = desk.do("up", "--once")
    assert done.stdout == "project/slow goes on\n", done.stderr
    if is_second:
        wait_until(lambda: (desk.folder / "again").exists())
        kill_process(desk, "slow")
        asked = json.loads(desk.do("up", "--once", "--json").stdout)
        assert asked["question"] == "its process died again after it had gone on"
        return
    waited = desk.do("actor", "wait", "slow", "--timeout", "30s")
    assert waited.stdout == "slow: idle\n"
    assert desk.do("up", "--once").stdout.startswith("All is up: no actor has work without")


def test_process_that_a_dead_one_left_running_is_ended_also_if_a_person_is_asked(
    desk: PlacedDesk,
) -> None:
    desk.write(SLOW.replace("sleep 60", "sleep 60 & echo $! > ../again; wait"))
    desk.do(*SPAWN, "--name", "slow", "sleep well")
    wait_until(lambda: (desk.folder / "again").exists() and (desk.folder / "again").read_text())
    left = int((desk.folder / "again").read_text())
    kill_process(desk, "slow")
    os.kill(left, 0)
    desk.do("-c", "worlds.resume_within=0s", "up", "--once")
    wait_until(lambda: not Path(f"/proc/{left}").exists())
    [row] = desk.rows()
    assert row["need"] == "interrupted"


def test_unit_starts_this_program_with_this_state_folder(desk: PlacedDesk) -> None:
    unit = desk.do("up", "--install").stdout
    assert f"state_dir={desk.folder / 'state'} up\n" in unit
    assert "WantedBy=default.target" in unit

"""Obstacles of the machine: no message, start or attempt is consumed, and all go on afterwards."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.attention.reading import read_attention
from attractor.automations.automation import TicketCommand, TriggerKind
from attractor.automations.start import Starting
from attractor.automations.store import AutomationFolder, create_automation
from attractor.base.callables import do_nothing
from attractor.base.clock import Clock, ManualClock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, is_not_now
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.due import Here, carry_out
from attractor.factory.operations.race_process import walk_attempt
from attractor.worlds.orders import go_on, send, stop
from attractor.worlds.process import ActorProcess
from attractor.worlds.status import ActorStatus, read_actor
from attractor.worlds.tasks import due_run
from tests.automations.desk import PIPELINE, automation_in, make_opened
from tests.cli.test_race import RaceDesk
from tests.needs import require
from tests.patience import wait_until
from tests.worlds.flows import ANN, actor_in, send_to

REQUIRES = PIPELINE.replace("graph [", 'graph [requires="env:NEEDED", ')


@dataclass(frozen=True)
class Obstacle:
    """An obstacle of the machine, and how it begins and ends in the folder above the project."""

    words: str
    begin: Callable[[Path], object] = do_nothing
    end: Callable[[Path], object] = do_nothing
    clock: Clock = SystemClock()
    hides: str = ""

    def before(self, opened: OpenProject) -> OpenProject:
        """Return the project as it is before the obstacle is gone."""
        known = opened.project.machine.environ
        environ = {name: value for name, value in known.items() if name != self.hides}
        machine = replace(opened.project.machine, clock=self.clock, environ=environ)
        return OpenProject(replace(opened.project, machine=machine))


def block_runs(folder: Path) -> None:
    runs = folder / "project" / "runs"
    runs.rename(folder / "runs")
    runs.write_text("in the way")


def free_runs(folder: Path) -> None:
    runs = folder / "project" / "runs"
    runs.unlink()
    (folder / "runs").rename(runs)


CLOCK = Obstacle("the time", clock=ManualClock(datetime(2020, 1, 1, tzinfo=UTC)))
NO_ROOM = Obstacle("runs", begin=block_runs, end=free_runs)
NO_FOLDER = Obstacle(
    "is missing",
    begin=lambda folder: (folder / "tree").rename(folder / "away"),
    end=lambda folder: (folder / "away").rename(folder / "tree"),
)
NO_VARIABLE = Obstacle("NEEDED", hides="NEEDED")
NO_SANDBOX = Obstacle(
    "a sandbox",
    begin=lambda folder: (folder / "bin" / "bwrap").symlink_to("/bin/false"),
    end=lambda folder: (folder / "bin" / "bwrap").unlink(),
)


def project_in(folder: Path, pipeline: str = REQUIRES) -> OpenProject:
    """Return a project whose pipeline needs a variable; `bin` is on its PATH."""
    for name in ("bin", "tree"):
        (folder / name).mkdir()
    opened = make_opened(folder / "project", pipeline)
    machine = opened.project.machine
    path = f"{folder / 'bin'}:{machine.environ['PATH']}"
    machine = replace(machine, environ={**machine.environ, "PATH": path, "NEEDED": "1"})
    return OpenProject(replace(opened.project, machine=machine))


@pytest.mark.parametrize(
    "obstacle", [NO_ROOM, NO_FOLDER, NO_VARIABLE, NO_SANDBOX], ids=lambda one: one.words
)
def test_messages_of_an_actor_wait_until_the_obstacle_is_gone(
    tmp_path: Path, obstacle: Obstacle
) -> None:
    opened = project_in(tmp_path)
    file, sandbox = str(opened.project.root / "pipeline.dot"), "none"
    if obstacle is NO_SANDBOX:
        require("bubblewrap")
        sandbox = "bubblewrap"
    where = {"workspace": "in-place", "folder": str(tmp_path / "tree")}
    folder = actor_in(opened, pipeline=file, sandbox=sandbox, **where)
    for text in ("one", "two"):
        send_to(folder, opened, text)
    obstacle.begin(tmp_path)
    ActorProcess(folder, obstacle.before(opened)).work(linger_s=0.1)
    view = read_actor(folder)
    assert (view.status, view.history.answers) == (ActorStatus.BLOCKED, [])
    assert view.task
    assert obstacle.words in view.task.obstacle
    state, environ = opened.project.machine.state_dir, opened.project.machine.environ
    [row] = read_attention(state, opened.now(), environ).rows
    assert (row.need, row.actor and row.actor.name) == ("blocked", folder.name)
    obstacle.end(tmp_path)
    go_on(folder, ANN, opened)
    wait_until(lambda: len(folder.read().answers) == 2)
    answers = [(one.message.text, one.succeeded) for one in folder.read().answers]
    assert answers == [("one", True), ("two", True)]


def test_task_that_was_blocked_asks_a_person_when_its_process_dies_later(tmp_path: Path) -> None:
    opened = project_in(tmp_path)
    folder = actor_in(opened, pipeline=str(opened.project.root / "pipeline.dot"))
    send_to(folder, opened, "one")
    ActorProcess(folder, NO_VARIABLE.before(opened)).work(linger_s=0.1)
    task = folder.read_task()
    assert task
    due_run(task, folder, folder.read(), opened).begun()
    view = read_actor(folder)
    assert (view.status, view.can_go_on) == (ActorStatus.INTERRUPTED, False)


def test_blocked_actor_is_stopped_and_then_works_again(tmp_path: Path) -> None:
    opened = project_in(tmp_path)
    folder = actor_in(opened, pipeline=str(opened.project.root / "pipeline.dot"))
    send_to(folder, opened, "one")
    ActorProcess(folder, NO_VARIABLE.before(opened)).work(linger_s=0.1)
    stop(folder, ANN, opened, cancel=do_nothing)
    [answer] = folder.read().answers
    assert (answer.reason, read_actor(folder).status) == (
        "the actor was stopped",
        ActorStatus.STOPPED,
    )
    send(folder, "two", ANN, opened)
    wait_until(lambda: len(folder.read().answers) == 2)
    assert folder.read().answers[-1].succeeded


@pytest.mark.parametrize("obstacle", [NO_ROOM, NO_VARIABLE, CLOCK], ids=lambda one: one.words)
def test_start_of_an_automation_stays_due_until_the_obstacle_is_gone(
    tmp_path: Path, obstacle: Obstacle
) -> None:
    opened = project_in(tmp_path)
    automation = automation_in(opened, tickets=TicketCommand("true"))
    made = create_automation(automation, opened)
    new_run_id = opened.project.machine.new_run_id
    claim = made.starts.claim(TriggerKind.TICKET, "A-1", new_run_id, opened.now(), {})
    assert claim

    def start(opened: OpenProject) -> None:
        with Starting(AutomationFolder(made.root), opened) as starting:
            assert starting.take(claim.run_id)
            asyncio.run(carry_out(starting.due(opened, "simulate"), Here(opened)))

    obstacle.begin(tmp_path)
    with pytest.raises((AttractorError, OSError)) as raised:
        start(obstacle.before(opened))
    assert is_not_now(raised.value)
    [kept] = AutomationFolder(made.root).starts.read().last
    assert (kept.state, bool(kept.fault)) == ("claimed", True)
    obstacle.end(tmp_path)
    start(opened)
    [kept] = AutomationFolder(made.root).starts.read().last
    assert kept.state == "begun"


@pytest.mark.parametrize("obstacle", [NO_ROOM, CLOCK], ids=lambda one: one.words)
def test_attempt_of_a_race_stays_due_until_the_obstacle_is_gone(
    tmp_path: Path, obstacle: Obstacle
) -> None:
    desk = RaceDesk(tmp_path)
    desk.begin_project()
    race = desk.race_of_two()
    obstacle.begin(tmp_path)
    with pytest.raises((AttractorError, OSError)) as raised:
        walk_attempt(race.attempts[0], race, obstacle.before(desk.opened))
    assert is_not_now(raised.value)
    obstacle.end(tmp_path)
    result = walk_attempt(race.attempts[0], race, desk.opened)
    assert result
    assert result.run_id == race.attempts[0].run_id

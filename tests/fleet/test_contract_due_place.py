"""Runs whose ids are known before they begin, over kills at any file operation until they begin."""

import asyncio
import json
import os
import shutil
import traceback
import warnings
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from attractor.automations.automation import TicketCommand, TriggerKind
from attractor.automations.start import Starting
from attractor.automations.store import AutomationFolder, create_automation
from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.state.run_state import AWAITING_DECISION
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.operations.due import DuePlace, DueRun, Here, carry_out
from attractor.factory.operations.race_process import walk_attempt
from attractor.factory.operations.resume import resume_run
from attractor.factory.operations.start import start_run
from attractor.factory.pulls.next_round import next_round
from attractor.factory.pulls.readings import PullReading, PullReadings, pull_step
from attractor.factory.register import find_restarts
from attractor.fleet.dispatch.dispatch import Dispatch, Where
from attractor.fleet.dispatch.in_pool import InPool
from attractor.fleet.fleet import Addresses, open_fleet
from attractor.fleet.records import FleetRun
from attractor.missions.records import Begun, Mission, Planned, PlannedTask, Role, create_mission
from attractor.missions.runs import due_run as run_of_mission
from attractor.pipeline.execute import resume
from attractor.pipeline.plan.run_plan import RunPlan
from attractor.records.lookup import is_run
from attractor.workspaces.run_store import STORES
from attractor.worlds.actors import ActorFolder, GoneOn
from attractor.worlds.process import ActorProcess
from attractor.worlds.tasks import due_run, take_next
from tests.automations.desk import automation_in, make_opened
from tests.cli.test_race import RaceDesk
from tests.counts import count
from tests.crashes.deaths import Death
from tests.engine.runs import read_events
from tests.factory.decisions.test_rebase import commit_file
from tests.factory.flows import Flow, make_flow
from tests.factory.pulls.test_rounds import flow_on, propose, sync
from tests.factory.queues import approve, approved, enqueue, process, queue_of, subjects
from tests.fleet.rigs import sqlite_template as sqlite_template
from tests.forges import hub
from tests.missions.simulation import ModelPlace
from tests.pipeline.dying_restart import PARENT
from tests.pipeline.families import tool
from tests.pipeline.projects import (
    git,
    make_project,
    open_project as open_pipelines,
    simulated,
    start,
)
from tests.worlds.flows import ANN, actor_in, send_to

pytestmark = pytest.mark.crash
KILLS = count(ci=2, full=22)
NEVER = 1_000_000


@dataclass(frozen=True)
class Made:
    """A due run, and what its maker does in a process of its own, also after another was killed."""

    opened: OpenProject
    run_id: str
    work: Callable[[DuePlace], None]


def by_automation(folder: Path) -> Made:
    opened = make_opened(folder / "project")
    automation = automation_in(opened, tickets=TicketCommand("true"))
    made = create_automation(automation, opened)
    new_run_id = opened.project.machine.new_run_id
    claim = made.starts.claim(TriggerKind.TICKET, "A-1", new_run_id, opened.now(), {})
    assert claim

    def work(place: DuePlace) -> None:
        with Starting(AutomationFolder(made.root), opened) as starting:
            if starting.take(claim.run_id):
                asyncio.run(carry_out(starting.due(opened, "simulate"), place))

    return Made(opened, claim.run_id, work)


def by_actor(folder: Path) -> Made:
    opened = make_opened(folder / "project")
    actor = actor_in(
        opened, workspace="isolated", pipeline=str(opened.project.root / "pipeline.dot")
    )
    send_to(actor, opened, "one")
    task = take_next(actor, actor.read(), opened)
    assert task

    def work(place: DuePlace) -> None:
        if not isinstance(place, Here):
            due = due_run(task, actor, actor.read(), opened)
            asyncio.run(carry_out(due, place))
        elif actor.read_task():
            # As a person says after a kill.
            actor.record(GoneOn(task.run_id, ANN, opened.now()))
            ActorProcess(ActorFolder(actor.root, actor.project), opened).work(linger_s=0.1)

    return Made(opened, task.run_id, work)


def by_race(folder: Path) -> Made:
    desk = RaceDesk(folder)
    desk.begin_project()
    race = desk.race_of_two()
    opened = open_project(desk.project, desk.environ)

    def work(place: DuePlace) -> None:
        walk_attempt(race.attempts[0], race, opened, place)

    return Made(opened, race.attempts[0].run_id, work)


def by_mission(folder: Path) -> Made:
    opened = make_opened(folder / "project")
    now, base = opened.now(), git(opened.project.root, "rev-parse", "HEAD").strip()
    mission = create_mission(
        Mission(name="m", intent="Greet", by="ann", created=now, base=base, sandbox="none"), opened
    )
    mission.record(Planned(now, "ann", [PlannedTask("t", "Greet", check="true")]))
    begun = Begun(opened.project.machine.new_run_id(), Role.TRIAL, now, base, tasks=["t"])
    mission.record(begun)

    def work(place: DuePlace) -> None:
        asyncio.run(carry_out(run_of_mission(begun, mission, opened), place))

    return Made(opened, begun.run_id, work)


MAKERS = (by_automation, by_actor, by_race, by_mission)


def pool_of(made: Made) -> InPool:
    """Return a pool that no worker serves."""
    addresses = Addresses.of(made.opened.project.machine.state_dir)

    @asynccontextmanager
    async def dispatch(opened: OpenProject) -> AsyncGenerator[Dispatch]:
        async with open_fleet(addresses, os.environ) as fleet:
            yield Dispatch.of(opened, fleet)

    return InPool(Where("p"), dispatch, made.opened)


def row_of(made: Made) -> FleetRun | None:
    async def read() -> FleetRun | None:
        async with pool_of(made).dispatch(made.opened) as dispatch:
            return await dispatch.table.run(made.run_id)

    return asyncio.run(read())


@dataclass(frozen=True)
class Work:
    """What a process does to begin a run and to end it, also after another process was killed."""

    do: Callable[[], None]
    has_id: Callable[[], bool]
    has_begun: Callable[[], bool]
    require_once: Callable[[], None]


class Counting(Death):
    """Counts the file operations until the id of the run is known, and until it has begun."""

    def __init__(self, work: Work, skip: int, note: Path) -> None:
        super().__init__("any", 0, skip, note)
        self.awaited, self.counts = [work.has_id, work.has_begun], list[int]()

    def _matching_label(self, *labels: str) -> str:
        while self.awaited and self.awaited[0]():
            self.counts.append(self.met)
            del self.awaited[0]
        return super()._matching_label(*labels)


def in_process(work: Work, note: Path, skip: int) -> Sequence[int]:
    """Work in a process that is killed at a file operation; return the counts of a whole one."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # A process with threads may not fork and go on: this one only does the work.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            death = Counting(work, skip, note)
            death.patch_os()
            work.do()
            death.real["write"](writing, json.dumps([*death.counts, death.met]).encode())
            status = 0
        finally:
            # A killed process does not come here.
            if status:
                traceback.print_exc()
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as said:
        counts = said.read()
    _, status = os.waitpid(child, 0)
    assert counts or os.WIFSIGNALED(status), f"the process failed with status {status}"
    return json.loads(counts or "[]")


def kill_before_the_first_event(tmp_path: Path, make: Callable[[Path], Work]) -> None:
    """Kill a process after its run has an id and before it began; let another one go on."""

    def made_in(name: str) -> Work:
        folder = tmp_path / name
        folder.mkdir()
        return make(folder)

    # Once here, so that the processes import nothing; once to count the operations.
    made_in("first").do()
    first, last, *_ = in_process(made_in("second"), tmp_path / "deaths", NEVER)
    for number in range(KILLS):
        work = made_in(str(number))
        in_process(work, tmp_path / "deaths", first + (last - first) * number // KILLS)
        in_process(work, tmp_path / "deaths", NEVER)
        work.require_once()


@pytest.mark.parametrize("kind", ["here", "pool", "model"])
@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_due_run_begins_and_ends_once_over_kills(
    tmp_path: Path, sqlite_template: Path, maker: Callable[[Path], Made], kind: str
) -> None:
    def make(folder: Path) -> Work:
        (folder / "state" / "fleet").mkdir(parents=True)
        shutil.copy(sqlite_template, folder / "state" / "fleet" / "fleet.sqlite")
        made = maker(folder)
        model = ModelPlace(made.opened, folder / "model")
        model.folder.mkdir()
        places = {"here": Here(made.opened), "pool": pool_of(made), "model": model}
        root = made.opened.project.runs_dir / made.run_id
        return Work(
            partial(made.work, places[kind]),
            has_id=lambda: True,
            # In a pool, the last operations add its row.
            has_begun=lambda: kind == "here" and has_event(root),
            require_once=partial(require_once, made, places[kind]),
        )

    kill_before_the_first_event(tmp_path, make)


def require_once(made: Made, place: DuePlace) -> None:
    """Require one run with the id, which ended once, waits for a worker, or began in the model."""
    if isinstance(place, ModelPlace):
        assert [one.name for one in place.folder.iterdir()] == [made.run_id]
        return
    assert len(find_restarts(made.run_id, made.opened)) == 1
    names = [root.name for root in made.opened.project.runs_dir.iterdir() if root.is_dir()]
    assert names == [made.run_id]
    if isinstance(place, InPool):
        row = row_of(made)
        assert row
        assert (row.state, row.attempt) == ("queued", 1)
        return
    result = asyncio.run(carry_out(DueRun(made.run_id, no_plan), Here(made.opened))).result
    assert result
    assert result.outcome
    kinds = [line.kind for line in made.opened.ledger.entries(made.run_id)]
    assert kinds.count(LineKind.CREATED) == 1


def test_run_that_began_keeps_its_store_while_its_directory_is_away(tmp_path: Path) -> None:
    made = by_automation(tmp_path)
    made.work(Here(made.opened))
    root = made.opened.project.runs_dir / made.run_id
    store = made.opened.project.machine.state_dir / STORES / made.run_id
    before = sorted(store.rglob("*"))
    away = root.rename(tmp_path / "away")
    again = DueRun(made.run_id, no_plan)
    with pytest.raises(FileError, match=f"{made.run_id} began, and .* is missing"):
        asyncio.run(carry_out(again, Here(made.opened)))
    assert sorted(store.rglob("*")) == before != []
    away.rename(root)
    result = asyncio.run(carry_out(again, Here(made.opened))).result
    assert result
    assert result.outcome


async def no_plan() -> RunPlan:
    raise AssertionError("the run has begun")


def has_event(root: Path) -> bool:
    """Return whether a run has its first event."""
    journal = RunDirectory(root).events
    return journal.exists() and journal.stat().st_size > 0


def require_nothing_else(flow: Flow, *runs: str) -> None:
    """Require these runs, and nothing of a run that was given up before it began."""
    for folder in (flow.runs_dir, flow.machine.state_dir / STORES):
        assert sorted(one.name for one in folder.iterdir() if one.is_dir()) == sorted(runs)
    created = [one for one in flow.opened.ledger.entries() if one.kind == LineKind.CREATED]
    assert sorted(str(one.run_id) for one in created) == sorted(runs)


def by_queue(folder: Path, _: ExitStack) -> Work:
    flow = make_flow(folder)
    run = approved(flow, "landed")
    enqueue(flow, run)
    commit_file(flow, "other.txt", "meanwhile\n")

    def rebased() -> str:
        first = queue_of(flow).first
        assert first
        return first.current if first.parent else ""

    def work() -> None:
        process(flow)

    def require_landed() -> None:
        run_id = rebased()
        require_nothing_else(flow, run.run_id, run_id)
        approve(flow, run_id)
        process(flow)
        assert queue_of(flow).runs == ()
        assert subjects(flow) == ["Begin", "Add other.txt", "landed"]

    return Work(
        work,
        has_id=lambda: bool(rebased()),
        has_begun=lambda: has_event(flow.runs_dir / rebased()),
        require_once=require_landed,
    )


def by_parent(folder: Path, _: ExitStack) -> Work:
    child = tool("echo child >> log.txt")
    opened = open_pipelines(make_project(folder / "project", PARENT, **{"child.dot": child}))
    root = opened.runs_dir / "parent"
    request = simulated(opened.root, workspace="isolated")

    def work() -> None:
        begun = is_run(RunDirectory(root))
        asyncio.run(resume(root, opened) if begun else start(request, opened, root=root))

    def children() -> Sequence[Path]:
        return [*(root / "children").glob("*")]

    def require_child() -> None:
        [only] = children()
        kinds = [event.type for event in read_events(only)]
        assert kinds.count("PipelineStarted") == kinds.count("PipelineCompleted") == 1
        run_id = read_manifest(RunDirectory(root)).run_id
        log = git(opened.root, "show", f"attractor/run/{run_id}:log.txt")
        assert log.split() == ["before", "child", "after"]

    return Work(
        work,
        has_id=lambda: bool(children()),
        has_begun=lambda: any(map(has_event, children())),
        require_once=require_child,
    )


def by_pull_request(folder: Path, stack: ExitStack) -> Work:
    forge = stack.enter_context(hub())
    flow, result = flow_on(forge, folder)
    forge.say(propose(flow, result).round.number, "Longer, please.")
    sync(flow, result)

    def reading() -> PullReading:
        found = PullReadings.of(flow.opened).of_run(result.run_id)
        assert found
        return found

    def work() -> None:
        # It gives up a round that has not begun, so that a person is asked again.
        sync(flow, result)
        if begun := reading().next_run:
            asyncio.run(resume_run(flow.runs_dir / begun, flow.opened))
            return
        step = pull_step(reading())
        assert step
        assert "round 2 of at most 3 has not begun" in step.words
        with next_round(result.directory, flow.opened) as request:
            asyncio.run(start_run(request, flow.opened, feedback=result.directory))

    def require_round() -> None:
        run_id = reading().next_run
        require_nothing_else(flow, result.run_id, run_id)
        assert read_candidate_run(flow.runs_dir / run_id).state.status == AWAITING_DECISION

    return Work(
        work,
        has_id=lambda: bool(reading().next_run),
        has_begun=lambda: has_event(flow.runs_dir / reading().next_run),
        require_once=require_round,
    )


@pytest.mark.parametrize(
    "maker", [by_queue, by_parent, by_pull_request], ids=lambda maker: maker.__name__
)
def test_other_run_ends_once_or_is_given_up_over_kills(
    tmp_path: Path, maker: Callable[[Path, ExitStack], Work]
) -> None:
    with ExitStack() as stack:
        kill_before_the_first_event(tmp_path, lambda folder: maker(folder, stack))

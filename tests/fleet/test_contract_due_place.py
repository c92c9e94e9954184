"""Due runs, over kills at any file operation of the process that begins them."""

import asyncio
import os
import shutil
import traceback
import warnings
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from attractor.automations.automation import TicketCommand, TriggerKind
from attractor.automations.start import Starting
from attractor.automations.store import AutomationFolder, create_automation
from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.operations.due import DuePlace, DueRun, Here, carry_out, find_restarts
from attractor.factory.operations.race_process import walk_attempt
from attractor.fleet.dispatch.dispatch import Dispatch, Where
from attractor.fleet.dispatch.in_pool import InPool
from attractor.fleet.fleet import Addresses, open_fleet
from attractor.fleet.records import FleetRun
from attractor.pipeline.plan.run_plan import RunPlan
from attractor.workspaces.run_store import STORES
from attractor.worlds.actors import ActorFolder, GoneOn
from attractor.worlds.process import ActorProcess, due_run, take_next
from tests.automations.desk import automation_in, make_opened
from tests.cli.test_race import RaceDesk
from tests.counts import count
from tests.crashes.deaths import Death
from tests.fleet.rigs import sqlite_template as sqlite_template
from tests.worlds.flows import ANN, actor_in, send_to

pytestmark = pytest.mark.crash
KILLS = count(ci=3, full=34)
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


MAKERS = (by_automation, by_actor, by_race)


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


def in_process(work: Callable[[], None], note: Path, skip: int) -> int:
    """Do work in a process that is killed at a file operation; return how many it did."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # A process with threads may not fork and go on: this one only does the work.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            death = Death("any", 0, skip, note)
            death.patch_os()
            work()
            death.real["write"](writing, str(death.met).encode())
            status = 0
        finally:
            # A killed process does not come here.
            if status:
                traceback.print_exc()
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as said:
        met = said.read()
    _, status = os.waitpid(child, 0)
    assert met or os.WIFSIGNALED(status), f"the process failed with status {status}"
    return int(met or 0)


@pytest.mark.parametrize("in_pool", [False, True], ids=["here", "pool"])
@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_due_run_begins_and_ends_once_over_kills(
    tmp_path: Path, sqlite_template: Path, maker: Callable[[Path], Made], *, in_pool: bool
) -> None:
    def made_in(name: str) -> tuple[Made, Callable[[], None]]:
        folder = tmp_path / name
        (folder / "state" / "fleet").mkdir(parents=True)
        shutil.copy(sqlite_template, folder / "state" / "fleet" / "fleet.sqlite")
        made = maker(folder)
        return made, partial(made.work, pool_of(made) if in_pool else Here(made.opened))

    # Once here, so that the processes import nothing; once to count the operations.
    made_in("first")[1]()
    steps = in_process(made_in("second")[1], tmp_path / "deaths", NEVER)
    for number in range(KILLS):
        made, work = made_in(str(number))
        in_process(work, tmp_path / "deaths", steps * number // KILLS)
        in_process(work, tmp_path / "deaths", NEVER)
        require_once(made, in_pool=in_pool)


def require_once(made: Made, *, in_pool: bool) -> None:
    """Require one run with the id, which ended once, or waits for a worker."""
    assert len(find_restarts(made.run_id, made.opened)) == 1
    names = [root.name for root in made.opened.project.runs_dir.iterdir() if root.is_dir()]
    assert names == [made.run_id]
    if in_pool:
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

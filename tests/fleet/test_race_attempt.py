"""The process of a race cancels runs of attempts that the fleet has, or never got."""

from pathlib import Path

import sqlalchemy as sa

from attractor.factory.open_project import OpenProject
from attractor.fleet.database.schema import HEADS, RUNS
from attractor.fleet.dispatch.race_attempt import attempts_in
from attractor.fleet.fleet import Addresses
from attractor.fleet.records import RowState
from attractor.records.summary import summarize
from tests.cli.fleet_desk import (
    FleetDesk,
    sqlite_template as sqlite_template,  # a fixture
)
from tests.fleet.test_dispatch import PIPELINE
from tests.pipeline.projects import open_project


def test_attempts_are_canceled_in_the_fleet_and_without_it(
    tmp_path: Path, sqlite_template: Path
) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    runs = [desk.do("run", "pipeline.dot", "--on", "p").stdout.strip() for _ in range(3)]
    waiting, lost, ended = runs

    def lose(connection: sa.Connection, _: float) -> None:
        # As if its process had been killed before it added the row.
        for table in (HEADS, RUNS):
            connection.execute(sa.delete(table).where(table.c.run_id == lost))

    desk.within(lambda fleet: fleet.database.transact(lose))
    desk.within(lambda fleet: fleet.table.cancel(ended))
    opened = OpenProject(open_project(desk.project))
    in_pool = attempts_in("p", Addresses.of(desk.state), opened)
    roots = [desk.project / "runs" / run for run in runs]
    for root in (*roots, *roots):
        in_pool.cancel(root, opened, "ann", "race: lost")
    reasons = ["ann: race: lost", "ann: race: lost", "fleet: canceled in the fleet"]
    assert [summarize(root).reason for root in roots] == [f"canceled by {one}" for one in reasons]
    assert [desk.run(run).state for run in (waiting, ended)] == [RowState.ENDED] * 2
    assert not [root for root in roots if (root / "elsewhere.json").exists()]

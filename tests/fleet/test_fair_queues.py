"""A backlog of ten thousand attempts in ten queues of one worker: none is starved."""

import asyncio
from collections import Counter

import pytest
import sqlalchemy as sa

from attractor.fleet.database.queue import Listener
from attractor.fleet.database.schema import RUNS
from attractor.fleet.records import AttemptEnd, Claim, NewRun, RowState, queue_name
from tests.counts import count
from tests.fleet.rigs import SqlRig, sql_rig
from tests.patience import until

pytestmark = [pytest.mark.anyio, pytest.mark.crash]

RUNS_EACH, SLOTS = count(ci=30, full=1000), count(ci=2, full=16)
LABELS = [f"l{number}" for number in range(10)]
LONGEST_S = count(ci=60.0, full=900.0)


async def test_no_run_waits_longer_than_three_times_its_fair_share(database_url: str) -> None:
    begun: list[str] = []
    async with sql_rig(database_url) as rig:
        await fill(rig)

        async def execute(run_id: str, attempt: int) -> None:
            begun.append(run_id.partition("-")[0])
            claim = await rig.table.claim(run_id, attempt, "me")
            assert isinstance(claim, Claim)
            await rig.table.end(claim, AttemptEnd(state=RowState.ENDED))

        queues = [queue_name("p", "1", label) for label in LABELS]
        listener = Listener(rig.database, worker="me", queues=queues, slots=SLOTS, execute=execute)
        await listener.start()
        try:
            async with asyncio.timeout(LONGEST_S):
                await until(lambda: len(begun) >= RUNS_EACH * len(LABELS))
        finally:
            await listener.close(5)
    done = Counter[str]()
    for place, label in enumerate(begun):
        # One look at a queue takes as many as there are slots.
        fair = len(LABELS) * (done[label] + SLOTS)
        assert place <= 3 * fair, (label, done)
        done[label] += 1
    assert set(done.values()) == {RUNS_EACH}


async def fill(rig: SqlRig) -> None:
    """Add a run for each queue, then the others in one statement for each table."""
    for label in LABELS:
        new = NewRun(run_id=label, head="h", pool="p", engine="1", label=label)
        await rig.table.add(new)

    def copy(connection: sa.Connection, _: float) -> None:
        schema = "dbos" if connection.dialect.name == "postgresql" else None
        tables = [(RUNS, "run_id")]
        for name in ("workflow_status", "workflow_input"):
            known = sa.Table(name, sa.MetaData(), schema=schema, autoload_with=connection)
            tables.append((known, "workflow_uuid"))
        for table, key in tables:
            rows = connection.execute(sa.select(table)).mappings().all()
            copies = [
                {**row, key: row[key].replace(label, f"{label}-{number}", 1)}
                for row in rows
                for label in [row[key].partition(":")[0]]
                for number in range(1, RUNS_EACH)
            ]
            connection.execute(sa.insert(table), copies)

    await rig.database.transact(copy)

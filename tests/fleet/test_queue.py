import asyncio
import base64
import pickle
import sys
import threading
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from attractor.fleet.database.queue import Listener
from attractor.fleet.errors import DatabaseAway
from attractor.fleet.records import NewRun, queue_name
from tests.fleet.postgres import Cluster
from tests.fleet.rigs import SqlRig, sql_rig
from tests.patience import PATIENCE_S, until

pytestmark = [pytest.mark.anyio, pytest.mark.crash]

QUEUE = queue_name("p", "1")
GPU = queue_name("p", "1", "gpu")


class Workers:
    """Listeners in processes, and the log that they write."""

    def __init__(self, rig: SqlRig, url: str, log: Path) -> None:
        self.rig = rig
        self._url = url
        self._log = log
        self._started: list[asyncio.subprocess.Process] = []

    def lines(self, *starts: str) -> list[str]:
        text = self._log.read_text() if self._log.exists() else ""
        return [line for line in text.splitlines() if line.startswith(starts or "")]

    def attempts(self, event: str) -> Counter[str]:
        words = [line.split() for line in self.lines()]
        return Counter(word[2] for word in words if word[1] == event)

    async def start(
        self, worker: str, *queues: str, slots: int = 2, seconds: float = 0.0
    ) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.fleet.listening", self._url, self._log, worker),
            *(str(slots), str(seconds), *(queues or [QUEUE])),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._started.append(process)
        await until(lambda: f"{worker} listens" in self.lines())
        return process

    async def add(self, *run_ids: str, label: str = "") -> None:
        for run_id in run_ids:
            await self.rig.table.add(
                NewRun(run_id=run_id, head="h", pool="p", engine="1", label=label)
            )

    async def end(self) -> None:
        for process in self._started:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@pytest.fixture
async def workers(database_url: str, tmp_path: Path) -> AsyncIterator[Workers]:
    async with sql_rig(database_url) as rig:
        workers = Workers(rig, database_url, tmp_path / "log")
        try:
            yield workers
        finally:
            await workers.end()


async def until_pending(rig: SqlRig, attempts: dict[str, str]) -> None:
    """Wait until DBOS has recorded the end of all other attempts."""
    async with asyncio.timeout(PATIENCE_S):
        while await rig.pending() != attempts:
            await asyncio.sleep(0.02)


def most_at_once(lines: list[str]) -> int:
    running = most = 0
    for line in lines:
        running += {"began": 1, "ended": -1}.get(line.split()[1], 0)
        most = max(most, running)
    return most


async def test_two_workers_execute_each_attempt_once(workers: Workers) -> None:
    runs = [f"r{number}" for number in range(12)]
    one = await workers.start("one", slots=3, seconds=0.1)
    two = await workers.start("two", slots=1, seconds=0.1)
    await workers.add(*runs)
    await until(lambda: len(workers.attempts("ended")) == 12)
    assert workers.attempts("began") == Counter(f"{run}:1" for run in runs)
    # The number of slots is each worker's own, though the queue is one.
    most = {name: most_at_once(workers.lines(name)) for name in ("one", "two")}
    assert (most["one"] <= 3, most["two"] <= 1, max(most.values()) > 1) == (True, True, True)
    for process in (one, two):
        output, _ = await process.communicate(b"\n")
        assert (process.returncode, output) == (0, b"")
    assert await workers.rig.pending() == {}


async def test_queues_of_a_worker_share_its_slots(workers: Workers) -> None:
    await workers.add("a", "b", "c", "d")
    await workers.add("e", "f", "g", "h", label="gpu")
    await workers.add("other", label="laptop")
    await workers.start("w", QUEUE, GPU, slots=2, seconds=0.2)
    await until(lambda: len(workers.attempts("ended")) == 8)
    assert most_at_once(workers.lines("w")) == 2
    await until_pending(workers.rig, {"other:1": ""})


async def test_attempts_of_a_killed_worker_stay_with_it(workers: Workers) -> None:
    await workers.add("a", "b", "c")
    killed = await workers.start("killed", slots=2, seconds=60)
    await until(lambda: len(workers.attempts("began")) == 2)
    killed.kill()
    await killed.wait()
    lost = dict.fromkeys(workers.attempts("began"), "killed")
    await workers.start("next", slots=3)
    await until(lambda: workers.attempts("ended"))
    # Longer than DBOS takes to start its own recovery.
    await asyncio.sleep(2)
    assert len(workers.attempts("began")) == workers.attempts("began").total() == 3
    assert await workers.rig.pending() == lost
    # A sweep replaces all, because no run was claimed.
    assert len(await workers.rig.table.sweep("s")) == 3
    await until(lambda: {"a:2", "b:2", "c:2"} <= {*workers.attempts("ended")})


async def test_closing_worker_takes_nothing_more(workers: Workers) -> None:
    await workers.add("a")
    process = await workers.start("w", slots=4, seconds=1.5)
    await until(lambda: workers.attempts("began"))
    assert process.stdin
    process.stdin.write(b"\n")
    await until(lambda: "w closes" in workers.lines())
    await workers.add("b", "c")
    await process.communicate()
    assert workers.lines()[-3:] == ["w closes", "w ended a:1", "w closed"]
    assert await workers.rig.pending() == {"b:1": "", "c:1": ""}


@asynccontextmanager
async def listening(rig: SqlRig, done: list[str], **options: float) -> AsyncGenerator[Listener]:
    async def execute(run_id: str, attempt: int) -> None:
        assert threading.current_thread() is threading.main_thread()
        await asyncio.sleep(options.get("seconds", 0))
        done.append(f"{run_id}:{attempt}")

    listener = Listener(rig.database, worker="me", queues=[QUEUE], slots=1, execute=execute)
    await listener.start()
    try:
        yield listener
    finally:
        await listener.close(options.get("patience_s", 1))


async def test_attempts_run_on_the_loop_of_the_worker_by_priority(
    database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []
    async with sql_rig(database_url) as rig:
        for run_id, priority in (("low", 200), ("high", -5), ("lowest", 2**31 - 1)):
            await rig.table.add(
                NewRun(run_id=run_id, head="h", pool="p", engine="1", priority=priority)
            )
        async with listening(rig, done):
            await until(lambda: len(done) == 3)
        assert done == ["high:1", "low:1", "lowest:1"]
        # A process may listen again.
        await rig.table.add(NewRun(run_id="again", head="h", pool="p", engine="1"))
        async with listening(rig, done):
            await until(lambda: done[-1] == "again:1")
    assert capfd.readouterr() == ("", "")


async def test_close_ends_what_outlasts_its_patience(database_url: str) -> None:
    done: list[str] = []
    async with sql_rig(database_url) as rig:
        await rig.table.add(NewRun(run_id="r", head="h", pool="p", engine="1"))
        async with listening(rig, done, seconds=60, patience_s=0) as listener:
            await until(lambda: listener.running)
        assert done == []
        assert not listener.running


async def test_listener_outlasts_a_restart_of_the_database(cluster: Cluster) -> None:
    done: list[str] = []
    async with sql_rig(cluster.new_database()) as rig:
        async with listening(rig, done):
            with cluster.stopped():
                await asyncio.sleep(1)
            await rig.table.add(NewRun(run_id="r", head="h", pool="p", engine="1"))
            await until(lambda: done)
        with cluster.stopped():
            async with asyncio.timeout(PATIENCE_S):
                with pytest.raises(DatabaseAway):
                    async with listening(rig, done):
                        pass


async def test_pickled_argument_is_not_executed(database_url: str, tmp_path: Path) -> None:
    """A worker that may write to the tables of DBOS cannot run its code at another one."""

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "executed",)

    done: list[str] = []
    async with sql_rig(database_url) as rig:
        await rig.table.add(NewRun(run_id="bad", head="h", pool="p", engine="1"))
        schema = "dbos" if rig.database.engine.dialect.name == "postgresql" else None
        inputs = base64.b64encode(pickle.dumps(Evil())).decode()
        changes = {
            "workflow_status": {"serialization": "py_pickle"},
            "workflow_input": {"inputs": inputs},
        }

        def attack(connection: sa.Connection, _: float) -> None:
            for name, values in changes.items():
                columns = [sa.column(column, sa.Text) for column in values]
                attacked = sa.table(name, *columns, schema=schema)
                connection.execute(sa.update(attacked).values(**values))

        await rig.database.transact(attack)
        async with listening(rig, done):
            await rig.table.add(NewRun(run_id="good", head="h", pool="p", engine="1"))
            await until(lambda: done)
    assert done == ["good:1"]
    assert not (tmp_path / "executed").exists()

"""Times of the fleet's transactions, as multiples of one bare transaction of the same database.

The second part measures one commit of a run that grew to 10,000 stages against one of 100.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from attractor.fleet.database.database import Database, open_database
from attractor.fleet.database.queue import Listener, Queue
from attractor.fleet.database.table import SqlTable
from attractor.fleet.fleet import open_blobs
from attractor.fleet.records import AttemptEnd, Claim, NewRun, RowState, Worker
from attractor.fleet.store.heads import HeadTree
from attractor.fleet.store.places import Collector, MachinePlace
from benchmarks.figures import Figure, NotMeasured, Row
from benchmarks.folders import Folders

TIMES = 100
TASKS = 1000
STAGES = (100, 10_000)
TURNS = 50
GROWTH_LIMIT = 1.5


def rows() -> Iterator[Row]:
    """Measure both databases, then the commits of a run that grows."""
    with Folders() as folders:
        yield from _of_database("SQLite", f"sqlite:///{folders.new() / 'fleet.sqlite'}")
        folder = folders.new()
        if programs := sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
            with _postgres(programs[-1].parent, folder) as url:
                yield from _of_database("PostgreSQL", url)
        else:
            yield NotMeasured("transactions of the fleet on PostgreSQL", "it is not installed")
        yield asyncio.run(_growing(folders.new()))


def _of_database(name: str, url: str) -> Sequence[Row]:
    return asyncio.run(_transactions(name, url))


async def _transactions(name: str, url: str) -> Sequence[Row]:
    database = await open_database(url)
    queue = Queue(database)
    table = SqlTable(database, queue)
    claims: dict[str, Claim] = {}

    async def claim(run_id: str, worker: str = "first") -> None:
        claimed = await table.claim(run_id, 1, worker)
        assert isinstance(claimed, Claim)
        claims[run_id] = claimed

    async def commit(run_id: str) -> None:
        claims[run_id] = await table.commit(claims[run_id], "b" * 64, ends_stage=True)

    async def end(run_id: str) -> None:
        await table.end(claims[run_id], AttemptEnd(state=RowState.ENDED))

    async def take_over(number: int) -> None:
        """Let a sweep find a run whose worker is dead."""
        assert len(await table.sweep("first")) == 1, number

    async def lose(number: int) -> None:
        await table.add(_run(number, pool="lost"))
        await claim(f"lost-{number}", "dead")

    try:
        now = await table.now()
        for worker in ("first", "second"):
            await table.beat(_worker(worker, now))
        found = {
            "enqueue": await _pairs(database, lambda one: table.add(_run(one))),
            "dispatch (a worker claims an attempt)": await _pairs(
                database, lambda one: claim(f"agents-{one}")
            ),
            "commit": await _pairs(database, lambda one: commit(f"agents-{one}")),
            "end": await _pairs(database, lambda one: end(f"agents-{one}")),
            "takeover (a sweep replaces an attempt)": await _pairs(database, take_over, lose),
        }
        tasks = [(await _dispatch(database, table, is_bare=True), await _dispatch(database, table))]
        return [
            *(
                Figure.paired(f"fleet on {name}: {what} / bare transaction", pairs, None)
                for what, pairs in found.items()
            ),
            Figure.paired(f"fleet on {name}: empty attempt / empty task of DBOS", tasks, None),
        ]
    finally:
        queue.close()
        database.close()


async def _dispatch(database: Database, table: SqlTable, *, is_bare: bool = False) -> float:
    """Return the seconds for each of many attempts that end at once, with one worker.

    With `is_bare`, the attempts do nothing: what is left is the queue of DBOS.
    """
    done, pool = asyncio.Event(), "bare" if is_bare else "many"
    left = TASKS

    async def execute(run_id: str, attempt: int) -> None:
        nonlocal left
        claim = None if is_bare else await table.claim(run_id, attempt, "second")
        if isinstance(claim, Claim):
            await table.end(claim, AttemptEnd(state=RowState.ENDED))
        left -= 1
        if not left:
            done.set()

    for number in range(TASKS):
        await table.add(_run(number, pool=pool))
    listener = Listener(database, worker="second", queues=[f"{pool}@1"], slots=16, execute=execute)
    beats = asyncio.create_task(_beat(table))
    began = time.monotonic()
    await listener.start()
    await asyncio.wait_for(done.wait(), 600)
    seconds = time.monotonic() - began
    beats.cancel()
    await listener.close(1)
    return seconds / TASKS


async def _beat(table: SqlTable) -> None:
    while True:
        await table.beat(_worker("second", await table.now()))
        await asyncio.sleep(1)


def _worker(name: str, now: float) -> Worker:
    return Worker(
        id=name, name=name, pool="many", engine="1", slots=16, labels=(), began=now, beat=now
    )


def _run(number: int, pool: str = "agents") -> NewRun:
    return NewRun(run_id=f"{pool}-{number}", head="a" * 64, pool=pool, engine="1")


async def _bare(database: Database) -> None:
    """Change one row in one transaction."""
    work = sa.text("update fleet_worker set slots = slots where id = 'first'")
    await database.transact(lambda connection, _: connection.execute(work) and None)


async def _pairs(
    database: Database,
    work: Callable[[int], Awaitable[object]],
    before: Callable[[int], Awaitable[object]] | None = None,
) -> Sequence[tuple[float, float]]:
    """Return the seconds of a bare transaction and of work right after it, for each number."""
    found: list[tuple[float, float]] = []
    for number in range(TIMES):
        if before:
            await before(number)
        found.append((await _seconds(_bare(database)), await _seconds(work(number))))
    return found


async def _seconds(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


class _GrowingRun:
    """A run directory, whose commits are measured without a database."""

    def __init__(self, folder: Path, tree: HeadTree) -> None:
        place = MachinePlace.below(folder)
        self._root, self._objects = place.runs / "run", place.store("run") / "objects"
        for one in (self._root / "node" / "history", self._root / "artifacts", self._objects):
            one.mkdir(parents=True)
        self._tree, self._collector = tree, Collector(place, lambda: ["run"])
        self._stages = 0

    async def seconds(self) -> float:
        """Return the seconds of the commit of the next stage."""
        # Of each run other words: what is in the store already is not written again.
        words = f"stage {self._stages} of {self._root.parent.parent.name}"
        _write_stage(self._root, self._objects, self._stages, words)
        self._stages += 1
        return await _seconds(self._commit())

    async def _commit(self) -> None:
        await self._collector.collect(self._tree)
        await self._tree.save()


async def _growing(folder: Path) -> Row:
    """Compare the commits of a short and of a long run, which take turns."""
    blobs = await open_blobs(str(folder / "store"), {})
    runs = [_GrowingRun(folder / f"{stages}", await HeadTree.load(blobs, "")) for stages in STAGES]
    for run, stages in zip(runs, STAGES, strict=True):
        for _ in range(stages - TURNS):
            await run.seconds()
    few, many = runs
    pairs = [(await few.seconds(), await many.seconds()) for _ in range(TURNS)]
    name = f"fleet: a commit at stage {STAGES[1]:,} / at stage {STAGES[0]}"
    return Figure.paired(name, pairs, GROWTH_LIMIT)


def _write_stage(root: Path, objects: Path, stage: int, words: str) -> None:
    """Write what a stage leaves: two kilobytes of journal, its folder, three objects."""
    with (root / "events.jsonl").open("a") as journal:
        journal.write(f"{words:>1000}\n" * 2)
    past = root / "node" / "history" / f"{stage}.1"
    past.mkdir()
    for name in ("status.json", "stdout.txt"):
        (past / name).write_text(f"{name} {words}")
    (root / "run.json").write_text(words)
    for _ in range(3):
        digest = os.urandom(20).hex()
        (objects / digest[:2]).mkdir(exist_ok=True)
        (objects / digest[:2] / digest[2:]).write_bytes(os.urandom(200))


@contextmanager
def _postgres(programs: Path, folder: Path) -> Generator[str]:
    """Start a server of our own on loopback; PostgreSQL refuses root."""
    user = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        user += ["--reuid", "postgres", "--regid", "postgres", "--init-groups"]
        folder.chmod(0o755)
        for above in folder.parents:
            with suppress(PermissionError):
                above.chmod(above.stat().st_mode | 0o011)
        shutil.chown(folder, "postgres")
    data = folder / "data"
    made = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"]
    subprocess.run([*user, *made], check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["-c", f"port={port}", "-c", "listen_addresses=127.0.0.1"]
    options += ["-c", "unix_socket_directories="]
    with subprocess.Popen(
        [*user, programs / "postgres", "-D", data, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    ) as server:
        try:
            _await_port(port)
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()


def _await_port(port: int) -> None:
    for _ in range(300):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            time.sleep(1)
            return
        time.sleep(0.1)
    raise TimeoutError("PostgreSQL does not start")

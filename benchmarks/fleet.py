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
from statistics import median

import sqlalchemy as sa

from attractor.fleet.database.database import Database, open_database
from attractor.fleet.database.queue import Listener, Queue
from attractor.fleet.database.table import SqlTable
from attractor.fleet.records import AttemptEnd, Claim, NewRun, RunState, Worker
from attractor.fleet.store.blobs import open_blobs
from attractor.fleet.store.heads import HeadTree
from attractor.fleet.store.places import Collector, Place
from benchmarks.figures import Figure, NotMeasured, Row
from benchmarks.folders import Folders

TIMES = 100
TASKS = 1000
STAGES = (100, 10_000)
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
    try:
        now = await table.now()
        for worker in ("first", "second"):
            await table.beat(_worker(worker, now))
        bare = await _seconds(range(TIMES), lambda _: _bare(database))
        enqueue = await _seconds(range(TIMES), lambda one: table.add(_run(one)))
        claims: dict[int, Claim] = {}

        async def claim(one: int) -> None:
            claimed = await table.claim(f"agents-{one}", 1, "first")
            assert isinstance(claimed, Claim)
            claims[one] = claimed

        async def commit(one: int) -> None:
            claims[one] = await table.commit(claims[one], "b" * 64)

        claiming = await _seconds(range(TIMES), claim)
        commits = await _seconds(range(TIMES), commit)
        ends = await _seconds(
            range(TIMES), lambda one: table.end(claims[one], AttemptEnd(state=RunState.ENDED))
        )
        pairs = [(await _dispatch(database, table, is_bare=True), await _dispatch(database, table))]
        return [
            Figure.paired(
                f"fleet on {name}: {what} / bare transaction", zip(bare, found, strict=True), None
            )
            for what, found in {
                "enqueue": enqueue,
                "claim": claiming,
                "commit": commits,
                "end": ends,
            }.items()
        ] + [Figure.paired(f"fleet on {name}: empty attempt / empty task of DBOS", pairs, None)]
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
            await table.end(claim, AttemptEnd(state=RunState.ENDED))
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


async def _seconds(numbers: range, work: Callable[[int], Awaitable[object]]) -> Sequence[float]:
    found: list[float] = []
    for number in numbers:
        began = time.perf_counter()
        await work(number)
        found.append(time.perf_counter() - began)
    return found


async def _growing(folder: Path) -> Row:
    """Compare the commits of the last stages of a short and of a long run."""
    blobs = await open_blobs(str(folder / "store"), {})
    place = Place.below(folder)
    root, objects = place.runs / "run", place.store("run") / "objects"
    for one in (root / "node" / "history", root / "artifacts", objects):
        one.mkdir(parents=True)
    tree = await HeadTree.load(blobs, "")
    collector, seconds = Collector(place, lambda: ["run"]), list[float]()
    for stage in range(STAGES[1]):
        _write_stage(root, objects, stage)
        began = time.perf_counter()
        await collector.collect(tree)
        await tree.save()
        seconds.append(time.perf_counter() - began)
    few, many = (seconds[at - 50 : at] for at in STAGES)
    name = f"fleet: a commit at stage {STAGES[1]:,} / at stage {STAGES[0]}"
    return Figure(name, median(many), GROWTH_LIMIT, "s", median(few), median(many) / median(few))


def _write_stage(root: Path, objects: Path, stage: int) -> None:
    """Write what a stage leaves: two kilobytes of journal, its folder, three objects."""
    with (root / "events.jsonl").open("ab") as journal:
        journal.write(b"%01000d\n%01000d\n" % (stage, stage))
    past = root / "node" / "history" / f"{stage}.1"
    past.mkdir()
    for name in ("status.json", "stdout.txt"):
        (past / name).write_text(f"{name} {stage}")
    (root / "run.json").write_text(f"{stage}")
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

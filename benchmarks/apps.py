"""Time of a write of a grown app under 100 people, compared with a bare app of the same stack."""

import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from attractor.growth.apps.process import running_app
from benchmarks.figures import Figure, Row
from tests.growth.apps.small_app import write_small_app

PEOPLE = 100
WRITES = 5
PAIRS = 5
BARE_BOUND = 6.0
LOCK_BOUND = 0.4
BARE = """
import json, socket, sqlite3, sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

def connection():
    return sqlite3.connect("bare.sqlite", timeout=30, isolation_level=None)

def write(body):
    record = json.loads(body)
    one = connection()
    one.execute("BEGIN IMMEDIATE")
    one.execute("INSERT INTO records VALUES (?, ?)", (record["id"], body))
    one.execute("COMMIT")
    one.close()
    return record

async def add(request):
    from starlette.concurrency import run_in_threadpool
    return JSONResponse(await run_in_threadpool(write, await request.body()), 201)

kept = connection()
kept.execute("PRAGMA journal_mode = WAL")
kept.execute("CREATE TABLE records (id TEXT PRIMARY KEY, record TEXT)")
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
app = Starlette(routes=[Route("/data/harvest", add, methods=["POST"])])
uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
"""


def rows() -> Iterator[Row]:
    """Let people write to the app, to a bare one, and to the same app without its lock, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        bare, grown, rush = asyncio.run(_measure(Path(folder)))
    name = f"99 % of writes of {PEOPLE} people: app / bare app"
    yield Figure.paired(name, zip(bare, grown, strict=True), BARE_BOUND)
    name = f"99 % of writes of {PEOPLE} people: app / app without its lock"
    yield Figure.paired(name, zip(rush, grown, strict=True), LOCK_BOUND)


async def _measure(folder: Path) -> tuple[list[float], list[float], list[float]]:
    grown, rush = (write_small_app(folder / name) for name in ("grown", "rush"))
    store = rush / "app" / "store.py"
    text = store.read_text()
    store.write_text(text.replace("threading.Lock()", f"threading.Semaphore({PEOPLE})"))
    assert store.read_text() != text
    taken: tuple[list[float], list[float], list[float]] = ([], [], [])
    for number in range(PAIRS):
        async with _bare(folder / f"bare{number}") as port:
            taken[0].append(await _write_at_once(port, {}))
        for tree, kept in zip((grown, rush), taken[1:], strict=True):
            async with running_app(tree, folder / f"{tree.name}{number}") as app:
                kept.append(await _write_at_once(int(app.url.rpartition(":")[2]), app.headers))
    return taken


@asynccontextmanager
async def _bare(state: Path) -> AsyncGenerator[int]:
    state.mkdir()
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BARE, cwd=state, stdout=pipe, env=dict(os.environ)
    )
    assert process.stdout
    try:
        yield int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


async def _write_at_once(port: int, headers: Mapping[str, str]) -> float:
    """Let people add records; return the seconds within which 99 of 100 requests were answered."""
    key = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    taken = list[float]()

    async def write(person: int) -> None:
        for number in range(WRITES):
            body = f'{{"id": "h{person}-{number}", "kilos": 1}}'
            head = f"POST /data/harvest HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{key}"
            head += f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            begun = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head.encode())
            answer = await reader.read()
            taken.append(time.monotonic() - begun)
            writer.close()
            assert re.match(rb"HTTP/1.1 201 ", answer), answer

    await asyncio.gather(*map(write, range(PEOPLE)))
    return statistics.quantiles(taken, n=100)[-1]

"""100 people who write at the same moment: writers wait in turn."""

import asyncio
import statistics
import time
from http import HTTPStatus
from pathlib import Path

import pytest

from attractor.growth.apps.process import running_app
from tests.growth.apps.small_app import write_small_app

PEOPLE = 100
WRITES = 5
MOST_OF_A_RUSH = 0.4


async def write_at_once(tree: Path, state: Path) -> float:
    """Let people add records; return the seconds within which 99 of 100 requests were answered."""
    async with running_app(tree, state) as app:
        host, port = app.url.removeprefix("http://").split(":")
        key = "".join(f"{name}: {value}\r\n" for name, value in app.headers.items())
        taken = list[float]()

        async def write(person: int) -> None:
            for number in range(WRITES):
                body = f'{{"id": "h{person}-{number}", "kilos": 1}}'
                head = f"POST /data/harvest HTTP/1.1\r\nHost: {host}\r\n{key}Connection: close\r\n"
                request = f"{head}Content-Length: {len(body)}\r\n\r\n{body}"
                begun = time.monotonic()
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(request.encode())
                answer = await reader.read()
                taken.append(time.monotonic() - begun)
                writer.close()
                assert int(answer.split()[1]) == HTTPStatus.CREATED, answer

        await asyncio.gather(*map(write, range(PEOPLE)))
    return statistics.quantiles(taken, n=100)[-1]


@pytest.mark.anyio
async def test_writers_wait_in_turn(tmp_path: Path) -> None:
    apps = {name: write_small_app(tmp_path / name) for name in ("turns", "rush")}
    file = apps["rush"] / "app" / "store.py"
    text = file.read_text()
    file.write_text(text.replace("threading.Lock()", f"threading.Semaphore({PEOPLE})"))
    assert file.read_text() != text
    pairs = [
        [await write_at_once(apps[name], tmp_path / f"{name}{pair}") for name in apps]
        for pair in range(3)
    ]
    ratio = statistics.median(turns / rush for turns, rush in pairs)
    assert ratio <= MOST_OF_A_RUSH, pairs

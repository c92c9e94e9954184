"""A worker that only listens: writes a line for each attempt, and ends when its input ends."""

import asyncio
import sys
from pathlib import Path

from attractor.fleet.database.database import open_database
from attractor.fleet.database.queue import Listener


async def listen(
    url: str, log: Path, worker: str, slots: int, seconds: float, queues: list[str]
) -> None:
    def note(line: str) -> None:
        # One write to the end of the file: other workers write there too.
        with log.open("a") as file:
            file.write(f"{worker} {line}\n")

    async def execute(run_id: str, attempt: int) -> None:
        note(f"began {run_id}:{attempt}")
        await asyncio.sleep(seconds)
        note(f"ended {run_id}:{attempt}")

    database = await open_database(url)
    listener = Listener(database, worker=worker, queues=queues, slots=slots, execute=execute)
    await listener.start()
    note("listens")
    await asyncio.to_thread(sys.stdin.readline)
    note("closes")
    await listener.close(5)
    note("closed")
    database.close()


if __name__ == "__main__":
    url, log, worker, slots, seconds, *queues = sys.argv[1:]
    asyncio.run(listen(url, Path(log), worker, int(slots), float(seconds), queues))

"""Visitors write while a release is exchanged: nothing is lost, and refusals are short."""

import asyncio
import http.client
import json
import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from attractor.growth.apps.process import import_state
from attractor.growth.deployment.release import BUBBLEWRAP
from attractor.growth.deployment.resting_app import RestingApp
from attractor.growth.migration import Record
from tests.counts import count
from tests.growth.deployment.living import NEW_FIELD, Living, make_released
from tests.needs import needs_bubblewrap
from tests.patience import PATIENCE_S
from tests.ports import free_port

RECORDS = count(ci=500, full=10_000)
WRITERS = 3
MOST_S = count(ci=60.0, full=5.0)
"""How long requests may be refused; beside other tests, all takes longer."""


@dataclass
class Writer:
    """Adds a record after the other; `refused` are the times of its refusals."""

    name: str
    port: int
    written: list[str] = field(default_factory=list[str])
    refused: list[float] = field(default_factory=list[float])
    faults: list[str] = field(default_factory=list[str])

    def write(self, ended: threading.Event) -> None:
        """Write until an event."""
        while not ended.wait(0.01):
            id_ = self.next_id
            try:
                status, wait = self.send(id_)
            except OSError as error:
                self.faults.append(f"{id_}: {error!r}")
                continue
            if status == 201:
                self.written.append(id_)
            elif status == 503 and 0 < int(wait) <= MOST_S:
                self.refused.append(time.monotonic())
            else:
                self.faults.append(f"{id_}: {status}, Retry-After {wait!r}")

    @property
    def next_id(self) -> str:
        return f"{self.name}-{len(self.written):05}"

    def send(self, id_: str) -> tuple[int, str]:
        """Send a record; return the status of the answer, and its Retry-After."""
        record = {"id": id_, "crop": "rye"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("POST", "/data/block", json.dumps(record))
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers.get("retry-after", "")
        finally:
            connection.close()


@contextmanager
def writers(app: Living, stage: str) -> Generator[list[Writer]]:
    """Let people write during a block; then no request had another fault than a short refusal."""
    port = int(app.url.rpartition(":")[2])
    made = [Writer(f"{stage}-{number}", port) for number in range(WRITERS)]
    ended = threading.Event()
    threads = [threading.Thread(target=one.write, args=[ended]) for one in made]
    for thread in threads:
        thread.start()
    try:
        yield made
        time.sleep(0.5)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert [fault for one in made for fault in one.faults] == []
    times = [at for one in made for at in one.refused]
    assert times
    assert max(times) - min(times) <= MOST_S


@needs_bubblewrap
def test_writers_lose_nothing_during_a_deployment_and_a_rollback(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app", is_generated=True, sandbox=BUBBLEWRAP)
    app.grow({"type": "set_preference", "name": "Short sentences"})
    app.stop()
    current = app.releases.current
    assert current
    first: list[Record] = [{"id": f"r{number:05}", "crop": "rye"} for number in range(RECORDS)]
    asyncio.run(import_state(current.tree, current.state, {"block": tuple(first)}))
    wanted = {str(one["id"]) for one in first}
    app.start(os.environ)
    try:
        plan = app.plan(NEW_FIELD)
        app.decide(app.deploy(plan).run_id)
        with writers(app, "up") as during:
            app.deploy(plan)
        wanted |= {id_ for one in during for id_ in one.written}
        found = [one["id"] for one in app.records()]
        assert (len(found), set(found)) == (len(wanted), wanted)
        app.decide(app.roll_back().run_id)
        with writers(app, "down") as during:
            app.roll_back()
        wanted |= {id_ for one in during for id_ in one.written}
        found = [one["id"] for one in app.records()]
        assert (len(found), set(found)) == (len(wanted), wanted)
    finally:
        app.stop()


def test_browser_is_shown_a_page_while_the_app_rests() -> None:
    with RestingApp() as resting:
        port = free_port()
        resting.answer(port)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.request("POST", "/records/block", "crop=rye", {"Accept": "text/html"})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert b"Nothing was saved" in answer.read()
        connection.request("GET", "/", headers={"Accept": "application/json"})
        words = json.load(connection.getresponse())["error"]
        assert words == "This app is being changed, and answers again in a few seconds."
        connection.close()
    with resting:
        assert resting.hand_over() is None

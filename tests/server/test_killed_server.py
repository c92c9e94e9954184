"""Runs continue when the server is killed, and the next server finds them."""

import json
import os
import secrets
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse

from attractor.base.clock import SystemClock
from attractor.engine.journal.checkpoint import verify_journal
from attractor.factory.ledger.tokens import TokenStore
from attractor.factory.operator_process import Scope
from tests.patience import PATIENCE_S, wait_until
from tests.prepared import Process, begin_prepared
from tests.server.runs import BRANCHES, GATE, UNGUARDED, WAITING, await_rest, await_status, start

pytestmark = pytest.mark.crash


@contextmanager
def served(project: Path, secret: str) -> Generator[tuple[Process, httpx.Client]]:
    """Serve a project by a process of its own, which is killed at the end of the block."""
    variables = {"PATH": os.environ["PATH"], "HOME": str(project.parent), "LANG": "C.UTF-8"}
    variables["ATTRACTOR_STATE_DIR"] = str(project.parent / "state")
    words = ["--config=server.max_processes=3", "serve", "--port", "0", "--json"]
    server = begin_prepared(words, folder=project, variables=variables, stdout=PIPE)
    assert server.stdout
    try:
        with server.stdout as printed:
            url = json.loads(printed.readline())["url"]
            headers = {"authorization": f"Bearer {secret}"}
            with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S) as client:
                yield server, client
    finally:
        server.kill()
        server.wait(PATIENCE_S)


def follow(client: httpx.Client, run: str, found: list[int], last: int = 0) -> None:
    """Add the numbers of the events of a run, up to the last one or until the server ends."""
    headers = {"last-event-id": str(found[-1])} if found else {}
    with (
        suppress(httpx.TransportError),
        connect_sse(client, "GET", f"/pipelines/{run}/events", headers=headers) as source,
    ):
        for one in source.iter_sse():
            found.append(int(one.id))
            if found[-1] == last:
                return


def read_on(client: httpx.Client, feed: list[dict[str, Any]]) -> int:
    """Add the next events of all runs, and return how many there are now.

    The first call begins to number them; a number is given a moment after its event.
    """
    query = {"limit": 500, "after": feed[-1]["number"] if feed else 0}
    feed += client.get("/api/v1/events", params=query).json()["items"]
    return len(feed)


def test_runs_continue_without_the_server_and_are_found_by_the_next_one(project: Path) -> None:
    secret = secrets.token_urlsafe(32)
    tokens = TokenStore(project.parent / "state")
    tokens.create("ann", Scope.OPERATE, secret, by="ann", now=SystemClock().now())
    seen: list[list[int]] = [[], [], []]
    with served(project, secret) as (server, client), ThreadPoolExecutor() as pool:
        feed: list[dict[str, Any]] = []
        assert read_on(client, feed) == 0
        begun = [pool.submit(start, client, one) for one in (WAITING, WAITING, BRANCHES)]
        runs = [one.result() for one in begun]
        await_status(client, runs[2], lambda status: bool(status["questions"]))
        readers = [pool.submit(follow, client, *one) for one in zip(runs, seen, strict=True)]
        wait_until(lambda: all(seen))
        wait_until(lambda: read_on(client, feed) > 0)
        server.kill()
        for one in readers:
            one.result(PATIENCE_S)
    with served(project, secret) as (_, client):
        states = [client.get(f"/pipelines/{run}").json() for run in runs]
        assert [one["live"] for one in states] == [True, True, True]
        full = client.post("/pipelines", json={"source": GATE, **UNGUARDED})
        assert (full.status_code, full.json()["type"]) == (429, "urn:attractor:TooManyProcesses")
        assert client.post("/answer", json={"id": runs[2], "answer": "S"}).is_success
        (project / "go").touch()
        ends = [await_rest(client, run) for run in runs]
        assert [one["outcome"] for one in ends] == ["success"] * 3
        journals = [project / "runs" / run / "events.jsonl" for run in runs]
        total = sum(len(one.read_text().splitlines()) for one in journals)
        wait_until(lambda: read_on(client, feed) >= total)
        for run, numbers in zip(runs, seen, strict=True):
            journal = project / "runs" / run / "events.jsonl"
            verify_journal(journal)
            events = [json.loads(line) for line in journal.read_text().splitlines()]
            follow(client, run, numbers, last=len(events))
            assert numbers == [one["seq"] for one in events] == [*range(1, len(events) + 1)]
            assert numbers == [one["seq"] for one in feed if one["run_id"] == run]
            assert not {"RunInterrupted", "RunResumed"} & {one["type"] for one in events}

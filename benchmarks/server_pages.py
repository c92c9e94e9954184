"""Pages over HTTP: the list of 100,000 runs, the start page with 1,500 real ones, and Attention."""

import os
import secrets
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from attractor.base.clock import SystemClock
from attractor.base.files import make_private_folder
from attractor.base.ids import new_run_id
from attractor.factory.history.index import RunIndex
from attractor.factory.history.index_update import insert_row, row_of
from attractor.records.summary import RunOverview
from attractor.server.application import build_application
from attractor.server.service import Service
from attractor.server.serving import Server, address_of, listen
from attractor.worlds.actors import Answered
from attractor.worlds.messages import Message, MessageKind
from benchmarks.figures import Figure, Row
from benchmarks.folders import Folders
from tests.worlds.flows import ANN, actor_in, open_at

RUNS = 100_000
ROUNDS = 15
LIMIT_MS = 150
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
PIPELINES = 20
REAL_RUNS = 1500
NOW = "/runs?fragment=now"
NOW_MS, FIRST_MS = 100, 1000
ATTENTION = 4
PAGES = ("/api/v1/runs", "/api/v1/runs?status=failed&pipeline=wish7", "/runs")


def rows() -> Iterator[Row]:
    """Measure the first page of the list of runs."""
    with Folders() as folders:
        project = _make_project(folders.new())
        state = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(project / "state")}
        with _client(Service.of(project, state)) as client:
            yield from (_at_rest(client, page) for page in PAGES)
            yield _after_a_start(client, project / "runs")
        project = _make_real_runs(folders.new())
        state = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(project / "state")}
        with _client(Service.of(project, state)) as client:
            first = _milliseconds(client, "/runs")
            yield Figure(f"{REAL_RUNS:,} unread runs: first /runs", first, FIRST_MS, "ms")
            until = time.monotonic() + 60
            while "Reading" in client.get(NOW).text and time.monotonic() < until:
                time.sleep(1)
            times = [_milliseconds(client, NOW) for _ in range(ROUNDS)]
            yield Figure(f"{REAL_RUNS:,} real runs: {NOW}", statistics.median(times), NOW_MS, "ms")
    yield Figure("Attention, 500 rows of actors / 10", attention_ratio(500, 10), ATTENTION)


def attention_ratio(many: int, few: int) -> float:
    """Return the ratio of the processor times of the page Attention with many rows and few."""
    with Folders() as folders, ExitStack() as stack:
        clients: list[httpx.Client] = []
        for rows in (many, few):
            opened = open_at(folders.new())
            for number in range(rows):
                message = Message("m" * 26, 1, MessageKind.TASK, ANN, "work", BEGUN)
                answer = Answered(message, "", True, "", "done", 1, ["a"], 0.1, BEGUN)
                actor = actor_in(opened, f"actor-{number}")
                make_private_folder(actor.inbox)
                os.utime(actor.inbox, (0, 0))
                actor.record(answer)
            state = {"ATTRACTOR_STATE_DIR": str(opened.project.machine.state_dir), **os.environ}
            clients.append(stack.enter_context(_client(Service.of(opened.project.root, state))))
        times = [[_processor_time(one) for one in clients] for _ in range(ROUNDS)]
    most, least = map(min, zip(*times, strict=True))
    return most / least


def _processor_time(client: httpx.Client) -> float:
    before = time.process_time()
    page = client.get("/attention", headers={"accept": "text/html"}).raise_for_status()
    taken = time.process_time() - before
    if "actor-0" not in page.text:
        raise RuntimeError("the page shows no row")
    return taken


def _make_project(project: Path) -> Path:
    """Make the directories of runs, and their rows directly."""
    runs = project / "runs"
    (project / "attractor.toml").write_text("")
    runs.mkdir()
    index, rows = RunIndex(project / "state"), list[dict[str, object]]()
    for number in range(RUNS):
        started = BEGUN + timedelta(minutes=number)
        run_id = new_run_id(started, os.urandom)
        (runs / run_id).mkdir()
        status = "rejected" if number % 3 else "failed"
        name = f"wish{number % PIPELINES}"
        rows.append(
            row_of(RunOverview(run_id, runs / run_id, name, "Do it", started, status=status))
        )
    with index.reading(project / "state") as db:
        db.execute("BEGIN")
        for row in rows:
            insert_row(db, "runs", row)
        changed = {"folder": str(runs), "changed": runs.stat().st_mtime_ns}
        insert_row(db, "folders", changed)
        db.commit()
    return project


def _make_real_runs(project: Path) -> Path:
    """Run a pipeline once, and copy the run: no suite judges it, so that each copy may change."""
    (project / "attractor.toml").write_text("")
    (project / "small.dot").write_text(
        "digraph small { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }"
    )
    words = ["run", "small.dot", "--workspace", "none", "--sandbox", "none"]
    environ = {**os.environ, "ATTRACTOR_STATE_DIR": str(project / "state")}
    command = [sys.executable, "-m", "attractor", *words]
    subprocess.run(command, cwd=project, env=environ, capture_output=True, check=True)
    [first] = (one for one in (project / "runs").iterdir() if one.is_dir())
    for number in range(1, REAL_RUNS):
        copy = new_run_id(BEGUN + timedelta(minutes=number), os.urandom)
        shutil.copytree(first, first.with_name(copy))
        manifest = first.with_name(copy) / "manifest.json"
        manifest.write_text(manifest.read_text().replace(first.name, copy))
    return project


@contextmanager
def _client(service: Service) -> Generator[httpx.Client]:
    ready, secret = threading.Event(), secrets.token_urlsafe(32)
    service.access.tokens.create("bench", "read", secret, by="bench", now=SystemClock().now())
    with listen("127.0.0.1", 0) as listener:
        server = Server(build_application(service), ready.set)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        ready.wait()
        headers = {"authorization": f"Bearer {secret}"}
        with httpx.Client(base_url=address_of(listener), headers=headers, timeout=60) as client:
            yield client
        server.should_exit = True
        thread.join()


def _at_rest(client: httpx.Client, page: str) -> Figure:
    client.get(page).raise_for_status()
    times = [_milliseconds(client, page) for _ in range(ROUNDS)]
    return Figure(f"{RUNS:,} runs: {page}", statistics.median(times), LIMIT_MS, "ms")


def _after_a_start(client: httpx.Client, runs: Path) -> Figure:
    times: list[float] = []
    for _ in range(ROUNDS):
        (runs / new_run_id(datetime.now(UTC), os.urandom)).mkdir()
        times.append(_milliseconds(client, PAGES[0]))
    return Figure(f"{RUNS:,} runs and a new one", statistics.median(times), LIMIT_MS, "ms")


def _milliseconds(client: httpx.Client, page: str) -> float:
    before = time.perf_counter()
    client.get(page).raise_for_status()
    return 1000 * (time.perf_counter() - before)

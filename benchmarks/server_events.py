"""200 readers of the stream of one run, and a client that never reads: delay, losses, memory."""

import asyncio
import json
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attractor.base.clock import SystemClock
from attractor.engine.journal.events import EventLog
from attractor.engine.run_folder.layout import FileFence, RunDirectory
from attractor.engine.storage.secrets import Redactor
from attractor.factory.ledger.tokens import TokenStore
from benchmarks.figures import Figure, Row

READERS = 200
SECONDS, RATE = 40, 50
EVENTS = SECONDS * RATE
ALONE = 8 * RATE
NOTES = "x" * 300
SETTLED_S = 10
"""Seconds until the first measurement of the server's memory."""

BEFORE, RUN, AFTER = (f"01JZ000000000000000000000{number}" for number in range(3))
DROPPED = "dropped a reader that read nothing"
_FRAME = re.compile(rb"id: (\d+)\nevent: \w+\ndata: (.*)\n\n")
_TIME = re.compile(rb'"time":"([^"]+)"')
_ENDED = b"event: end\n"


def rows() -> Iterator[Row]:
    """Measure in processes of their own: server, run and readers."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        with _server(project) as server:
            before = _seconds_of(_run(project, BEFORE, ALONE))
            _make_directory(project / "runs" / RUN)
            readers = _python("read", server.url, server.token)
            assert readers.stdout
            assert readers.stdout.readline() == "ready\n"
            run = _run(project, RUN, EVENTS)
            time.sleep(SETTLED_S)
            settled = server.memory()
            with_readers = _seconds_of(run)
            grown = server.memory()
            found = json.loads(readers.communicate(timeout=120)[0])
            # The machine may have become slower or faster meanwhile.
            alone = (before + _seconds_of(_run(project, AFTER, ALONE))) / 2
        is_dropped = not found["has_end"] and DROPPED in server.log()
    yield Figure(f"{READERS} readers: those with lost or double events", found["faulty"], 0)
    yield Figure("delay until an event is read, p99", found["p99"], 0.5, "s")
    memory = settled / 1024, grown / 1024
    yield Figure.paired(f"memory at the end / after {SETTLED_S} s", [memory], 1.1, "MB")
    yield Figure.paired(f"run with {READERS} readers / alone", [(alone, with_readers)], 1.1)
    yield Figure("readers that never read, and are kept", not is_dropped, 0)


@dataclass
class _Serving:
    """The running command `serve`."""

    process: subprocess.Popen[str]
    url: str
    token: str
    errors: Path

    def memory(self) -> int:
        """Return the memory of the server in kB."""
        [line] = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(line)

    def log(self) -> str:
        """Return the stderr of the server."""
        return self.errors.read_text()


@contextmanager
def _server(project: Path) -> Generator[_Serving]:
    state, secret = project / "state", secrets.token_urlsafe(32)
    (project / "attractor.toml").write_text(f'state_dir = "{state}"\n')
    now = SystemClock().now()
    TokenStore(state).create("bench", "read", secret, by="bench", now=now)
    errors = project / "errors.log"
    command = [sys.executable, "-m", "attractor", "serve", "--port", "0", "--json"]
    with (
        errors.open("w") as file,
        subprocess.Popen(
            command, cwd=project, stdout=subprocess.PIPE, stderr=file, text=True
        ) as process,
    ):
        assert process.stdout
        url = json.loads(process.stdout.readline())["url"]
        try:
            yield _Serving(process, url, secret, errors)
        finally:
            process.terminate()


def _python(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", __name__, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _run(project: Path, run: str, events: int) -> subprocess.Popen[str]:
    return _python("write", str(project / "runs" / run), str(events))


def _seconds_of(run: subprocess.Popen[str]) -> float:
    """Return the seconds that a run took for each event."""
    return float(run.communicate(timeout=2 * SECONDS)[0])


def _make_directory(root: Path) -> RunDirectory:
    directory = RunDirectory(root)
    directory.root.mkdir(parents=True, exist_ok=True)
    directory.manifest.touch()
    return directory


def write(root: str, events: str) -> None:
    """Write events like a run, with pauses between them."""
    directory = _make_directory(Path(root))
    fence = FileFence(directory.lock)
    fence.begin()
    log = EventLog(directory.events, run_id=RUN, clock=SystemClock(), redactor=Redactor([]))
    begun = time.perf_counter()
    for number in range(int(events) - 1):
        log.append("StageCompleted", {"name": "build", "index": number, "notes": NOTES})
        time.sleep(1 / RATE)
    taken = time.perf_counter() - begun
    log.append("RunStatusChanged", {"status": "failed", "phase": "", "reason": "over"})
    log.close()
    fence.end()
    print(taken / int(events))


class _Reader(asyncio.Protocol):
    """Counts events, and measures the delay of each."""

    def __init__(self, request: bytes, times: dict[bytes, float]) -> None:
        self.connected = asyncio.Event()
        self.ended = asyncio.Event()
        self.ids: list[int] = []
        self.delays: list[float] = []
        self._request = request
        self._times = times
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read all whole events."""
        now, end = time.time(), 0
        data = self._rest + data
        for found in _FRAME.finditer(data):
            self.ids.append(int(found[1]))
            self.delays.append(now - self._time_of(found[1], found[2]))
            end = found.end()
        if data.startswith(b"HTTP/1.1 200"):
            self.connected.set()
        elif not self.connected.is_set():
            sys.exit(f"the server refused a reader: {data[:500]!r}")
        if _ENDED in data[end:]:
            self.ended.set()
        self._rest = data[end:]

    def _time_of(self, number: bytes, record: bytes) -> float:
        if number not in self._times:
            [text] = _TIME.findall(record)
            self._times[number] = datetime.fromisoformat(text.decode()).timestamp()
        return self._times[number]


async def _read(url: str, token: str) -> dict[str, Any]:
    address = urlsplit(url)
    host, port = str(address.hostname), int(address.port or 0)
    request = (
        f"GET /pipelines/{RUN}/events HTTP/1.1\r\nhost: {address.netloc}\r\n"
        f"authorization: Bearer {token}\r\naccept: text/event-stream\r\n\r\n"
    ).encode()
    loop, times = asyncio.get_running_loop(), dict[bytes, float]()
    never = socket.create_connection((host, port))
    never.sendall(request)
    readers = [_Reader(request, times) for _ in range(READERS)]
    for reader in readers:
        await loop.create_connection(lambda reader=reader: reader, host, port)
    for reader in readers:
        await asyncio.wait_for(reader.connected.wait(), SECONDS)
    print("ready", flush=True)
    async with asyncio.timeout(3 * SECONDS):
        for reader in readers:
            await reader.ended.wait()
    delays = sorted(delay for reader in readers for delay in reader.delays)
    wanted = list(range(1, EVENTS + 1))
    return {
        "faulty": sum(reader.ids != wanted for reader in readers),
        "p99": delays[int(len(delays) * 0.99)],
        "has_end": _ENDED in await asyncio.to_thread(_read_all, never),
    }


def _read_all(connection: socket.socket) -> bytes:
    """Return all data that a connection has buffered for the client that never read."""
    parts: list[bytes] = []
    with connection, suppress(ConnectionResetError):
        connection.settimeout(10)
        while data := connection.recv(1 << 16):
            parts.append(data)
    return b"".join(parts)


def read(url: str, token: str) -> None:
    """Read the stream of the run with all readers."""
    print(json.dumps(asyncio.run(_read(url, token))))


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])

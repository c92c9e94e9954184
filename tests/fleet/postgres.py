"""A PostgreSQL server of the tests' own, in a folder, on loopback."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.needs import require
from tests.patience import PATIENCE_S, wait_until
from tests.ports import free_port

USER = "postgres"
"""A busy disk makes a restart slow."""


class Cluster:
    """A server with a data folder; PostgreSQL refuses root, so that then its own user runs it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._data = folder / "data"
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._as_user = ["setpriv", "--pdeathsig", "INT"]
        if os.geteuid() == 0:
            self._as_user += ["--reuid", USER, "--regid", USER, "--init-groups"]
            shutil.chown(folder, USER)
        made = [programs / "initdb", "-D", self._data, "-U", USER, "-A", "trust", "-E", "UTF8"]
        subprocess.run([*self._as_user, *made, "--no-sync"], check=True, capture_output=True)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on",
            "max_connections": 200,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user, self._programs / "postgres", "-D", self._data, *options],
                stdout=log,
                stderr=log,
                cwd="/",
            )
        wait_until(self._answers, self._log.read_text)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server and the processes of its connections."""
        assert self._process
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(one, number)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End all connections and the server; with SIGQUIT, without writing what it knows."""
        if self._process:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_S)
            self._process = None

    @contextmanager
    def stopped(self) -> Generator[None]:
        """Stop the server, and start it again whatever happens."""
        try:
            self.stop()
            yield
        finally:
            self.start()

    def new_database(self, *, template: str = "template1") -> str:
        """Make a database, and return its URL."""
        name = f"fleet_{uuid4().hex}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'create database "{name}" template "{template}"'.encode())
        return self.url(name)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True


def _programs() -> Path:
    initdb = Path(require("postgresql"))
    if os.geteuid() == 0:
        try:
            pwd.getpwnam(USER)
        except KeyError:
            pytest.skip(f"PostgreSQL refuses to run as root, and there is no user {USER}")
    return initdb.parent


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    programs = _programs()
    # The folders of pytest are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="attractor-postgres-"))
    cluster = Cluster(programs, folder)
    cluster.start()
    yield cluster
    cluster.stop(signal.SIGQUIT)
    shutil.rmtree(folder)

"""A stand-in for S3, as a process of its own."""

import socket
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress

import pytest

from tests.patience import wait_until
from tests.ports import free_port


@pytest.fixture(scope="session")
def s3_environ() -> Generator[Mapping[str, str]]:
    """The environment of users of a stand-in that allows everything."""
    with s3_server() as environ:
        yield environ


@contextmanager
def s3_server() -> Generator[Mapping[str, str]]:
    """Start a stand-in; return the environment of its users."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await_port(port)
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "fleet",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_REGION": "us-east-1",
            }
        finally:
            process.kill()


def _await_port(port: int) -> None:
    def answers() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    wait_until(answers)

"""The channel between the process of an attempt and its worker."""

import subprocess
import sys

import pytest

PROCESS = """
import socket, sys
from attractor.engine.errors import FenceLost
from attractor.engine.outcome import NOTHING_USED
from attractor.fleet.workers.fence import WorkerChannel

ours, theirs = socket.socketpair()
channel = WorkerChannel(ours)
if sys.argv[1] == "unread":
    ours.sendall(b"x" * 1000)
theirs.close()
try:
    channel.keep(NOTHING_USED, ends_stage=True)
except FenceLost:
    print("lost", flush=True)
import time
time.sleep(60)
"""


@pytest.mark.parametrize("left", ["nothing", "unread"])
def test_process_ends_when_its_worker_is_gone(left: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROCESS, left], capture_output=True, text=True)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr

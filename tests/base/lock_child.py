"""Takes a lock on request, prints the result, and keeps the lock until it is killed."""

import os
import subprocess
import sys

from attractor.base.errors import LockHeld
from attractor.base.locks import FileLock


def acquire(lock: FileLock, wait: float) -> str:
    """Try to take the lock."""
    try:
        lock.acquire(wait=wait, purpose="racing")
    except LockHeld as refusal:
        return f"lost {refusal.message}"
    return "won"


def spawn() -> str:
    """Start a process that inherits our open files, and ends when our stdin is closed."""
    program = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    return f"spawned {subprocess.Popen(program, close_fds=False).pid}"


def main(path: str) -> None:
    """Execute the order in each line of stdin, and print its result."""
    lock = FileLock(path)
    deeds = {
        b"race": lambda: acquire(lock, 0.0),
        b"wait": lambda: acquire(lock, 30.0),
        b"spawn": spawn,
        b"greet": lambda: "ready",
    }
    while order := sys.stdin.buffer.readline().strip():
        os.write(1, f"{os.getpid()} {deeds[order]()}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1])

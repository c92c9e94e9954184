"""A process that has the program loaded, and forks for each command it is given.

Each command is a process of its own, with its own folder, variables and files, and ends as the
installed program does. What it spares is to load the same modules again and again.
"""

import gc
import importlib
import json
import os
import pkgutil
import socket
import sys
from typing import Any

import attractor

_LATER = ("attractor.__main__", "attractor.cli.language_server", "attractor.twins")


def load() -> None:
    """Import what commands import when they need it."""
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    for module in pkgutil.walk_packages(attractor.__path__, "attractor."):
        if not module.name.startswith(_LATER):
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


def serve(line: socket.socket) -> list[str] | None:
    """Begin a process for every request; in such a process, return the words of its command."""
    while True:
        head, files, _, _ = socket.recv_fds(line, 4, 3)
        if not head:
            return None
        request = json.loads(_read(line, int.from_bytes(head)))
        pid = os.fork()
        if pid == 0:
            line.close()
            return _become(request, files)
        for file in files:
            os.close(file)
        line.sendall(pid.to_bytes(4))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        line.sendall(code.to_bytes(4, signed=True))


def _read(line: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        received += line.recv(size - len(received))
    return received


def _become(request: dict[str, Any], files: list[int]) -> list[str]:
    os.chdir(request["folder"])
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["variables"])
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    # As python itself opens them when the language is C.UTF-8.
    sys.stdin = os.fdopen(0, "r", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.argv = [request["program"], *request["words"]]
    return request["words"]


def main() -> int:
    """Serve until nobody is there any more."""
    load()
    words = serve(socket.socket(fileno=int(sys.argv[1])))
    return 0 if words is None else importlib.import_module("attractor.cli.main").main(words)


if __name__ == "__main__":
    sys.exit(main())

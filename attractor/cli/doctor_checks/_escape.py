"""Runs inside a sandbox and prints, as a JSON list, the accesses that were not denied."""

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path


def main() -> None:
    """Try to read, write, connect and see processes despite the sandbox."""
    secret, port, process = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    attempts: dict[str, Callable[[], object]] = {
        "reads a hidden file": secret.read_text,
        "writes beside a hidden file": lambda: secret.with_name("written").touch(),
        "reaches the network": lambda: socket.create_connection(("127.0.0.1", port), 2).close(),
        "sees processes outside": lambda: os.kill(process, 0),
    }
    escaped = [name for name, attempt in attempts.items() if _succeeds(attempt)]
    sys.stdout.write(json.dumps(escaped))


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()

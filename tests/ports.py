"""Free ports for programs that cannot report their port."""

import random
import socket
from contextlib import suppress


def free_port() -> int:
    """Return a free port below the range that the kernel gives to other tests."""
    while True:
        port = random.randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port

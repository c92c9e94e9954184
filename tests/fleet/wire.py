"""A network between a worker and its database that a test can cut."""

import socket
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress

HOST = "127.0.0.1"


class Wire:
    """Passes connections on to a port; while it is cut, all bytes wait, also of new connections."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server((HOST, 0))
        self._joined = threading.Event()
        self._joined.set()
        self.port: int = self._listener.getsockname()[1]

    def cut(self) -> None:
        """Let nothing through from now on."""
        self._joined.clear()

    def join(self) -> None:
        """Let everything through again."""
        self._joined.set()

    def serve(self) -> None:
        """Pass connections on until the wire is closed."""
        with ExitStack() as stack, suppress(OSError):
            while True:
                near = stack.enter_context(self._listener.accept()[0])
                far = stack.enter_context(socket.create_connection((HOST, self._target)))
                for ends in ((near, far), (far, near)):
                    pump = threading.Thread(target=self._pump, args=ends)
                    stack.callback(pump.join)
                    pump.start()
                # First, the pumps end.
                stack.callback(_end, near, far)

    def close(self) -> None:
        """End all connections."""
        self.join()
        _end(self._listener)
        self._listener.close()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self._joined.wait()
                target.sendall(data)
        _end(source, target)


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire_to(port: int) -> Generator[Wire]:
    """Have a wire to a port of this machine during a block."""
    wire = Wire(port)
    thread = threading.Thread(target=wire.serve)
    thread.start()
    try:
        yield wire
    finally:
        wire.close()
        thread.join()

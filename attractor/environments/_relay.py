"""Passes connections of a container on, through the stdin and stdout of this program.

This is a separate program for any Python from 3.9: `listen PORT` accepts connections from inside,
`connect PORT` opens connections that the outside asks for. Its first line is `ready`, or `busy` and
a reason. Then both sides send frames: the number of a connection, a kind, a size, and data.

- OPEN: a new connection.
- DATA: a piece; an empty one ends this direction.
- CREDIT: a piece was delivered. At most `WINDOW` pieces are on their way, so that a slow reader
  stops neither the sender's memory nor other connections.
- ABORT: the connection is gone.

It ends when stdin ends, so it does not outlive the process outside.
"""

from __future__ import annotations

import itertools
import os
import queue
import socket
import struct
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = struct.Struct(">IcI")
OPEN, DATA, CREDIT, ABORT = b"o", b"d", b"c", b"x"
WINDOW = 16
PIECE = 32 * 1024
_LOOPBACK = "127.0.0.1"
_STDIN, _STDOUT = 0, 1
_CONNECT_S = 5.0
_RESET = struct.pack("ii", 1, 0)
_sending = threading.Lock()
connections: dict[int, Connection] = {}


class Connection:
    """A connection inside, with one thread for each direction."""

    def __init__(self, number: int, made: socket.socket) -> None:
        self._number = number
        self.credit = threading.Semaphore(WINDOW)
        self.pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._socket = made
        self._left = 2
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections[number] = self

    def start(self) -> None:
        """Begin to read and write."""
        for way in (self._pull, self._push):
            threading.Thread(target=self._follow, args=(way,), daemon=True).start()

    def abort(self) -> None:
        """Reset the connection, and wake both threads."""
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.credit.release()
        self.pieces.put(b"")

    def _follow(self, way: Callable[[], None]) -> None:
        try:
            way()
        except OSError:
            send(self._number, ABORT)
            self.abort()
        with _sending:
            self._left -= 1
            is_last = not self._left
        if is_last:
            self._socket.close()
            connections.pop(self._number)

    def _pull(self) -> None:
        piece = b"x"
        while piece:
            self.credit.acquire()
            piece = self._socket.recv(PIECE)
            send(self._number, DATA, piece)

    def _push(self) -> None:
        while piece := self.pieces.get():
            self._socket.sendall(piece)
            send(self._number, CREDIT)
        self._socket.shutdown(socket.SHUT_WR)


def send(number: int, kind: bytes, data: bytes = b"") -> None:
    """Send a frame to the outside."""
    left = memoryview(HEADER.pack(number, kind, len(data)) + data)
    with _sending:
        while left:
            left = left[os.write(_STDOUT, left) :]


def main() -> None:
    """Pass connections on until stdin ends."""
    mode, port = sys.argv[1], int(sys.argv[2])
    if mode == "listen":
        listener = socket.socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((_LOOPBACK, port))
            listener.listen(128)
        except (OSError, OverflowError) as error:
            os.write(_STDOUT, f"busy {error}\n".encode())
            return
        os.write(_STDOUT, b"ready\n")
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
    else:
        os.write(_STDOUT, b"ready\n")
    with os.fdopen(_STDIN, "rb") as stdin:
        while len(head := stdin.read(HEADER.size)) == HEADER.size:
            number, kind, size = HEADER.unpack(head)
            receive(number, kind, stdin.read(size), port)
    os._exit(0)  # threads may wait for sockets


def accept(listener: socket.socket) -> None:
    """Announce each connection from inside."""
    for number in itertools.count():
        connection = Connection(number, listener.accept()[0])
        send(number, OPEN)
        connection.start()


def receive(number: int, kind: bytes, data: bytes, port: int) -> None:
    """Do what a frame from the outside says."""
    if kind == OPEN:
        try:
            made = socket.create_connection((_LOOPBACK, port), timeout=_CONNECT_S)
        except OSError:
            send(number, ABORT)
            return
        made.settimeout(None)
        Connection(number, made).start()
    elif connection := connections.get(number):
        if kind == DATA:
            connection.pieces.put(data)
        elif kind == CREDIT:
            connection.credit.release()
        else:
            connection.abort()


if __name__ == "__main__":
    main()

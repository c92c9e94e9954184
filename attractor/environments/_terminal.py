"""Runs a command in a terminal of its own, inside of an environment: `PORT TOKEN COMMAND`.

It connects to the process outside, which shows the terminal to a person. The other side sends
frames: a kind (`d` for typed bytes, `w` for the size of the window), a length, and the content.
"""

import fcntl
import os
import pty
import select
import signal
import socket
import struct
import sys
import termios
import time

NO_TERMINAL = 97
_HEAD = struct.Struct(">cI")
_GRACE_S = 3.0
_POLL_S = 0.1


def resize(terminal: int, size: bytes) -> None:
    """Set the size of a terminal: rows and columns."""
    rows, columns = struct.unpack(">HH", size)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read_exactly(wire: socket.socket, count: int) -> bytes:
    """Return bytes of a connection, fewer at its end."""
    found = b""
    while len(found) < count and (piece := wire.recv(count - len(found))):
        found += piece
    return found


def take_frame(wire: socket.socket, terminal: int) -> bool:
    """Take one frame; return whether the connection is open."""
    head = read_exactly(wire, _HEAD.size)
    if len(head) < _HEAD.size:
        return False
    kind, length = _HEAD.unpack(head)
    content = read_exactly(wire, length)
    if kind == b"w":
        resize(terminal, content)
    while kind == b"d" and content:
        content = content[os.write(terminal, content) :]
    return True


def exit_status(child: int, *options: int) -> "int | None":
    """Return the exit status of the command; None if it runs.

    Nothing inside could continue a command that Ctrl-Z stopped, so it continues at once.
    """
    number, status = os.waitpid(child, os.WUNTRACED | os.WNOHANG)
    if number and os.WIFSTOPPED(status):
        os.kill(child, signal.SIGCONT)
    elif number:
        return os.waitstatus_to_exitcode(status)
    return None


def end(child: int, terminal: int) -> int:
    """Close the terminal, which ends the command; it has a moment to write its files."""
    os.close(terminal)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
        os.kill(child, number)
        until = time.monotonic() + _GRACE_S
        while time.monotonic() < until:
            if (code := exit_status(child)) is not None:
                return code
            time.sleep(_POLL_S)
    return -signal.SIGKILL


def follow(child: int, terminal: int, wire: socket.socket) -> int:
    """Copy bytes in both directions until the command ends, or the other side closes."""
    code = None
    while True:
        ready, _, _ = select.select([terminal, wire], [], [], 0 if code is not None else _POLL_S)
        try:
            if terminal in ready and (piece := os.read(terminal, 65536)):
                wire.sendall(piece)
                continue
            if code is not None:
                return code
            if wire in ready and not take_frame(wire, terminal):
                return end(child, terminal)
        except ConnectionError:
            return end(child, terminal)
        except OSError:
            # Linux reports an end of the terminal like this.
            if code is not None:
                return code
            time.sleep(_POLL_S)
        code = exit_status(child)


def main(port: str, token: str, command: str) -> int:
    """Run a command until it ends, and return its exit status."""
    wire = socket.create_connection(("127.0.0.1", int(port)))
    wire.sendall(token.encode())
    size = read_exactly(wire, _HEAD.size + 4)[_HEAD.size :]
    try:
        child, terminal = pty.fork()
    except OSError as fault:
        sys.stderr.write(f"this sandbox has no terminals: {fault}\n")
        return NO_TERMINAL
    if child == 0:
        resize(0, size)
        os.execv("/bin/bash", ["bash", "-c", command])
    return follow(child, terminal, wire)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Serves an application on a socket of this machine."""

import asyncio
import errno
import ipaddress
import logging
import re
import resource
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from attractor.base.errors import MachineryError
from attractor.base.listening import accept_no_more
from attractor.environments.orphan_processes import Process, find_process, process_numbers
from attractor.pipeline.notifications import find_server
from attractor.pipeline.project.machine import Machine
from attractor.server.errors import PortTaken

_BACKLOG = 2048
CLOSING_S = 3
"""The time that open requests may take after the signal to stop."""

ANSWERING_S = 1
"""The time for the answers to requests that were still open then."""

HEADERS_S = 10.0
"""The time in which a connection has to send the headers of a request."""

MOST_WAITING = 500
"""The number of connections without a request; of more, the oldest is closed."""

MOST_FILES = 4096
"""The number of files that may be open: connections, journals, and the files of requests."""

LARGEST_MESSAGE = 1 << 20
"""The maximum size of a message to a WebSocket."""

UNREAD_S = 30
"""The kernel ends a connection whose peer takes nothing for so long."""

UNREAD_BYTES = 1 << 16
"""The bytes that the kernel keeps for a peer that does not read; Linux doubles the number."""


def listen(host: str, port: int, *, machine: Machine | None = None) -> socket.socket:
    """Listen on a port (0: any free port); if the port is in use, name the process.

    With `machine`, name also the project whose server noted the port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as cause:
        if cause.errno == errno.EADDRINUSE:
            raise PortTaken(host, port, describe_listener(port, machine)) from cause
        raise MachineryError(
            f"cannot listen on port {port} of {host}: {cause}", hint="use another port, or 0"
        ) from cause
    # Connections inherit this option; without it, a body waits 40 ms for the
    # confirmation of its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    # Bound the cost of peers that do not read; connections inherit the listener's options.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_S * 1000)
    return listener


def describe_listener(port: int, machine: Machine | None = None) -> str:
    """Return the process that listens on a port, or the project whose server does, for people."""
    listener = _find_listener(port)
    noted = find_server(machine, port) if machine else None
    # The process id of a note may belong to another process by now.
    if noted and (listener is None or listener.number == noted.pid):
        return f"'attractor serve' of {noted.project} (process {noted.pid})"
    return f"process {listener.number} ({listener.name})" if listener else ""


def _find_listener(port: int) -> Process | None:
    """Return the process that listens on a port, if the system shows it to this user."""
    sockets: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = [row.split() for row in Path(table).read_text().splitlines()[1:]]
        except OSError:
            continue
        sockets |= {
            f"socket:[{row[9]}]"
            for row in rows
            if row[1].endswith(f":{port:04X}") and row[3] == "0A"
        }
    for number in reversed(process_numbers()):
        if not sockets.isdisjoint(_open_files(number)):
            return find_process(number)
    return None


def _open_files(number: int) -> set[str]:
    files: set[str] = set()
    # A process may end, and the files of other users are hidden.
    with suppress(OSError):
        for file in Path(f"/proc/{number}/fd").iterdir():
            with suppress(OSError):
                files.add(str(file.readlink()))
    return files


def address_of(listener: socket.socket, name: str = "") -> str:
    """Return the address of a listening socket, for a browser, maybe with a name of the host."""
    host, port = listener.getsockname()[:2]
    shown = name or host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def is_loopback(listener: socket.socket) -> bool:
    """Return whether only this machine can connect to a listening socket."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


class _Protocol(H11Protocol):
    """A connection that is closed if it sends no request in time."""

    waits_since = 0.0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._await_request()
        if len(self.connections) > MOST_WAITING:
            _close_oldest([one for one in self.connections if isinstance(one, _Protocol)])

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._timer:
            self._timer.cancel()

    @property
    def is_waiting(self) -> bool:
        """Whether the connection is open, and no request is being answered."""
        is_idle = not self.cycle or self.cycle.response_complete
        return is_idle and not self.transport.is_closing()

    def close_if_waiting(self) -> None:
        """Close the connection, unless it has a request or became a WebSocket."""
        if self.is_waiting and self.transport.get_protocol() is self:
            self.transport.abort()

    def _await_request(self) -> None:
        if self._timer:
            self._timer.cancel()
        self.waits_since = self.loop.time()
        self._timer = self.loop.call_later(HEADERS_S, self.close_if_waiting)


def _close_oldest(connections: Sequence[_Protocol]) -> None:
    waiting = [connection for connection in connections if connection.is_waiting]
    if len(waiting) > MOST_WAITING:
        min(waiting, key=lambda one: one.waits_since).close_if_waiting()


_UNFINISHED = re.compile(r"Cancel \d+ running task|ASGI callable returned without completing")
"""The begin of errors of uvicorn about requests in flight when the server stops."""


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Return whether uvicorn should log an error.

    Not a message of a client that is not UTF-8, nor a request in flight when the server stops,
    which is a line of the log of requests.
    """
    is_text = bool(record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError))
    # The message, not its pattern: a filter of litellm replaces the pattern.
    return not is_text and not _UNFINISHED.match(record.getMessage())


class Server(uvicorn.Server):
    """A uvicorn server that reports when it accepts requests."""

    def __init__(
        self,
        application: ASGIApp,
        ready: Callable[[], None],
        interrupted: Callable[[], None] = lambda: None,
    ) -> None:
        logging.getLogger("uvicorn.error").addFilter(_is_worth_a_line)
        super().__init__(
            uvicorn.Config(
                application,
                http=_Protocol,
                log_config=None,
                # Without a warning for each invalid request.
                log_level=logging.ERROR,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=CLOSING_S,
                ws_max_size=LARGEST_MESSAGE,
                # A small compressed message can be very large.
                ws_per_message_deflate=False,
            )
        )
        self._ready = ready
        self._interrupted = interrupted

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop on a signal, and report each one."""
        super().handle_exit(sig, frame)
        self._interrupted()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and report that requests are accepted."""
        # Each open file may be a connection.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, after the requests that were cut got an answer."""
        await accept_no_more(self.servers)
        await super().shutdown(sockets)
        if cut := self.server_state.tasks:
            await asyncio.wait(cut, timeout=ANSWERING_S)
        # A client that reads nothing keeps its connection open: the end of the loop would leak it.
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

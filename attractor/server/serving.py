"""Serves an application on a socket of this machine."""

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from attractor.base.errors import MachineryError

_BACKLOG = 2048
CLOSING_S = 3
"""How long open requests may take after the signal to stop."""


def listen(host: str, port: int) -> socket.socket:
    """Listen on a port (0: any free port)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as cause:
        raise MachineryError(
            f"cannot listen on port {port} of {host}: {cause}", hint="use another port, or 0"
        ) from cause


def address_of(listener: socket.socket) -> str:
    """Return the address of a listening socket, for a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """A uvicorn server that says when it accepts requests."""

    def __init__(self, application: ASGIApp, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=CLOSING_S,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say that requests are accepted."""
        await super().startup(sockets)
        if self.started:
            self._ready()

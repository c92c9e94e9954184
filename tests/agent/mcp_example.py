"""A small MCP server: `python -m tests.agent.mcp_example stdio`, or `http` (prints its port)."""

import os
import socket
import sys
from pathlib import Path

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Image
from mcp_types import ToolAnnotations
from starlette.types import ASGIApp, Receive, Scope, Send

server = MCPServer("example")
PASSWORD = "open sesame"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@server.tool()
def length(text: str) -> str:
    """Return the length of a text."""
    return str(len(text))


@server.tool()
def fail(why: str) -> str:
    """Fail."""
    raise ValueError(why)


@server.tool(name="with.dots")
def picture() -> list[str | Image]:
    """Show a picture."""
    return ["A picture:", Image(data=b"\x89PNG", format="png")]


@server.tool()
def variable(name: str) -> str:
    """Return an environment variable of the server, and its working directory."""
    return f"{os.environ.get(name)} in {Path.cwd()}"


@server.tool()
def end() -> str:
    """End the server."""
    os._exit(1)


def guarded(application: ASGIApp) -> ASGIApp:
    """Reject requests without the password in their header."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", []))
        if scope["type"] == "http" and headers.get(b"x-password") != PASSWORD.encode():
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"wrong password"})
            return
        await application(scope, receive, send)

    return checked


if __name__ == "__main__":
    sys.stderr.write("started\n")
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        application = guarded(server.streamable_http_app())
        uvicorn.Server(uvicorn.Config(application, log_level="critical")).run([listener])
